from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from lakebench.datasets import answers
from lakebench.datasets.postgresql import KINDS, TRAPS, small
from lakebench.execution.protocol import PROFILES, Profile
from lakebench.model import EngineRef, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.phases import find
from lakebench.phases.jdbc import pgspider, phase
from lakebench.phases.jdbc.checks import _CUTS, _PUSHES
from lakebench.results import schema1
from lakebench.verification import query_plans

PUSHED = """Append
  ->  Async Foreign Scan
        Output: t.node, (count(*)), (avg(t.price))
        Relations: Aggregate on (nodes.part_a t)
        Remote SQL: SELECT node, count(*), avg(price) FROM public.orders GROUP BY 1
  ->  Async Foreign Scan
        Remote SQL: SELECT node, count(*), avg(price) FROM public.orders GROUP BY 1"""
ROWS = """Finalize Aggregate
  ->  Gather
        ->  Parallel Append
              ->  Partial Aggregate
                    Output: PARTIAL sum(t.price)
                    ->  Foreign Scan on nodes.part_a t
                          Remote SQL: SELECT price FROM public.orders"""
LOG = """2026-11-25 21:39:27.270 UTC [12] LOG:  statement: SELECT 'lakebench before'
2026-11-25 21:39:27.270 UTC [12] LOG:  statement: SELECT 'lakebench marker'
2026-11-25 21:39:27.280 UTC [13] LOG:  execute <unnamed>: SET extra_float_digits = 3
2026-11-25 21:39:27.281 UTC [13] LOG:  execute <unnamed>/C_1: SELECT "a"
\tFROM "tpch"."orders" WHERE "a" = 'x: y'
2026-11-25 21:39:27.281 UTC [13] DETAIL:  parameters: none
2026-11-25 21:39:27.281 UTC [14] LOG:  statement: CREATE USER MAPPING FOR me SERVER s OPTIONS (password 'it''s')
2026-11-25 21:39:27.282 UTC [14] LOG:  statement: BEGIN
"""


def test_a_plan_shows_what_nodes_compute() -> None:
    distribution = query_plans.distributed(PUSHED.splitlines())
    assert (distribution.appended, distribution.asynchronous, distribution.pushed) == (True, True, ("count", "avg"))
    assert len(distribution.remote) == 2


def test_a_partial_aggregate_above_a_scan_is_computed_here() -> None:
    distribution = query_plans.distributed(ROWS.splitlines())
    assert (distribution.appended, distribution.asynchronous, distribution.pushed) == (True, False, ())


def test_a_log_tells_the_statements_behind_the_marker_and_no_password() -> None:
    first, second = query_plans.statements(LOG, "lakebench marker")
    assert first == """SELECT "a" FROM "tpch"."orders" WHERE "a" = 'x: y'"""
    assert "it''s" not in second
    assert query_plans.statements("", "lakebench marker") == ()


@pytest.mark.parametrize(
    ("spans", "most"),
    [([], 0), ([(1.0, 2.0)], 1), ([(1.0, 2.0), (2.5, 3.0)], 1), ([(1.0, 3.0), (2.0, 4.0), (2.5, 2.6)], 3)],
)
def test_spans_are_under_way_at_once(spans: list[tuple[float, float]], most: int) -> None:
    assert query_plans.side_by_side(spans) == most


def test_each_sign_is_found_where_the_work_is_pushed_down_and_not_elsewhere() -> None:
    def matches(name: str, sql: str) -> bool:
        return re.search(_PUSHES[name].sign, sql, re.IGNORECASE | re.DOTALL) is not None

    assert matches(
        "filter", 'SELECT "o_orderkey" FROM orders WHERE (("o_orderkey" IS NOT NULL) AND ("o_orderkey" = 7))'
    )
    assert matches("filter", 'COPY (SELECT "o_orderkey" FROM orders WHERE "o_orderkey" = \'7\') TO STDOUT')
    assert not matches("filter", 'SELECT "o_orderkey" FROM orders WHERE "o_orderkey" < 15001 or "o_orderkey" is null')
    assert matches("filter-text", 'WHERE ("o_comment" >= \'final\' COLLATE "C")')
    assert not matches("filter-text", 'SELECT "o_comment" FROM orders')
    assert matches("columns", 'SELECT "o_custkey","o_totalprice" FROM orders')
    assert not matches("columns", 'SELECT "o_comment","o_totalprice" FROM orders')
    assert not matches("aggregate", 'SELECT "o_totalprice" FROM orders')
    assert not matches("limit", "SELECT 1 FROM orders")


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.name)
def test_a_types_rows_are_as_many_as_its_literals(kind: Any) -> None:
    table = small(kind.table)
    rows = table.rows()
    assert rows.num_rows == len(table.literals) == len(kind.values) + 1
    assert rows.column("v").null_count == 1


def test_the_traps_have_keys_that_partitions_may_lose() -> None:
    keys = TRAPS.rows().column("k").to_pylist()
    assert None in keys
    assert min(k for k in keys if k is not None) < _CUTS["outside"][1]
    assert max(k for k in keys if k is not None) > _CUTS["outside"][2]


def test_a_row_lost_or_doubled_is_seen() -> None:
    rows = TRAPS.rows()
    assert answers.same_rows(rows, rows).diff is None
    assert answers.same_rows(rows.slice(1), rows).diff is not None
    assert answers.same_rows(pa.concat_tables([rows, rows.slice(0, 1)]), rows).diff is not None


def profile(name: str, *chosen: str, sf: str = "1") -> Profile:
    return replace(PROFILES[name], scale_factor=Decimal(sf), chosen=chosen)


def test_its_size_is_its_own_unless_the_user_names_one() -> None:
    assert phase._size(profile("standard")) == Decimal("0.1")
    assert phase._size(profile("standard", "sf")) == 1
    assert phase._size(profile("quick", sf="0.01")) == Decimal("0.01")


def test_its_samples_are_few_unless_the_user_says_how_many() -> None:
    assert (phase._protocol(profile("standard")).cold, phase._protocol(profile("standard")).samples) == (0, 3)
    assert phase._protocol(profile("standard", "repeat")) == PROFILES["standard"].protocol


def test_it_asks_every_engine_with_a_way_into_postgresql() -> None:
    assert set(find("jdbc").engines(Selection())) == {"duckdb", "postgres", "spark", "trino"}


@pytest.mark.parametrize("shape", pgspider._SHAPES)
def test_every_shape_has_both_nodes(shape: str) -> None:
    made = "\n".join(pgspider._MAKERS[shape]("orders", pgspider._COLUMNS, pgspider._NodeNames("lake")))
    assert f"orders_{shape}" in made
    assert all(f"SERVER lake_{node}" in made for node in "ab")


@pytest.mark.parametrize("shape", pgspider._SHAPES)
def test_the_tables_of_the_server_and_those_of_the_shape_are_made(monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    made: list[str] = []
    monkeypatch.setattr(pgspider, "_make", lambda *_: made.append("server"))
    monkeypatch.setattr(pgspider, "_make_shape", lambda *_: made.append("shape"))
    monkeypatch.setattr(pgspider.lakes, "postgresql_lake", lambda *_, **__: None)
    there: dict[str, Any] = {}
    services = SimpleNamespace(start=lambda _: None, endpoint=lambda _: SimpleNamespace(properties={}))
    prepared = SimpleNamespace(once=lambda key, make: key in there or there.setdefault(key, make()))
    context: Any = SimpleNamespace(services=services, prepared=prepared, client=None, checker=None)
    workload: Any = None
    for _ in range(2):
        pgspider._ready(context, EngineRef("postgres"), shape, workload)
    assert made == ["server", "shape"]


def case(name: str, outcome: Outcome = Outcome.PASS, **evidence: Any) -> Record:
    return Record(case=name, phase="phase2", title="", engine=name.rpartition("/")[2], outcome=outcome,
                  evidence=evidence, row=name.split("/")[1], coordinates=schema1.coordinates(name))  # fmt: skip


def field_reports(*cases: Record) -> dict[str, Any]:
    return {report.report: report for report in find("jdbc").judge_field_reports(cases, "0.1")}


def test_c4_needs_right_rows_and_several_sessions_at_once() -> None:
    parallel = case("phase2/parallel/spark", backends={"1": 5, "2": 5}, at_once=2)
    right = [case("phase2/read-even/spark"), parallel]
    assert field_reports(*right)["C4"].verdict == "reproduced"
    assert field_reports(case("phase2/read-even/spark", Outcome.WRONG), parallel)["C4"].verdict == "not reproduced"
    assert field_reports(case("phase2/read-even/duckdb"))["C4"].verdict == "could not run here"


def test_c5_is_not_reproduced_where_nodes_compute() -> None:
    rows = case("phase2/nodes-pgspider-off-count/postgres", appended=True, pushed=[])
    count = case("phase2/nodes-pgspider-on-count/postgres", appended=True, pushed=["count"])
    assert field_reports(rows)["C5"].verdict == "reproduced"
    assert field_reports(rows, count)["C5"].verdict == "not reproduced"
    assert field_reports(case("phase2/nodes-union-off-count/postgres", appended=True, pushed=[]))["C5"].verdict == (
        "could not run here"
    )


def test_c5_names_what_nodes_compute() -> None:
    count = replace(
        case("phase2/nodes-pgspider-on-count/postgres", appended=True, pushed=["count"]), row="count, partitionwise on"
    )
    slow = replace(case("phase2/nodes-pgspider-on-at-once/postgres", at_once=False), row="slow")
    ours = field_reports(count, slow)["C5"].ours
    assert ours["partitionwise on: nodes compute"] == "count"
    assert ours["partitionwise off: nodes compute"] == "nothing"
    assert ours["slow"] == "one after the other"
