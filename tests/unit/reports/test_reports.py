from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable
from pathlib import Path

import fixture_run
import pytest
from parsed_page import Page
from rich.console import Console

from lakebench import reports
from lakebench.errors import UsageError
from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.reports import document, latency, markdown, matrix, summary
from lakebench.reports import html as page
from lakebench.results import records


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> records.Run:
    return records.read(fixture_run.write(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def shown(run: records.Run) -> Page:
    return Page(page.render(document.build(run)))


@pytest.fixture(scope="module")
def marked(run: records.Run) -> str:
    return markdown.render(document.build(run))


def _change(run: records.Run, **more: object) -> records.Run:
    return dataclasses.replace(run, **more)  # type: ignore[arg-type]


def test_both_reports_are_written_and_stay_the_same(tmp_path: Path) -> None:
    folder = fixture_run.write(tmp_path)
    made = reports.write(folder)
    first = [path.read_bytes() for path in made]
    assert [path.read_bytes() for path in reports.write(folder)] == first
    assert sorted(path.name for path in folder.iterdir()) == ["records.jsonl", "report.html", "report.md", "summary.md"]


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    folder = fixture_run.write(tmp_path)
    (folder / "report.md").mkdir()
    with pytest.raises(UsageError, match=r"report\.md cannot be written"):
        reports.write(folder)
    assert not list(folder.glob(".report*"))


def test_the_matrix_shows_every_outcome(shown: Page) -> None:
    answers = next(one for one in shown.tables if one[0][:3] == ["", "duckdb", "iceberg_scan"] and len(one) == 23)
    cells = {(row[0], head): text for row in answers[1:] for head, text in zip(answers[0], row, strict=True) if head}
    for (engine, query), (outcome, _, _) in fixture_run.FAILURES.items():
        assert cells[query, engine] == f"FAIL {outcome}"
    assert {cells[f"Q{number}", "pg_duckdb"] for number in range(1, 23)} == {"UNAVAILABLE"}
    assert {cells[f"Q{number}", "trino"] for number in range(1, 23)} == {"PASS"}
    assert [row[0] for row in answers[1:]] == [f"Q{number}" for number in range(1, 23)]


def test_every_cell_leads_to_its_evidence(shown: Page) -> None:
    links = {href for tag, attrs in shown.tags if tag == "a" and (href := attrs.get("href"))}
    assert {link[1:] for link in links if link.startswith("#")} <= set(shown.ids)
    assert all(link.startswith(("#", "https://")) for link in links)
    assert sum(one.startswith("case-") for one in shown.ids) == 284
    assert len(shown.ids) == len(set(shown.ids))


def test_evidence_has_what_it_needs(run: records.Run) -> None:
    wrong = next(one for one in matrix.evidence(run) if one.outcome is Outcome.WRONG)
    content = markdown.render(dataclasses.replace(document.build(run), sections=(
        document.Section("Evidence", "evidence", (wrong,)),)))  # fmt: skip
    content = content.replace("\\", "")
    for fact in (fixture_run.SQL, str(fixture_run.SNAPSHOT), "dbgen reference answers", "clause 2.1.3.5", "daft 1.5.5",
                 "lakebench run phase4 --engines daft --sf 1", "-N | F | 991417.00", "+N | F | 991416.00"):  # fmt: skip
        assert fact in content


@pytest.mark.parametrize(
    ("diff", "said"),
    [
        ("as text", "as text"),
        ({"expected": [{"a": 1}], "actual": [{"a": 2}]}, "-1\n+2"),
        ({"expected": None, "actual": [["x"]], "text": "1 row too many"}, "1 row too many\n@@ -0,0 +1 @@\n+x"),
        ({"kind": "columns", "column": "b"}, "kind: columns\ncolumn: b"),
        ({"expected": [["two\nlines"]], "actual": []}, "-two\\nlines"),
    ],
)
def test_a_diff_of_any_shape_is_shown(diff: object, said: str) -> None:
    assert said in matrix.diff_text(diff)


def test_hostile_text_stays_text(shown: Page, marked: str) -> None:
    assert shown.text.count("<script>alert(1)</script>") >= 3
    assert "alert" not in shown.scripts
    assert [tag for tag, _ in shown.tags].count("script") == 1
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", marked)
    assert "<script" not in outside
    assert "](javascript:" not in outside.replace("\\](", "")
    assert "\\*\\*bold\\*\\*" in outside


def test_hostile_names_stay_text(run: records.Run) -> None:
    hostile = Record(
        fixture_run.HOSTILE, "p", fixture_run.HOSTILE, fixture_run.HOSTILE, Outcome.PASS,
        row=fixture_run.HOSTILE, column=fixture_run.HOSTILE, group=fixture_run.HOSTILE,
        samples=next(one.samples for one in run.cases if len(one.samples) > 5),
        evidence={"sql": "```\n# escaped?\n```", fixture_run.HOSTILE: fixture_run.HOSTILE},
        coordinates=Coordinates(engine=fixture_run.HOSTILE, query=fixture_run.HOSTILE),
    )  # fmt: skip
    made = document.build(_change(run, cases=(hostile,), engines=()))
    shown = Page(page.render(made))
    assert [tag for tag, _ in shown.tags].count("script") == 1
    assert "\n````sql\n```\n# escaped?\n```\n````\n" in markdown.render(made)


def test_no_secret_gets_through(tmp_path: Path) -> None:
    folder = fixture_run.write(tmp_path)
    leak = f"login as admin:{fixture_run.SECRET}@127.0.0.1 refused"
    with records.Writer(folder / records.FILE) as writer:
        writer.hide(fixture_run.SECRET)
        record = Record("phase4/leak/trino", "phase4", "leak", "trino", Outcome.REFUSED, leak, {"log": [leak]},
                      coordinates=Coordinates(engine="trino", query="leak"))  # fmt: skip
        writer.write(record)
    made = reports.write(folder)
    assert all(fixture_run.SECRET not in path.read_text() for path in (*made, folder / records.FILE))
    assert all("admin:" in path.read_text() for path in made)


def test_the_page_needs_no_network(shown: Page) -> None:
    for tag, attrs in shown.tags:
        if tag == "a":
            continue  # an address is followed by who reads the page
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            assert (attrs.get(name) or "#").startswith(("#", "data:,")), attrs
    policy = next(attrs["content"] for tag, attrs in shown.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"@import|url\((?!#)", shown.styles)


def test_tables_have_heads_and_names(shown: Page) -> None:
    heads = [attrs for tag, attrs in shown.tags if tag == "th"]
    assert {one.get("scope") for one in heads} == {"row", "col"}
    tags = [tag for tag, _ in shown.tags]
    assert tags.count("caption") == tags.count("table") == len(shown.tables)
    drawings = [attrs for _, attrs in shown.tags if attrs.get("role") == "img"]
    assert len(drawings) == 2
    assert all("duckdb" in (one["aria-label"] or "") for one in drawings)


def test_the_first_screen_answers(shown: Page) -> None:
    text = shown.text
    assert "FAIL: 5 of 257 cases that ran failed" in text
    ranking = text.index("TPC-H answers: over the 17 queries that all 9 engines with an answer got right")
    headings = [text.index(f"{title}\n", ranking) for title in ("Outcomes by engine", "What failed, what did not run")]
    assert text.index("5 of 257") < ranking < headings[0] < headings[1] < text.index("Latency of Q1 (Q1 latency): s")
    overview = shown.table("engine", "version", "Q1 latency")
    assert ["polars", "1.5.5", "PASS", "FAIL 1 REFUSED, 1 OUT_OF_MEMORY; 20 of 22 pass", "PASS 4 of 4"] in [
        row[:5] for row in overview
    ]


def test_latency_has_its_statistics(shown: Page, run: records.Run) -> None:
    table = {row[0]: row for row in shown.table("engine", "median s", "95 % interval")}
    question = latency.questions(run)[0]
    trino = next(one for one in question.engines if one.record.engine == "trino")
    assert trino.warm is not None
    assert table["trino"][1] == f"{trino.warm.median:.3f}"
    assert table["trino"][6] == "10"
    assert "n too small" in table["trino"][5]
    assert table["iceberg_scan"][7] == "\u00d7 1"
    assert "no difference shown" in table["duckdb"][7] or re.search(r"\u00d7 1\.0\d \(", table["duckdb"][7])
    assert table["trino"][8] == "38 requests"
    assert table["pg_duckdb"][1] == "UNAVAILABLE"
    assert "new process, page cache dropped" in shown.text
    assert "GetObject 31" in next(row for row in shown.table("engine", "rows", "bytes") if row[0] == "trino")[5]


def test_only_a_right_answer_has_a_time(shown: Page) -> None:
    once = next(one for one in shown.tables if len(one) == 23 and re.fullmatch(r"[\d.]+", one[1][1]))
    cells = {(row[0], head): text for row in once[1:] for head, text in zip(once[0], row, strict=True) if head}
    for (engine, query), (outcome, _, _) in fixture_run.FAILURES.items():
        assert cells[query, engine] == f"FAIL {outcome}"
    assert re.fullmatch(r"[\d.]+", cells["Q1", "trino"])
    assert "One run each, no interval" in shown.text
    assert "over the 17 queries that all 9 engines with an answer got right" in shown.text


def test_what_the_acceptance_list_asks_for_is_there(shown: Page, marked: str) -> None:
    text = marked.replace("\\", "")
    for fact in ("0123abc", "ab" * 32, "cd" * 32, "ef" * 32, "6,001,215", "v2, parquet, zstd", "AMD EPYC", "ext4",
                 "Linux 6.18", "not had: the kernel offers no frequency control here", "0.98, 0.4, 0.17",
                 "1.9, 1.2, 0.6", "virtual machine", "query.max-memory 2GB", "memory_limit 4 GiB",
                 "12" * 32, "21.4 s", "time_limit_s",
                 "Derived from TPC-H, not comparable to published TPC-H results", "are not S3", "scale factor 1",
                 "What this does not show", "warm-up apart", "A noise floor is not had"):  # fmt: skip
        assert fact in text, fact
        assert fact in " ".join(shown.text.split()), fact


def test_a_fact_that_is_missing_says_so(run: records.Run) -> None:
    bare = _change(
        run,
        header=records.Header("r", ("phase4",), "c", "now"),
        datasets=(records.Dataset("tpch", "1", tables=(records.TableFacts("lineitem", 5),)),),
        services=(),
        engines=(),
        field_reports=(),
        cases=(),
        end=None,
    )
    shown = Page(page.render(document.build(bare)))
    assert ["content hash", "not had: the run did not record it"] in [row for one in shown.tables for row in one]
    assert ["harness commit", "not had: the run did not record it"] in [row for one in shown.tables for row in one]
    assert "NOTHING RAN" in shown.text


def test_field_reports_stand_beside_ours(shown: Page) -> None:
    reports = shown.table("report", "what it says")
    assert reports[1][2] == "pg_duckdb: 0.37 s; Trino: 2.36 s; Spark: 10.8 s"
    assert reports[1][3] == "pg_duckdb: UNAVAILABLE; Trino: 1.6 s; Spark: 5.3 s"
    assert [(row[0], row[4]) for row in reports[1:]] == [
        ("C8", "could not run here"), ("C9", "reproduced"),
        ("C16", "could not run here"), ("C27", "could not run here"),
    ]  # fmt: skip


def test_an_interrupted_run_says_how_to_go_on(run: records.Run) -> None:
    text = markdown.render(document.build(_change(run, end=None)))
    assert "lakebench run --resume 20261121-120000-phase4 goes on" in text


def test_a_clean_run_says_pass(run: records.Run) -> None:
    good = tuple(one for one in run.cases if one.outcome is Outcome.PASS)
    shown = Page(page.render(document.build(_change(run, cases=good))))
    assert f"PASS: all {len(good)} cases that ran passed" in shown.text
    assert "Nothing failed, and nothing was left out." in shown.text


def _slower(record: Record) -> Record:
    ramp = [1.0, 1.6] * 8
    samples = tuple(
        dataclasses.replace(one, ns=int(one.ns * factor)) for one, factor in zip(record.samples, ramp, strict=False)
    )
    return dataclasses.replace(record, samples=samples)


def _only(kind: str, count: int) -> Callable[[Record], Record]:
    def keep(record: Record) -> Record:
        return dataclasses.replace(record, samples=tuple(one for one in record.samples if one.kind == kind)[:count])

    return keep


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_slower, "unstable (spread"),
        (_only("warm", 3), "n too small"),
        (_only("cold", 1), "cold only"),
        (_only("warm", 2), "not measured"),
    ],
)
def test_doubt_is_marked(run: records.Run, change: Callable[[Record], Record], said: str) -> None:
    cases = tuple(
        change(one) if one.engine == "trino" and one.group == "Q1 latency" else one for one in run.cases
    )  # fmt: skip
    table = Page(page.render(document.build(_change(run, cases=cases)))).table("engine", "median s")
    assert said in " ".join(next(row for row in table if row[0] == "trino"))


def test_two_cases_in_one_cell_show_the_worst(run: records.Run) -> None:
    bad = Record("x/2", "p", "t", "trino", Outcome.WRONG, "wrong", row="Q1", column="trino", group="G",
                 coordinates=Coordinates(engine="trino"))  # fmt: skip
    good = dataclasses.replace(bad, case="x/1", outcome=Outcome.PASS, reason="")
    table = matrix.matrices(_change(run, cases=(bad, good)))[0]
    assert table.rows[0][1].text == "FAIL WRONG (2 cases)"


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [80, 100, 240])
def test_the_summary_fits(run: records.Run, width: int, terminal: bool) -> None:
    out = io.StringIO()
    summary.show(run, Console(file=out, width=width, force_terminal=terminal, color_system=None), (Path("r.html"),))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines[:-1])) <= width
    assert lines[-1].startswith("FAIL: 5 of 257")
    text = " ".join(out.getvalue().split())
    assert "FAIL: 5 of 257" in text
    assert "<script>alert(1)</script>" in text
    assert "r.html" in text


def test_the_summary_names_the_reports(tmp_path: Path) -> None:
    folder = fixture_run.write(tmp_path)
    made = reports.write(folder)
    out = io.StringIO()
    reports.summarise(folder, Console(file=out, width=100))
    assert all(str(path) in out.getvalue().splitlines() for path in made)


def test_a_repeated_query_among_single_ones_has_its_own_table(run: records.Run) -> None:
    cases = tuple(
        dataclasses.replace(one, group="TPC-H answers", evidence={**one.evidence, "snapshots": {"lineitem": 17}})
        for one in run.cases
        if one.group == "Q1 latency" or (one.group == "TPC-H answers" and one.row != "Q1")
    )
    shown = Page(page.render(document.build(_change(run, cases=cases))))
    assert "Latency of Q1 (TPC-H answers), warm" in shown.text
    once = next(one for one in shown.tables if len(one) == 22 and one[0][1:2] == ["duckdb"] and one[1][0] == "Q2")
    assert re.fullmatch(r"[\d.]+", once[1][1])
    assert "over the 16 queries" in shown.text
    assert ["snapshot ids", "lineitem 17"] in [row for one in shown.tables for row in one]


def test_a_fault_of_ours_stands_first_and_is_in_no_engines_count(tmp_path: Path) -> None:
    lines = [one for one in fixture_run.lines() if not isinstance(one, records.End)]
    said = "a fault of lakebench itself, please report it with faults/001.txt of the run's folder: KeyError: 'x'"
    faulty = {("polars", "Q1"), ("polars", "Q3")}
    for n, one in enumerate(lines):
        if isinstance(one, Record) and (one.engine, one.row) in faulty:
            lines[n] = dataclasses.replace(
                one, outcome=Outcome.HARNESS_FAULT, reason=said, evidence={"file": "faults/001.txt"}, samples=()
            )
    with records.Writer(tmp_path / records.FILE) as writer:
        for line in lines:
            writer.write(line)
        writer.write(records.End("interrupted", 1.0, 5, reason=said))
    run = records.read(tmp_path)
    faults = [one.case for one in run.cases if one.outcome is Outcome.HARNESS_FAULT]
    assert faults
    assert not document.verdict(run)[1]
    report = document.build(run)
    assert any("please report it with faults/001.txt" in one for one in report.alerts)
    (failed,) = [one for one in report.sections if one.anchor == "failures"]
    assert next(one.caption for one in failed.parts) == "Faults of lakebench itself, please report them"
    assert [row[0].text for row in failed.parts[0].rows] == faults
    assert not {row[0].text for row in failed.parts[1].rows}.intersection(faults)
    without = records.read(fixture_run.write(tmp_path / "without"))
    assert len(failed.parts[1].rows) == sum(one.outcome.is_failure for one in run.cases)
    of_polars = next(row for row in matrix.overview(run).rows if row[0].text == "polars")
    before = next(row for row in matrix.overview(without).rows if row[0].text == "polars")
    assert " ".join(cell.text for cell in of_polars) != " ".join(cell.text for cell in before)
    assert "HARNESS_FAULT" not in " ".join(cell.text for cell in of_polars if "pass" in cell.text.lower())
