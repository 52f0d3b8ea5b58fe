"""The part ``load-test``: LoadTable, listTables and commits in closed and open loops, and what more tables cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from lakebench.errors import CaseError, UsageError, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence, Followed, Versioned
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, EngineRef
from lakebench.phases.options import Asked, Option
from lakebench.phases.rest_catalog import load_client, load_growth
from lakebench.phases.rest_catalog.cases import PHASE, clean, diagnosed, versions
from lakebench.phases.rest_catalog.checks import Level
from lakebench.phases.rest_catalog.load_client import Measured
from lakebench.phases.rest_catalog.load_tables import (
    CLIENTS,
    KEY,
    ServedTables,
    ask_closed,
    evidence_of,
    is_quick,
    sandbox,
    seconds,
    served,
)
from lakebench.phases.rest_catalog.targets import CheckedCatalog

PART = "load-test"
"""Not ``load``, which is the check of a table that could not be loaded."""
SUBJECT = "Load"
RATES: Mapping[str, tuple[int, ...]] = {
    "loadTable": (25, 100, 400),
    "listTables": (25, 100, 400),
    "updateTable": (5, 20, 80),
}
"""Operation → requests a second of the open loop."""
_LAST = "growth-namespaces"
_FEWEST, _MOST, _USUAL, _QUICK = 10, 10_000, 1000, 100
Load = Callable[[RunContext, CheckedCatalog], Evidence]


def _read_tables(text: str, _: Asked) -> int:
    if not text:
        return 0
    if not text.isdecimal() or not _FEWEST <= int(text) <= _MOST:
        raise UsageError(f"--load-tables takes a number from {_FEWEST} to {_MOST}")
    return int(text)


TABLES = Option(
    "load-tables",
    f"The part load-test: the most tables of a namespace, up to {_MOST}. Default: {_USUAL}, or {_QUICK} with quick.",
    metavar="N",
    read=_read_tables,
)


def blocks(_: RunContext, target: CheckedCatalog) -> Iterator[Block]:
    """Closed and open loops of each operation, then growth; a catalog of the user's is cleaned after them."""
    for test, operation, title, load in tests():
        one = _versioned(target, test, operation, title, load)
        yield Followed(one, partial(_clean, target=target)) if test == _LAST else one


def tests() -> Iterator[tuple[str, str, str, Load]]:
    """Test, operation, title and what is done."""
    for operation, rates in RATES.items():
        for clients in CLIENTS:
            at_once = f"{operation} by {clients} {'client' if clients == 1 else 'clients'} at once"
            yield (
                f"{operation}-closed-{clients}",
                operation,
                at_once,
                partial(_closed, operation=operation, clients=clients),
            )
        for rate in rates:
            title = f"{operation}, {rate} requests a second"
            yield f"{operation}-open-{rate}", operation, title, partial(_open, operation=operation, rate=rate)
    yield "loadTable-first", "loadTable", "loadTable of tables that were not loaded before", _first
    yield "growth-snapshots", "loadTable", "loadTable of a table with more and more snapshots", load_growth.by_snapshots
    yield "growth-tables", "listTables", "loadTable and listTables with more and more tables", _by_tables
    yield _LAST, "listNamespaces", "listNamespaces with more and more of them", load_growth.by_namespaces


def _versioned(target: CheckedCatalog, test: str, operation: str, title: str, load: Load) -> Block:
    more = {"operation": operation, "level": Level.CAP.value, "subject": SUBJECT}
    about = {**more, **target.named_service}
    case = Case(
        id=f"{PHASE}/{target.name}/load.{test}",
        phase=PHASE,
        title=f"{title} ({operation}, {Level.CAP})",
        engine=EngineRef(target.name),
        group=SUBJECT,
        row=f"load.{test}",
        column=target.name,
        coordinates=Coordinates(catalog=target.name, check=PART, test=test, more=about),
    )
    return Versioned(Check(case, partial(_run, load, target)), target.name, partial(versions, target))


def _run(load: Load, target: CheckedCatalog, context: RunContext) -> Evidence:
    """A loop; where the catalog dies of it, it is started again for the next one."""
    try:
        return load(context, target)
    except CaseError as error:
        raise diagnosed(context, target, error) from error


def _closed(context: RunContext, target: CheckedCatalog, operation: str, clients: int) -> Evidence:
    tables = served(context, target)
    ask = partial(ask_closed, context, tables, tables.requests(operation), clients)
    return _kept(context, target, tables, operation, ask, loop="closed", clients=clients)


def _open(context: RunContext, target: CheckedCatalog, operation: str, rate: int) -> Evidence:
    tables = served(context, target)

    def ask() -> Measured:
        requests = tables.requests(operation)
        return context.checker.call(load_client.opened, tables.login, requests, float(rate), seconds(context))

    return _kept(context, target, tables, operation, ask, loop="open", rate=rate)


def _kept(
    context: RunContext,
    target: CheckedCatalog,
    tables: ServedTables,
    operation: str,
    ask: Callable[[], Measured],
    **loop: Any,
) -> Evidence:
    """The evidence of a loop; the last commit to each table that was acknowledged is there.

    Raises:
        WrongAnswer: an answer was not right, or a commit is lost.
        Refused: the catalog declined a request.
    """
    found: list[Measured] = []

    def asked() -> Measured:
        found.append(ask())
        return found[0]

    evidence = evidence_of(context, target, asked, operation=operation, **loop)
    if operation == "updateTable" and loop["loop"] == "closed":  # else several commit to one table at once
        none_lost(tables, found[0])
    return evidence


def none_lost(tables: ServedTables, measured: Measured) -> None:
    """Check that each table has the value of its last commit.

    Raises:
        WrongAnswer: one has another value.
    """
    for table, last in zip(tables.tables, measured.last, strict=True):
        value = (tables.catalog.load(table).get("properties") or {}).get(KEY) if last >= 0 else None
        if last >= 0 and value != f"value-{last}-":
            raise WrongAnswer(f"the commit {last} to {table.name} was acknowledged, and the table has {value}")


def _first(context: RunContext, target: CheckedCatalog) -> Evidence:
    """Each table once, after its creation: what a catalog keeps in memory of loads is not there yet."""
    tables = served(context, target)
    namespace = tables.catalog.namespace()
    requests = [tables.load(tables.catalog.table(namespace)) for _ in range(max(CLIENTS))]
    ask = partial(ask_closed, context, tables, requests, 1, len(requests))
    return evidence_of(context, target, ask, operation="loadTable", loop="each once", clients=1)


def _by_tables(context: RunContext, target: CheckedCatalog) -> Evidence:
    chosen = int(context.request.selection.options.get(PHASE, {}).get(TABLES.name, 0))
    return load_growth.by_tables(context, target, chosen or (_QUICK if is_quick(context) else _USUAL))


def _clean(context: RunContext, target: CheckedCatalog) -> None:
    """Leave a catalog of the user's as it was."""
    try:
        if target.is_users(context.services):
            clean(sandbox(context, target))
    except CaseError:
        return
