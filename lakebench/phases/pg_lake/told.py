"""Field report C10: each statement as the report has it, on an Iceberg table and on its heap twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lakebench.errors import CaseError, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.twins import Twins, twins

GROUP = "The statements of the field report"
_COLUMNS = (
    "order_id INTEGER, customer_id INTEGER, amount DECIMAL(10,2), order_date TIMESTAMP DEFAULT NOW(), metadata JSONB"
)
_ROWS = "SELECT order_id, customer_id, amount, order_date < '2025-01-03' AS told, metadata FROM orders"


@dataclass(frozen=True)
class ToldStatement:
    """A step: its ``sql``, what is asked of the table after it, and how many ``snapshots`` it is to make."""

    title: str
    sql: tuple[str, ...]
    snapshots: int | None
    after: str = _ROWS


STATEMENTS: Mapping[str, ToldStatement] = {
    "create": ToldStatement("CREATE TABLE … USING iceberg", (), None),
    "insert": ToldStatement(
        "INSERT of every column",
        (
            (
                "INSERT INTO orders VALUES (1, 100, 99.99, '2025-01-01 10:00:00', '{\"channel\": \"web\"}'), "
                "(2, 101, 149.50, '2025-01-02 11:30:00', '{\"channel\": \"mobile\"}')"
            ),
        ),
        1,
    ),
    "insert-default": ToldStatement(
        "INSERT with the default of order_date",
        ('INSERT INTO orders (order_id, customer_id, amount, metadata) VALUES (3, 102, 5, \'{"channel": "web"}\')',),
        1,
    ),
    "update": ToldStatement("UPDATE of one row", ("UPDATE orders SET amount = 109.99 WHERE order_id = 1",), 1),
    "delete": ToldStatement("DELETE of one row", ("DELETE FROM orders WHERE order_id = 2",), 1),
    "rollback": ToldStatement(
        "BEGIN, INSERT, ROLLBACK: no snapshot",
        ("BEGIN", "INSERT INTO orders (order_id, amount) VALUES (999, 1)", "ROLLBACK"),
        0,
    ),
    "add-column": ToldStatement(
        "ADD COLUMN", ("ALTER TABLE orders ADD COLUMN region TEXT",), None, "SELECT order_id, region FROM orders"
    ),
    "jsonb": ToldStatement(
        "metadata->>'channel' = 'web'",
        (),
        0,
        "SELECT order_id, metadata->>'channel' AS channel FROM orders WHERE metadata->>'channel' = 'web'",
    ),
}


def blocks() -> Iterator[Check]:
    """A case for each statement."""
    for name, statement in STATEMENTS.items():
        yield check_of(case_of("told", name, GROUP, statement.title), partial(_told, name=name))


def _told(server: TwinServer, name: str) -> Evidence:
    """What became of the statement ``name`` when all of them ran, one after the other."""
    outcome = server.context.prepared.once("pg_lake/told", lambda: _run(server))[name]
    if isinstance(outcome, CaseError):
        raise outcome
    return outcome


def _run(server: TwinServer) -> dict[str, Evidence | CaseError]:
    outcomes: dict[str, Evidence | CaseError] = {}
    with twins(server, "told") as pair:
        pair.make("orders", _COLUMNS)
        for name, statement in STATEMENTS.items():
            pair.differences, pair.asked = [], []
            try:
                outcomes[name] = _step(server, pair, statement)
            except CaseError as error:
                outcomes[name] = error
    return outcomes


def _step(server: TwinServer, pair: Twins, statement: ToldStatement) -> Evidence:
    before = server.metadata(pair.lake, "orders").snapshots
    pair.run([*statement.sql, statement.after])
    made = server.metadata(pair.lake, "orders").snapshots - before
    if statement.snapshots is not None and made != statement.snapshots:
        raise WrongAnswer(
            f"{made} snapshots were made, and {statement.snapshots} were to be", statements=pair.asked, made=made
        )
    rows = [list(row) for row in pair.lake.must(statement.after).rows]
    return pair.evidence(snapshots_made=made, rows=rows)
