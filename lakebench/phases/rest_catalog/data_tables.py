"""What the data checks share: the lake that engines reach a catalog by, small tables, and reading them back."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.ducklake import expected
from lakebench.engines import CanOperate, CanScan
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import Append, Create, Operation, to_json
from lakebench.iceberg.scan import Scan
from lakebench.iceberg.types import Field
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake
from lakebench.phases.rest_catalog.cases import PHASE
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Json, Sandbox
from lakebench.phases.rest_catalog.targets import CheckedCatalog
from lakebench.phases.table_loading import word

PART = "data"
LEVEL = "data"
"""Neither of the levels of a protocol check: what is wrong may be the engine's, and not the catalog's."""
NAMESPACE = f"lb{secrets.token_hex(3)}_data"
"""The namespace of this process, so that a catalog of the user's does not have it yet."""
FIELDS = (Field("id", "long"), Field("value", "long"))
_COLUMNS: Mapping[str, str] = {"id": "int64", "value": "int64"}
Row = tuple[int, int]
MERGE_ON_READ = {f"write.{one}.mode": "merge-on-read" for one in ("delete", "update", "merge")}


def rows(first: int, number: int) -> tuple[Row, ...]:
    """``number`` rows from the id ``first`` on."""
    return tuple((one, one * 7 % 1000) for one in range(first, first + number))


BASE = rows(0, 20)
"""The rows of a table before anything is done to it."""


def lake(context: RunContext, target: CheckedCatalog) -> Lake:
    """The catalog as engines reach it.

    Raises:
        EngineUnavailable: lakebench does not know the store of its tables.
        ServiceUnavailable: it does not run.
    """
    if not target.services:
        raise EngineUnavailable(
            "engines need the store of the tables, too: describe the catalog under [catalog.NAME] in lakebench.toml, "
            "with its storage"
        )
    found = target.engines_lake(context.services, context.request.settings)
    return replace(found, name=f"checked_{word(target.service) or found.name}", namespace=NAMESPACE)


def rest(context: RunContext, target: CheckedCatalog) -> Sandbox:
    """A small client of the same catalog.

    Raises:
        ServiceUnavailable: it does not run.
    """
    reached = target.reached(context.services, context.request.settings)
    return Sandbox(reached.catalog, NAMESPACE, reached.store, namespaces=[(NAMESPACE,)])


def metadata(catalog: Sandbox, table: str) -> Json:
    """The metadata of ``table`` as the catalog has it now.

    Raises:
        WrongAnswer: the catalog does not load it.
    """
    answer = catalog.call("loadTable", (NAMESPACE,), table)
    if not answer.succeeded:
        raise WrongAnswer(f"the table {table} is there, and {answer.named} answers {answer.said}")
    if not isinstance(found := answer.json.get("metadata"), dict):
        raise WrongAnswer(f"{answer.named} answers {answer.status} without metadata")
    return found


def created(catalog: Sandbox, table: str) -> CreatedTable:
    """The table of an engine, as the protocol's checks have theirs."""
    return CreatedTable((NAMESPACE,), table, catalog.call("loadTable", (NAMESPACE,), table).needed())


def readers(refs: Sequence[EngineRef]) -> tuple[EngineRef, ...]:
    """Those of ``refs`` that read an Iceberg table through a REST catalog."""
    found = {ref: engines.find(ref.name) for ref in refs}
    return tuple(
        ref
        for ref, one in found.items()
        if issubclass(one, CanScan) and CatalogKind.REST in one.catalogs and not one.own_catalog
    )


def operations_of(ref: EngineRef) -> frozenset[type[Operation]]:
    """What ``ref`` can be asked for; nothing where it changes no tables."""
    engine = engines.find(ref.name)
    return engine.operations if issubclass(engine, CanOperate) else frozenset()


def writers(refs: Sequence[EngineRef], *operations: type[Operation]) -> tuple[EngineRef, ...]:
    """Those of ``refs`` that read and write such tables, and can be asked for ``operations``."""
    return tuple(ref for ref in readers(refs) if {Create, Append, *operations} <= operations_of(ref))


def another(refs: Sequence[EngineRef], ref: EngineRef) -> EngineRef:
    """A reader of ``refs`` that is not ``ref``, inside a worker where there is one; else ``ref`` itself."""
    others = [one for one in readers(refs) if one != ref]
    return min(others, key=lambda one: bool(engines.find(one.name).service), default=ref)


@dataclass(frozen=True)
class Engines:
    """The engines of a case: one that writes and one that reads, or those that do the same, or one alone."""

    writer: EngineRef | None = None
    reader: EngineRef | None = None
    together: tuple[EngineRef, ...] = ()

    @property
    def main(self) -> EngineRef:
        """The one whose answer the case is about."""
        return self.reader or self.writer or self.together[0]

    @property
    def coordinates(self) -> dict[str, Any]:
        """The fields of :class:`~lakebench.model.Coordinates`."""
        if self.writer and self.reader:
            return {"writer": str(self.writer), "reader": str(self.reader)}
        if len(self.together) > 1:
            return {"engines": tuple(map(str, self.together))}
        return {"engine": self.main.name, "version": self.main.version}

    def __str__(self) -> str:
        """``spark→trino``, ``duckdb+spark`` or ``spark``."""
        if self.writer and self.reader:
            return f"{self.writer}→{self.reader}"
        return "+".join(map(str, self.together)) or str(self.main)


def check(
    target: CheckedCatalog, test: str, subject: str, title: str, who: Engines, run: Callable[[RunContext], Evidence]
) -> Check:
    """The case ``phase11/<catalog>/<test>/<engines>``."""
    more = {"level": LEVEL, "subject": subject, **target.named_service}
    case = Case(
        id=f"{PHASE}/{target.name}/{test}/{who}",
        phase=PHASE,
        title=f"{title}: {who}",
        engine=who.main,
        group=f"{subject}, {target.name}",
        row=f"{test}, {who.writer}" if who.writer and who.reader else test,
        column=str(who.reader or who),
        coordinates=Coordinates(catalog=target.name, check=PART, test=test, more=more, **who.coordinates),
    )
    return Check(case, run)


def operate(context: RunContext, ref: EngineRef, at: Lake, *operations: Operation, session: str = "") -> list[str]:
    """The statements by which ``ref`` carries out ``operations``; see :meth:`EngineClient.call`."""
    asked = [to_json(replace(one, fields=FIELDS)) for one in operations]
    reply = context.client.call(ref, at, "operate", operations=asked, session=session)
    return [*reply["statements"]]


def create(context: RunContext, ref: EngineRef, at: Lake, table: str, some: tuple[Row, ...] = BASE) -> None:
    """Have ``ref`` make ``table`` with rows; one of that name is replaced."""
    made: list[Operation] = [Create(table=table, columns=FIELDS, properties=MERGE_ON_READ)]
    operate(context, ref, at, *made, *([append(table, some)] if some else []))


def append(table: str, some: tuple[Row, ...]) -> Append:
    """An append of rows to ``table``, in one commit."""
    return Append(table=table, fields=FIELDS, rows=some)


def read(
    context: RunContext, ref: EngineRef, at: Lake, scan: Scan, wanted: Sequence[Row], session: str = ""
) -> dict[str, Any]:
    """The evidence that ``ref`` reads ``wanted``, in any order, and nothing else.

    Raises:
        WrongAnswer: it reads other rows.
        CaseError: it does not read.
    """
    found = context.client.scan(ref, at, replace(scan, fields=FIELDS), session=session)
    file = context.files.new("expected")
    context.checker.call(expected.write, _COLUMNS, [list(row) for row in wanted], file)
    comparison = same(context.checker.call(answer_files.compare_rows, found, file))
    facts = {"count": len(wanted), "sum": sum(value for _, value in wanted)}
    return {**comparison, "checked_against": ["the rows that were written"], "expected": facts}


def reads(context: RunContext, ref: EngineRef, at: Lake, table: str, wanted: Sequence[Row]) -> bool:
    """Whether ``ref`` reads ``wanted``.

    Raises:
        WrongAnswer: the table cannot be read, which could be read before.
    """
    try:
        read(context, ref, at, Scan(table), wanted)
    except WrongAnswer:
        return False
    except Refused as error:
        raise WrongAnswer(f"the table cannot be read any more: {error}") from error
    return True


def table_name(*parts: object) -> str:
    """A name of ``parts`` that is an identifier everywhere."""
    return "_".join(map(word, parts)).lower()
