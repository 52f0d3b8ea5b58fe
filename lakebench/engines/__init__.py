"""Engine adapters: what an adapter is, what it can do, and how it is found.

An adapter is a class with a simple life cycle: it is made with :class:`~lakebench.model.EngineSettings` inside a worker
process, ``open(lake)`` connects it, ``close()`` ends it. It can do what it inherits: the ``Can…`` classes below.
The parent process reads these facts from the class and never makes one; so a module of an adapter imports its engine's
packages inside methods only.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.errors import UsageError, unknown
from lakebench.iceberg.operations import Operation
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, EngineRef, EngineSettings, Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

ENTRY_POINTS = "lakebench.engines"


class Engine(ABC):
    """Something that reads or writes tables.

    ``name`` is what users type; ``requirements`` are the PyPI requirements of an environment of its own, where
    ``{version}`` stands for the version asked for; ``distribution`` names the one whose version is that version.
    ``service`` is the server that is the engine (``trino``, ``spark``), and ``needs`` the other services it cannot do
    without. ``dialect`` is sqlglot's name of its SQL. ``variant_of`` names the engine that this is another way into,
    with the same SQL: a phase that asks many questions asks the other one. ``optional`` ones run only where they are
    named. One with an ``own_catalog`` keeps the tables that it writes there, and registers their metadata files in the
    lake's: another engine changes its tables in the lake alone, and it changes no table of another engine.
    ``formats`` are the kinds of lake that ``open`` takes; ``partitioned`` says that tables of PostgreSQL are
    read in partitions, as the lake's options say. ``preload`` are modules that its worker imports at its start, while
    the services still start. ``fatal`` are words of its errors after which its process is not used again; after any
    other failure there is a new connection. One with a ``usual_version`` never runs in lakebench's own environment:
    where the user names no version it runs in that one, in an environment that those of the same ``environment``
    share. ``environments`` are the locked environments of those formats whose packages cannot be beside ours.
    A ``distributed`` one runs a query on several processes or nodes. ``computes_by`` is the distribution that computes
    its answers, where that is another one's: answers of both are one vote.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    dialect: ClassVar[str] = ""
    distribution: ClassVar[str]
    computes_by: ClassVar[str] = ""
    requirements: ClassVar[tuple[str, ...]] = ()
    service: ClassVar[str | None] = None
    needs: ClassVar[tuple[str, ...]] = ()
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (CatalogKind.REST,)
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG,)
    variant_of: ClassVar[str | None] = None
    optional: ClassVar[bool] = False
    own_catalog: ClassVar[bool] = False
    partitioned: ClassVar[bool] = False
    preload: ClassVar[tuple[str, ...]] = ()
    fatal: ClassVar[tuple[str, ...]] = ()
    usual_version: ClassVar[str] = ""
    environment: ClassVar[str] = ""
    distributed: ClassVar[bool] = False
    environments: ClassVar[Mapping[TableFormat, str]] = {}

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings

    @abstractmethod
    def open(self, lake: Lake) -> None:
        """Connect to ``lake`` so that unqualified table names are those of ``lake.namespace``.

        May be called again with another lake, which then replaces the first.

        Raises:
            EngineUnavailable: the engine, or a part of it, is not here.
            Refused: the engine does not accept the lake.
        """

    @abstractmethod
    def close(self) -> None:
        """Free what ``open`` took. Called once, also after a failed ``open``."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Component → version as the running engine itself reports it; the engine's own comes first."""

    def settings_used(self) -> dict[str, str]:
        """Each setting of the engine that is not its default, without secrets."""
        return {}


class CanQuery(ABC):
    """Runs SQL of its own dialect."""

    @abstractmethod
    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """The rows of one SELECT as Arrow batches. The caller drains them, inside its clock.

        Raises:
            Refused: the engine's own error, in its own words.
        """


class CanCache(ABC):
    """Keeps what it has read in ``caches``, setting → what it keeps, if the lake has :data:`~lakebench.model.CACHES`.

    ``expiry`` says how :meth:`expire_caches` makes what they hold expire.
    """

    caches: ClassVar[Mapping[str, str]]
    expiry: ClassVar[str]

    @abstractmethod
    def expire_caches(self) -> None:
        """Let what the caches hold expire: wait until it is too old, or drop what has no age."""


class CanExecute(ABC):
    """Runs statements of its own dialect that change something, one by one, in a session that lasts."""

    @abstractmethod
    def execute(self, sql: str) -> None:
        """Run one statement to its end; a transaction that it begins stays open.

        Raises:
            CommitConflict: another commit came first.
            Refused: the engine's own error, in its own words.
        """


class CanScan(ABC):
    """Reads one table without SQL, or by the SQL it writes itself.

    ``one_statement`` says that :attr:`Scan.filters` are one call of :meth:`scan`; else there is one for each of them.
    """

    one_statement: ClassVar[bool] = False

    @abstractmethod
    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """The rows that ``scan`` asks for as Arrow batches, in any order."""

    def scan_each(self, scan: Scan) -> Iterator[Iterable[pa.RecordBatch]]:
        """The rows of each of the filters of ``scan``, one answer after the other."""
        return map(self.scan, scan.by_filter)


class CanCreate(ABC):
    """Creates namespaces and tables."""

    @abstractmethod
    def create(self, table: str, schema: pa.Schema) -> None:
        """Create ``table`` (Iceberg, unpartitioned, the format version the engine chooses) and its namespace."""

    @abstractmethod
    def drop(self, table: str) -> None:
        """Drop ``table`` where it exists."""


class CanAppend(ABC):
    """Appends rows."""

    @abstractmethod
    def append(self, table: str, rows: pa.Table) -> None:
        """Append ``rows`` to ``table`` in one commit."""


class CanLoad(ABC):
    """Loads local Parquet files, streamed."""

    @abstractmethod
    def load(self, table: str, files: Sequence[str]) -> None:
        """Append the rows of local Parquet ``files`` to ``table`` in bounded memory, one commit a file or fewer."""


class CanRegister(ABC):
    """Makes a table known to its catalog by a metadata file."""

    @abstractmethod
    def register(self, table: str, metadata_location: str) -> None:
        """Register ``table`` at ``metadata_location`` (REST catalog OpenAPI, *registerTable*)."""


class CanAddFiles(ABC):
    """Makes Parquet files that lie in the lake's storage part of a table."""

    @abstractmethod
    def add_files(self, table: str, files: Sequence[str]) -> None:
        """Make ``files`` (their addresses) part of ``table`` in one commit; their field ids are the table's."""


class CanDistribute(ABC):
    """Runs Python on the workers of its cluster."""

    @abstractmethod
    def distribute(
        self, function: Callable[[Mapping[str, Any]], Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]]
    ) -> Iterator[Mapping[str, Any]]:
        """What ``function`` returns for each of ``tasks``, in any order, as soon as it is there.

        ``function`` is at the top of a module of the standard library's and PyArrow's alone: the module is sent by
        value. Tasks and results are JSON values. The cluster may run a task again.

        Raises:
            Refused: the cluster did not run one of them to its end.
        """


class CanOperate(ABC):
    """Carries out neutral operations in the engine's own idiom; ``operations`` are those that it can be asked for."""

    operations: ClassVar[frozenset[type[Operation]]]

    @abstractmethod
    def operate(self, operation: Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``; ``tell`` each statement (SQL, or the Python call) before it is sent.

        For :class:`~lakebench.iceberg.operations.Concurrent` it returns whether each part succeeded, for the others
        ``None``. An engine that has syntax for something is asked, and refuses it itself.

        Raises:
            CommitConflict: another commit came first.
            Refused: the engine's own error, in its own words.
        """


ABILITIES: dict[str, type[Any]] = {
    "query": CanQuery,
    "execute": CanExecute,
    "scan": CanScan,
    "create": CanCreate,
    "append": CanAppend,
    "load": CanLoad,
    "register": CanRegister,
    "add_files": CanAddFiles,
    "distribute": CanDistribute,
    "operate": CanOperate,
}


@functools.cache
def engines() -> dict[str, type[Engine]]:
    """Every installed engine by name: ours and those of other distributions, all by entry point.

    Raises:
        UsageError: one of another distribution cannot be imported; for one of ours the exception itself is raised.
    """
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    return {name: _load(points[name]) for name in sorted(points)}


def _load(point: EntryPoint) -> type[Engine]:
    try:
        engine: type[Engine] = point.load()
    except Exception as error:
        if point.module.partition(".")[0] == __name__.partition(".")[0]:
            raise
        whose = point.dist.name if point.dist else "an unknown distribution"
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"the engine {point.name} of {whose} cannot be loaded ({reason}): mend or uninstall it"
        ) from error
    return engine


def find(name: str) -> type[Engine]:
    """The engine called ``name``.

    Raises:
        UsageError: there is none; the message has the nearest names.
    """
    registered = engines()
    if name in registered:
        return registered[name]
    raise unknown("engine", name, registered)


def parse(text: str) -> EngineRef:
    """``name`` or ``name@version`` as an :class:`~lakebench.model.EngineRef`.

    Raises:
        UsageError: an unknown name or an empty version.
    """
    name, at, version = text.partition("@")
    find(name)
    if at and not version:
        raise UsageError(f"'{text}' names no version: write {name} for the installed one, or {name}@1.2.3")
    return EngineRef(name, version or None)


def able(texts: Sequence[str], ability: type[Any], what: str) -> tuple[str, ...]:
    """``texts``, unchanged, where each names an engine with ``ability``.

    Raises:
        UsageError: one does not; the message says that it cannot ``what``, and names those that can.
    """
    for text in texts:
        if not issubclass(find(parse(text).name), ability):
            can = [name for name, engine in engines().items() if issubclass(engine, ability)]
            raise UsageError(f"'{text}' cannot {what}: valid names are {', '.join(can)}")
    return tuple(texts)


def having(texts: Sequence[str], ability: type[Any]) -> tuple[str, ...]:
    """Those of ``texts`` that name an engine with ``ability``."""
    return tuple(text for text in texts if issubclass(find(parse(text).name), ability))


def abilities(engine: type[Engine]) -> tuple[str, ...]:
    """The names of what ``engine`` can do."""
    return tuple(name for name, ability in ABILITIES.items() if issubclass(engine, ability))
