"""Both extensions created in one database, in both orders."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from lakebench.errors import WrongAnswer
from lakebench.execution.cases import Block, Evidence
from lakebench.phases.citus_pg_duckdb.case import case_of, check_of
from lakebench.phases.citus_pg_duckdb.server import Both, Combination

GROUP = "CREATE EXTENSION"


def blocks(of: Combination) -> Iterator[Block]:
    """A check for each order."""
    for order in of.orders:
        case = case_of(of, "create", "-then-".join(order), GROUP, f"{order[0]}, then {order[1]}")
        yield check_of(of, case, partial(_create, order=order))


def _create(both: Both, order: tuple[str, str]) -> Evidence:
    """Both are created, and each answers."""
    database = both.created(order)
    for extension in order:
        sql = both.combination.works[extension]
        if (answer := both.server.cells(database, "made", sql)) != [["True"]]:
            raise WrongAnswer(f"{extension} was created, and does not work", sql=sql, answer=answer)
    return {"statements": [f"CREATE EXTENSION {one} CASCADE" for one in order]}
