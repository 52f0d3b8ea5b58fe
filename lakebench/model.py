"""The words of the design as types.

Standard library only: a worker in an environment of its own imports this module, and so does everything else.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lakebench.outcomes import Outcome


class Runtime(enum.StrEnum):
    """How a service comes to be."""

    LOCAL = "local"
    COMPOSE = "compose"
    EXTERNAL = "external"


class CatalogKind(enum.StrEnum):
    """How an engine speaks to the catalog; the last three are the databases that a DuckLake's catalog can be in."""

    REST = "rest"
    JDBC = "jdbc"
    HIVE = "hive"
    GLUE = "glue"
    DUCKDB = "duckdb"
    SQLITE = "sqlite"
    POSTGRES = "postgres"


@dataclass(frozen=True)
class Endpoint:
    """Where a running service is reached.

    ``properties`` holds what is particular to one service (bucket, region, database, warehouse …).
    """

    service: str
    runtime: Runtime
    uri: str
    host: str
    port: int
    version: str
    user: str = ""
    password: str = field(default="", repr=False)
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectStore:
    """An S3-compatible store; ``endpoint`` is a URL with scheme, host and port.

    The keys are empty where a catalog lets its clients in.
    """

    endpoint: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    path_style: bool = True


@dataclass(frozen=True)
class BearerToken:
    """A token that is sent with each request, and never renewed."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class OAuth2:
    """OAuth 2.0's client credentials (RFC 6749, section 4.4): ``token_uri`` gives a token for the other three."""

    token_uri: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "catalog"

    @property
    def credential(self) -> str:
        """Id and secret in one text, as Iceberg's and Trino's clients take them."""
        return f"{self.client_id}:{self.client_secret}"


@dataclass(frozen=True)
class SigV4:
    """Each request is signed by AWS Signature Version 4; ``service`` is the name that is signed (``glue``)."""

    region: str
    service: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


Authentication = BearerToken | OAuth2 | SigV4


def bearer_token(token: str) -> BearerToken | None:
    """``token`` as authentication, or none where it is empty."""
    return BearerToken(token) if token else None


def authentication_from_json(value: Mapping[str, str] | None) -> Authentication | None:
    """The authentication that ``dataclasses.asdict`` turned into JSON: each kind has other keys."""
    if value is None:
        return None
    kinds: tuple[type[Authentication], ...] = (BearerToken, OAuth2, SigV4)
    kind = next(kind for kind in kinds if {one.name for one in dataclasses.fields(kind)} == set(value))
    return kind(**value)


class Delegation(enum.StrEnum):
    """Who lets an engine into the object store: its own keys, keys that the catalog gives, or the catalog's signature.

    The values are those of the header ``X-Iceberg-Access-Delegation`` (Iceberg REST catalog OpenAPI), but for ``none``.
    """

    NONE = "none"
    VENDED_CREDENTIALS = "vended-credentials"
    REMOTE_SIGNING = "remote-signing"


UTC = "UTC"
CACHES = "caches"
"""The option of a lake that has the engine's own caches ``on`` or ``off``; without it they are as usual here."""
ZONE = "zone"
"""The option of a lake that names the time zone of sessions, and of processes of ours; :data:`UTC` without it."""


@dataclass(frozen=True)
class Catalog:
    """The catalog of a lake.

    ``uri`` is the base address of the Iceberg REST API (for Nessie without the reference), a JDBC URL, the address of a
    Hive Metastore (``thrift://``), or Glue's endpoint (empty: that of its region); of a DuckLake the path of its DuckDB
    or SQLite file, or ``postgresql://host:port/database``. ``warehouse`` is the location of the data in the catalog's
    own notation: of a DuckLake its DATA_PATH. ``ref`` is a Nessie branch or tag, and ``None`` elsewhere. REST and Glue
    have ``authentication`` (a Glue without is an emulator's), databases ``user`` and ``password``. ``prefix`` is
    REST's, if the catalog does not send it. A JDBC catalog with ``fixed_tables`` is kept by another product, whose
    tables nobody makes or alters. A REST catalog that does not ``stage_tables`` declines *stage-create*.
    """

    kind: CatalogKind
    uri: str
    warehouse: str
    ref: str | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    authentication: Authentication | None = None
    prefix: str = ""
    delegation: Delegation = Delegation.NONE
    fixed_tables: bool = False
    stage_tables: bool = True

    @property
    def rest_uri(self) -> str:
        """The address that a REST client is given: Nessie serves one below ``/<ref>`` for each reference."""
        return self.uri if self.ref is None else f"{self.uri}/{self.ref}"


class TableFormat(enum.StrEnum):
    """What the tables of a lake are."""

    ICEBERG = "iceberg"
    PARQUET = "parquet"
    DUCKDB = "duckdb"
    DUCKLAKE = "ducklake"
    POSTGRESQL = "postgresql"
    DELTA = "delta"
    VORTEX = "vortex"
    LANCE = "lance"

    @property
    def is_files(self) -> bool:
        """Whether the tables of a lake are files or folders that it names, without a catalog."""
        return self in {TableFormat.PARQUET, TableFormat.DELTA, TableFormat.VORTEX, TableFormat.LANCE}


NAMESPACE = "lakebench"
"""Where tables lie, unless a phase says otherwise."""


@dataclass(frozen=True)
class Lake:
    """One storage plus one catalog: the neutral description that every adapter turns into its engine's settings.

    ``name`` is the catalog's name inside SQL engines; tables live in ``namespace``. ``store`` is ``None`` where the
    tables lie on the local file system, in files with ``file://`` addresses. A lake of plain Parquet, Vortex, Lance or
    Delta Lake has no catalog: its tables are ``files`` (table → addresses, ``s3://`` or ``file://``), of Delta Lake the
    address of the table's folder; where it ``writes`` them they are yet to be there, and ``options`` are those of the
    engine's writer. Of DuckDB's own tables ``database`` is the path of the file. ``options`` of a DuckLake are
    parameters of ATTACH, in capitals, and settings of the extension; of a schema of PostgreSQL options of Spark's JDBC
    data source, ``<view>.<option>``, each for a view more or one of a table that is there, or, for PostgreSQL's own
    sessions, their ``protocol``. :data:`ZONE` is an option of every lake, :data:`CACHES` of one of Iceberg. The catalog
    of such a schema is JDBC, and its ``warehouse`` empty.
    """

    name: str
    store: ObjectStore | None
    catalog: Catalog
    namespace: str = NAMESPACE
    format: TableFormat = TableFormat.ICEBERG
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    database: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    writes: bool = False

    @property
    def zone(self) -> str:
        """The time zone of sessions."""
        return self.options.get(ZONE, UTC)

    @property
    def objects(self) -> ObjectStore:
        """The object store.

        Raises:
            EngineUnavailable: the lake lies on the local file system.
        """
        from lakebench.errors import EngineUnavailable  # it imports this module

        if self.store is None:
            raise EngineUnavailable("the lake lies on the local file system, and this needs an object store")
        return self.store

    def at(self, ref: str) -> Lake:
        """The same lake seen at another Nessie reference, under a name of its own."""
        name = f"{self.name}_{''.join(c if c.isalnum() else '_' for c in ref)}"
        return dataclasses.replace(self, name=name, catalog=dataclasses.replace(self.catalog, ref=ref))


@dataclass(frozen=True)
class EngineSettings:
    """What an adapter is made with.

    ``memory`` is in bytes and ``threads`` a count, for the engine itself; ``server`` is where a client/server
    engine is reached, ``None`` for an engine inside the worker; ``folder`` is scratch space of the worker.
    """

    threads: int
    memory: int
    folder: str
    server: Endpoint | None = None


@dataclass(frozen=True)
class EngineRef:
    """An engine as the user names it: ``duckdb`` (the installed one) or ``duckdb@1.4.4``."""

    name: str
    version: str | None = None

    def __str__(self) -> str:
        """``name`` or ``name@version``."""
        return self.name if self.version is None else f"{self.name}@{self.version}"


TESTS = ("queries", "power", "throughput", "caches")
"""What phase 3 can do with TPC-H: the 22 queries by the run's protocol, the tests of the specification, and caches."""


@dataclass(frozen=True)
class Selection:
    """What of a phase is run.

    Of the interop matrix: ``features`` are globs of ids, and nothing means all; ``catalog`` is the name of the one that
    every engine speaks to, such as ``rest``, ``nessie`` or ``jdbc``.

    Of a phase of queries: ``storages`` are names of storage profiles, ``formats`` of :class:`TableFormat`, ``tests`` of
    :data:`TESTS`; ``data`` is the path of the user's own data. ``against`` is the base of a comparison: an engine, a
    storage, or a settings file.

    ``options`` are values of other options: name of a phase → name of the option → value.
    """

    features: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    catalog: str = "rest"
    storages: tuple[str, ...] = ("local",)
    formats: tuple[str, ...] = ("iceberg", "parquet", "duckdb")
    tests: tuple[str, ...] = ("queries",)
    data: str = ""
    against: str = ""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One execution of a query.

    ``ns`` is the engine's time up to the last row fetched (monotonic clock); ``cpu_ns`` and ``peak_bytes`` are of the
    engine's whole process tree; ``requests`` are what the object store saw, by operation, and ``store_bytes`` what it
    put out, headers included, where the store is ours.
    ``kind`` is ``cold``, ``warm-up`` or ``warm``; ``cache`` says what was dropped before a cold one.
    """

    kind: Literal["cold", "warm-up", "warm"]
    ns: int
    offset_ns: int
    position: int
    round: int
    rows: int
    bytes: int
    cpu_ns: int | None = None
    peak_bytes: int | None = None
    requests: Mapping[str, int] | None = None
    store_bytes: int | None = None
    cache: str = ""


@dataclass(frozen=True)
class Coordinates:
    """The subject of a case; a field is empty where the case does not have it.

    ``writer`` and ``reader`` are engines as the run names them (``duckdb@1.4.4``), and so are ``engines``, which do the
    same at once. ``engine`` is the name of the engine under test where there is only one, with its ``version`` if the
    run names it. ``check`` is the kind of check, and ``test`` is one test of this kind. ``base`` says that the case
    belongs to the base of a comparison. ``more`` has fields that a phase adds.
    """

    feature: str | None = None
    writer: str | None = None
    reader: str | None = None
    engine: str | None = None
    version: str | None = None
    engines: tuple[str, ...] = ()
    storage: str | None = None
    format: str | None = None
    catalog: str | None = None
    query: str | None = None
    test: str | None = None
    check: str | None = None
    base: bool = False
    more: Mapping[str, str | int] = field(default_factory=dict, hash=False)

    @property
    def participants(self) -> tuple[str, ...]:
        """The engines of the case as the run names them; the writer comes before the reader."""
        alone = str(EngineRef(self.engine, self.version)) if self.engine else None
        return tuple(one for one in (self.writer, self.reader, alone, *self.engines) if one)

    @property
    def without_versions(self) -> Coordinates:
        """The same case of engines without a version: ``duckdb`` in place of ``duckdb@1.4.4``."""
        writer, reader = ((one or "").partition("@")[0] or None for one in (self.writer, self.reader))
        several = tuple(one.partition("@")[0] for one in self.engines)
        return dataclasses.replace(self, writer=writer, reader=reader, version=None, engines=several)

    def first_absent(self, ran: Collection[str]) -> str | None:
        """The first participant that is not among those that ``ran``: what it did not write, no other could read."""
        return next((name for name in self.participants if name not in ran), None)

    def present_fields(self) -> dict[str, Any]:
        """The fields that the case has, by name."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Record:
    """One finished case: a line of ``records.jsonl``. A latency exists only where the outcome is ``PASS``.

    ``engine`` is whose outcome it is. The id, ``title``, ``row``, ``column`` and ``group`` are for display.
    """

    case: str
    phase: str
    title: str
    engine: str
    outcome: Outcome
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0
    row: str = ""
    column: str = ""
    group: str = ""
    coordinates: Coordinates = field(kw_only=True)
