"""Which engine reads which format: each type by each reader, and servers that are asked in their own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.file_formats.kinds import KINDS
from lakebench.engines import CanQuery, CanScan
from lakebench.errors import CaseError, EngineUnavailable, Refused
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.iceberg.scan import Scan
from lakebench.model import Coordinates, EngineRef, TableFormat
from lakebench.phases.vortex.layouts import INDEXED, LANCE, VORTEX, VORTEX_DATA, FileLayout
from lakebench.phases.vortex.tables import kind_lake, kind_rows
from lakebench.services import lakes

TYPED = (INDEXED, VORTEX, VORTEX_DATA, LANCE)
"""The layouts whose types are tried."""
_ONE = "int64"
_REFUSING = {TableFormat.VORTEX: "datafusion"}
"""Format → the engine that refuses all of it, and is asked for one type: :data:`_ONE`."""
_SERVERS: Mapping[str, str] = {
    "trino": "CREATE TABLE {table} (id integer) WITH (format = '{format}')",
    "spark": "SELECT * FROM {format}.`{path}`",
}
"""Engine that is a server → how it is asked for a format; ``{table}`` is a table yet to be made."""


def types(request: Request) -> Iterator[Block]:
    """Each type in each layout: written by its writer, and read by every engine that knows the format."""
    for layout in TYPED:
        readers = [ref for ref in request.able(CanScan) if layout.format in engines.find(ref.name).formats]
        for kind in KINDS if layout.writer in request.refs else ():
            yield Check(
                _type_case(layout, kind, layout.writer, "write-type"), partial(_writes, layout=layout, kind=kind)
            )
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
    kind_lake(context, layout, kind)
    return {"settings": layout.settings}


def _reads(context: RunContext, layout: FileLayout, kind: str, ref: EngineRef) -> Evidence:
    """All rows, compared value by value with those that were written; types that differ are named."""
    try:
        lake = kind_lake(context, layout, kind)
    except CaseError as error:
        raise EngineUnavailable(f"not written by {layout.writer}: {error.outcome}: {error}") from error
    rows = context.client.scan(ref, lake, Scan("t"), session=f"types/{layout.format}")
    return same(context.checker.call(answer_files.compare_rows, rows, kind_rows(context, kind)))


def servers(request: Request) -> Iterator[Block]:
    """Engines that are servers, where they are asked: Vortex and Lance in the words that they have for a format."""
    for ref in request.able(CanQuery):
        for layout in (INDEXED, VORTEX, LANCE) if ref.name in _SERVERS else ():
            yield Check(_server_case(layout, ref), partial(_asked, layout=layout, ref=ref))


def _server_case(layout: FileLayout, ref: EngineRef) -> Case:
    return Case(
        id=f"phase6/servers/{layout.format}/{ref}",
        phase="phase6",
        title=f"{ref} is asked for {layout.format}",
        engine=ref,
        group="Servers that are asked for a format",
        row=str(layout.format),
        column=str(ref),
        coordinates=Coordinates(engine=ref.name, version=ref.version, format=layout.format, check="server"),
    )


def _asked(context: RunContext, layout: FileLayout, ref: EngineRef) -> Evidence:
    """Ask the server; what it says is the evidence.

    Raises:
        Refused: in its own words.
    """
    lake = lakes.rest_lake(context.services)
    file = kind_lake(context, layout, _ONE).files["t"][0]
    table = f"{lake.name}.{lake.namespace}.formats_{layout.format}"
    sql = _SERVERS[ref.name].format(table=table, format=layout.format, path=f"file://{file}")
    try:
        if sql.startswith("SELECT"):
            context.client.query(ref, lake, sql)
        else:
            context.client.call(ref, lake, "execute", sql=sql)
    except Refused as error:
        error.details["sql"] = sql
        raise
    return {"sql": sql}


def is_server_format(form: str | None) -> bool:
    """Whether ``form`` is one that servers are said to refuse."""
    return form in {TableFormat.VORTEX, TableFormat.LANCE}
