"""Spark SQL, through the Spark Connect client and a catalog that is configured on the session."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import (
    CanAppend,
    CanCreate,
    CanDistribute,
    CanExecute,
    CanLoad,
    CanQuery,
    CanRegister,
    CanScan,
    Engine,
)
from lakebench.engines.boundary import EngineCalls, read_error
from lakebench.engines.inprocess import Answer
from lakebench.engines.spark import jdbc
from lakebench.engines.spark.caches import CachesOfSpark
from lakebench.engines.spark.distribution import tasks_of
from lakebench.engines.spark.statements import SparkOperations
from lakebench.errors import CommitConflict, EngineCrash, EngineUnavailable, LakebenchError, OutOfMemory, Refused
from lakebench.iceberg import catalog_properties
from lakebench.model import CatalogKind, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.iceberg.scan import Scan
    from lakebench.model import Lake, ObjectStore

# Every session of this process. PySpark's SparkSession.__del__ waits for a thread pool that all sessions share; run by
# the garbage collector while that pool takes a task, it waits for ever. So no session is ever collected.
_SESSIONS: list[Any] = []
_SETTINGS = {"spark.sql.geospatial.enabled": "true"}  # geometry and geography are off by default
_RETRIES = 4  # of a call that finds no server: the client's default goes on for ten minutes
_GONE = ("UNAVAILABLE", "RetriesExceeded", "SESSION_NOT_FOUND", "SESSION_CLOSED", "Connection refused")
_CONFLICTS = re.compile(
    r"CommitFailedException|AlreadyExistsException: Branch|"
    r"ValidationException: (?:Found (?:new )?conflicting|Cannot commit, missing data files)"
)
_MEMORY = ("java.lang.OutOfMemoryError", "SparkOutOfMemoryError", "UNABLE_TO_ACQUIRE_MEMORY")
_PLAN = re.compile(r"(SQLSTATE: \w{5}(?:; line \d+ pos \d+)?);\n.*", re.DOTALL)  # follows an error of analysis
_PATTERN = re.compile(r"[\\{}\[\]*?]")
_JAVA_CLASS = re.compile(r"\(((?:[a-z_$0-9]+\.)+)([A-Za-z0-9_$]+)\) ")


class Spark(
    CachesOfSpark,
    SparkOperations,
    Engine,
    CanQuery,
    CanExecute,
    CanScan,
    CanCreate,
    CanAppend,
    CanLoad,
    CanRegister,
    CanDistribute,
):
    """Spark over an Iceberg REST catalog, or with a temporary view over each table's Parquet files, or over PostgreSQL.

    Each table of a schema of PostgreSQL is a view of the JDBC data source, in partitions where its primary key begins
    with an integer; what is inserted into the view goes into the table.

    Iceberg's files are read and written by its S3FileIO, or its HadoopFileIO where they are local; Parquet files by
    Hadoop's S3A, or its local file system.
    """

    name = "spark"
    title = "Spark"
    dialect = "spark"
    one_statement = True
    distribution = "pyspark"
    service = "spark"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (
        CatalogKind.REST,
        CatalogKind.JDBC,
        CatalogKind.HIVE,
        CatalogKind.GLUE,
    )
    formats: ClassVar[tuple[TableFormat, ...]] = (
        TableFormat.ICEBERG,
        TableFormat.PARQUET,
        TableFormat.POSTGRESQL,
    )
    partitioned = True
    preload = ("pyspark.sql.connect.session",)

    _session: Any = None
    _lake: Lake | None = None
    _using: bool = False
    _refused: Mapping[str, LakebenchError] = MappingProxyType({})

    def open(self, lake: Lake) -> None:
        """Make a new session, because one that has used a catalog keeps it."""
        self._end()
        self._lake = lake
        self._session = self._connect()
        _SESSIONS.append(self._session)
        for key, value in {**_SETTINGS, "spark.sql.session.timeZone": lake.zone}.items():
            _call(self._session.conf.set, key, value)
        self._using = lake.format is not TableFormat.ICEBERG
        if self._using:
            (self._make_views if lake.format is TableFormat.PARQUET else self._make_jdbc_views)(lake)
            return
        if lake.catalog.kind is CatalogKind.GLUE and lake.catalog.authentication is None:
            self._make_keys()
        for key, value in self.catalog_settings(lake).items():
            setting = f"spark.sql.catalog.{lake.name}{key and '.'}{key}"
            _call(self._session.conf.set, setting, value)
        self._use()

    def close(self) -> None:
        """End the session."""
        with contextlib.suppress(LakebenchError):
            self._end()

    def versions(self) -> dict[str, str]:
        """Spark's, Iceberg's and Java's versions as the server reports them, and the client's."""
        import pyspark

        lake, columns = self._opened, ["java_method('java.lang.System', 'getProperty', 'java.version') AS java"]
        if lake.format is TableFormat.ICEBERG:
            columns.insert(0, f"{_name(lake.name)}.system.iceberg_version() AS iceberg")
        row = self._rows(f"SELECT {', '.join(columns)}")[0]
        return {"spark": str(_call(getattr, self._session, "version")), **row, "pyspark": str(pyspark.__version__)}

    def settings_used(self) -> dict[str, str]:
        """The server's settings where it is ours, and the catalog's."""
        server, lake = self.settings.server, self._opened
        properties = {} if server is None else server.properties
        ours = {key.removeprefix("setting."): value for key, value in properties.items() if key.startswith("setting.")}
        shown = ("type", "io-impl", "cache-enabled")
        catalog = self.catalog_settings(lake) if lake.format is TableFormat.ICEBERG else {}
        return ours | _SETTINGS | {f"catalog.{key}": value for key, value in catalog.items() if key in shown}

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """The whole answer as one Arrow table, which is fetched before this returns."""
        self._use()
        self._raise_refused(sql)
        table = _fetched(_call(self._session.sql, sql))
        return Answer(table.schema, table.to_batches())

    def execute(self, sql: str) -> None:
        """Run one statement; Spark has no transactions."""
        self._raise_refused(sql)
        self._execute(sql)

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """A SELECT, ``AS OF`` the version or time, or of a metadata table."""
        source = self._target(scan.table)
        if scan.metadata:
            source = f"{source}.{_name(scan.metadata)}"
        if scan.at_ms is not None:
            source = f"{source} TIMESTAMP AS OF timestamp_millis({scan.at_ms})"
        version = _text(scan.ref) if scan.ref is not None else scan.snapshot_id
        travel = "" if version is None else f" VERSION AS OF {version}"
        return self.query(self.sql.select(scan, f"{source}{travel}"))

    def create(self, table: str, schema: pa.Schema) -> None:
        """CREATE NAMESPACE and CREATE TABLE; in PostgreSQL the JDBC data source makes the table in its own way."""
        if self._opened.format is TableFormat.POSTGRESQL:
            empty = schema.empty_table().cast(_plain_schema(schema))
            self._write(_call(self._session.createDataFrame, empty), table)
            self._make_jdbc_views(self._opened)
            return
        self._ensure_namespace()
        columns = ", ".join(_column(field) for field in schema)
        self._run(f"CREATE TABLE {self._target(table)} ({columns}) USING iceberg")

    def drop(self, table: str) -> None:
        """DROP TABLE IF EXISTS; its files stay, as they may be another's.

        Raises:
            EngineUnavailable: a table of PostgreSQL, which the JDBC data source cannot drop.
        """
        if self._opened.format is TableFormat.POSTGRESQL:
            raise EngineUnavailable("Spark's JDBC data source cannot drop a table")
        if self._namespace_exists():
            self._run(f"DROP TABLE IF EXISTS {self._target(table)}")

    def append(self, table: str, rows: pa.Table) -> None:
        """The Arrow table as a data frame, appended."""
        plain = rows.cast(_plain_schema(rows.schema))
        self._write(_call(self._session.createDataFrame, plain), table)

    def load(self, table: str, files: Sequence[str]) -> None:
        """One data frame over all files, which the server reads from this machine's disk, appended in one commit."""
        frame = _call(self._session.read.parquet, *map(_address, files))
        self._write(frame, table)

    def _write(self, frame: Any, table: str) -> None:
        """Append ``frame``: one commit to Iceberg, one transaction a partition to PostgreSQL."""
        lake = self._opened
        if lake.format is TableFormat.POSTGRESQL:
            options = {**jdbc.source(lake), "dbtable": jdbc.target(lake, table)}
            writer = _call(_call(frame.write.format, "jdbc").options, **options)
            _call(_call(writer.mode, "append").save)
        else:
            _call(_call(frame.writeTo, self._target(table)).append)

    def register(self, table: str, metadata_location: str) -> None:
        """CALL system.register_table."""
        self._ensure_namespace()
        lake = self._opened
        named = _text(f"{lake.namespace}.{table}")
        self._run(
            f"CALL {_name(lake.name)}.system.register_table("
            f"table => {named}, metadata_file => {_text(metadata_location)})"
        )

    def distribute(
        self, function: Callable[[Mapping[str, Any]], Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]]
    ) -> Iterator[Mapping[str, Any]]:
        """A partition of ``mapInArrow`` a task; a task whose worker dies runs again as often as the server allows."""
        from pyspark import cloudpickle

        _call(cloudpickle.register_pickle_by_value, sys.modules[function.__module__])
        ids = _call(self._session.range, 0, len(tasks), 1, len(tasks))
        results = _call(ids.mapInArrow, tasks_of(function, [json.dumps(one) for one in tasks]), "result string")
        for row in _call.rows(_call(results.toLocalIterator)):
            yield json.loads(row["result"])

    def catalog_settings(self, lake: Lake) -> dict[str, str]:
        """The session's settings of the catalog, below ``spark.sql.catalog.<name>``."""
        return {
            "": "org.apache.iceberg.spark.SparkCatalog",
            **catalog_properties.java(lake.catalog),
            **_file_io(lake),
            **self.cache_settings(lake),
        }

    @property
    def _opened(self) -> Lake:
        if self._lake is None:
            raise EngineUnavailable("no lake is open")
        return self._lake

    @property
    def _namespace(self) -> str:
        lake = self._opened
        return f"{_name(lake.name)}.{_name(lake.namespace)}"

    def _target(self, table: str) -> str:
        return f"{self._namespace}.{_name(table)}" if self._opened.format is TableFormat.ICEBERG else _name(table)

    def _connect(self) -> Any:
        from pyspark.sql.connect.client.retries import DefaultPolicy
        from pyspark.sql.connect.session import SparkSession

        server = self.settings.server
        if server is None:
            raise EngineUnavailable("Spark's server does not run: see the reason that the service spark gives")
        token = f"/;token={server.password}" if server.password else ""
        session = _call(_call(SparkSession.builder.remote, f"{server.uri}{token}").create)
        policy = _call(DefaultPolicy, max_retries=_RETRIES, max_backoff=2000)
        _call(session.client.set_retry_policies, [policy])
        return session

    def _make_keys(self) -> None:
        """Keys for Iceberg's Glue client, which takes them from its Java process alone; an emulator takes any."""
        for name in ("aws.accessKeyId", "aws.secretAccessKey"):
            self._rows(f"SELECT java_method('java.lang.System', 'setProperty', '{name}', 'none') AS before")

    def _make_views(self, lake: Lake) -> None:
        """A temporary view over the Parquet files of each table."""
        options, scheme = ({}, "") if lake.store is None else (_s3a(lake.store), _scheme(lake.store))
        reader = _call(self._session.read.options, **options)
        for table, addresses in lake.files.items():
            paths = [address.replace("s3://", f"{scheme}://", 1) for address in addresses]
            _call(_call(reader.parquet, *paths).createOrReplaceTempView, table)

    def _make_jdbc_views(self, lake: Lake) -> None:
        """A temporary view over each table and view of the schema, and over what the lake's options name.

        What Spark cannot make a view of is refused when it is asked for, and not before.
        """
        listed = self._ask(lake, jdbc.tables(lake.namespace))
        keys = {one["name"]: one["key"] for one in listed if one["key"] is not None}
        bounds = jdbc.bounds_of(self._ask(lake, jdbc.bounds(lake.namespace, keys)) if keys else [], keys)
        refused: dict[str, LakebenchError] = {}
        views = jdbc.views(lake, [one["name"] for one in listed], bounds, 2 * self.settings.threads)
        for view, options in views.items():
            try:
                _call(self._read_jdbc(options).createOrReplaceTempView, view)
            except Refused as error:
                refused[view] = error
        self._refused = refused

    def _ask(self, lake: Lake, query: str) -> list[dict[str, Any]]:
        frame = self._read_jdbc({**jdbc.source(lake), "query": query})
        rows: list[dict[str, Any]] = _fetched(frame).to_pylist()
        return rows

    def _read_jdbc(self, options: Mapping[str, str]) -> Any:
        reader = _call(_call(self._session.read.format, "jdbc").options, **options)
        return _call(reader.load)

    def _raise_refused(self, sql: str) -> None:
        """Raise the refusal of a view that ``sql`` names."""
        for view, error in self._refused.items():
            if re.search(rf"\b{re.escape(view)}\b", sql):
                raise error

    def _end(self) -> None:
        session, self._session, self._lake, self._refused = self._session, None, None, {}
        if session is not None:
            _call(session.stop)

    def _execute(self, sql: str) -> None:
        self._use()
        self._rows(sql)

    @contextlib.contextmanager
    def _another(self) -> Iterator[Spark]:
        other = type(self)(self.settings)
        try:
            other.open(self._opened)
            yield other
        finally:
            other.close()

    def _run(self, sql: str) -> None:
        self._rows(sql)

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = _fetched(_call(self._session.sql, sql)).to_pylist()
        return rows

    def _namespace_exists(self) -> bool:
        lake = self._opened
        namespaces = self._rows(f"SHOW NAMESPACES IN {_name(lake.name)}")
        return {"namespace": lake.namespace} in namespaces

    def _ensure_namespace(self) -> None:
        self._run(f"CREATE NAMESPACE IF NOT EXISTS {self._namespace}")
        self._use()

    def _use(self) -> None:
        """Make the namespace the current one as soon as it is there, which may be after ``open``."""
        if not self._using and self._namespace_exists():
            self._run(f"USE {self._namespace}")
            self._using = True


class SparkJdbc(Spark):
    """Spark over Iceberg's JDBC catalog in PostgreSQL."""

    name = "spark-jdbc"
    title = "Spark (JDBC catalog)"
    needs = ("postgres",)
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (CatalogKind.JDBC,)
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG,)
    partitioned = False
    variant_of = "spark"


class SparkIceberg111(Spark):
    """The same Spark on a server with Iceberg 1.11, to see what an upgrade changes."""

    name = "spark-iceberg-1.11"
    title = "Spark with Iceberg 1.11"
    service = "spark-iceberg-1.11"
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG,)  # the others have nothing of Iceberg
    partitioned = False
    optional = True


def _address(file: str) -> str:
    """The local ``file`` as a path of Spark's, in which the characters of Hadoop's patterns are escaped."""
    return "file://" + _PATTERN.sub(r"\\\g<0>", file)


def _file_io(lake: Lake) -> dict[str, str]:
    # A reader sees what others have committed; the default keeps a table's metadata for 30 seconds.
    fresh = {"cache-enabled": "false"}
    store = lake.store
    if store is None:
        return {"io-impl": "org.apache.iceberg.hadoop.HadoopFileIO", **fresh}
    return {
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": store.endpoint,
        "s3.path-style-access": str(store.path_style).lower(),
        **catalog_properties.s3_keys(store),
        "client.region": store.region,
        **fresh,
    }


def _scheme(store: ObjectStore) -> str:
    """A scheme for each store and its keys: Hadoop keeps a file system by scheme and bucket, whoever opened it."""
    of = f"{store.endpoint} {store.access_key} {store.secret_key}"
    return f"s3a-{hashlib.sha256(of.encode()).hexdigest()[:8]}"


def _s3a(store: ObjectStore) -> dict[str, str]:
    """Hadoop's S3A for ``store`` (Hadoop's documentation, *hadoop-aws*)."""
    return {
        f"fs.{_scheme(store)}.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.endpoint": store.endpoint,
        "fs.s3a.endpoint.region": store.region,
        "fs.s3a.path.style.access": str(store.path_style).lower(),
        "fs.s3a.access.key": store.access_key,
        "fs.s3a.secret.key": store.secret_key,
        "fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
    }


def _meaning(error: Exception) -> LakebenchError:
    """The client's error as ours: the server's message, without Java's frames and plans."""
    from grpc import RpcError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    message = f"{type(error).__name__}: {error}"
    return _refusal(message) if isinstance(error, PySparkException | RpcError) else read_error(error)


_call = EngineCalls(_meaning)


def _refusal(message: str) -> LakebenchError:
    text = _JAVA_CLASS.sub(r"\2: ", message.partition("JVM stacktrace:")[0].partition("\n\tat ")[0])
    line = " ".join(_PLAN.sub(r"\1", text).split())[:500]
    if any(sign in message for sign in _MEMORY):
        return OutOfMemory(line)
    if _CONFLICTS.search(text):
        return CommitConflict(line)
    if any(sign in text for sign in _GONE):
        return EngineCrash(f"Spark's server no longer answers; its log says why ({line[:200]})")
    return Refused(line)


def _fetched(frame: Any) -> pa.Table:
    """The rows of ``frame``.

    The client's ``toArrow`` ends with a cast to the types that are there already, and Arrow refuses it where a struct
    is null whose fields are required: then this takes the rows as the server sent them.
    """
    table: pa.Table = _call(_to_arrow, frame)
    return table


def _to_arrow(frame: Any) -> pa.Table:
    import pyarrow as pa

    try:
        table: pa.Table = frame.toArrow()
    except pa.ArrowInvalid:
        table, _ = frame._to_table()  # noqa: SLF001 - no public method gives Arrow without the cast
    return table


def _column(field: pa.Field) -> str:
    """A column of a CREATE TABLE."""
    from pyspark.sql.pandas.types import from_arrow_type

    spark_type = _call(from_arrow_type, _plain(field.type), prefer_timestamp_ntz=True)
    kind = _call(spark_type.simpleString)
    return f"{_name(field.name)} {kind}{'' if field.nullable else ' NOT NULL'}"


def _plain(kind: pa.DataType) -> pa.DataType:
    """``kind``, or for Arrow's view types, which Spark does not take, the plain type of the same values."""
    import pyarrow as pa

    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([field.with_type(_plain(field.type)) for field in schema])


def _name(identifier: str) -> str:
    return "`" + identifier.replace("`", "``") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
