from __future__ import annotations

import dataclasses
import html.parser
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import fixture_interop
import fixture_run
import interop_sums
import pytest

from lakebench import reports
from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.phases.interop import report as interop
from lakebench.phases.interop import report_squares as squares
from lakebench.reports import document, markdown
from lakebench.reports import html as page
from lakebench.reports.content import DASH, Evidence, Table
from lakebench.results import records


class Parsed(html.parser.HTMLParser):
    """The tags of a page, what stands in its scripts, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.tags.append(("/script", {}))

    @property
    def data(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.scripts[0])
        return loaded


@pytest.fixture(scope="module")
def run() -> records.Run:
    return fixture_interop.run()


@pytest.fixture(scope="module")
def shown(run: records.Run) -> Parsed:
    return Parsed(interop.render(run))


def _change(run: records.Run, **more: object) -> records.Run:
    return dataclasses.replace(run, **more)  # type: ignore[arg-type]


def _without(run: records.Run, *gone: Outcome) -> records.Run:
    return _change(run, cases=tuple(one for one in run.cases if one.outcome not in gone))


def _details(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What each cell tells, put together as the page does it."""
    pool, shapes = data["pool"], data["shapes"]
    return [dict(zip(shapes[one[6]], (pool[n] for n in one[7:]), strict=True)) for one in data["cells"]]


def _with_table(reads: list[dict[str, Any]], record: Record) -> list[dict[str, Any]]:
    """The reads with the name of the table in their calls, as the page's script puts it there."""
    case = record.coordinates
    table = "_".join(re.sub(r"\W", "_", str(one)) for one in (case.feature, case.writer))
    return [{**one, "calls": [call.replace("{table}", table) for call in one["calls"]]} for one in reads]


def test_a_run_with_the_matrix_gets_its_page_and_one_without_does_not(tmp_path: Path) -> None:
    folder = fixture_interop.write(tmp_path)
    reports.write(folder)
    names = ["interop.html", "records.jsonl", "report.html", "report.md", "summary.md"]
    assert sorted(path.name for path in folder.iterdir()) == names
    first = (folder / interop.PAGE).read_bytes()
    reports.write(folder)
    assert (folder / interop.PAGE).read_bytes() == first
    assert squares.squares(records.read(folder))[0].feature == "create-append"
    assert interop.sections(records.read(fixture_run.write(tmp_path))) == []


def test_the_page_holds_all_it_needs_and_nothing_runs_that_an_engine_said(shown: Parsed) -> None:
    assert not [value for _, attrs in shown.tags for key, value in attrs.items() if key == "src"]
    links = [attrs["href"] or "" for tag, attrs in shown.tags if tag in {"a", "link"}]
    places = {one.split(":")[0].split("=")[0] for one in links}
    assert places <= {"data", "#cell", "#claims", "#matrix", "#main", "report.html", "interop.html", "https"}
    assert len(shown.scripts) == 2
    assert "<" not in shown.scripts[0]
    assert fixture_interop.HOSTILE in shown.scripts[0].replace("\\u003c", "<")
    assert "innerHTML" not in shown.scripts[1]
    assert "img" not in {tag for tag, _ in shown.tags}
    assert fixture_interop.HOSTILE in shown.text


def test_every_cell_is_on_the_page_with_all_its_evidence(run: records.Run, shown: Parsed) -> None:
    data = shown.data
    assert len(data["cells"]) == len(run.cases) == 6 * 4 * (1 + 5)
    absent = [one for one in run.cases if one.outcome is Outcome.UNAVAILABLE]
    shown_as = Counter(data["outcomes"][one[3]] for one in data["cells"])
    assert shown_as["NOT WRITTEN"] == sum(one.reason.startswith("not written: ") for one in absent) == 25
    assert shown_as["NOT WRITTEN"] + shown_as["UNAVAILABLE"] == len(absent)
    left = Counter(str(one.outcome) for one in run.cases if one not in absent)
    assert {name: shown_as[name] for name in left} == left
    for record, details, cell in zip(run.cases, _details(data), data["cells"], strict=True):
        assert details["versions"] == record.versions
        assert details["command"] == record.evidence["command"]
        assert details["snapshot_id"] == str(record.evidence["snapshot_id"])
        assert details.get("error") == record.evidence.get("error")
        assert _with_table(details.get("reads", []), record) == record.evidence.get("reads", [])
        assert data["features"][cell[0]]["feature"] == record.row
        assert list(data["verdicts"])[cell[4]] == (record.evidence["verdict"] or "not judged")


def test_reads_that_follow_from_the_rows_have_their_statements_without_the_writers_name(shown: Parsed) -> None:
    derived = [one["derived"] for one in _details(shown.data) if "derived" in one]
    assert len(derived) > 30
    for one in derived:
        assert (one["asked"], one["passed"], [read["asked"] for read in one["reads"]]) == (16, 15, ["d != 5: id of t"])
        assert one["reads"][0]["calls"] == ['SELECT d != 5 FROM "lake"."interop"."{table}"']


def test_the_calls_of_all_writers_are_there_once(shown: Parsed) -> None:
    calls = [call for one in _details(shown.data) for read in one.get("reads", []) for call in read["calls"]]
    assert len(calls) > 300
    reads = ("all rows", "count(*)", "projection (d)", "filter id > 1")
    assert set(calls) == {f'SELECT {name} FROM "lake"."interop"."{{table}}"' for name in reads}


def test_the_page_has_the_versions_of_its_engines(shown: Parsed) -> None:
    data = shown.data
    assert data["versions"] == {name: fixture_interop.VERSIONS[name] for name in {*data["writers"], *data["readers"]}}


def test_a_number_that_a_browser_would_round_is_text(shown: Parsed) -> None:
    facts = [one["facts"]["current snapshot"] for one in _details(shown.data) if "facts" in one]
    assert facts
    assert all(isinstance(one, str) and len(one) == 19 for one in facts)


def test_a_long_text_is_cut(run: records.Run) -> None:
    long = dataclasses.replace(run.cases[0], evidence={"error": "x" * 1_000_000, "files": [{"path": "p"}] * 1000})
    details = _details(Parsed(interop.render(_change(run, cases=(long,)))).data)[0]
    assert details["error"].endswith("xx… (1,000,000 characters, all of them in records.jsonl)")
    assert len(details["error"]) < 5000
    assert len(details["files"]) == 200


def test_the_claims_have_silent_wrong_answers_first_and_say_in_how_many_cells(run: records.Run) -> None:
    findings = squares.findings(run)
    first = findings.wrong[0]
    assert (first.first.reader, first.first.feature, first.measured) == (
        "polars",
        "equality-deletes",
        "2 WRONG of 3 cells",
    )
    assert first.claim == "unknown"
    assert [one.accepted for one in findings.wrong] == [False, False, False, True]
    assert findings.broken[0].measured == "1 CRASH, 1 REFUSED of 2 cells"
    assert findings.broken[0].version == "54.0.0"
    assert findings.broken[0].source == "docs/iceberg/overview: reads and writes, read 2026-10-01"
    assert [one.first.side for one in findings.broken] == ["read", "read", "write", "read"]
    assert [one.first.record.column for one in findings.better] == ["trino→datafusion"]
    assert all(one.verdict == "broken claim" for line in findings.broken for one in line.squares)


def test_the_verdict_is_one_sentence(run: records.Run) -> None:
    text, level = interop.verdict(run)
    assert text == (
        "5 silent wrong answers (1 accepted), 8 broken claims (3 of them by wrong answers): "
        "102 of 117 judged cells passed; 1 outcome worse than accepted"
    )
    assert level == "bad"


def test_broken_claims_alone_are_not_bad(run: records.Run) -> None:
    ended = records.End("complete", 1.0, 0)
    fair = _change(_without(run, Outcome.WRONG), end=ended)
    assert interop.verdict(fair)[0].startswith("no silent wrong answer, 5 broken claims: ")
    assert interop.verdict(fair)[1] == "fair"
    good = _without(fair, Outcome.REFUSED, Outcome.CRASH, Outcome.TIMEOUT)
    assert interop.verdict(good)[1] == "good"
    interrupted = _change(good, end=None)
    assert interop.verdict(interrupted)[1] == "bad"
    assert (
        f"INTERRUPTED: lakebench run --resume {fixture_interop.RUN} goes on" in Parsed(interop.render(interrupted)).text
    )
    assert interop.verdict(_without(good, Outcome.PASS, Outcome.OUT_OF_MEMORY))[1] == "bad"


def test_changes_lead_to_their_cells(shown: Parsed, run: records.Run) -> None:
    links = [attrs["href"] for tag, attrs in shown.tags if tag == "a" and "data-cell" not in attrs]
    assert "#cell=interop%2Fposition-deletes%2Fspark%E2%86%92pyiceberg" in links
    assert "interop/removed/spark→trino: REFUSED accepted" in shown.text
    assert "worse than accepted" not in Parsed(interop.render(_change(run, end=records.End("complete", 1.0, 0)))).text


def test_a_feature_that_the_run_does_not_tell_is_shown_by_its_name(run: records.Run) -> None:
    untold = Parsed(interop.render(_change(run, features=run.features[1:])))
    assert untold.data["features"][-1]["title"] == "create-append"
    assert len(untold.data["features"]) == 6


def test_features_stand_by_group(run: records.Run) -> None:
    mixed = Parsed(interop.render(_change(run, features=run.features[::-1])))
    groups = [one["group"] for one in mixed.data["features"]]
    assert groups == sorted(groups, key=groups.index)


def test_evidence_may_be_absent() -> None:
    about = Coordinates(feature="f", writer="a", reader="b")
    bare = Record("interop/f/a→b", "interop", "f", "b", Outcome.UNAVAILABLE, "no b here", coordinates=about)
    empty = records.Run(Path("x"), records.Header("r", ("interop",), "lakebench", "2026"), cases=(bare,))
    assert "not judged" in Parsed(interop.render(empty)).text
    assert "no b here" in markdown.render(document.build(empty))


def test_the_other_reports_stay_small_and_lead_to_the_page(run: records.Run) -> None:
    contents = document.build(run)
    assert not [part for one in contents.sections for part in one.parts if isinstance(part, Evidence)]
    captions = [part.caption for one in contents.sections for part in one.parts if isinstance(part, Table)]
    assert captions[:6] == [
        "Cells by outcome and verdict", "What changed against the accepted outcomes", "What did not run here",
        "Silent wrong answers", "Broken claims, besides wrong answers", "Better than claimed",
    ]  # fmt: skip
    (matrix,) = next(one.parts for one in contents.sections if one.anchor == "interop-matrix")
    assert isinstance(matrix, Table)
    assert "datafusion\n54.0.0" in matrix.head
    text = markdown.render(contents).replace("\\", "")
    assert "| W WRONG | 3 | 0 | 0 | 2 | 0 | 5 |" in text
    assert f"| polars | 1.35.2 | {DASH} | 15 of 19 | 4 | 2 | 0 |" in text
    assert "[C! 0/2](interop.html#cell=interop%2Fdeletion-vectors%2Fspark%E2%86%92datafusion)" in text
    assert "| Create and append | v1 | P 4/4 | P 4/4 |" in text
    assert "not written, so that nobody could read it" in text
    assert interop.PAGE in page.render(contents)
    assert not contents.good


def test_other_phases_of_the_same_run_keep_their_evidence(run: records.Run, tmp_path: Path) -> None:
    other = records.read(fixture_run.write(tmp_path))
    both = document.build(_change(other, cases=(*other.cases, *run.cases), features=run.features))
    plain = document.build(other)
    assert both.overview == plain.overview
    assert both.sections[-1].parts == plain.sections[-1].parts
    assert both.verdict.startswith(f"{plain.verdict}. 5 silent wrong answers")


def test_the_whole_matrix_stays_small() -> None:
    whole = fixture_interop.run(90, 7, 8)
    assert len(whole.cases) == 90 * 7 * (1 + 8)
    assert len(interop.render(whole).encode()) < 6_000_000
    contents = document.build(whole)
    assert len(page.render(contents)) < 300_000
    assert len(markdown.render(contents)) < 200_000


@pytest.mark.parametrize("features", [6, 90])
def test_the_numbers_of_a_page_add_up(features: int) -> None:
    sums = interop_sums.adds_up(fixture_interop.run(features, 4, 5))
    assert sums["wrong"] == 5 * features // 6


def test_they_add_up_where_blame_is_anothers() -> None:
    plain, blamed = (interop_sums.adds_up(one) for one in (fixture_interop.run(), fixture_interop.blamed()))
    assert (blamed["MISLED"], blamed["HARNESS_FAULT"]) == (2, 1)
    assert blamed["wrong"] == plain["wrong"] + 2
    assert blamed["broken"] == plain["broken"] + 2
    assert blamed["passed"] == plain["passed"] - 5
    assert blamed["judged"] == plain["judged"] - 3


def test_they_add_up_without_any_failure(run: records.Run) -> None:
    failures = [one for one in Outcome if one.is_failure]
    assert interop_sums.adds_up(_without(run, *failures))["wrong"] == 0


def test_an_engines_line_holds_its_own_faults_alone() -> None:
    def lines(run: records.Run) -> dict[str, list[str]]:
        return {row[0].text: [cell.text for cell in row[2:]] for row in interop.overview(run).rows}

    plain, blamed = lines(fixture_interop.run()), lines(fixture_interop.blamed())
    assert (plain["duckdb"][:3], blamed["duckdb"][:3]) == (["5 of 6", "18 of 19", "0"], ["4 of 5", "17 of 18", "0"])
    assert (plain["polars"][1:3], blamed["polars"][1:3]) == (["15 of 19", "4"], ["13 of 17", "4"])
    assert (plain["trino"][0], blamed["trino"][0]) == ("4 of 5", "3 of 5")
    assert blamed["daft"] == ["0 of 1", DASH, "1", "1", "0"]


def test_a_fault_of_ours_stands_apart_and_a_misled_reader_names_who_is_at_fault() -> None:
    run = fixture_interop.blamed()
    page, text = Parsed(interop.render(run)), markdown.render(document.build(run)).replace("\\", "")
    assert "Faults of lakebench itself 1" in " ".join(page.text.split())
    assert "| interop/create-append/spark→polars" in text.replace("[", "").replace("](", " (")
    engines = [one.first.engine for one in squares.findings(run).wrong]
    assert "daft" in engines
    assert not [one for finding in squares.findings(run).wrong for one in finding.squares if one.state == "MISLED"]
    assert "the table of duckdb" in page.text
    assert "L MISLED" in text
