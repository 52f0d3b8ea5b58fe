"""PyArrow on Parquet, vortex-data on Vortex, pylance on Lance: each format by the library of its own makers."""

from __future__ import annotations

import functools
import operator
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanLoad, CanScan, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import (
    Answer,
    counted,
    lance_dataset,
    local_path,
    object_store_options,
    version_of,
    vortex_file,
    vortex_path,
    vortex_store,
)
from lakebench.engines.schemas import python_value, type_of
from lakebench.engines.summaries import summarised
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.files import file_system
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field
from lakebench.model import CatalogKind, Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_ENVIRONMENT = "file-formats"
_BATCH = 65_536  # rows
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class _Library(Engine, CanScan, CanAppend, CanLoad):
    """A library whose files are datasets in PyArrow's sense; it reads, and what it has read is summed up by Arrow."""

    catalogs: ClassVar[tuple[CatalogKind, ...]] = ()
    optional: ClassVar[bool] = True

    _lake: Lake
    _files: Mapping[str, Any] = {}

    def open(self, lake: Lake) -> None:
        """Open the files of ``lake``, where they are there yet; see :meth:`lakebench.engines.Engine.open`."""
        self._import()
        self._lake = lake
        files = {} if lake.writes else lake.files
        self._files = {table: self._opened(one) for table, (one,) in files.items()}

    def close(self) -> None:
        """Let the files go."""
        self._files = {}

    def versions(self) -> dict[str, str]:
        """The library, and Arrow."""
        return {one: version_of(one) for one in (self.distribution, "pyarrow")}

    def settings_used(self) -> dict[str, str]:
        """Threads; memory is not limited by the library."""
        return {"threads": str(self.settings.threads), **self._lake.options}

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table.

        Raises:
            EngineUnavailable: a snapshot, a reference or metadata is asked for, which files do not have.
        """
        if scan.metadata or scan.ref or scan.snapshot_id is not None or scan.at_ms is not None:
            raise EngineUnavailable(f"{self.title} reads files, which have no snapshots")
        dataset, where = self._dataset(scan.table), expression(scan.fields, scan.where)
        if scan.count:
            return counted(engine_call(dataset.count_rows, filter=where))
        columns = None if scan.read_columns is None else list(scan.read_columns)
        read = self._at if scan.positions else self._read
        rows: Iterable[pa.RecordBatch] = read(dataset, columns, scan.positions or where)
        return summarised(engine_call.rows(rows), scan.summary) if scan.summary else rows

    def append(self, table: str, rows: pa.Table) -> None:
        """Write the file of ``table``."""
        (address,) = self._lake.files[table]
        self._write(rows, address)

    def load(self, table: str, files: Sequence[str]) -> None:
        """Write the file of ``table`` from those ``files``, streamed in their order."""
        (address,) = self._lake.files[table]
        self._write(_streamed(files), address)

    def _import(self) -> None:
        """Set what the library reads at its import or keeps for its process."""
        import pyarrow as pa

        pa.set_cpu_count(self.settings.threads)

    def _read(self, dataset: Any, columns: list[str] | None, where: Any) -> Any:
        scanner = engine_call(dataset.scanner, columns=columns, filter=where)
        return _answer(engine_call(scanner.to_reader))

    def _at(self, dataset: Any, columns: list[str] | None, positions: Sequence[int]) -> Any:
        return engine_call(dataset.take, positions, columns=columns)

    def _dataset(self, table: str) -> Any:
        return self._files[table]

    @abstractmethod
    def _opened(self, address: str) -> Any:
        """What is at ``address``: a dataset, or what :meth:`_dataset` makes one of."""

    @abstractmethod
    def _write(self, rows: Any, address: str) -> None:
        """Write a table or a reader of batches to ``address``, by the lake's options."""


class PyArrow(_Library):
    """``pyarrow.dataset`` over a Parquet file, written by ``pyarrow.parquet``."""

    name: ClassVar[str] = "pyarrow"
    title: ClassVar[str] = "PyArrow"
    distribution: ClassVar[str] = "pyarrow"
    preload: ClassVar[tuple[str, ...]] = ("pyarrow.dataset", "pyarrow.parquet", "pyarrow.compute")
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.PARQUET,)

    def _opened(self, address: str) -> Any:
        import pyarrow.dataset as ds

        path, filesystem = self._place(address)
        return engine_call(ds.dataset, path, format="parquet", filesystem=filesystem)

    def _write(self, rows: Any, address: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path, filesystem = self._place(address)
        options = {key: _value(text) for key, text in self._lake.options.items()}
        group = options.pop("row_group_size")
        if "bloom_filter" in options:
            options["bloom_filter_options"] = {options.pop("bloom_filter"): {"ndv": group, "fpp": 0.01}}
        writer = engine_call(pq.ParquetWriter, path, rows.schema, filesystem=filesystem, **options)
        with writer:
            for batch in rows.to_batches() if isinstance(rows, pa.Table) else _groups(rows, group):
                engine_call(writer.write, batch, row_group_size=group)

    def _place(self, address: str) -> tuple[str, Any]:
        store = self._lake.store
        if store is None:
            return local_path(address), None
        return address.removeprefix("s3://"), file_system(store)

    def _at(self, dataset: Any, columns: list[str] | None, positions: Sequence[int]) -> Any:
        import pyarrow as pa

        return engine_call(dataset.take, pa.array(positions, pa.int64()), columns=columns)


class Vortex(_Library):
    """``vortex.open`` of a file; filters through its dataset, positions through its scan."""

    name: ClassVar[str] = "vortex"
    title: ClassVar[str] = "vortex-data"
    distribution: ClassVar[str] = "vortex-data"
    preload: ClassVar[tuple[str, ...]] = ("vortex", "pyarrow.dataset", "pyarrow.compute")
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.VORTEX,)
    environments: ClassVar[Mapping[TableFormat, str]] = {TableFormat.VORTEX: _ENVIRONMENT}

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table; rows by their positions as ``indices`` of a scan."""
        if not scan.positions:
            return super().scan(scan)
        import pyarrow as pa
        import vortex

        indices = engine_call(vortex.array, pa.array(scan.positions, pa.uint64()))
        columns = None if scan.columns is None else list(scan.columns)
        rows = engine_call(self._files[scan.table].scan, columns, indices=indices)
        return _answer(engine_call(rows.to_arrow))

    def _import(self) -> None:
        import vortex

        super()._import()
        engine_call(vortex.set_worker_threads, self.settings.threads)

    def _read(self, dataset: Any, columns: list[str] | None, where: Any) -> Any:
        return _answer(engine_call(dataset.to_record_batch_reader, columns=columns, filter=where))

    def _opened(self, address: str) -> Any:
        return vortex_file(self._lake, address)

    def _dataset(self, table: str) -> Any:
        return engine_call(self._files[table].to_dataset)

    def _write(self, rows: Any, address: str) -> None:
        from vortex.io import VortexWriteOptions

        kind = getattr(VortexWriteOptions, self._lake.options.get("strategy", "default"))
        path, store = vortex_path(self._lake, address), vortex_store(self._lake)
        engine_call(engine_call(kind).write, rows, path, store=store)


class Lance(_Library):
    """``lance.dataset``, written by ``lance.write_dataset``."""

    name: ClassVar[str] = "lance"
    title: ClassVar[str] = "pylance"
    distribution: ClassVar[str] = "pylance"
    preload: ClassVar[tuple[str, ...]] = ("lance", "pyarrow.dataset", "pyarrow.compute")
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.LANCE,)
    environments: ClassVar[Mapping[TableFormat, str]] = {TableFormat.LANCE: _ENVIRONMENT}

    def _opened(self, address: str) -> Any:
        return lance_dataset(self._lake, address)

    def _at(self, dataset: Any, columns: list[str] | None, positions: Sequence[int]) -> Any:
        return engine_call(dataset.take, list(positions), columns=columns)

    def _write(self, rows: Any, address: str) -> None:
        import lance

        store = self._lake.store
        options = None if store is None else object_store_options(store)
        path = local_path(address)
        engine_call(lance.write_dataset, rows, path, mode="overwrite", storage_options=options, **self._lake.options)


def expression(fields: tuple[Field, ...], conditions: Sequence[Condition]) -> Any:
    """All of ``conditions`` as an expression of PyArrow's datasets; none where there are none."""
    terms = [_condition(fields, one) for one in conditions]
    return functools.reduce(operator.and_, terms) if terms else None


def _condition(fields: tuple[Field, ...], condition: Condition) -> Any:
    import pyarrow.dataset as ds

    column = ds.field(*condition.column.split("."))
    if condition.test in {"is-null", "not-null"}:
        return column.is_null() if condition.test == "is-null" else column.is_valid()
    of = type_of(fields, condition.column)
    if condition.test == "in":
        return column.isin([python_value(of, one) for one in condition.value])
    return _COMPARISONS[condition.test](column, python_value(of, condition.value))


def _groups(reader: Any, rows: int) -> Iterable[Any]:
    """Tables of ``rows`` rows each from a reader of smaller batches, the last with the rest."""
    import pyarrow as pa

    held: list[Any] = []
    for batch in engine_call.rows(reader):
        held.append(batch)
        while sum(one.num_rows for one in held) >= rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            held = table.slice(rows).to_batches()
    if held:
        yield pa.Table.from_batches(held)


def _streamed(files: Sequence[str]) -> Any:
    """A reader of the rows of Parquet ``files``; a dataset's scanner would read gigabytes ahead of a slow writer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    opened = [engine_call(pq.ParquetFile, local_path(one), pre_buffer=False) for one in files]
    batches = (batch for one in opened for batch in engine_call.rows(one.iter_batches(_BATCH)))
    return pa.RecordBatchReader.from_batches(opened[0].schema_arrow, batches)


def _answer(reader: Any) -> Answer:
    return Answer(reader.schema, engine_call.rows(reader))


def _value(text: str) -> Any:
    """An option of the writer: a number, a boolean, a list of names, or text."""
    if text.isdigit():
        return int(text)
    if text in {"True", "False"}:
        return text == "True"
    return text.split(",") if "," in text else text
