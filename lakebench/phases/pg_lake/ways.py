"""The ways between pg_lake's tables and other engines (field reports C12 to C15): a table is read after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lakebench.datasets import answer_files
from lakebench.engines import find
from lakebench.errors import CaseError, EngineUnavailable
from lakebench.execution.cases import Block, Case, Evidence, failure, now, record, same
from lakebench.execution.context import RunContext
from lakebench.iceberg.catalogs import create_namespace
from lakebench.iceberg.scan import Scan
from lakebench.model import Catalog, CatalogKind, Coordinates, EngineRef, Lake, Record
from lakebench.phases.pg_lake.way_steps import CREATE, POSTGRESQL, SPARK, STEPS, WayStep
from lakebench.phases.table_loading import word
from lakebench.services import lakes
from lakebench.services.object_store import store

CHECK = "way"
SERVICES = ("pg_lake-bridge", "rest-catalog", "postgres")
"""The services that the ways need, beside pg_lake and those of the engines; PostgreSQL's client opens at its own."""
_SERVER = "pg_lake"
_PG_LAKE = EngineRef(_SERVER)
_CLIENT = EngineRef("postgres")
_SPARK = EngineRef("spark")
_SESSION = "ways"
_NOT_WRITTEN = "the table was not written: "
Read = Callable[["WayTable", WayStep], Path]


@dataclass(frozen=True)
class WayTable:
    """The table of one way in a run: pg_lake's or Spark's, with a heap table of the same rows in pg_lake's server."""

    context: RunContext
    way: EngineWay

    @property
    def name(self) -> str:
        """Its name, without a schema."""
        return f"way_{word(self.way.name)}"

    @property
    def schema(self) -> str:
        """The schema in pg_lake's server, whose name begins with that of the run's own.

        Raises:
            ServiceUnavailable: the server does not run here.
        """
        return f"{self.context.services.endpoint(_SERVER).properties['schema']}_ways"

    def carry_out(self, step: WayStep) -> None:
        """Carry out ``step`` on the table and on the heap table.

        Raises:
            CaseError: a server does not run here, or refuses it.
        """
        self._run(step.sql(f"heap_{self.name}", POSTGRESQL))
        if self.way.writer == _SPARK:
            self._run_spark(step)
            return
        self._run(_using(step, step.sql(self.name, POSTGRESQL), "USING iceberg"))

    def dropped(self) -> None:
        """Drop both tables where they exist."""
        self._run((f"DROP TABLE IF EXISTS heap_{self.name}", f"DROP TABLE IF EXISTS {self.name}"))

    def _run(self, statements: tuple[str, ...]) -> None:
        for sql in statements:
            self.context.client.call(_CLIENT, self.heap, "execute", session=_SESSION, sql=sql)

    def _run_spark(self, step: WayStep) -> None:
        statements = _using(step, step.sql(self.name, SPARK), f"USING iceberg {_MERGE_ON_READ}")
        if step is CREATE:
            create_namespace(self.rest.catalog, self.rest.namespace)
            statements = (f"DROP TABLE IF EXISTS {self.name}", *statements)
        for sql in statements:
            self.context.client.call(_SPARK, self.rest, "execute", sql=sql)

    @property
    def heap(self) -> Lake:
        """The schema in pg_lake's server."""
        return lakes.postgresql_lake(self.context.services, self.schema, service=_SERVER)

    @property
    def rest(self) -> Lake:
        """The run's REST catalog, for what Spark writes."""
        return replace(lakes.rest_lake(self.context.services), namespace="pg_lake_ways")

    def expected(self, step: WayStep) -> Path:
        """The rows of the heap table, in a file."""
        sql = f"SELECT {', '.join(step.columns)} FROM heap_{self.name}"
        return self.context.client.query(_CLIENT, self.heap, sql, session=_SESSION).path

    def metadata_file(self) -> str:
        """Where the metadata of pg_lake's table lies now, as its catalog says."""
        sql = (
            "SELECT metadata_location FROM iceberg_tables "
            f"WHERE table_namespace = '{self.schema}' AND table_name = '{self.name}'"
        )
        answer = self.context.client.query(_CLIENT, self.heap, sql, session=_SESSION)
        ((location,),) = self.context.checker.call(answer_files.cells, answer.path)
        return str(location)


_MERGE_ON_READ = "TBLPROPERTIES ('write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read')"


def _using(step: WayStep, statements: tuple[str, ...], using: str) -> tuple[str, ...]:
    return tuple(f"{one} {using}" for one in statements) if step is CREATE else statements


@dataclass(frozen=True)
class EngineWay:
    """A way from the engine that writes to the one that reads, and how that one is asked for the rows."""

    name: str
    title: str
    reader: EngineRef
    read: Read
    writer: EngineRef = _PG_LAKE


def _in_catalog(lake: Callable[[RunContext], Lake], reader: str) -> Read:
    """The table by its name in a catalog of pg_lake's tables."""

    def read(table: WayTable, _: WayStep) -> Path:
        here = replace(lake(table.context), namespace=table.schema)
        return table.context.client.scan(EngineRef(reader), here, Scan(table.name))

    return read


def _by_jdbc(context: RunContext) -> Lake:
    return lakes.pg_lake_lake(context.services)


def _by_bridge(context: RunContext) -> Lake:
    return lakes.pg_lake_bridge_lake(context.services)


def _by_duckdb(table: WayTable, _: WayStep) -> Path:
    return _by_file(table, "iceberg_scan", f"SELECT * FROM iceberg_scan('{table.metadata_file()}')")


def _by_pg_duckdb(table: WayTable, step: WayStep) -> Path:
    columns = ", ".join(f"(r['{name}'])::{kind} AS {name}" for name, kind in step.columns.items())
    return _by_file(table, "pg_duckdb", f"SELECT {columns} FROM iceberg_scan('{table.metadata_file()}') r")


def _by_file(table: WayTable, reader: str, sql: str) -> Path:
    """The answer of ``reader``, which is given the object store alone."""
    objects = store(table.context.services.endpoint("object-store"))
    files = Lake("files", objects, Catalog(CatalogKind.REST, "", ""))
    return table.context.client.query(EngineRef(reader), files, sql).path


def _foreign_table(table: WayTable, _: WayStep) -> Path:
    return table.context.client.scan(_PG_LAKE, table.rest, Scan(table.name))


WAYS = (
    EngineWay(
        "foreign-table",
        "Spark → pg_lake, a foreign table of the metadata file",
        _PG_LAKE,
        _foreign_table,
        writer=_SPARK,
    ),
    EngineWay(
        "jdbc-catalog", "pg_lake → Spark, JdbcCatalog", EngineRef("spark-jdbc"), _in_catalog(_by_jdbc, "spark-jdbc")
    ),
    EngineWay(
        "metadata-file", "pg_lake → DuckDB, iceberg_scan of the metadata file", EngineRef("iceberg_scan"), _by_duckdb
    ),
    EngineWay(
        "bridge-trino", "pg_lake → Trino, REST catalog bridge", EngineRef("trino"), _in_catalog(_by_bridge, "trino")
    ),
    EngineWay(
        "bridge-duckdb", "pg_lake → DuckDB, REST catalog bridge", EngineRef("duckdb"), _in_catalog(_by_bridge, "duckdb")
    ),
    EngineWay(
        "sql-catalog", "pg_lake → PyIceberg, SqlCatalog", EngineRef("pyiceberg"), _in_catalog(_by_jdbc, "pyiceberg")
    ),
    EngineWay(
        "metadata-file-pg_duckdb",
        "pg_lake → pg_duckdb, iceberg_scan of the metadata file",
        EngineRef("pg_duckdb"),
        _by_pg_duckdb,
    ),
)
READERS = tuple(dict.fromkeys(way.reader.name for way in WAYS))
"""The engines that read, by name; Spark, which writes, comes beside them."""
EMBEDDED = tuple(name for name in READERS if find(name).service is None)
"""Those of them that need no server."""
ENGINES = (_SPARK.name, *READERS)


@dataclass(frozen=True)
class Steps(Block):
    """One way: the table is made, and read after each step at once by the same reader."""

    way: EngineWay

    @property
    def cases(self) -> tuple[Case, ...]:
        """One a step."""
        return tuple(_case(self.way, step) for step in STEPS)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Every step is carried out, also where its case is finished: the next ones need it."""
        table, stopped = WayTable(context, self.way), _started(WayTable(context, self.way))
        for step, case in zip(STEPS, self.cases, strict=True):
            began = now()
            error = _attempt(table, step) if stopped is None else stopped
            if case.id in todo:
                yield _record(context, case, began, error or _reading(table, step))
            if error is not None and stopped is None:
                stopped = EngineUnavailable(f"{_NOT_WRITTEN}{error}")


def _started(table: WayTable) -> CaseError | None:
    """Why the table could not be made."""
    try:
        table.dropped()
        table.carry_out(CREATE)
    except CaseError as error:
        return error
    return None


def _attempt(table: WayTable, step: WayStep) -> CaseError | None:
    """Why ``step`` could not be carried out."""
    try:
        table.carry_out(step)
    except CaseError as error:
        return error
    return None


def _reading(table: WayTable, step: WayStep) -> Evidence | CaseError:
    """What the reading found, or why it failed."""
    try:
        actual = table.way.read(table, step)
        checked = table.context.checker.call(answer_files.compare_rows, actual, table.expected(step))
        return {**same(checked), "checked_against": ["a heap table of the same statements"]}
    except CaseError as error:
        return error


def _record(context: RunContext, case: Case, began: tuple[str, float], result: Evidence | CaseError) -> Record:
    if isinstance(result, CaseError):
        return failure(context.prerequisites, context.history, case, began, result, _pg_lake(context))
    return record(context.history, case, began, {**result, **_pg_lake(context)})


def _pg_lake(context: RunContext) -> dict[str, str]:
    """The version of pg_lake, as evidence beside the reader's."""
    try:
        return {_SERVER: context.services.endpoint(_SERVER).properties[f"extension.{_SERVER}"]}
    except CaseError:
        return {}


def _case(way: EngineWay, step: WayStep) -> Case:
    """The case ``phase45/way/<way>-<step>``."""
    return Case(
        id=f"phase45/{CHECK}/{way.name}-{step.name}",
        phase="phase45",
        title=f"{way.title}, {step.title}",
        engine=way.reader,
        group="Ways between pg_lake and other engines",
        row=way.title,
        column=step.name,
        coordinates=Coordinates(
            writer=way.writer.name,
            reader=way.reader.name,
            check=CHECK,
            test=step.name,
            more={"way": way.name, "services": " ".join(_services(way))},
        ),
    )


def _services(way: EngineWay) -> tuple[str, ...]:
    """The services of PostgreSQL that the way needs."""
    return (_SERVER, "pg_duckdb") if way.reader.name == "pg_duckdb" else (_SERVER,)


def blocks(engines: tuple[EngineRef, ...]) -> Iterator[Block]:
    """A block for each way whose engines are asked."""
    names = {ref.name for ref in engines if ref.version is None}
    for way in WAYS:
        if {way.reader.name, way.writer.name} <= names | {_SERVER}:
            yield Steps(way)
