"""What the adapters of engines inside the worker share: PyIceberg's catalog, answers and calls."""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanOperate, CanScan
from lakebench.engines.boundary import engine_call, words
from lakebench.errors import CommitConflict, EngineUnavailable, Refused
from lakebench.iceberg import catalog_properties
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Scan
from lakebench.model import Catalog, CatalogKind, Lake, ObjectStore, SigV4

if TYPE_CHECKING:
    import pyarrow as pa

PYICEBERG_CATALOGS = (CatalogKind.REST, CatalogKind.HIVE, CatalogKind.GLUE)
"""The catalogs that :func:`pyiceberg_catalog` opens."""
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FILE = re.compile(r"^file:(?://)?(?=/)")


class Answer:
    """The rows of one answer, fetched as they are asked for, with their schema even where there is no row.

    Batches that the engine gives as they are asked for are those of
    :meth:`~lakebench.engines.boundary.EngineCalls.rows`.
    """

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self.schema = schema
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Each batch once."""
        return iter(self._batches)


def arrow_column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values that an engine gave as an Arrow array.

    Raises:
        Refused: the type does not hold one of them.
    """
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise Refused(f"{type(error).__name__}: {words(error)}") from error


def counted(count: int) -> Answer:
    """A number of rows as an answer."""
    import pyarrow as pa

    rows = pa.table({"n": pa.array([count], pa.int64())})
    return Answer(rows.schema, rows.to_batches())


class ScansLoadedTable(CanScan):
    """Scans a table after it was loaded, so that several filters load it once; plain files are loaded by the scan."""

    _lake: Lake

    @abstractmethod
    def _table(self, table: str) -> Any:
        """The table as the catalog has it now."""

    @abstractmethod
    def _scan(self, table: Any, scan: Scan) -> Iterable[pa.RecordBatch]:
        """The rows of ``scan`` from the loaded ``table``, which is ``None`` where the lake is plain files."""

    def scan_each(self, scan: Scan) -> Iterator[Iterable[pa.RecordBatch]]:
        """Each filter on the table as it was loaded once."""
        return map(functools.partial(self._scan, self._table_of(scan)), scan.by_filter)

    def _table_of(self, scan: Scan) -> Any:
        return None if self._lake.format.is_files else self._table(scan.table)


Call = Callable[..., Any]
"""``call(text, function, *arguments, **arguments)`` reports the engine's call, makes it, and returns its result."""


class PythonOperations(CanOperate):
    """Operations as calls of a Python library.

    Each of ``operations`` is carried out by the method called ``do_`` and its name, as in ``do_add_column``, which
    gets the operation, the table as it was loaded (``None`` where it is yet to be made), and a :data:`Call`. The parts
    of a concurrent operation all load their table before the first of them starts; then they run in ``threads``, or one
    after the other.
    """

    threads: ClassVar[bool] = True

    @abstractmethod
    def _table(self, table: str) -> Any:
        """The table as the catalog has it now."""

    def operate(self, operation: ops.Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``; see :meth:`lakebench.engines.CanOperate.operate`."""
        call = functools.partial(_call, tell)
        if isinstance(operation, ops.Concurrent):
            return self._concurrently(operation.operations, call)
        self._method(operation)(operation, self._loaded(operation), call)
        return None

    def _method(self, operation: ops.Operation) -> Callable[..., None]:
        method: Callable[..., None] = getattr(self, f"do_{_WORD.sub('_', type(operation).__name__).lower()}")
        return method

    def _loaded(self, operation: ops.Operation) -> Any:
        return None if isinstance(operation, ops.Create) else self._table(operation.table)

    def _concurrently(self, parts: Sequence[ops.Operation], call: Call) -> list[bool]:
        loaded = [(part, self._loaded(part)) for part in parts]
        if not self.threads:
            return [self._attempt(part, table, call) for part, table in loaded]
        start = threading.Barrier(len(parts))

        def run(part: ops.Operation, table: Any) -> bool:
            start.wait()
            return self._attempt(part, table, call)

        with ThreadPoolExecutor(len(parts)) as pool:
            return list(pool.map(run, *zip(*loaded, strict=True)))

    def _attempt(self, part: ops.Operation, table: Any, call: Call) -> bool:
        try:
            self._method(part)(part, table, call)
        except CommitConflict:
            return False
        return True


def _call(tell: Callable[[str], None], text: str, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    arguments = [*map(_shown, args), *(f"{key}={_shown(value)}" for key, value in named.items())]
    tell(f"{text}({', '.join(arguments)})")
    return engine_call(function, *args, **named)


def _shown(value: Any) -> str:
    """A value as the text of a call; rows and tables by name, as the operation has them."""
    if hasattr(value, "num_rows"):
        return f"<{value.num_rows} rows>"
    if hasattr(value, "metadata_location"):
        return "table"
    return " ".join(repr(value).split())


def version_of(distribution: str) -> str:
    """The installed version of ``distribution``, ``""`` where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def pyiceberg_catalog(lake: Lake) -> Any:
    """The catalog of ``lake`` as a PyIceberg catalog that reads and writes by Arrow's own file systems.

    Raises:
        EngineUnavailable: PyIceberg has no way to it here.
    """
    import pyiceberg.io.pyarrow  # noqa: F401 - it is imported on first use, which a cold query's clock would hold
    from pyiceberg.catalog import load_catalog

    _check_packages(lake.catalog)
    properties = {
        **catalog_properties.pyiceberg(lake.catalog),
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
        **file_io(lake),
    }
    return engine_call(load_catalog, lake.name, **properties)


def _check_packages(catalog: Catalog) -> None:
    """Check that PyIceberg has the package that it needs for ``catalog`` alone."""
    signed = catalog.kind is CatalogKind.GLUE or isinstance(catalog.authentication, SigV4)
    others = {CatalogKind.HIVE: "thrift", CatalogKind.JDBC: "sqlalchemy"}
    needed = "boto3" if signed else others.get(catalog.kind, "")
    if needed and find_spec(needed) is None:
        raise EngineUnavailable(f"PyIceberg needs {needed} for such a catalog: pip install {needed}")


def require_deltalake(reader: str) -> None:
    """Check that the package is there by which ``reader`` reads Delta Lake.

    Raises:
        EngineUnavailable: it is not.
    """
    if find_spec("deltalake") is None:
        raise EngineUnavailable(f"{reader} needs deltalake for Delta Lake: make delta, or pip install deltalake")


def file_io(lake: Lake) -> dict[str, str]:
    """The store of ``lake`` in PyIceberg's words; nothing where its files are local, which need none."""
    return {} if lake.store is None else s3_properties(lake.store)


def local_path(address: str) -> str:
    """The path that a ``file:`` address names; another address as it is."""
    return _FILE.sub("", address)


def at_bucket(endpoint: str, bucket: str, *, path_style: bool) -> str:
    """The ``endpoint`` of a store for Rust's object_store, which wants the bucket in the host's name there, too.

    See its documentation, ``AmazonS3Builder::with_virtual_hosted_style_request``.
    """
    scheme, _, host = endpoint.partition("://")
    return endpoint if path_style else f"{scheme}://{bucket}.{host}"


def object_store_options(store: ObjectStore) -> dict[str, str]:
    """``store`` in the words of Rust's object_store."""
    return {
        "aws_endpoint_url": at_bucket(store.endpoint, store.bucket, path_style=store.path_style),
        "aws_access_key_id": store.access_key,
        "aws_secret_access_key": store.secret_key,
        "aws_region": store.region,
        "aws_virtual_hosted_style_request": str(not store.path_style).lower(),
        "aws_allow_http": str(store.endpoint.startswith("http://")).lower(),
    }


def vortex_file(lake: Lake, address: str) -> Any:
    """The Vortex file at ``address``, opened by vortex-data."""
    import vortex

    return engine_call(vortex.open, vortex_path(lake, address), store=vortex_store(lake))


def vortex_path(lake: Lake, address: str) -> str:
    """What vortex-data takes for ``address``: the key of an object, or a path."""
    return local_path(address) if lake.store is None else address.removeprefix(f"s3://{lake.store.bucket}/")


def vortex_store(lake: Lake) -> Any:
    """The object store of ``lake`` for vortex-data; none where its files are local."""
    if lake.store is None:
        return None
    from vortex.store import S3Store

    return engine_call(S3Store, lake.store.bucket, config=object_store_options(lake.store))


def lance_dataset(lake: Lake, address: str) -> Any:
    """The Lance dataset at ``address``, opened by pylance."""
    import lance

    options = None if lake.store is None else object_store_options(lake.store)
    return engine_call(lance.dataset, local_path(address), storage_options=options)


def s3_properties(store: ObjectStore) -> dict[str, str]:
    """``store`` in PyIceberg's words (its documentation, *FileIO*), which Polars and iceberg-rust understand too."""
    return {
        "s3.endpoint": store.endpoint,
        **catalog_properties.s3_keys(store),
        "s3.region": store.region,
        "s3.force-virtual-addressing": str(not store.path_style).lower(),
        "s3.path-style-access": str(store.path_style).lower(),  # iceberg-rust's word for the contrary
    }


def named_snapshot(table: Any, ref: str) -> int:
    """The snapshot that the branch or tag ``ref`` of PyIceberg's ``table`` is at.

    Raises:
        Refused: there is no such reference.
    """
    snapshot = engine_call(table.snapshot_by_name, ref)
    if snapshot is None:
        raise Refused(f"the table has no branch or tag {ref}")
    snapshot_id: int = snapshot.snapshot_id
    return snapshot_id


def create_namespace(catalog: Any, namespace: str) -> None:
    """Create ``namespace`` where it does not exist; another writer may do so at the same moment."""
    from pyiceberg.exceptions import NamespaceAlreadyExistsError

    engine_call(_suppressing, NamespaceAlreadyExistsError, catalog.create_namespace, namespace)


def drop_table(catalog: Any, identifier: tuple[str, str]) -> None:
    """Drop the table where it exists."""
    from pyiceberg.exceptions import NoSuchTableError

    engine_call(_suppressing, NoSuchTableError, catalog.drop_table, identifier)


def _suppressing(kind: type[Exception], function: Callable[..., Any], *args: Any) -> None:
    """Call ``function``; its exceptions of this ``kind`` are ignored."""
    with contextlib.suppress(kind):
        function(*args)
