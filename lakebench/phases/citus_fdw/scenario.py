"""The field reports' last picture: a row written through Citus into pg_lake, read by every engine of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.engines import CanQuery
from lakebench.errors import CaseError, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.iceberg.catalogs import create_namespace, register, unregister
from lakebench.model import CatalogKind, EngineRef, Lake, Record, TableFormat
from lakebench.phases.citus_fdw import iceberg
from lakebench.phases.citus_fdw.case import coordinates_of, with_versions
from lakebench.phases.citus_fdw.ends import CITUS, CLIENT, PG_LAKE, Cells, Link, Pair
from lakebench.phases.citus_fdw.tables import ready
from lakebench.phases.citus_fdw.writes import row, seen
from lakebench.services import lakes

PAIR = Pair(CITUS, PG_LAKE)
CATALOG = "rest-catalog"
"""The service of the catalog in which other engines find the table."""
CHECK, GROUP = "scenario", "A row written through Citus into pg_lake, read by"
_KEY = 999  # that of the field report
_TABLE, _ROW = "written", [str(_KEY), "new", "1.25"]
_READ = f"SELECT id, region, amount FROM {_TABLE} WHERE id = {_KEY}"


@dataclass(frozen=True)
class Scenario(Block):
    """One write and one registration of its metadata file; each of ``readers`` is a case."""

    readers: tuple[EngineRef, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """One for each reader."""
        return tuple(map(_case, self.readers))

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Write, have everybody read, and have the catalog forget the table."""
        link = Link(context, PAIR)
        with contextlib.ExitStack() as left:
            for case in self.cases:
                check = Check(case, partial(_read, reader=case.engine, link=link, left=left))
                yield from with_versions(PAIR, check, beside=case.engine != CLIENT).run(context, todo)


def blocks(request: Request) -> Iterator[Scenario]:
    """The scenario, where the run has readers."""
    yield Scenario((CLIENT, *(ref for ref in request.able(CanQuery) if _reads_iceberg(ref))))


def _reads_iceberg(ref: EngineRef) -> bool:
    engine = engines.find(ref.name)
    return CatalogKind.REST in engine.catalogs and TableFormat.ICEBERG in engine.formats


def _case(reader: EngineRef) -> Case:
    return Case(
        id=f"phase8/{PAIR.name}/{CHECK}-{reader}",
        phase="phase8",
        title=f"{GROUP} {reader}",
        engine=reader,
        group=GROUP,
        row=str(reader),
        column=PAIR.name,
        coordinates=replace(coordinates_of(PAIR, CHECK, "read"), writer=CLIENT.name, reader=str(reader)),
    )


def _read(_context: RunContext, reader: EngineRef, link: Link, left: contextlib.ExitStack) -> Evidence:
    """The row as ``reader`` has it: in a session of pg_lake, or from the files.

    Raises:
        WrongAnswer: it is another one, or none.
    """
    lake = link.context.prepared.once("citus_fdw/scenario", partial(_written, link, left))
    rows = link.cells(PG_LAKE, _READ) if reader == CLIENT else _rows(link, reader, lake)
    if rows != [_ROW]:
        raise WrongAnswer(f"the row is to be {_ROW}, and is {rows}", rows=rows)
    return {"sql": _READ, "rows": rows}


def _rows(link: Link, reader: EngineRef, lake: Lake) -> Cells:
    answer = link.context.client.query(reader, lake, _READ)
    return link.context.checker.call(answer_files.cells, answer.path)


def _written(link: Link, left: contextlib.ExitStack) -> Lake:
    """Write the row through Citus; the lake whose catalog has the table as it is then, until ``left`` ends."""
    ready(link)
    link.execute(CITUS, f"INSERT INTO {_TABLE} VALUES {row(_KEY)}")
    seen(link, _KEY, "1.25")
    lake = replace(lakes.rest_lake(link.context.services), namespace=link.schema(PG_LAKE))
    create_namespace(lake.catalog, lake.namespace)
    register(lake.catalog, lake.namespace, _TABLE, iceberg.metadata_file(link))
    left.callback(_forget, lake)
    return lake


def _forget(lake: Lake) -> None:
    with contextlib.suppress(CaseError):
        unregister(lake.catalog, lake.namespace, _TABLE)
