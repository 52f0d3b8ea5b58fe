"""Verdicts on field reports: the ratio rule, and which error text is theirs."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from lakebench.model import Coordinates, Record, Sample
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.field_reports import of_all, of_any, of_ratio, of_times
from lakebench.phases.tpch.caches import STEPS
from lakebench.results import record_schema, schema1
from lakebench.results.records import FieldReport


@pytest.mark.parametrize(
    ("theirs", "ours", "verdict"),
    [
        (650, 650, ReportVerdict.REPRODUCED),
        (650, 326, ReportVerdict.REPRODUCED),
        (650, 1299, ReportVerdict.REPRODUCED),
        (650, 7, ReportVerdict.DIRECTION_ONLY),
        (650, 1301, ReportVerdict.DIRECTION_ONLY),
        (650, 0.9, ReportVerdict.NOT_REPRODUCED),
        (650, 1, ReportVerdict.NOT_REPRODUCED),
        (0.64, 0.48, ReportVerdict.REPRODUCED),
        (0.64, 0.1, ReportVerdict.DIRECTION_ONLY),
        (0.64, 1.2, ReportVerdict.NOT_REPRODUCED),
        ((1.05, 1.10), 2.0, ReportVerdict.REPRODUCED),
        ((1.05, 1.10), 11, ReportVerdict.DIRECTION_ONLY),
        ((1.05, 1.10), 0.99, ReportVerdict.NOT_REPRODUCED),
    ],
)
def test_a_ratio_needs_its_direction_and_a_factor_of_two(
    theirs: float | tuple[float, float], ours: float, verdict: ReportVerdict
) -> None:
    assert of_ratio(theirs, ours) is verdict


def test_a_report_of_several_things_holds_as_the_least_of_them() -> None:
    assert of_all([ReportVerdict.REPRODUCED, ReportVerdict.DIRECTION_ONLY]) is ReportVerdict.DIRECTION_ONLY
    assert of_any([ReportVerdict.REPRODUCED, ReportVerdict.DIRECTION_ONLY]) is ReportVerdict.REPRODUCED
    assert of_all([]) is of_any([]) is ReportVerdict.COULD_NOT_RUN
    assert of_times({"a": 1, "b": 4}, {"a": 20, "b": 90}) is ReportVerdict.REPRODUCED
    assert of_times({"a": 1, "b": 4, "c": 5}, {"a": 1, "b": 3, "c": 30}) is ReportVerdict.DIRECTION_ONLY
    assert of_times({"a": 1, "b": 4}, {"a": 4, "b": 1}) is ReportVerdict.NOT_REPRODUCED


def case(name: str, outcome: Outcome = Outcome.PASS, reason: str = "", **fields: Any) -> Record:
    return Record(name, name.partition("/")[0], "", name.rpartition("/")[2], outcome, reason,
                  coordinates=schema1.coordinates(name), **fields)  # fmt: skip


def timed(kind: str, seconds: float) -> Sample:
    return Sample(kind, int(seconds * 1e9), 0, 0, 0, 1, 1)


def field_reports(phase: str, cases: list[Record], scale_factor: str = "1") -> dict[str, FieldReport]:
    return {report.report: report for report in find(phase).judge_field_reports(cases, scale_factor)}


THEIR_ERROR = "postgres: symbol lookup error: /usr/lib/pg_duckdb.so: undefined symbol: PQconnectdb"


@pytest.mark.parametrize(
    ("outcome", "reason", "log", "verdict"),
    [
        (Outcome.CRASH, THEIR_ERROR, "", ReportVerdict.REPRODUCED),
        (Outcome.CRASH, "postgres-duckdb, the server of pg_duckdb, died", THEIR_ERROR, ReportVerdict.REPRODUCED),
        (Outcome.REFUSED, "libpq is incorrectly linked to backend functions", "", ReportVerdict.DIRECTION_ONLY),
        (Outcome.PASS, "", "", ReportVerdict.OUT_OF_DATE),
        (Outcome.UNAVAILABLE, "no pg_duckdb here", "", ReportVerdict.COULD_NOT_RUN),
        (Outcome.HARNESS_FAULT, "KeyError", "", ReportVerdict.COULD_NOT_RUN),
    ],
)
def test_c2_is_reproduced_by_their_error_text_alone(
    outcome: Outcome, reason: str, log: str, verdict: ReportVerdict
) -> None:
    asked = case("phase1/read/inserted/attached/pg_duckdb", outcome, reason, evidence={"log": log} if log else {})
    report = field_reports("phase1", [asked])["C2"]
    assert report.verdict == verdict
    assert "libpq" not in str(report.theirs)
    assert "undefined symbol: PQconnectdb" in str(report.theirs)


def test_c2_has_the_versions_of_a_server_that_refused() -> None:
    told = {"versions": {"pg_duckdb": "1.1.0", "duckdb": "1.4.3"}}
    asked = case("phase1/read/inserted/attached/pg_duckdb", Outcome.REFUSED, "no", evidence=told)
    assert field_reports("phase1", [asked])["C2"].detail == "no, with pg_duckdb 1.1.0, duckdb 1.4.3"


def ran_at(cold_ms: float, warm_ms: float) -> list[Record]:
    """Q1 by DuckDB in 10 ms on local disk, and at GCS."""
    times = {"local": (10.0, 10.0), "gcs": (cold_ms, warm_ms)}
    return [
        case(
            f"phase3/{storage}/iceberg/q01/duckdb",
            samples=(timed("cold", cold / 1e3), timed("warm", warm / 1e3)),
            row="Q01",
        )
        for storage, (cold, warm) in times.items()
    ]


@pytest.mark.parametrize(
    ("cold_ms", "warm_ms", "verdict"),
    [
        (5000, 26, ReportVerdict.REPRODUCED),
        (70, 26, ReportVerdict.DIRECTION_ONLY),  # 7 times, where they say 650
        (5000, 60, ReportVerdict.DIRECTION_ONLY),
        (30, 26, ReportVerdict.NOT_REPRODUCED),
        (5000, 9, ReportVerdict.NOT_REPRODUCED),
    ],
)
def test_c7_at_seven_times_is_not_reproduced(cold_ms: float, warm_ms: float, verdict: ReportVerdict) -> None:
    assert field_reports("phase3", ran_at(cold_ms, warm_ms))["C7"].verdict == verdict


def session(storage: str, caches: str, *times_ms: float) -> list[Record]:
    """The steps of sessions by DuckDB; each ran three times."""
    return [
        Record(
            f"phase3/{storage}/caches-{caches}/{step.name}/duckdb", "phase3", "", "duckdb", Outcome.PASS,
            evidence={"executions": [{"ms": ms * 0.9}, {"ms": ms * 5}, {"ms": ms}]},
            coordinates=Coordinates(engine="duckdb", storage=storage, test="caches", check=step.name,
                                    more={"caches": caches}),
        )
        for step, ms in zip(STEPS, times_ms, strict=True)
    ]  # fmt: skip


def test_c7_has_its_cause_in_sessions_with_caches_and_without() -> None:
    near = [*session("local", "on", *[10.0] * 6), *session("local", "off", *[10.0] * 6)]
    with_caches = session("simulated-gcs", "on", 5000, 26, 30, 400, 800, 4900)
    report = field_reports("phase3", [*near, *with_caches])["C7"]
    assert report.verdict == ReportVerdict.REPRODUCED
    said = report.ours["duckdb on simulated-gcs, its caches on"]
    assert "first run, new session 500.0 times, the same again 2.6 times" in said
    assert "caches expired 490.0 times" in said
    without = session("simulated-gcs", "off", 5000, 4900, 4900, 400, 800, 4900)
    assert field_reports("phase3", [*near, *without])["C7"].verdict == ReportVerdict.NOT_REPRODUCED
    assert field_reports("phase3", [*near, *with_caches, *without])["C7"].verdict == ReportVerdict.REPRODUCED
    assert "C7" not in field_reports("phase3", [])


def test_c30_is_told_at_each_distance_of_the_catalog_and_judged_at_none() -> None:
    def appends(store: str, ms: float) -> Record:
        more: dict[str, str | int] = {"store": store, "writers": 1}
        about = Coordinates(engines=("duckdb",), test="insert", more=more)
        found = {"concurrency": {"median_ms": ms}}
        return Record(f"phase9/{store}", "phase9", "", "duckdb", Outcome.PASS, evidence=found, coordinates=about)

    kept = [appends("duckdb-file_kept", 10), appends("ducklake-postgres_kept", 10.8)]
    far = [appends("ducklake-postgres_kept_catalog_5_ms_away", 80), appends("ducklake-postgres_kept_no_inlining", 1)]
    report = field_reports("phase9", [*kept, *far])["C30"]
    assert report.verdict == ReportVerdict.REPRODUCED
    assert report.ours == {"a kept one": "1.08 times", "a kept one, catalog 5 ms away": "8.00 times, 80 ms a commit"}


def test_c6_is_of_cases_that_ran_at_scale_factor_100() -> None:
    def asked(last: Outcome) -> list[Record]:
        outcomes = [*[Outcome.PASS] * 21, last]
        return [case(f"phase3/s3/iceberg/q{n:02}/trino", one) for n, one in enumerate(outcomes, 1)]

    assert field_reports("phase3", asked(Outcome.PASS), "100")["C6"].verdict == ReportVerdict.REPRODUCED
    assert field_reports("phase3", asked(Outcome.WRONG), "100")["C6"].verdict == ReportVerdict.NOT_REPRODUCED
    assert field_reports("phase3", asked(Outcome.HARNESS_FAULT), "100")["C6"].verdict == ReportVerdict.COULD_NOT_RUN
    assert field_reports("phase3", asked(Outcome.PASS), "1")["C6"].verdict == ReportVerdict.COULD_NOT_RUN


def test_c8_needs_the_ratios_of_all_three() -> None:
    def asked(duckdb: float, trino: float, spark: float) -> FieldReport:
        times = {"pg_duckdb": duckdb, "trino": trino, "spark-jdbc": spark}
        return field_reports(
            "phase4",
            [case(f"phase4/q01/{name}", samples=(timed("warm", one),), row="Q1") for name, one in times.items()],
        )["C8"]

    assert asked(0.2, 1.2, 6).verdict == ReportVerdict.REPRODUCED
    assert asked(0.2, 0.3, 0.4).verdict == ReportVerdict.DIRECTION_ONLY
    assert asked(0.4, 0.3, 0.5).verdict == ReportVerdict.NOT_REPRODUCED
    started = field_reports(
        "phase4",
        [case("phase4/q01/trino", samples=(timed("cold", 2.0),), evidence={"start_s": 3.5})],
    )["C8"]
    assert (started.ours["trino, cold"], started.ours["trino, cold, with its start"]) == ("2.00 s", "5.50 s")
    beside = {"pg_duckdb": 0.2, "trino": 1.2, "spark-jdbc": 0.4}
    cases = [case(f"phase4/q01/{name}", samples=(timed("warm", one),), row="Q1") for name, one in beside.items()]
    cases[2] = replace(cases[2], samples=(timed("cold", 2.0), timed("warm", 0.4)), evidence={"start_s": 4.0})
    held = field_reports("phase4", cases)["C8"]
    assert held.verdict == ReportVerdict.REPRODUCED
    assert "spark-jdbc over trino: theirs 4.6 times, ours 5.0 times" in held.detail
    assert held.ours["spark-jdbc"] == "0.40 s"
    assert asked(0.2, 1.2, 6).theirs == {"pg_duckdb": "0.37 s", "trino": "2.36 s", "spark-jdbc": "10.8 s"}


def appends(store: str, writers: int, **concurrency: Any) -> Record:
    return case(f"phase9/insert/{store}/{writers}/duckdb", evidence={"concurrency": concurrency})


def test_c28_to_c30_have_their_words_and_the_ratio_rule() -> None:
    lock = 'Could not set lock on file "x": Conflicting lock is held in python (PID 1)'
    reports = field_reports(
        "phase9",
        [
            appends("duckdb-file_kept", 3, errors={lock: 67}),
            appends("ducklake-postgres_kept", 3, errors={}, operations_per_s=100),
            appends("duckdb-file_task", 3, operations_per_s=48),
            appends("duckdb-file_task", 1, median_ms=10),
            appends("ducklake-postgres_task", 1, median_ms=280),
            appends("duckdb-file_kept", 1, median_ms=1),
            appends("ducklake-postgres_kept", 1, median_ms=1.08),
        ],
    )
    assert {name: report.verdict for name, report in reports.items()} == {
        "C28": ReportVerdict.REPRODUCED,
        "C29": ReportVerdict.REPRODUCED,
        "C30": ReportVerdict.DIRECTION_ONLY,
    }
    assert reports["C28"].theirs["duckdb file"] == "Conflicting lock is held"
    assert reports["C29"].theirs == {"duckdb": "440 ms an operation", "ducklake pooled": "280 ms an operation"}
    assert reports["C30"].theirs == {"one worker": "5 to 10 % slower"}


def test_the_schema_has_each_verdict() -> None:
    assert record_schema.generated()["$defs"]["ReportVerdict"]["enum"] == [str(one) for one in ReportVerdict]
    assert json.dumps(asdict(FieldReport("C1", "", ReportVerdict.REPRODUCED)))
