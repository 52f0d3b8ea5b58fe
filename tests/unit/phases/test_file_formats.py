"""Phase 6 without servers and other environments: its plan, its questions, ratios and verdicts, its report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_requests import request

from lakebench.engines import parse
from lakebench.execution.cases import Case
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Scope
from lakebench.model import Coordinates, Record, Sample, Selection
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.vortex import layouts, shortcuts
from lakebench.phases.vortex.measured import LIMIT_S, SAMPLES, protocol
from lakebench.phases.vortex.questions import QUESTIONS
from lakebench.phases.vortex.ratios import ratios
from lakebench.phases.vortex.report import sections
from lakebench.reports.content import Plot, Section, Table
from lakebench.results import records
from lakebench.results.records import FieldReport, Run

ENGINES = ("duckdb", "polars", "datafusion", "pyarrow", "vortex", "lance")


def _planned(*engines: str) -> list[Case]:
    context: Any = SimpleNamespace(request=request(*map(parse, engines)))
    return [case for block in find("phase6").plan(context) for case in block.cases]


def _timed(question: str, layout: str, engine: str, ms: float, **given: Any) -> Record:
    about = Coordinates(
        engine=engine, storage="local", query=question, format=layout.partition("-")[0], more={"layout": layout}
    )
    samples = tuple(Sample("warm", int((ms + at / 100) * 1e6), 0, at, at, 1, 1) for at in range(5))
    made = Record(f"phase6/local/{layout}/{question}/{engine}", "phase6", "", engine, Outcome.PASS, samples=samples,
                  coordinates=about, row=question, column=engine)  # fmt: skip
    return replace(made, **given)


def _written(layout: str, size: int) -> Record:
    about = Coordinates(writer="duckdb", reader="pyarrow", check="write", more={"layout": layout, "table": "lineitem"})
    facts = {"bytes": size, "files": 1, "seconds": 1.5, "settings": "its defaults"}
    title = layouts.LAYOUTS[layout].title
    return Record(f"phase6/local/{layout}/write-lineitem/duckdb", "phase6", "", "duckdb", Outcome.PASS, evidence=facts,
                  coordinates=about, row=title, column="lineitem")  # fmt: skip


def _read(engine: str, outcome: Outcome = Outcome.PASS) -> Record:
    about = Coordinates(
        writer="duckdb", reader=engine, feature="int64", format="vortex", check="read-type", more={"layout": "vortex"}
    )
    return Record(f"phase6/types/vortex/int64/read/{engine}", "phase6", "", engine, outcome, coordinates=about,
                  row="int64", column=f"read by {engine}")  # fmt: skip


def _asked(engine: str, outcome: Outcome) -> Record:
    about = Coordinates(engine=engine, format="vortex", check="server", more={"way": "file"})
    return Record(f"phase6/servers/vortex/{engine}", "phase6", "", engine, outcome, "no such format", coordinates=about,
                  row="vortex", column=engine)  # fmt: skip


def _reports(*cases: Record) -> dict[str, FieldReport]:
    return {one.report: one for one in find("phase6").judge_field_reports(cases, "1")}


def _sections(*cases: Record) -> list[Section]:
    run: Any = SimpleNamespace(cases=cases)
    return sections(run)


def test_ids_are_unique_and_a_run_covers_what_it_plans() -> None:
    cases = _planned(*ENGINES)
    assert len({case.id for case in cases}) == len(cases)
    scope = Scope(tuple(map(parse, ENGINES)), Selection(), "standard")
    assert all(find("vortex").covers(case.coordinates, scope) for case in cases)


def test_every_measured_layout_has_a_parquet_beside_it() -> None:
    for engine, measured in layouts.MEASURED[layouts.LOCAL].items():
        bases = layouts.BASES.get(engine, ())
        assert not bases or any(base in layouts.MEASURED[layouts.LOCAL][reader] for reader, base in bases)
        assert bases or all(one.id.startswith("parquet") for one in measured)


def test_servers_are_asked_where_they_are_named_and_only_there() -> None:
    assert not [case for case in _planned(*ENGINES) if case.coordinates.check == "server"]
    asked = [case for case in _planned("duckdb", "trino", "spark") if case.coordinates.check == "server"]
    ways = (("trino", "table"), ("spark", "file"), ("spark", "source"))
    assert {(case.engine.name, case.coordinates.more["way"], case.coordinates.format) for case in asked} == {
        (*way, form) for way in ways for form in ("parquet", "vortex", "lance")
    }


def test_rows_by_position_are_expected_by_the_key_that_counts_them() -> None:
    question = QUESTIONS["position-100"]
    positions = question.scan(60_175).positions
    assert len(positions) == 100
    assert (positions[0], positions[-1]) == (0, 60_174)
    assert question.expected_sql(60_175).startswith(
        'SELECT "id", "l_extendedprice", "l_comment" FROM lineitem WHERE "id" IN ('
    )
    assert QUESTIONS["key-1"].scan(60_175).where[0].value == (30_087,)


def test_ten_thousand_rows_are_compared_by_their_sums() -> None:
    many = QUESTIONS["position-10000"]
    assert many.scan(60_175).rows_to_fetch.columns == ("id", "l_extendedprice", "l_comment")
    assert len(many.scan(60_175).positions) == 10_000
    assert many.expected_sql(60_175).startswith('SELECT sum("id") AS s0, sum("l_extendedprice") AS s1,')


def test_a_summary_is_the_same_question_whoever_adds_up() -> None:
    full = QUESTIONS["full"].scan(10)
    assert full.fetched
    assert full.rows_to_fetch.columns is not None
    assert len(full.rows_to_fetch.columns) == 18
    assert QUESTIONS["full"].expected_sql(10).startswith('SELECT sum("id") AS s0, sum("k") AS s1,')
    nested = QUESTIONS["wide-nested"]
    assert 'sum("info"."address"."zip")' in nested.expected_sql(10)
    assert nested.scan(10).rows_to_fetch.columns == ("info",)


def test_samples_are_few_unless_the_user_says_how_many() -> None:
    standard = PROFILES["standard"]
    assert protocol(standard, "key-1").samples == SAMPLES
    assert protocol(replace(standard, chosen=("repeat",)), "key-1").samples == standard.protocol.samples
    assert protocol(standard, "key-1").limit_s == LIMIT_S
    longer = replace(standard, protocol=replace(standard.protocol, limit_s=900))
    assert protocol(longer, "key-1").limit_s == 900
    assert protocol(PROFILES["quick"], "key-1").samples == 2


def test_the_first_execution_is_cold_or_a_warm_up() -> None:
    asked = [
        protocol(PROFILES[profile], question) for profile in ("standard", "quick") for question in ("full", "key-100")
    ]
    assert [(one.cold, one.warm_ups) for one in asked] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    assert protocol(PROFILES["once"], "full").warm_ups == 0


def test_an_engine_is_held_against_itself_on_parquet_and_a_library_against_pyarrow() -> None:
    found = list(
        ratios(
            [
                _timed("key-1", "vortex", "duckdb", 10),
                _timed("key-1", "parquet-default", "duckdb", 40),
                _timed("key-1", "parquet-indexed", "duckdb", 20),
                _timed("key-1", "vortex", "vortex", 10),
                _timed("key-1", "parquet-indexed", "pyarrow", 100),
                _timed("key-1", "lance", "lance", 1, outcome=Outcome.WRONG),
            ]
        )
    )
    assert [(one.engine, one.reader, one.base.id, round(one.times_faster)) for one in found] == [
        ("duckdb", "duckdb", "parquet-default", 4),
        ("duckdb", "duckdb", "parquet-indexed", 2),
        ("vortex", "pyarrow", "parquet-indexed", 10),
    ]
    assert all(one.interval and one.interval[0] <= one.ratio.ratio <= one.interval[1] for one in found)


@pytest.mark.parametrize(
    ("ms", "verdict"),
    [(0.5, ReportVerdict.REPRODUCED), (10, ReportVerdict.DIRECTION_ONLY), (90, ReportVerdict.NOT_REPRODUCED)],
)
def test_random_access_is_judged_by_the_best_ratio_to_the_default_parquet(ms: float, verdict: ReportVerdict) -> None:
    base = [_timed(one, "parquet-default", "duckdb", 50) for one in ("key-1", "key-100")]
    report = _reports(*base, _timed("key-1", "vortex", "duckdb", ms), _timed("key-100", "vortex", "duckdb", 100))["C20"]
    assert report.verdict is verdict
    assert "duckdb, 100 rows by a key in order" in report.detail
    assert _reports(*base)["C20"].verdict is ReportVerdict.COULD_NOT_RUN


@pytest.mark.parametrize(
    ("ms", "size", "verdict"),
    [
        (100, 90, ReportVerdict.REPRODUCED),
        (500, 90, ReportVerdict.DIRECTION_ONLY),
        (2000, 90, ReportVerdict.NOT_REPRODUCED),
        (100, 110, ReportVerdict.NOT_REPRODUCED),
    ],
)
def test_a_full_scan_is_judged_with_the_size(ms: float, size: int, verdict: ReportVerdict) -> None:
    cases = [
        _timed("full", "parquet-default", "duckdb", 1500),
        _timed("full", "vortex", "duckdb", ms),
        _written("parquet-default", 100),
        _written("vortex", size),
    ]
    report = _reports(*cases)["C21"]
    assert report.verdict is verdict
    assert report.ours["bytes of Vortex, Parquet being 1"] == f"{size / 100:.2f}"
    assert _reports(*cases[:3])["C21"].verdict is ReportVerdict.COULD_NOT_RUN


def test_who_reads_vortex_is_judged_whole_only_where_servers_were_asked() -> None:
    read = [_read("duckdb"), _read("polars")]
    refused = [_asked("trino", Outcome.REFUSED), _asked("spark", Outcome.REFUSED)]
    assert _reports(*read)["C22"].verdict is ReportVerdict.COULD_NOT_RUN
    assert _reports(*read, *refused)["C22"].verdict is ReportVerdict.REPRODUCED
    assert _reports(*read, refused[0], _asked("spark", Outcome.PASS))["C22"].verdict is ReportVerdict.NOT_REPRODUCED
    assert _reports(*read, *refused)["C22"].ours["spark"] == "as a file: REFUSED: no such format"
    wrong = [_read("duckdb", Outcome.WRONG), _read("polars")]
    assert _reports(*wrong, *refused)["C22"].verdict is ReportVerdict.NOT_REPRODUCED


def test_the_report_has_files_with_their_settings_and_ratios_with_intervals() -> None:
    cases = [
        _written("parquet-default", 100),
        _written("vortex", 82),
        _timed("key-1", "vortex", "duckdb", 10),
        _timed("key-1", "parquet-indexed", "duckdb", 20),
    ]
    (section,) = _sections(*cases)
    tables = {part.caption: part for part in section.parts if isinstance(part, Table)}
    assert [row[4].text for row in tables["Files"].rows] == ["1.00", "0.82"]
    ratio = tables["duckdb on Vortex by DuckDB against Parquet, local disk"].rows[0]
    assert [cell.text for cell in ratio] == ["1 row by a key in order", "0.5 (0.5 to 0.501)"]
    drawn = {part.title: part for part in section.parts if isinstance(part, Plot)}
    assert "Vortex by DuckDB, lineitem: 0.82" in drawn["Size of the files"].alt
    assert "0.82" in drawn["Size of the files"].draw()
    assert any("against" in title for title in drawn)
    assert _sections(_asked("trino", Outcome.UNAVAILABLE)) == []


def test_each_filter_is_asked_for_all_aggregates_the_count_and_a_limit() -> None:
    asked = list(shortcuts._statements("some_nan"))
    assert len(asked) == len(set(asked)) == 6 + 3 * len(shortcuts.FILTERS)
    assert len(list(shortcuts._statements("some_nan", empty=True))) == 6 + 3
    assert not any("sum" in one or "avg" in one for one in shortcuts._statements("text"))


(RECORDED,) = (Path(__file__).parents[2] / "fixtures" / "phase6").iterdir()


@pytest.fixture(scope="module")
def recorded() -> Run:
    """A part of a real run at SF 0.01, on a machine that many others used at once: its times say little."""
    return records.read(RECORDED)


def test_the_verdicts_of_a_recorded_run(recorded: Run) -> None:
    judged = _reports(*recorded.cases)
    assert judged["C20"].ours["duckdb, 100 rows by a key in order"] == "0.249 (0.0608 to 3.23)"
    assert "duckdb, 100 rows by a key in order" in judged["C20"].detail
    assert judged["C21"].ours["bytes of Vortex, Parquet being 1"] == "0.79"
    assert judged["C21"].verdict is ReportVerdict.DIRECTION_ONLY
    assert judged["C22"].verdict is ReportVerdict.COULD_NOT_RUN


def test_a_wrong_answer_has_no_time_and_no_ratio(recorded: Run) -> None:
    (wrong,) = (case for case in recorded.cases if case.outcome is Outcome.WRONG and case.coordinates.query == "totals")
    assert (wrong.engine, wrong.coordinates.format, wrong.samples) == ("duckdb", "vortex", ())
    found = {(one.engine, one.layout.id) for one in ratios(recorded.cases) if one.question == "totals"}
    assert ("vortex", "vortex") in found
    assert ("duckdb", "vortex") not in found


def test_the_report_of_a_recorded_run_has_every_setting_and_the_requests(recorded: Run) -> None:
    (section,) = sections(recorded)
    tables = {part.caption: part for part in section.parts if isinstance(part, Table)}
    settings = {row[0].text: row[1].text for row in tables["Settings of the writers"].rows}
    assert len(settings) == len(layouts.LAYOUTS)
    assert "write_page_index=True" in settings[layouts.INDEXED.title]
    asked = tables["Requests on object storage"]
    assert all("Object" in row[4].text or row[4].text == "none" for row in asked.rows)
    drawn = {part.title for part in section.parts if isinstance(part, Plot)}
    assert {f"{what} by the number of rows that are asked for" for what in ("Requests", "Bytes")} <= drawn
