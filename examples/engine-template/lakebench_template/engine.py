"""The adapter. Packages of the engine are imported inside methods: lakebench's parent process reads the class only.

What the engine's own functions raise is the engine's answer, so they are called by ``engine_call``. An exception that
is raised outside of it is taken for a fault of this adapter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanScan, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import Answer, named_snapshot, pyiceberg_catalog, version_of
from lakebench.errors import EngineUnavailable, Refused
from lakebench.iceberg.scan import Condition, Scan
from lakebench.model import Lake

if TYPE_CHECKING:
    import pyarrow as pa

_TESTS = {"=": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}


class Template(Engine, CanScan):
    """Reads the data files that PyIceberg plans with pyarrow, by field id; it has no way to read delete files."""

    name: ClassVar[str] = "template"
    title: ClassVar[str] = "Template (pyarrow over planned files)"
    distribution: ClassVar[str] = "lakebench-engine-template"
    optional: ClassVar[bool] = True  # runs only where it is named
    preload: ClassVar[tuple[str, ...]] = ("pyiceberg.catalog.rest", "pyiceberg.io.pyarrow")

    _catalog: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Load the catalog."""
        self._catalog = pyiceberg_catalog(lake)
        self._lake = lake

    def close(self) -> None:
        """Let the catalog go."""
        self._catalog = None

    def versions(self) -> dict[str, str]:
        """The engine's own version first, then what it is made of."""
        parts = ("lakebench-engine-template", "pyarrow", "pyiceberg")
        return {part: version for part in parts if (version := version_of(part))}

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Plan, refuse delete files, read each file, and filter by value.

        Raises:
            Refused: the table has delete files.
            EngineUnavailable: a metadata table is asked for, or a time.
        """
        import pyarrow as pa

        if scan.metadata or scan.at_ms is not None:
            raise EngineUnavailable(f"{self.name} has no way to read {scan.metadata or 'by a time'}")
        table = engine_call(self._catalog.load_table, (self._lake.namespace, scan.table))
        snapshot_id = named_snapshot(table, scan.ref) if scan.ref else scan.snapshot_id
        planned = engine_call(table.scan, snapshot_id=snapshot_id)
        wanted = engine_call(planned.projection)
        schema = engine_call(wanted.as_arrow)
        tables = [_read(table.io, task, wanted, schema) for task in engine_call.rows(engine_call(planned.plan_files))]
        rows = _filtered(pa.concat_tables([schema.empty_table(), *tables]), scan.where)
        if scan.count:
            rows = pa.table({"count": pa.array([rows.num_rows], pa.int64())})
        elif scan.columns:
            rows = rows.select(list(scan.columns))
        return Answer(rows.schema, rows.to_batches())


def _read(io: Any, task: Any, wanted: Any, schema: pa.Schema) -> pa.Table:
    """One data file with the columns of ``wanted``, found by their field ids; what the file lacks is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if task.delete_files:
        raise Refused("this engine knows no delete files, and the table has some")
    with engine_call.entered(engine_call(io.new_input, task.file.file_path).open) as source:
        found = engine_call(pq.read_table, source)
    by_id = {int((one.metadata or {}).get(b"PARQUET:field_id", b"-1")): one.name for one in found.schema}
    columns = [
        engine_call(found.column(by_id[field.field_id]).cast, kind.type)
        if field.field_id in by_id
        else pa.nulls(found.num_rows, kind.type)
        for field, kind in zip(wanted.fields, schema, strict=True)
    ]
    return pa.table(columns, schema=schema)


def _filtered(rows: pa.Table, where: tuple[Condition, ...]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    for one in where:
        column = rows.column(one.column)
        if one.test in {"is-null", "not-null"}:
            mask = pc.is_null(column) if one.test == "is-null" else pc.is_valid(column)
        elif one.test == "in":
            mask = engine_call(pc.is_in, column, engine_call(pa.array(one.value).cast, column.type))
        else:
            value = engine_call(pa.scalar(one.value).cast, column.type)
            mask = engine_call(getattr(pc, _TESTS[one.test]), column, value)
        rows = engine_call(rows.filter, mask)
    return rows
