"""The site without a browser: its pages, links, files and data, and what text of engines may do to them."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from xml.etree import ElementTree as ET

import fixture_interop
import fixture_site
import pyarrow.parquet as pq
import pytest

from lakebench import phases
from lakebench.errors import UsageError
from lakebench.reports import content, site
from lakebench.reports.site import catalogs, data, pages, speed, trends
from lakebench.results import baseline, records
from lakebench.results.history import history

ATOM = "{http://www.w3.org/2005/Atom}"


class Links(html.parser.HTMLParser):
    """The addresses in a page, and its policy."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [value for name in ("href", "src") if (value := values.get(name))]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return fixture_site.folders(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def folder(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phases, "baselines", lambda _: {})
        assert site.write(runs, made) == made / "index.html"
    return made


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((folder / "data" / "site.json").read_text())
    return read


def test_every_page_is_there(folder: Path) -> None:
    for route in (
        *(name for name, _ in pages.NAVIGATION), "", "changes", "feature/decimal-38", "engine/duckdb@1.6.0",
        "engine/duckdb@1.5.5", "upgrade/duckdb/1.5.5...1.6.0", f"runs/{fixture_site.LATER}",
        "cell/decimal-38/duckdb/polars", "cell/decimal-38/duckdb",
    ):  # fmt: skip
        text = (folder / route / "index.html").read_text()
        assert f'data-route="{route}"' in text
        assert "<h1>" in text
    assert (
        "WRONG on 2026-11-28: duckdb 1.6.0, trino 476"
        in (folder / "cell/create-append/duckdb/trino/index.html").read_text()
    )


def test_every_link_leads_to_a_file_of_the_site(folder: Path) -> None:
    broken = []
    for page in folder.rglob("*.html"):
        for link in Links(page.read_text()).found:
            address = urlsplit(urljoin(page.as_uri(), link))
            if link.startswith(("#", "data:")):
                continue
            target = Path(unquote(address.path))
            assert target.is_relative_to(folder), (page, link)
            if not (target / "index.html" if target.is_dir() else target).exists():
                broken.append((page, link))
    assert broken == []


def test_text_of_engines_is_escaped(folder: Path) -> None:
    for page in folder.rglob("*.html"):
        text = page.read_text()
        assert "<script>alert" not in text
        assert "<img" not in text
    assert "&lt;script&gt;alert" in (folder / "feature/variant/index.html").read_text()
    assert "<script>alert" not in (folder / "static/data.js").read_text()


def test_names_of_others_stay_below_the_folder() -> None:
    assert pages.segment("../../etc/passwd") == "__.._etc_passwd"
    assert pages.segment("..") == "_"
    assert pages.segment("a b/\N{RIGHTWARDS ARROW}?#%") == "a_b_____"
    assert len(pages.segment("x" * 5000)) == 100


def test_pages_ask_the_network_for_nothing(folder: Path) -> None:
    for page in [folder / "index.html", folder / "cell/decimal-38/duckdb/index.html"]:
        policy = Links(page.read_text()).policy
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
    for name in pages.SCRIPTS:
        text = (folder / "static" / name).read_text()
        assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|localStorage|sendBeacon|innerHTML)\b", text), name


def test_data_are_columns_of_one_length(folder: Path, tables: dict[str, object]) -> None:
    columns = tables["cells"]["columns"]  # type: ignore[index]
    lengths = {len(column) for column in columns.values()}
    assert lengths == {2 * 6 * 4 * 6}
    script = (folder / "static/data.js").read_text()
    inner = script.removeprefix("lakebench.data = JSON.parse(").removesuffix(");\n")
    assert json.loads(json.loads(inner)) == tables


def test_changes_are_listed_and_fed(folder: Path, tables: dict[str, object]) -> None:
    changes = tables["changes"]
    found = dict(zip(changes["case"], changes["kind"], strict=True))  # type: ignore[index]
    assert found == {fixture_site.BROKEN: "worse", fixture_site.MENDED: "better"}
    feed = ET.fromstring((folder / "feed.xml").read_text())  # noqa: S314 - our own file
    entries = feed.findall(f"{ATOM}entry")
    assert {one.findtext(f"{ATOM}title") for one in entries} == {
        f"worse: {fixture_site.BROKEN}",
        f"better: {fixture_site.MENDED}",
    }
    assert len({one.findtext(f"{ATOM}id") for one in entries}) == len(entries)
    for one in entries:
        link = one.find(f"{ATOM}link")
        assert link is not None
        assert (folder / link.attrib["href"] / "index.html").exists()


def test_parquet_files_say_what_each_column_means(folder: Path) -> None:
    schema = json.loads((folder / "data/schema.json").read_text())
    for name in ("cells", "cases", "times"):
        read = pq.read_table(folder / f"data/{name}.parquet")
        assert [one["name"] for one in schema[f"{name}.parquet"]] == read.column_names
        assert all(field.metadata[b"meaning"] for field in read.schema)
    cells = pq.read_table(folder / "data/cells.parquet").to_pylist()
    assert len(cells) == 2 * 6 * 4 * 6
    now = [one for one in cells if one["case"] == fixture_site.BROKEN]
    assert [(one["outcome"], one["writer_version"]) for one in now] == [("PASS", "1.5.5"), ("WRONG", "1.6.0")]
    times = pq.read_table(folder / "data/times.parquet").to_pylist()
    assert times
    assert all((one["warm"] is not None) <= (one["outcome"] == "PASS") for one in times)


def test_a_cell_has_json_and_a_badge(folder: Path) -> None:
    cell = json.loads((folder / "cell/create-append/duckdb/trino/cell.json").read_text())
    assert (cell["outcome"], cell["verdict"], cell["source"]) == ("WRONG", "broken claim", fixture_site.LATER)
    badge = ET.fromstring((folder / "cell/create-append/duckdb/trino/badge.svg").read_text())  # noqa: S314 - ours
    assert badge.attrib["aria-label"] == "lakebench: wrong"


def test_another_folder_is_left_alone_and_a_site_is_replaced(
    runs: list[Path], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases, "baselines", lambda _: {})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no site of lakebench"):
        site.write(runs, tmp_path / "mine")
    shutil.copytree(folder, tmp_path / "site")
    (tmp_path / "site" / "old.html").touch()
    site.write([runs[2]], tmp_path / "site")
    assert not (tmp_path / "site" / "old.html").exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mine", "site"]


def test_the_site_in_one_file_allows_its_own_scripts_alone(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases, "baselines", lambda _: {})
    text = site.write_single(runs, tmp_path / "site.html").read_text()
    policy = Links(text).policy
    for kind, pattern in (("script", r"<script>(.*?)</script>"), ("style", r"<style>(.*?)</style>")):
        for body in re.findall(pattern, text, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy, kind
    assert "unsafe" not in policy
    assert re.search(r'(src|href)="https?:', text) is None
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded[1])["schema"] == data.SCHEMA


def test_the_grid_is_the_published_file() -> None:
    published = (pages.HERE / "vendor" / pages.GRID).read_bytes()
    assert hashlib.sha256(published).hexdigest() == pages.GRID_SHA256
    assert (pages.HERE / "vendor" / "regular-table.LICENSE").read_text().lstrip().startswith("Apache License")
    assert "export{" not in pages.grid_script()
    assert "sourceMappingURL" not in pages.grid_script()


def test_a_wrong_table_and_one_never_made_are_told_apart() -> None:
    blamed = data.collect([fixture_interop.blamed()])
    states = {one.case: one.state for one in blamed.observations if one.source.id == fixture_interop.RUN}
    assert states["interop/decimal-38/trino→duckdb"] == "MISLED"
    assert states["interop/decimal-38/trino"] == "WRONG"
    assert states["interop/deletion-vectors/pyiceberg→duckdb"] == "NOT WRITTEN"
    assert states["interop/create-append/spark→polars"] == "HARNESS_FAULT"
    step = next(
        one for one in blamed.cells if one.case == "interop/position-deletes/duckdb" and not one.source.accepted
    )
    assert (step.state, step.engine.name) == ("WRONG", "daft")


def test_the_shipped_baselines_are_all_there() -> None:
    content = data.collect([])
    files = phases.baselines(phases.phases())
    entries = [entry for file in files.values() for entry in baseline.read(file).values()]
    assert len(content.observations) == sum(len(one.outcomes) for one in entries)
    cells = [one for one in entries if one.phase == "interop"]
    assert len(content.cells) == len(cells) > 9000
    assert all(one.source.accepted and one.source.date for one in content.observations)
    misled = [one for one in content.cells if one.state == "MISLED"]
    assert misled
    writes = [one for one in content.cells if not one.coordinates.reader]
    wrong = {(one.case, one.coordinates.catalog) for one in writes if one.state == "WRONG"}
    assert {(one.case.partition("→")[0], one.coordinates.catalog) for one in misled} <= wrong


def test_an_acceptance_of_a_run_that_is_given_is_left_out() -> None:
    (name,) = {one.source.id for one in data.collect([]).cells if one.source.date == "2026-11-21"}
    run = fixture_interop.run()
    given = data.collect([records.Run(run.path, records.Header(name, ("interop",), "", "2026-11-21"), cases=run.cases)])
    assert not [one for one in given.observations if one.source.id == name and one.source.accepted]


def test_times_of_machines_are_never_in_one_group(tmp_path: Path) -> None:
    nights = [records.read(one) for one in fixture_site.nights(tmp_path)]
    table = speed.table(nights)
    machines: dict[str, set[str]] = {}
    for group, run in zip(table["group"], table["run"], strict=True):
        machines.setdefault(group, set()).add(run)
    assert len(machines) == 2
    assert [one for one in machines.values() if nights[-1].header.run in one] == [{nights[-1].header.run}]
    assert {(one["from"], one["to"]) for one in speed.ratios(nights)} == {
        ("1.1.0", fixture_site.NEW),
        (fixture_site.NEW, "1.1.0"),
    }


def test_who_is_the_fastest_is_said_where_samples_show_it_alone(tmp_path: Path) -> None:
    nights = [records.read(one) for one in fixture_site.nights(tmp_path)]
    found = {(one["group"].rpartition(", on ")[2], one["kind"]): one for one in speed.rankings(nights)}
    warm = found["AMD EPYC, 2 cores", "warm"]
    assert warm["shown"]
    assert warm["verdict"].startswith("pg_duckdb 1.1.0 is the fastest: ")
    assert [one[0] for one in warm["engines"]] == ["pg_duckdb 1.1.0", f"pg_duckdb {fixture_site.NEW}"]
    assert warm["engines"][1][2].startswith(f"{content.TIMES} 1.50 (1.")
    assert not found["Another processor, 2 cores", "warm"]["shown"]
    assert "alone has times" in found["Another processor, 2 cores", "warm"]["verdict"]
    assert not found["AMD EPYC, 2 cores", "cold"]["engines"]
    once = [_once(run) for run in nights]
    assert not any(one["shown"] for one in speed.rankings(once))
    assert any("do not tell it from" in one["verdict"] for one in speed.rankings(once))


def _once(run: records.Run) -> records.Run:
    """The run with one sample a query."""
    warm = [replace(case, samples=tuple(one for one in case.samples if one.kind == "warm")[:1]) for case in run.cases]
    return replace(run, cases=tuple(warm))


def test_trends_have_the_steps_of_the_history(tmp_path: Path) -> None:
    nights = [records.read(one) for one in fixture_site.nights(tmp_path)]
    found = trends.tables(nights, [])
    points, steps = found["points"], found["steps"]
    assert len(points["group"]) == sum(bool(case.samples) for run in nights for case in run.cases)
    assert len(set(points["group"])) == 2
    timed = history(nights).times
    assert len(timed) == len(steps["query"]) > 10
    assert set(steps["run"]) == {nights[2].header.run}
    assert all(steps["confirmed"])
    assert all(f"pg_duckdb 1.1.0 → {fixture_site.NEW}" in one for one in steps["changed"])
    assert {len(column) for column in steps.values()} == {len(timed)}


def test_a_cell_has_what_changed_with_its_outcome(tables: dict[str, object]) -> None:
    outcomes = tables["history"]["outcomes"]  # type: ignore[index]
    assert sorted(outcomes.values()) == [
        f"broken: duckdb 1.5.5 → {fixture_site.NEW}",
        f"mended: duckdb 1.5.5 → {fixture_site.NEW}",
    ]


def test_catalogs_have_pages_and_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    baselines = phases.baselines(["phase11"])
    monkeypatch.setattr(phases, "baselines", lambda _: baselines)
    content = data.collect([])
    table = catalogs.table(content.observations, [])
    entries = baseline.read(baselines["phase11"])
    assert len(table["check"]) == len({case for case, _ in entries})
    assert {"must", "cap"} <= set(table["level"])
    routes = {one.route for one in pages.all_pages(content)}
    assert {f"catalogs/{name}" for name in table["catalog"]} <= routes


def test_a_run_has_the_reports_that_lie_beside_its_records(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases, "baselines", lambda _: {})
    run = shutil.copytree(runs[1], tmp_path / runs[1].name)
    (run / "report.html").write_text("the report")
    (run / "secret.txt").write_text("not ours")
    site.write([run], tmp_path / "site")
    made = tmp_path / "site" / "runs" / run.name
    assert sorted(one.name for one in made.iterdir()) == ["index.html", "report.html"]
    assert (made / "report.html").read_text() == "the report"


def test_times_are_of_verified_answers() -> None:
    run = records.read(fixture_site.TIMED)
    table = speed.table([run])
    assert set(table["group"]) == {"phase3: TPC-H SF 0.01 on s3, Iceberg, on AMD EPYC, 2 cores"}
    assert len(table["query"]) == 22
    for row, outcome in enumerate(table["outcome"]):
        assert (table["warm"][row] is not None) == (outcome == "PASS")
        if table["low"][row] is not None:
            assert table["low"][row] <= table["warm"][row] <= table["high"][row]
