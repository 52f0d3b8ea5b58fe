"""PyIceberg: the table format's own Python library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import (
    CanAddFiles,
    CanAppend,
    CanCreate,
    CanLoad,
    CanQuery,
    CanRegister,
    Engine,
    schemas,
)
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import (
    PYICEBERG_CATALOGS,
    Answer,
    ScansLoadedTable,
    counted,
    create_namespace,
    drop_table,
    pyiceberg_catalog,
    version_of,
)
from lakebench.engines.pyiceberg.calls import PyIcebergOperations
from lakebench.errors import EngineUnavailable, Refused
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Lake

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_WORD = re.compile(r"\w+")
_ALL_COLUMNS = re.compile(r"(?:\bselect|\bdistinct|,)\s*(?:\w+\s*\.\s*)?\*|\bnatural\b", re.IGNORECASE)
_BATCH_ROWS = 65536
_SLICE_BYTES = 256 * 2**20


class PyIceberg(
    PyIcebergOperations, Engine, CanQuery, ScansLoadedTable, CanCreate, CanAppend, CanLoad, CanAddFiles, CanRegister
):
    """Reads and writes Iceberg tables into and out of Arrow, in this process.

    PyIceberg has no SQL. A query takes the route that its documentation names, ``scan().to_duckdb()``: PyIceberg plans
    and reads every table that the SQL names into Arrow memory, whole but only the columns that the SQL names, and
    DuckDB computes on these. So a query's time is mostly PyIceberg's reading, no filter is pushed down, and an answer
    says that PyIceberg delivered the right rows, not that it can compute.
    """

    name: ClassVar[str] = "pyiceberg"
    title: ClassVar[str] = "PyIceberg (scans; DuckDB computes)"
    dialect: ClassVar[str] = "duckdb"
    distribution: ClassVar[str] = "pyiceberg"
    computes_by: ClassVar[str] = "duckdb"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (*PYICEBERG_CATALOGS, CatalogKind.JDBC)
    preload: ClassVar[tuple[str, ...]] = ("pyiceberg.catalog.rest", "pyiceberg.io.pyarrow", "duckdb")
    requirements: ClassVar[tuple[str, ...]] = ("pyiceberg[pyarrow]=={version}", "duckdb==1.5.5")

    _catalog: Any = None
    _duckdb: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Load the catalog; see :meth:`lakebench.engines.Engine.open`."""
        import duckdb

        self.close()
        config = {
            "threads": self.settings.threads,
            "memory_limit": f"{self.settings.memory // 2**20}MiB",
            "temp_directory": self.settings.folder,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._duckdb = engine_call(duckdb.connect, config=config)
        engine_call(self._duckdb.execute, "SET GLOBAL TimeZone = 'UTC'")
        self._catalog = pyiceberg_catalog(lake)
        self._lake = lake

    def close(self) -> None:
        """Close DuckDB."""
        connection, self._duckdb = self._duckdb, None
        if connection is not None:
            engine_call(connection.close)

    def versions(self) -> dict[str, str]:
        """PyIceberg, the libraries that do its reading, and the one that computes."""
        parts = ("pyiceberg", "pyarrow", "pyiceberg-core", "duckdb")
        return {part: version for part in parts if (version := version_of(part))}

    def settings_used(self) -> dict[str, str]:
        """How files are read, and how SQL is answered."""
        return {
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            "sql": "scan(selected_fields).to_duckdb(), computed by DuckDB",
            "duckdb.threads": str(self.settings.threads),
        }

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Scan the tables that ``sql`` names, then let DuckDB run it."""
        connection = engine_call(self._duckdb.cursor)  # what is registered there goes with it
        for table in engine_call(connection.get_table_names, sql):
            loaded = self._table(table)
            columns = named_columns(sql, [field.name for field in engine_call(loaded.schema).fields])
            planned = engine_call(loaded.scan, selected_fields=columns)
            engine_call(planned.to_duckdb, table, connection=connection)
        reader = engine_call(engine_call(connection.execute, sql).to_arrow_reader)
        return Answer(reader.schema, _closing(reader, connection))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Plan and read one table, or inspect it.

        Raises:
            EngineUnavailable: PyIceberg has no such metadata table.
        """
        return self._scan(self._table_of(scan), scan)

    def _scan(self, table: Any, scan: Scan) -> Iterable[pa.RecordBatch]:
        if scan.metadata:
            return _inspected(table, scan)
        planned = engine_call(
            table.scan,
            row_filter=schemas.expression(scan.fields, scan.where),
            selected_fields=("*",) if scan.count else scan.columns or ("*",),
            snapshot_id=_snapshot_id(table, scan),
        )
        if scan.ref:
            planned = engine_call(planned.use_ref, scan.ref)
        if scan.count:
            return counted(engine_call(planned.count))
        reader = engine_call(planned.to_arrow_batch_reader)
        return _ordered(reader, scan.columns)

    def create(self, table: str, schema: pa.Schema) -> None:
        """Create the namespace and the table."""
        create_namespace(self._catalog, self._lake.namespace)
        engine_call(self._catalog.create_table, self._identifier(table), schema=schema)

    def drop(self, table: str) -> None:
        """Drop the table where it exists; its files stay."""
        drop_table(self._catalog, self._identifier(table))

    def append(self, table: str, rows: pa.Table) -> None:
        """Append in one commit."""
        engine_call(self._table(table).append, rows)

    def load(self, table: str, files: Sequence[str]) -> None:
        """Append the files' rows in one commit a file.

        A reader handed to ``append`` would be drained as fast as it can be read, whatever the upload does
        (``write_file`` submits every part to a thread pool), so bounded memory needs one append a slice.
        """
        for file in files:
            with engine_call.entered(self._table(table).transaction) as transaction:
                for part in _ahead(slices(file)):
                    engine_call(transaction.append, part)

    def add_files(self, table: str, files: Sequence[str]) -> None:
        """Read the footers of ``files`` for their statistics, and commit."""
        engine_call(self._table(table).add_files, list(files))

    def register(self, table: str, metadata_location: str) -> None:
        """Register the table at its metadata file."""
        create_namespace(self._catalog, self._lake.namespace)
        engine_call(self._catalog.register_table, self._identifier(table), metadata_location)

    def _identifier(self, table: str) -> tuple[str, str]:
        return self._lake.namespace, table

    def _table(self, table: str) -> Any:
        return engine_call(self._catalog.load_table, self._identifier(table))


def _snapshot_id(table: Any, scan: Scan) -> int | None:
    if scan.at_ms is None:
        return scan.snapshot_id
    snapshot = engine_call(table.snapshot_as_of_timestamp, scan.at_ms)
    if snapshot is None:
        raise Refused(f"PyIceberg finds no snapshot as of {scan.at_ms} ms")
    snapshot_id: int = snapshot.snapshot_id
    return snapshot_id


def _inspected(table: Any, scan: Scan) -> Answer:
    """A metadata table of PyIceberg's, with Iceberg's names of columns."""
    inspect = getattr(table.inspect, scan.metadata, None)
    if inspect is None:
        raise EngineUnavailable(f"PyIceberg has no way to inspect a table's {scan.metadata}")
    rows = engine_call(inspect)
    rows = engine_call(rows.select, list(scan.columns)) if scan.columns else rows
    return Answer(rows.schema, rows.to_batches())


def _ordered(reader: pa.RecordBatchReader, columns: Sequence[str] | None) -> Answer:
    """What ``reader`` reads, in the order of ``columns``: PyIceberg keeps the table's."""
    batches = engine_call.rows(reader)
    if columns is None:
        return Answer(reader.schema, batches)
    import pyarrow as pa

    schema = pa.schema([engine_call(reader.schema.field, one) for one in columns])
    return Answer(schema, (engine_call(batch.select, list(columns)) for batch in batches))


def _closing(reader: pa.RecordBatchReader, connection: Any) -> Iterator[pa.RecordBatch]:
    yield from engine_call.rows(reader)
    engine_call(connection.close)


def named_columns(sql: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Those of ``columns`` that ``sql`` may use: all that occur in it as a word, or all for a ``*``; at least one.

    A name that is not one word is looked for as it is written.
    """
    names = tuple(columns)
    if _ALL_COLUMNS.search(sql):
        return names
    text, words = sql.lower(), {word.lower() for word in _WORD.findall(sql)}
    return tuple(one for one in names if one.lower() in (words if _WORD.fullmatch(one) else text)) or names[:1]


def slices(file: str) -> Iterator[pa.Table]:
    """The rows of a Parquet file as tables of about ``_SLICE_BYTES``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        batches: list[pa.RecordBatch] = []
        for batch in _batches(opened):
            batches.append(batch)
            if sum(one.nbytes for one in batches) >= _SLICE_BYTES:
                yield pa.Table.from_batches(batches)
                batches = []
        if batches:
            yield pa.Table.from_batches(batches)


def _ahead(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """``parts``, each read while the one before it is written."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(next, parts, None)
        while (part := upcoming.result()) is not None:
            upcoming = pool.submit(next, parts, None)
            yield part


def _batches(opened: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Batches with plain strings: Iceberg has one kind of string, Arrow three."""
    import pyarrow as pa

    plain = pa.schema(
        [
            pa.field(field.name, pa.string() if pa.types.is_string_view(field.type) else field.type)
            for field in opened.schema_arrow
        ]
    )
    for batch in opened.iter_batches(_BATCH_ROWS):
        yield batch.cast(plain)
