"""Who else reads a table's files, without PostgreSQL: after INSERT, after UPDATE, after DELETE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.postgresql.edges import TYPES, filled
from lakebench.datasets.rules import Rules
from lakebench.engines.postgresql import VERSIONS, server_versions
from lakebench.errors import EngineUnavailable
from lakebench.execution.cases import Block, Case, Check, Evidence, Versioned, same
from lakebench.execution.context import RunContext
from lakebench.model import Catalog, CatalogKind, Coordinates, EngineRef, Lake, TableFormat
from lakebench.phases.pg_mooncake import files, mirror
from lakebench.phases.pg_mooncake.sides import (
    COLUMNSTORE,
    MIRROR,
    PHASE,
    SERVERS,
    ColumnarServer,
    ColumnarTwins,
    Side,
    at,
)

GROUP = "Who else reads its files"
STEPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "insert": ("after INSERT", ()),
    "update": ("after UPDATE", ("UPDATE {t} SET amount = amount + 1, region = 'u' WHERE id % 7 = 0",)),
    "delete": ("after DELETE", ("DELETE FROM {t} WHERE id % 11 = 0",)),
}
"""What is done to the table before it is read, each after the one before it."""
_ALONE = (
    "SELECT count(*) AS n, count(region) AS c, sum(quantity) AS s, min(ordered) AS low, max(ordered) AS high "
    "FROM {t} WHERE id > 100"
)
_ICEBERG = "iceberg_scan"  # reads a table by its metadata file alone
READERS = ("duckdb", "polars", "daft", _ICEBERG)
"""The engines that are asked by default: those that read Delta Lake here, and one for the mirror's Iceberg files."""


def blocks(refs: Sequence[EngineRef]) -> Iterator[Block]:
    """Every reader of the columnstore table's Delta Lake files, and of the mirror's Iceberg files, step by step."""
    others = [ref for ref in refs if ref not in SERVERS]
    for side in (one for one in (COLUMNSTORE, MIRROR) if one.ref in refs):
        for step in STEPS:
            for ref in (one for one in others if (one.name == _ICEBERG) is (side == MIRROR)):
                check = Check(_case(side, step, ref), partial(_read, side=side, step=step, ref=ref))
                yield Versioned(check, side.ref.name, partial(_versions, side), beside=True)


def _versions(side: Side, context: RunContext) -> Mapping[str, str]:
    """Those of the server that wrote the files."""
    server = ColumnarServer(context, side.ref)
    return server_versions(side.ref.name, server.cells(VERSIONS))


def _case(side: Side, step: str, ref: EngineRef) -> Case:
    title, _ = STEPS[step]
    return Case(
        id=f"{PHASE}/read/{step}/{side.name}→{ref}",
        phase=PHASE,
        title=f"{ref} reads what {side.title} wrote, {title}",
        engine=ref,
        group=GROUP,
        row=f"{side.title}, {title}",
        column=str(ref),
        coordinates=Coordinates(
            writer=str(side.ref),
            reader=str(ref),
            format=_format(side).value,
            check="read",
            test=step,
            more={"table": side.storage, "services": side.ref.name},
        ),
    )


def _format(side: Side) -> TableFormat:
    return TableFormat.DELTA if side == COLUMNSTORE else TableFormat.ICEBERG


@dataclass(frozen=True)
class _Written:
    """The table after a step: where it lies, and what the heap twin says of it."""

    location: str
    rows: Path
    alone: Path


def _read(context: RunContext, side: Side, step: str, ref: EngineRef) -> Evidence:
    """All rows, and aggregates alone, which may take another way than a scan.

    Raises:
        EngineUnavailable: the engine has no way here to read such a table.
    """
    if _format(side) not in engines.find(ref.name).formats:
        raise EngineUnavailable(f"{ref} has no package here that reads Delta Lake")
    written = _step(context, side, step)
    lake = _lake(side, written.location)
    table = "orders" if side == COLUMNSTORE else f"iceberg_scan('{written.location}')"
    alone, rows = (
        context.client.query(ref, lake, sql.replace("{t}", table), session=f"{PHASE} {step}").path
        for sql in (_ALONE, "SELECT * FROM {t}")
    )
    counted = context.checker.call(answer_files.compare, alone, {"the heap table": written.alone}, Rules())
    everything = context.checker.call(answer_files.compare_rows, rows, written.rows)
    return {"location": Path(written.location).name, **same(everything), "aggregates": same(counted)["answer"]}


def _lake(side: Side, location: str) -> Lake:
    """The table alone: there is no catalog."""
    files_of = {"orders": (location,)} if side == COLUMNSTORE else {}
    return Lake("files", None, Catalog(CatalogKind.REST, "", ""), format=_format(side), files=files_of)


def _step(context: RunContext, side: Side, step: str) -> _Written:
    """The table as it is after ``step``; a step is done once, after those before it, into a copy of its own."""
    return context.prepared.once(f"{PHASE}/read/{side.name}/{step}", lambda: _done(context, side, step))


def _done(context: RunContext, side: Side, step: str) -> _Written:
    twins = at(side, context, f"shared_{step}")
    names = list(STEPS)
    statements = [one for name in names[: names.index(step) + 1] for one in STEPS[name][1]]
    twins.make(TYPES, *filled("{t}"))
    for table in dict.fromkeys((twins.twin if side.follows else twins.table, twins.twin)):
        twins.server.execute(*(one.replace("{t}", table) for one in statements))
    rows, alone = (twins.server.answer(sql.replace("{t}", twins.twin)) for sql in ("SELECT * FROM {t}", _ALONE))
    return _Written(_location(twins), rows, alone)


def _location(twins: ColumnarTwins) -> str:
    """The folder of the Delta Lake table, or the newest metadata file of the Iceberg table."""
    return str(files.folder_of(twins)) if twins.side == COLUMNSTORE else str(mirror.metadata_file(twins))
