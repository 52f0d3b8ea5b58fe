"""Of a catalog over a DuckLake: each side writes a table, and the other reads its rows and has its snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from lakebench import engines
from lakebench.datasets.ducklake import catalog as ducklake
from lakebench.engines import CanOperate
from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import Delete, Operation
from lakebench.iceberg.scan import Condition, Scan
from lakebench.model import EngineRef, Lake, TableFormat
from lakebench.phases.rest_catalog.data_tables import (
    BASE,
    NAMESPACE,
    Engines,
    Row,
    append,
    check,
    create,
    lake,
    metadata,
    operate,
    operations_of,
    read,
    readers,
    rest,
    rows,
    table_name,
    writers,
)
from lakebench.phases.rest_catalog.sandbox import current_snapshot
from lakebench.phases.rest_catalog.targets import CheckedCatalog

SUBJECT = "One table as DuckLake's and as Iceberg's"
_MORE, _GONE = rows(100, 20), 5
_LEFT = tuple(row for row in (*BASE, *_MORE) if row[0] >= _GONE)
_INLINING = {"": "0", "-inlined": "1000"}
"""The end of a test's name → how many rows DuckLake keeps in its catalog instead of in a file."""


def blocks(refs: Sequence[EngineRef], target: CheckedCatalog) -> Iterator[Check]:
    """The rows and the snapshots for each writer, and for DuckLake as a writer; none where there is no DuckLake."""
    others = [ref for ref in refs if _is_ducklakes(ref)]
    if not (target.service and target.kind.over_ducklake and others):
        return
    able, ours = writers(refs), others[0]
    for ref in able:
        run = partial(_rows, target=target, ref=ref, ours=ours)
        yield check(target, "rows-ducklake", SUBJECT, "DuckLake has the rows", Engines(writer=ref, reader=ours), run)
        run = partial(_head, target=target, ref=ref)
        yield check(target, "head-ducklake", SUBJECT, "DuckLake has the current snapshot", Engines(writer=ref), run)
    for end, limit in _INLINING.items() if able else ():
        for ref in readers(refs):
            run = partial(_rows_back, target=target, ref=ref, ours=ours, limit=limit)
            who = Engines(writer=ours, reader=ref)
            yield check(target, f"rows-from-ducklake{end}", SUBJECT, "Rows that DuckLake wrote", who, run)
        run = partial(_head_back, target=target, ours=ours, limit=limit)
        title = "The current snapshot is the one that DuckLake made"
        yield check(target, f"head-from-ducklake{end}", SUBJECT, title, Engines(writer=ours), run)


def _is_ducklakes(ref: EngineRef) -> bool:
    engine = engines.find(ref.name)
    return TableFormat.DUCKLAKE in engine.formats and issubclass(engine, CanOperate) and ref in writers([ref])


def _beside(context: RunContext, target: CheckedCatalog, limit: str = "0") -> Lake:
    """The DuckLake, with at most ``limit`` rows of an insert in its catalog."""
    found = target.kind.ducklake(context.services.endpoint, {"DATA_INLINING_ROW_LIMIT": limit})
    if found is None:
        raise EngineUnavailable("lakebench does not know the database of the DuckLake of this catalog")
    return Lake(**{**vars(found), "namespace": NAMESPACE})


def _delete(table: str) -> Operation:
    return Delete(table=table, where=(Condition("id", "<", _GONE),))


def _steps(ref: EngineRef, table: str) -> list[Operation]:
    """An append, and a delete where ``ref`` can be asked for one."""
    return [append(table, _MORE), *([_delete(table)] if Delete in operations_of(ref) else [])]


# Iceberg writes


def _rows(context: RunContext, target: CheckedCatalog, ref: EngineRef, ours: EngineRef) -> Evidence:
    at, name = lake(context, target), table_name("to_ducklake", ref)
    create(context, ref, at, name)
    made = _steps(ref, name)
    statements = operate(context, ref, at, *made)
    wanted = _LEFT if len(made) > 1 else (*BASE, *_MORE)
    return {**read(context, ours, _beside(context, target), Scan(name), wanted), "steps": statements}


def _head(context: RunContext, target: CheckedCatalog, ref: EngineRef) -> Evidence:
    at, name = lake(context, target), table_name("head_ducklake", ref)
    create(context, ref, at, name)
    pairs = [_equal(context, target, name, "the table was made")]
    for step in _steps(ref, name):
        operate(context, ref, at, step)
        pairs.append(_equal(context, target, name, type(step).__name__.lower()))
    return {"snapshots": pairs, "checked_against": ["the table ducklake_snapshot"]}


def _equal(context: RunContext, target: CheckedCatalog, table: str, after: str) -> int:
    """Check that the current snapshot is DuckLake's newest one, which the last change of this table made.

    Raises:
        WrongAnswer: it is another one.
    """
    current = current_snapshot(metadata(rest(context, target), table))
    newest: int = context.checker.call(newest_snapshot, _beside(context, target))
    if current != newest:
        raise WrongAnswer(
            f"after {after} DuckLake's newest snapshot is {newest}, and the table's current one {current}"
        )
    return newest


def newest_snapshot(lake: Lake) -> int:
    """The newest snapshot of a DuckLake, by its catalog; a function for the checker process."""
    with ducklake.Metadata(lake) as found:
        return ducklake.newest(found)


# DuckLake writes


def _written(context: RunContext, target: CheckedCatalog, ours: EngineRef, limit: str) -> str:
    """A table that an engine made through the catalog, and DuckLake then changed, once a run.

    Raises:
        EngineUnavailable: this could not be done.
    """
    name = table_name("from_ducklake", limit)

    def make() -> None:
        create(context, writers(context.request.refs)[0], lake(context, target), name)
        operate(context, ours, _beside(context, target, limit), append(name, _MORE), _delete(name))

    context.prepared.once(f"rest_catalog/{target.name}/{name}", make)
    return name


def _rows_back(context: RunContext, target: CheckedCatalog, ref: EngineRef, ours: EngineRef, limit: str) -> Evidence:
    name = _written(context, target, ours, limit)
    wanted: Sequence[Row] = _LEFT
    return read(context, ref, lake(context, target), Scan(name), wanted)


def _head_back(context: RunContext, target: CheckedCatalog, ours: EngineRef, limit: str) -> Evidence:
    at, name = _beside(context, target, limit), table_name("head_from_ducklake", limit)
    create(context, writers(context.request.refs)[0], lake(context, target), name)
    pairs = []
    for step in (append(name, _MORE), _delete(name)):
        operate(context, ours, at, step)
        pairs.append(_equal(context, target, name, type(step).__name__.lower()))
    return {"snapshots": pairs, "checked_against": ["the table ducklake_snapshot"]}
