"""Which engine reads which format: each type by each reader, and servers that are asked in their own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.file_formats.kinds import KINDS
from lakebench.engines import CanQuery, CanScan
from lakebench.errors import CaseError, Refused
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.iceberg.scan import Scan
from lakebench.model import Coordinates, EngineRef, TableFormat
from lakebench.phases.table_loading import word
from lakebench.phases.vortex.layouts import INDEXED, LANCE, VORTEX, VORTEX_DATA, FileLayout
from lakebench.phases.vortex.tables import file_lake, kinds_lake, readable_file, small_file, small_rows
from lakebench.services import lakes

TYPED = (INDEXED, VORTEX, VORTEX_DATA, LANCE)
"""The layouts whose types are tried."""
_ONE = "int64"
_REFUSING = {TableFormat.VORTEX: "datafusion"}
"""Format → the engine that refuses all of it, and is asked for one type: :data:`_ONE`."""
_SERVERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "trino": {
        "table": (
            "CREATE SCHEMA IF NOT EXISTS {schema}",
            "CREATE TABLE {table} (id integer) WITH (format = '{format}')",
        )
    },
    "spark": {
        "file": ("SELECT * FROM {format}.`{path}`",),
        "source": (
            "CREATE OR REPLACE TEMPORARY VIEW asked USING {format} OPTIONS (path '{path}')",
            "SELECT * FROM asked",
        ),
    },
}
"""Engine that is a server → the ways that it has to name a format, with their statements.

``{table}`` is a table yet to be made, in ``{schema}``. ``source`` is how Spark finds connectors on its class path.
"""


def types(request: Request) -> Iterator[Block]:
    """Each type in each layout: written by its writer, and then read by every engine that knows the format."""
    for layout in TYPED:
        readers = [ref for ref in request.able(CanScan) if layout.format in engines.find(ref.name).formats]
        kinds = KINDS if layout.writer in request.refs else ()
        for kind in kinds:
            yield Check(
                _type_case(layout, kind, layout.writer, "write-type"), partial(_writes, layout=layout, kind=kind)
            )
        for kind in kinds:
            for ref in (one for one in readers if kind == _ONE or one.name != _REFUSING.get(layout.format)):
                case = _type_case(layout, kind, ref, "read-type")
                yield Check(case, partial(_reads, layout=layout, kind=kind, ref=ref))


def _type_case(layout: FileLayout, kind: str, ref: EngineRef, check: str) -> Case:
    verb = check.partition("-")[0]
    return Case(
        id=f"phase6/types/{layout.id}/{kind}/{verb}/{ref}",
        phase="phase6",
        title=f"{kind} in {layout.title}: {verb} by {ref}",
        engine=ref,
        group=f"Types in {layout.title}",
        row=kind,
        column=f"{verb} by {ref}",
        coordinates=Coordinates(
            feature=kind,
            writer=str(layout.writer),
            reader=str(ref) if verb == "read" else None,
            format=layout.format,
            check=check,
            more={"layout": layout.id},
        ),
    )


def _writes(context: RunContext, layout: FileLayout, kind: str) -> Evidence:
    small_file(context, layout, kind)
    return {"settings": layout.settings}


def _reads(context: RunContext, layout: FileLayout, kind: str, ref: EngineRef) -> Evidence:
    """All rows, compared value by value with those that were written; types that differ are named."""
    lake = file_lake(layout, word(kind), readable_file(context, layout, kind))
    if _opens_all(context, layout, ref):
        lake = kinds_lake(context, layout)
    rows = context.client.scan(ref, lake, Scan(word(kind)), session=f"types/{layout.format}")
    return same(context.checker.call(answer_files.compare_rows, rows, small_rows(context, kind)))


def _opens_all(context: RunContext, layout: FileLayout, ref: EngineRef) -> bool:
    """Whether ``ref`` opens the tables of all types as one lake, which is faster; else each is opened alone."""

    def tried() -> bool:
        try:
            context.client.scan(ref, kinds_lake(context, layout), Scan(word(_ONE)), session=f"types/{layout.format}")
        except CaseError:
            return False
        return True

    return context.prepared.once(f"formats/opened/{layout.id}/{ref}", tried)


def servers(request: Request) -> Iterator[Block]:
    """Engines that are servers, where they are asked: Vortex and Lance in the words that they have for a format."""
    for ref in request.able(CanQuery):
        for way in _SERVERS.get(ref.name, ()):
            for layout in (INDEXED, VORTEX, LANCE):
                yield Check(_server_case(layout, ref, way), partial(_asked, layout=layout, ref=ref, way=way))


def _server_case(layout: FileLayout, ref: EngineRef, way: str) -> Case:
    return Case(
        id=f"phase6/servers/{layout.format}/{way}/{ref}",
        phase="phase6",
        title=f"{ref} is asked for {layout.format} as a {way}",
        engine=ref,
        group="Servers that are asked for a format",
        row=str(layout.format),
        column=f"{ref}, {way}",
        coordinates=Coordinates(
            engine=ref.name, version=ref.version, format=layout.format, check="server", more={"way": way}
        ),
    )


def _asked(context: RunContext, layout: FileLayout, ref: EngineRef, way: str) -> Evidence:
    """Ask the server; the rows that it gives are compared with those that were written.

    Raises:
        Refused: in its own words.
    """
    lake = lakes.rest_lake(context.services)
    file = readable_file(context, layout, _ONE)
    schema = f"{lake.name}.{lake.namespace}"
    names = {"schema": schema, "table": f"{schema}.formats_{layout.format}", "path": f"file://{file}"}
    *before, last = (sql.format(**names, format=layout.format) for sql in _SERVERS[ref.name][way])
    evidence: dict[str, Any] = {"sql": [*before, last]}
    try:
        for sql in before:
            context.client.call(ref, lake, "execute", sql=sql)
        if not last.startswith("SELECT"):
            context.client.call(ref, lake, "execute", sql=last)
            return evidence
        rows = context.client.query(ref, lake, last).path
    except Refused as error:
        error.details |= evidence
        raise
    return evidence | same(context.checker.call(answer_files.compare_rows, rows, small_rows(context, _ONE)))
