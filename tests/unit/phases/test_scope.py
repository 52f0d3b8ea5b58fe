"""What a run is to cover: what it was not to have, it does not miss."""

from __future__ import annotations

import pytest

from lakebench import engines, phases
from lakebench.execution.request import Scope
from lakebench.model import Coordinates, Selection
from lakebench.results import schema1

USUAL = ("duckdb", "pyiceberg", "spark", "spark-jdbc", "trino")


def _covers(
    case: str, refs: tuple[str, ...] = USUAL, profile: str = "standard", named: bool = True, **chosen: object
) -> bool:
    scope = Scope(tuple(map(engines.parse, refs)), Selection(**chosen), profile, named)  # type: ignore[arg-type]
    phase = case.partition("/")[0]
    return phases.covers([phase], scope)(phase, schema1.coordinates(case))


@pytest.mark.parametrize(
    ("case", "refs", "expected"),
    [
        ("phase4/q01/trino", USUAL, True),
        ("phase4/q01/trino", ("duckdb",), False),
        ("phase4/q01/duckdb@1.4.4", USUAL, False),
        ("phase4/append/trino→duckdb", USUAL, True),
        ("phase4/append/trino→duckdb", ("trino",), False),
        ("phase4/append/trino→duckdb", ("duckdb",), False),
        ("phase4/q02/spark-jdbc", USUAL, False),
        ("phase4/q02/spark-jdbc", ("spark-jdbc",), True),
        ("phase4/q01/spark-jdbc", USUAL, True),
        ("phase9/insert/iceberg-nessie_kept/3/duckdb", USUAL, True),
        ("phase2/read-whole/spark", ("spark", "duckdb"), True),
        ("phase2/read-whole/spark", ("duckdb",), False),
        ("phase1/versions/duckdb/duckdb@1.5.4→duckdb", ("duckdb", "duckdb@1.5.4"), True),
        ("phase1/versions/duckdb/duckdb@1.5.4→duckdb", ("duckdb",), False),
        ("phase4/strange", USUAL, False),
        ("phase4/load-lineitem/pyiceberg", USUAL, False),  # it is there only where it failed
        ("phase2/local/load-lineitem/pyiceberg", USUAL, False),
    ],
)
def test_every_engine_of_a_case_has_to_be_asked(case: str, refs: tuple[str, ...], expected: bool) -> None:
    assert _covers(case, refs) is expected


def test_pairs_of_nessie_follow_from_who_is_there() -> None:
    pairs = {
        refs: {
            (writer, reader)
            for writer in refs
            for reader in refs
            if _covers(f"phase4/nessie/merge/{writer}→{reader}", refs)
        }
        for refs in (("duckdb", "trino"), ("duckdb", "spark", "trino"))
    }
    assert pairs["duckdb", "trino"] == {("duckdb", "trino"), ("trino", "duckdb")}
    assert len(pairs["duckdb", "spark", "trino"]) == 3  # each of three is read by one other
    assert not pairs["duckdb", "trino"] <= pairs["duckdb", "spark", "trino"]


def test_quick_has_fewer_writers_at_once() -> None:
    for writers, quick in ((3, True), (8, False), (16, False)):
        case = f"phase9/insert/ducklake-postgres_kept/{writers}/duckdb"
        assert _covers(case)
        assert _covers(case, profile="quick") is quick
    assert _covers("phase9/insert/a_store_that_was/3/duckdb", profile="quick"), "it is gone from the plan"


def test_engines_together_are_those_of_the_run() -> None:
    case = "phase9/groups/iceberg-nessie_kept/2/duckdb+trino"
    assert _covers(case, ("duckdb", "trino"))
    assert not _covers(case, ("duckdb",))
    assert not _covers(case, ("duckdb", "spark", "trino"))


@pytest.mark.parametrize(
    ("case", "chosen", "expected"),
    [
        ("phase3/local/iceberg/q01/duckdb", {}, True),
        ("phase3/local/iceberg/q01/duckdb", {"formats": ("parquet",)}, False),
        ("phase3/s3/iceberg/q01/duckdb", {}, False),
        ("phase3/s3/iceberg/q01/duckdb", {"storages": ("local", "s3")}, True),
        ("phase3/local/iceberg/q01/duckdb", {"tests": ("power",)}, False),
        ("phase3/local/power/duckdb", {}, False),
        ("phase3/local/power/duckdb", {"tests": ("queries", "power")}, True),
        ("phase3/local/load/duckdb", {"tests": ("throughput",)}, True),
        ("phase3/local/rf1/duckdb→trino", {"tests": ("throughput",)}, False),
        ("phase3/local/rf1/duckdb→trino", {"tests": ("power",)}, True),
        ("phase3/base/local/iceberg/q01/duckdb", {"against": "trino"}, False),
        ("phase3/local/iceberg/q01/trino", {"against": "trino"}, False),
        ("clickbench/local/parquet/q07/duckdb", {}, True),
        ("interop/append/spark→duckdb", {}, True),
        ("interop/append/spark→duckdb", {"features": ("merge",)}, False),
        ("interop/append/spark→duckdb", {"features": ("app*",)}, True),
        ("interop/append/spark→duckdb", {"writers": ("trino",)}, False),
        ("interop/append/spark→duckdb", {"readers": ("trino",)}, False),
        ("interop/append/spark", {"readers": ("trino",)}, True),
        ("interop/append/spark-jdbc→duckdb", {}, False),
        ("phase1/duckdb/local/merge/duckdb", {"features": ("merge",)}, True),
        ("phase1/duckdb/local/merge/duckdb", {"features": ("other",)}, False),
        ("phase1/read/plain/live/duckdb", {"features": ("merge",)}, False),
        ("phase1/read/plain/live/duckdb", {}, True),
        ("phase1/connector/trino", {"features": ("merge",)}, False),
    ],
)
def test_a_choice_leaves_the_rest_out(case: str, chosen: dict[str, object], expected: bool) -> None:
    assert _covers(case, **chosen) is expected


@pytest.mark.parametrize(
    "case",
    ["phase4/q02/lost", "phase4/nessie/merge/lost→duckdb", "interop/append/lost→duckdb", "phase9/insert/a/3/lost"],
)
def test_an_engine_that_nobody_knows_any_more_is_missed_where_every_engine_was_to_be_asked(case: str) -> None:
    assert _covers(case, named=False)
    assert not _covers(case, named=True)
    assert not _covers(case.replace("lost", "lost@1.0"), named=False), "an environment is asked where it is named"


def test_the_header_of_a_run_has_what_it_was_to_cover() -> None:
    settings = {
        "engines": ["duckdb", "trino@476", "lost"],
        "named": [],
        "profile": "quick",
        "selection": {"features": ["merge"]},
    }
    scope = Scope.of(settings)
    assert scope is not None
    assert phases.covers(["phase4"], scope)("phase40", Coordinates(engine="duckdb", query="q01")) is False
    assert scope == Scope(scope.refs, Selection(features=("merge",)), "quick", named=False)
    assert [str(ref) for ref in scope.refs] == ["duckdb", "trino@476", "lost"]
    assert [str(ref) for ref in scope.registered] == ["duckdb", "trino@476"]
    assert Scope.of({}) is None
