"""The four lakes of field report C16, and two tables of each that a test has for itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lakebench.datasets import answer_files
from lakebench.datasets.ducklake import expected
from lakebench.engines.ducklake import unverified
from lakebench.errors import CaseError, WrongAnswer
from lakebench.execution.context import RunContext
from lakebench.model import CatalogKind, EngineRef, Lake, TableFormat
from lakebench.phases import lake_criteria
from lakebench.phases.options import Asked, Option, some_of
from lakebench.phases.pg_lake.server import CLIENT, SERVICE, TwinServer
from lakebench.phases.table_loading import word
from lakebench.services import lakes
from lakebench.services.object_store import store

WRITER, OTHER = "acid writer", "acid other"
"""The sessions of a test, each a process of its own."""
NAMESPACE = "acid"
FIRST = ("1", "10")
"""The row that each table has at first."""
Row = tuple[str | None, ...]


@dataclass(frozen=True)
class LakeKind:
    """One of the lakes, called ``name`` by the option ``lakes``, and the engine that changes it by SQL.

    ``servers`` are all that it needs; ``using`` follows CREATE TABLE, where the engine makes no tables by itself;
    ``client`` speaks for an engine that is a server, in place of the engine itself.
    """

    name: str
    title: str
    format: TableFormat
    engine: str
    servers: tuple[str, ...]
    place: Callable[[RunContext, EngineRef], Lake]
    using: str = ""
    client: EngineRef | None = None

    @property
    def catalog(self) -> str:
        """The coordinate of its cases."""
        return lake_criteria.CATALOGS[self.title]


def _ducklake(context: RunContext, ref: EngineRef) -> Lake:
    """With data files from the first row on: what is inlined is a row of PostgreSQL."""
    folder = context.files.scratch / NAMESPACE
    folder.mkdir(mode=0o700, exist_ok=True)
    objects, postgres = (context.services.endpoint(name) for name in ("object-store", "postgres"))
    options = {"DATA_INLINING_ROW_LIMIT": "0", **unverified(ref)}
    name = f"{NAMESPACE}_{word(str(ref))}"
    lake = lakes.ducklake(CatalogKind.POSTGRES, name, folder, store(objects), postgres, options)
    return replace(lake, namespace="main")


def _iceberg(context: RunContext, ref: EngineRef, catalog: str) -> Lake:
    lake = lakes.nessie_lake(context.services) if catalog == "nessie" else lakes.jdbc_lake(context.services)
    return replace(lake, namespace=f"{NAMESPACE}_{word(str(ref))}")


def _pg_lake(context: RunContext, _: EngineRef) -> Lake:
    """The run's own schema."""
    server = TwinServer(context)
    server.opened()
    return lakes.postgresql_lake(context.services, server.endpoint.properties["schema"], service=SERVICE)


_NESSIE = LakeKind(
    "nessie",
    lake_criteria.NESSIE,
    TableFormat.ICEBERG,
    "duckdb",
    ("nessie", "object-store"),
    partial(_iceberg, catalog="nessie"),
)
KINDS: tuple[LakeKind, ...] = (
    LakeKind(
        "ducklake", lake_criteria.DUCKLAKE, TableFormat.DUCKLAKE, "duckdb", ("postgres", "object-store"), _ducklake
    ),
    _NESSIE,
    replace(_NESSIE, engine="spark"),
    LakeKind(
        SERVICE,
        lake_criteria.PG_LAKE,
        TableFormat.ICEBERG,
        CLIENT.name,
        (SERVICE, "object-store"),
        _pg_lake,
        "USING iceberg",
        EngineRef("postgres"),
    ),
    LakeKind(
        "jdbc",
        lake_criteria.JDBC,
        TableFormat.ICEBERG,
        "spark-jdbc",
        ("postgres", "object-store"),
        partial(_iceberg, catalog="jdbc"),
    ),
)
"""Spark comes beside DuckDB at Nessie: whether a lake has transactions is a matter of its engines too."""
_NAMES = tuple(dict.fromkeys(kind.name for kind in KINDS))
_ALL = "all"


def _read(text: str, asked: Asked) -> tuple[str, ...]:
    names = some_of("lake", (*_NAMES, _ALL))(text, asked)
    return _NAMES if _ALL in names else names


OPTION = Option(
    "lakes",
    f"The lakes that are asked the same questions of ACID and schema evolution: {', '.join(_NAMES)}, or {_ALL}.",
    metavar="NAMES",
    default=SERVICE,
    read=_read,
)


def asked_of(names: Collection[str]) -> tuple[LakeKind, ...]:
    """The lakes called ``names``, with each engine."""
    return tuple(kind for kind in KINDS if kind.name in names)


@dataclass(frozen=True)
class TwoTables:
    """Two tables ``a`` and ``b`` of a lake, with a row each, for one test."""

    context: RunContext
    kind: LakeKind
    ref: EngineRef
    test: str

    @property
    def lake(self) -> Lake:
        """The lake.

        Raises:
            ServiceUnavailable: one of its servers does not run here.
        """
        return self.kind.place(self.context, self.ref)

    @property
    def a(self) -> str:
        """The name of the first table."""
        return f"{word(self.test)}_a"

    @property
    def b(self) -> str:
        """The name of the second one."""
        return f"{word(self.test)}_b"

    def make(self) -> None:
        """Make both tables, each with a row."""
        for table in (self.a, self.b):
            if self.kind.using:
                self.run(f"CREATE TABLE {table} (id INTEGER, v INTEGER) {self.kind.using}")
            else:
                rows = self.context.files.new("acid-rows")
                self.context.checker.call(expected.write, {"id": "int32", "v": "int32"}, (), rows)
                self.context.client.call(self.ref, self.lake, "create", session=WRITER, table=table, rows=str(rows))
            self.run(f"INSERT INTO {table} VALUES ({', '.join(FIRST)})")

    def run(self, *statements: str, session: str = WRITER) -> None:
        """Run ``statements`` one after the other, in a session that lasts.

        Raises:
            CaseError: the engine refuses one, or died.
        """
        for sql in statements:
            self.context.client.call(self.ref, self.lake, "execute", session=session, lasting=True, sql=sql)

    def rows(self, sql: str) -> list[Row]:
        """The rows of ``sql`` as the other session has them, as text."""
        answer = self.context.client.query(self.ref, self.lake, sql, session=OTHER)
        return [tuple(row) for row in self.context.checker.call(answer_files.cells, answer.path)]

    def new_session(self) -> None:
        """Have the writer's next statement begin a new connection; a transaction that is open ends."""
        self.context.workers.close(self.ref, WRITER)
        self.context.workers.disconnect(self.ref, WRITER)

    def kill_writer(self) -> None:
        """End the process of the writer with SIGKILL."""
        self.context.workers.retire(self.ref, WRITER)

    def seen(self, **tables: Sequence[Row]) -> dict[str, list[Row]]:
        """The rows of tables ``a`` and ``b`` as the other session sees them now, which are to be those of ``tables``.

        Raises:
            WrongAnswer: they are others.
        """
        names = {"a": self.a, "b": self.b}
        found = {one: self.rows(f"SELECT id, v FROM {names[one]} ORDER BY id") for one in tables}
        if wrong := {one: rows for one, rows in found.items() if rows != list(tables[one])}:
            raise WrongAnswer(f"table {next(iter(wrong))} has {wrong}, and is to have {_shown(tables)}", rows=found)
        return found


def _shown(tables: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    return {name: list(rows) for name, rows in tables.items()}


@contextlib.contextmanager
def fresh(tables: TwoTables) -> Iterator[None]:
    """The tables are made before, and the writer's session begins anew after."""
    tables.make()
    try:
        yield
    finally:
        with contextlib.suppress(CaseError):
            tables.new_session()
