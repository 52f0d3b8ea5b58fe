"""Phase 10 without servers: its plan, what it reads from files, and its verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_requests import request

from lakebench.execution.cases import Case
from lakebench.execution.protocol import PROFILES
from lakebench.model import EngineRef, Record, Sample
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.pg_mooncake import clickbench, files, mirror, readers
from lakebench.phases.pg_mooncake.report import sections
from lakebench.phases.pg_mooncake.sides import CITUS, COLUMNAR, COLUMNSTORE, HEAP, MIRROR, POSTGRES, Side, case_of
from lakebench.reports.content import Table
from lakebench.results import records
from lakebench.results.records import FieldReport, Run


def _planned(*engines: str) -> list[Case]:
    context: Any = SimpleNamespace(request=request(*map(EngineRef, engines)))
    return [case for block in find("pg_mooncake").plan(context) for case in block.cases]


def _record(side: Side, check: str, test: str, outcome: Outcome = Outcome.PASS, **given: Any) -> Record:
    query = test if check == "clickbench" else None
    case = case_of(side, check, test, "", test, query=query)
    made = Record(case.id, case.phase, "", str(case.engine), outcome, coordinates=case.coordinates, row=test,
                  column=case.column)  # fmt: skip
    return replace(made, **given)


def _timed(side: Side, query: str, ms: float) -> Record:
    samples = tuple(Sample("warm", int(ms * 1e6), 0, at, at, 1, 0) for at in range(5))
    return _record(side, "clickbench", query, samples=samples)


def _reports(*cases: Record) -> dict[str, FieldReport]:
    return {one.report: one for one in find("phase10").judge_field_reports(cases, "")}


def _tables(*cases: Record) -> dict[str, list[list[str]]]:
    run: Any = SimpleNamespace(cases=cases)
    return {
        part.caption: [[cell.text for cell in row] for row in part.rows]
        for section in sections(run)
        for part in section.parts
        if isinstance(part, Table)
    }


def test_the_plan_has_every_side_and_each_case_once() -> None:
    cases = _planned(*find("phase10").engines(request().selection))
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids)
    assert sum("/clickbench/" in one for one in ids) == 43 * 7
    assert {
        "phase10/read/delete/pg_mooncake-0.1-columnstore→polars",
        "phase10/fresh/1000000/pg_mooncake-mirror",
    } <= set(ids)
    assert all(case.coordinates.more["services"] for case in cases if case.engine != POSTGRES)


def test_an_engine_that_is_not_asked_has_no_cases() -> None:
    assert {case.engine.name for case in _planned("postgres")} == {"postgres"}
    assert not [case for case in _planned("duckdb", CITUS.name) if case.engine.name == "duckdb"]


def test_samples_are_few_unless_the_user_says_how_many() -> None:
    standard = PROFILES["standard"]
    assert (clickbench.protocol(standard).cold, clickbench.protocol(standard).samples) == (0, 5)
    assert clickbench.protocol(replace(standard, chosen=("repeat",))).samples == 10


def _delta(folder: Path) -> Path:
    """Two files of which the second version replaces one, and a file that no version lists."""
    (folder / "_delta_log").mkdir(parents=True)
    for name, rows in (("a", 3), ("b", 2), ("c", 1), ("lost", 9)):
        pq.write_table(pa.table({"n": list(range(rows))}), folder / f"{name}.parquet")
    versions: tuple[list[dict[str, Any]], ...] = (
        [{"protocol": {}}, {"add": {"path": "a.parquet"}}, {"add": {"path": "b.parquet"}}],
        [{"remove": {"path": "a.parquet"}}, {"add": {"path": "c.parquet"}}],
    )
    for number, actions in enumerate(versions):
        text = "\n".join(map(json.dumps, actions))
        (folder / "_delta_log" / f"{number:020}.json").write_text(text)
    return folder


def test_the_log_says_which_files_are_the_tables(tmp_path: Path) -> None:
    folder = _delta(tmp_path / "t")
    listed = files.list_delta(folder)
    assert listed.versions == 2
    assert set(listed.active) == {"b.parquet", "c.parquet"}
    assert set(listed.others) == {"a.parquet", "lost.parquet"}
    assert listed.active_bytes == sum((folder / name).stat().st_size for name in listed.active)
    assert files.row_counts(folder, ("b.parquet", "lost.parquet")) == {"b.parquet": 2, "lost.parquet": 9}


def test_the_newest_metadata_file_of_the_table_is_taken(tmp_path: Path) -> None:
    for table, version in (("orders", 1), ("orders", 2), ("others", 3)):
        path = tmp_path / table / "metadata" / f"v{version}.metadata.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    found = mirror.newest_metadata(tmp_path, "orders")
    assert found is not None
    assert found.parent.parent.name == "orders"
    assert mirror.newest_metadata(tmp_path, "none") is None


def test_a_delay_is_measured_until_the_value_is_there() -> None:
    values = iter([1, 1, 2])
    reads, delay = mirror.until(lambda: next(values), 2, 10)
    assert reads == [1, 1, 2]
    assert delay is not None
    assert mirror.until(lambda: 1, 2, -1) == ([1], None)


def test_c33_is_the_mean_ratio_on_one_server() -> None:
    def judged(ms: float) -> ReportVerdict:
        heap = [_timed(Side(COLUMNSTORE.ref, HEAP, ""), one, 100) for one in ("q01", "q02")]
        return _reports(*heap, *(_timed(COLUMNSTORE, one, ms) for one in ("q01", "q02")))["C33"].verdict

    assert judged(5) is ReportVerdict.REPRODUCED
    assert judged(50) is ReportVerdict.DIRECTION_ONLY
    assert judged(200) is ReportVerdict.NOT_REPRODUCED


def test_c33_takes_the_whole_interval() -> None:
    heap = [_timed(Side(COLUMNSTORE.ref, HEAP, ""), "q01", 100)]
    noisy = replace(_timed(COLUMNSTORE, "q01", 5), samples=(
        *_timed(COLUMNSTORE, "q01", 5).samples, *_timed(COLUMNSTORE, "q01", 150).samples[:4]
    ))  # fmt: skip
    report = _reports(*heap, noisy)["C33"]
    assert report.verdict is ReportVerdict.NOT_REPRODUCED
    assert str(report.ours["heap / columnstore"]).startswith("20.00 (0.67 to 20.00)")


def test_without_pg_mooncake_both_reports_say_that_it_could_not_run() -> None:
    why = "no PostgreSQL with pg_mooncake is named"
    absent = _record(COLUMNSTORE, "write", "insert", Outcome.UNAVAILABLE, reason=why)
    columnar = (_timed(Side(CITUS, HEAP, ""), "q01", 100), _timed(COLUMNAR, "q01", 50))
    reports = _reports(absent, *columnar)
    assert {one.verdict for one in reports.values()} == {ReportVerdict.COULD_NOT_RUN}
    assert why in reports["C33"].detail
    assert reports["C33"].ours == {"heap / columnar": "2.00 (2.00 to 2.00); 1 queries from 2.00 to 2.00"}


def _read(outcome: Outcome = Outcome.PASS) -> Record:
    case = readers._case(COLUMNSTORE, "insert", EngineRef("duckdb"))
    return Record(
        case.id, case.phase, "", "duckdb", outcome, coordinates=case.coordinates, row=case.row, column="duckdb"
    )


@pytest.mark.parametrize(
    ("write", "read", "verdict"),
    [
        (Outcome.PASS, Outcome.PASS, ReportVerdict.REPRODUCED),
        (Outcome.PASS, Outcome.WRONG, ReportVerdict.DIRECTION_ONLY),
        (Outcome.WRONG, Outcome.PASS, ReportVerdict.NOT_REPRODUCED),
    ],
)
def test_c32_needs_transactions_and_readers(write: Outcome, read: Outcome, verdict: ReportVerdict) -> None:
    assert _reports(_record(COLUMNSTORE, "write", "rolled-back", write), _read(read))["C32"].verdict is verdict


def test_the_report_has_times_writes_and_readers() -> None:
    deleted = {"by_column": {"wal_bytes": 10, "files_written": 1, "rows_written": 999_999, "bytes_written": 4_000_000},
               "heap": {"wal_bytes": 150}}  # fmt: skip
    tables = _tables(
        _timed(Side(CITUS, HEAP, "Citus, heap"), "q01", 100),
        _timed(COLUMNAR, "q01", 40),
        _record(COLUMNSTORE, "million", "delete-one", evidence=deleted),
        _record(MIRROR, "fresh", "100", Outcome.WRONG, evidence={"delay_s": 0.4}),
        _read(),
    )
    assert tables["ClickBench's queries, heap and by column"][0] == ["Q01", "100.0", "40.0", "2.50"]
    assert "999,999" in tables["One row of a million deleted"][0]
    assert tables["How fresh the mirror is"][0][-1] == "0.4"
    assert len(tables["Who else reads its files"]) == 1


def test_a_run_without_servers_has_no_section() -> None:
    assert _tables(_record(COLUMNSTORE, "write", "insert", Outcome.UNAVAILABLE)) == {}


# A recorded run on real servers: Citus 14.0.1 and pg_mooncake 0.1.2, both on PostgreSQL 17.2; five of the queries.

(RECORDED,) = (Path(__file__).parents[2] / "fixtures" / "phase10").iterdir()


VERDICTS = {"C32": ReportVerdict.DIRECTION_ONLY, "C33": ReportVerdict.DIRECTION_ONLY}


@pytest.fixture(scope="module")
def recorded() -> Run:
    return records.read(RECORDED)


def test_the_verdicts_of_a_recorded_run_are_those_that_it_wrote(recorded: Run) -> None:
    judged = _reports(*recorded.cases)
    assert {name: one.ours for name, one in judged.items()} == {one.report: one.ours for one in recorded.field_reports}
    assert {name: one.verdict for name, one in judged.items()} == VERDICTS


def test_the_report_of_a_recorded_run(recorded: Run) -> None:
    tables = _tables(*recorded.cases)
    ours = {row[0]: row for row in tables["ClickBench's queries, heap and by column"]}
    assert set(ours) == {"Q01", "Q03", "Q13", "Q21", "Q30", "geometric mean"}
    assert ours["geometric mean"][-2:] == ["1.92 (1.78 to 2.04)", "2.49 (2.30 to 2.63)"]
    (citus, mooncake) = tables["One row of a million deleted"]
    assert "REFUSED" in citus[1]
    assert "999,999" in mooncake


def test_known_failures_of_a_recorded_run_have_their_upstream_issue(recorded: Run) -> None:
    failed = [one for one in recorded.cases if one.outcome.is_failure]
    assert failed
    assert [one.case for one in failed if "known" not in one.evidence] == []
