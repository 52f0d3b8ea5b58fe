"""The questions to four lakes without servers: what is planned, and which ends of a transaction are right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lakebench.config import ServiceSettings, Settings
from lakebench.errors import EngineUnavailable, Refused, UsageError, WrongAnswer
from lakebench.execution.cases import Case
from lakebench.execution.request import Scope
from lakebench.model import Coordinates, EngineRef, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.phases import lake_criteria
from lakebench.phases.case_choice import CasesOfRuns, Grade, RunCase
from lakebench.phases.lake_criteria import ACID, CATALOGS, CRITERIA, FULL_ACID, JDBC, LAKES, NESSIE, PG_LAKE
from lakebench.phases.options import Asked
from lakebench.phases.pg_lake import acid, ways
from lakebench.phases.pg_lake.four_lakes import FIRST, KINDS, OPTION, WRITER, TwoTables
from lakebench.phases.pg_lake.phase import PgLakePhase

ENGINES = ("duckdb", "duckdb@1.4.4", "pg_lake", "spark", "spark-jdbc", "trino")


def _ref(text: str) -> EngineRef:
    name, _, version = text.partition("@")
    return EngineRef(name, version or None)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [case for block in acid.blocks(tuple(map(_ref, ENGINES)), KINDS) for case in block.cases]


def _tests(cases: list[Case], lake: str, engine: str, check: str = "acid") -> list[str | None]:
    return [
        one.coordinates.test
        for one in cases
        if one.coordinates.check == check and one.coordinates.catalog == CATALOGS[lake] and str(one.engine) == engine
    ]


def test_each_lake_is_asked_by_its_engines_alone(cases: list[Case]) -> None:
    assert len({one.id for one in cases}) == len(cases)
    asked = {(one.coordinates.catalog, str(one.engine)) for one in cases}
    assert asked == {
        *((catalog, engine) for catalog in ("postgres", "nessie") for engine in ("duckdb", "duckdb@1.4.4")),
        ("nessie", "spark"), ("pg_lake", "pg_lake"), ("jdbc", "spark-jdbc"),
    }  # fmt: skip
    assert not list(acid.blocks((EngineRef("trino"),), KINDS))


def test_an_engine_without_transactions_is_asked_while_its_commit_is_held(cases: list[Case]) -> None:
    transactions = ["rollback", "two-tables", "conflict"]
    assert _tests(cases, PG_LAKE, "pg_lake") == list(ACID)
    assert _tests(cases, NESSIE, "duckdb") == [*transactions, "reader", "killed"]
    assert _tests(cases, NESSIE, "spark") == transactions
    assert _tests(cases, JDBC, "spark-jdbc") == list(ACID)
    assert len(_tests(cases, JDBC, "spark-jdbc", "evolution")) == 4


def test_each_question_of_c16_has_the_cases_of_this_module(cases: list[Case]) -> None:
    records = [
        Record(one.id, one.phase, "", str(one.engine), Outcome.PASS, coordinates=one.coordinates) for one in cases
    ]
    passed = CasesOfRuns(tuple(map(RunCase, records)), {})
    for lake in LAKES:
        questions = CRITERIA[FULL_ACID][lake].asks
        own = {one.title for one in questions if one.of(passed).grade is Grade.PASSES}
        by_phase_9 = {ACID["answer-lost"]} if lake not in {PG_LAKE, JDBC} else set()
        assert own == set(ACID.values()) - by_phase_9
        for criterion in ("schema evolution", "external services"):
            assert all(one.of(passed).ran for one in CRITERIA[criterion][lake].asks)


def test_the_servers_of_a_case_are_those_of_its_lake() -> None:
    assert {kind.title: kind.servers for kind in KINDS}[NESSIE] == ("nessie", "object-store")
    assert {kind.title for kind in KINDS} == set(LAKES)
    assert all(kind.catalog == lake_criteria.CATALOGS[kind.title] for kind in KINDS)


def _chosen(lakes: str) -> Selection:
    return Selection(options={"phase45": {"lakes": OPTION.read(lakes, Asked())} if lakes else {}})


WITH_PG_LAKE = Settings(services={"pg_lake": ServiceSettings(pg_config=Path("/opt/pg_config"))})


@pytest.mark.parametrize(
    ("lakes", "settings", "services", "spark"),
    [
        ("", Settings(), set(), False),
        ("", WITH_PG_LAKE, {"pg_lake", *ways.SERVICES}, False),
        ("ducklake", Settings(), {"postgres", "object-store"}, True),
        ("all", Settings(), {"postgres", "object-store", "nessie"}, True),
        ("pg_lake,nessie", WITH_PG_LAKE, {"nessie", "object-store", "pg_lake", *ways.SERVICES}, True),
    ],
)
def test_servers_and_engines_of_other_lakes_come_where_these_are_asked(
    lakes: str, settings: Settings, services: set[str], spark: bool
) -> None:
    phase = PgLakePhase()
    assert set(phase.optional_services(_chosen(lakes), settings)) == services
    assert ("spark" in phase.engines(_chosen(lakes))) is spark
    assert {kind.engine for kind in phase._lakes(_chosen(lakes))} <= set(phase.engines(_chosen(lakes)))


@pytest.mark.parametrize(("lakes", "covered"), [("", {"pg_lake"}), ("all", set(CATALOGS.values()))])
def test_a_run_is_to_have_the_questions_to_the_lakes_that_it_asks(lakes: str, covered: set[str]) -> None:
    selection = _chosen(lakes)
    scope = Scope((EngineRef("duckdb"), EngineRef("pg_lake")), selection, "quick", named=False)
    of_lakes = [Coordinates(engine="duckdb", catalog=one, check="acid") for one in CATALOGS.values()]
    assert {one.catalog for one in of_lakes if PgLakePhase().covers(one, scope)} == covered
    assert PgLakePhase().covers(Coordinates(engine="pg_lake", check="told"), scope)


def test_a_lake_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="hudi"):
        OPTION.read("pg_lake,hudi", Asked())
    assert OPTION.read("jdbc", Asked()) == ("jdbc",)


class Lake:
    """Two tables as an engine has them: ``commit`` is what its COMMIT does."""

    a, b = "t_a", "t_b"

    def __init__(self, commit: Callable[[Lake], None]) -> None:
        self.commit = commit
        self.of_a, self.of_b = [("1", "10")], [("1", "10")]

    def run(self, *statements: str, session: str = "") -> None:
        if session:
            self.of_b = [("1", "11")]
        if "COMMIT" in statements:
            self.commit(self)

    def rows(self, sql: str) -> list[tuple[str, str]]:
        return self.of_a if self.a in sql else self.of_b

    def new_session(self) -> None:
        pass


def _commits(lake: Lake) -> None:
    lake.of_a, lake.of_b = [*lake.of_a, ("2", "20")], [("1", "111")]


def _refuses(_: Lake) -> None:
    raise Refused("conflict")


def _commits_half(lake: Lake) -> None:
    lake.of_b = [("1", "111")]


def _commits_half_and_refuses(lake: Lake) -> None:
    lake.of_a = [*lake.of_a, ("2", "20")]
    raise Refused("conflict")


def _loses_the_others_update(lake: Lake) -> None:
    lake.of_a, lake.of_b = [*lake.of_a, ("2", "20")], [("1", "110")]


def _commits_nothing(_: Lake) -> None:
    pass


@pytest.mark.parametrize(("commit", "said"), [(_commits, ""), (_refuses, "conflict")])
def test_a_transaction_in_conflict_is_there_in_full_or_not_at_all(commit: Callable[[Lake], None], said: str) -> None:
    tables: Any = Lake(commit)
    assert acid._conflict(tables)["said"] == said


@pytest.mark.parametrize(
    "commit", [_commits_half, _commits_half_and_refuses, _loses_the_others_update, _commits_nothing]
)
def test_half_a_transaction_and_a_lost_update_are_wrong(commit: Callable[[Lake], None]) -> None:
    tables: Any = Lake(commit)
    with pytest.raises(WrongAnswer, match="and a has"):
        acid._conflict(tables)


def test_an_answer_that_came_was_not_lost() -> None:
    with pytest.raises(EngineUnavailable, match="no answer was lost"):
        acid._told(lambda: None)

    def lost() -> None:
        raise Refused("the connection ended")

    assert acid._told(lost) == "the connection ended"


@pytest.mark.parametrize(("found", "right"), [([("1", "10"), ("2", None)], True), ([("1", "10")], False)])
def test_a_changed_table_has_the_rows_from_before_and_after(found: list[tuple[str | None, ...]], right: bool) -> None:
    tables: Any = Lake(_commits)
    tables.of_a = found
    change = {"change": "DROP COLUMN v", "insert": "VALUES (2)", "query": "SELECT * FROM {t}"}
    rows = (("1", "10"), ("2", None))
    if right:
        evidence = acid._changed(tables, rows=rows, **change)
        assert evidence["statements"] == ("ALTER TABLE t_a DROP COLUMN v", "INSERT INTO t_a VALUES (2)")
        return
    with pytest.raises(WrongAnswer, match="is to have"):
        acid._changed(tables, rows=rows, **change)


@dataclass(frozen=True)
class InMemory(TwoTables):
    """Two tables in memory; without ``transactions`` each statement is committed at once."""

    transactions: bool = True
    tables: dict[str, list[tuple[str | None, ...]]] = field(default_factory=dict)
    pending: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def run(self, *statements: str, session: str = WRITER) -> None:  # noqa: ARG002
        for sql in statements:
            if insert := re.fullmatch(r"INSERT INTO (\w+) VALUES \((.*)\)", sql):
                self.pending.append((insert[1], tuple(insert[2].split(", "))))
            if sql == "COMMIT" or not self.transactions or "(3, " in sql:
                for table, row in self.pending:
                    self.tables.setdefault(table, [FIRST]).append(row)
            if sql in {"COMMIT", "ROLLBACK"} or not self.transactions or "(3, " in sql:
                self.pending.clear()

    def rows(self, sql: str) -> list[tuple[str | None, ...]]:
        table = sql.partition(" FROM ")[2].partition(" ")[0]
        return self.tables.get(table, [FIRST])

    def new_session(self) -> None:
        self.pending.clear()

    kill_writer = new_session


TESTS = {"rollback": acid._rollback, "two-tables": acid._two_tables, "reader": acid._reader, "killed": acid._killed}


def _in_memory(transactions: bool) -> InMemory:
    unused: Any = None
    return InMemory(unused, KINDS[0], EngineRef("duckdb"), "t", transactions)


@pytest.mark.parametrize("test", TESTS)
def test_a_lake_with_transactions_passes(test: str) -> None:
    assert TESTS[test](_in_memory(True))


@pytest.mark.parametrize("test", ["rollback", "reader", "killed"])
def test_a_lake_that_commits_each_statement_at_once_is_wrong(test: str) -> None:
    with pytest.raises(WrongAnswer, match=r"has .*\('2', '20'\).* is to have"):
        TESTS[test](_in_memory(False))
