"""``lakebench.toml`` and flags -> :class:`Settings`. Every error names the key and the valid values."""

from __future__ import annotations

import enum
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, model_validator

from lakebench.errors import UsageError, suggest, unknown
from lakebench.inputs import files
from lakebench.inputs.addresses import check_address, passwords_within
from lakebench.inputs.ownership import stranger
from lakebench.model import (
    Authentication,
    BearerToken,
    Catalog,
    CatalogKind,
    Delegation,
    OAuth2,
    Runtime,
    SigV4,
)
from lakebench.paths import RUNS
from lakebench.prices import Prices

FILE = "lakebench.toml"
POSTGRES = "postgres"
"""The service whose ``pg_config`` is the top-level one."""
# Properties of services that name programs to run: Trino's plugins, PostgreSQL's settings, some of which are libraries
# and commands, and options of pg_lake's pgduck_server, which loads DuckDB's extensions.
_RUN = ("plugin.", "conf.", "pgduck.")
_GIB = 1024**3
_GOOGLE = "https://storage.googleapis.com"
_STORAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
# The operations of S3Proxy's LatencyBlobStore; "*" stands for all.
_OPERATIONS = (
    *("*", "get", "put", "metadata", "list", "remove", "copy", "upload-part", "multipart-message", "multipart-param"),
    *("list-multipart", "blob-exists", "blob-access", "container-exists", "container-access", "create-container"),
    *("clear-container", "delete-container"),
)
_WITH_SPEED = ("*", "get", "put", "upload-part")
_LATENCY = tuple(f"latency.{one}.latency" for one in _OPERATIONS) + tuple(f"latency.{one}.speed" for one in _WITH_SPEED)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(_Strict):
    """How one service comes to be; ``uri`` and what follows are for ``runtime = "external"``.

    ``memory`` is the limit of a server that we start. ``properties`` are what is particular to one service
    (``bucket`` and ``region`` of the object store, ``warehouse`` of a catalog, ``database`` of PostgreSQL).
    ``pg_config`` names the PostgreSQL installation of a server that is one; ``java_options`` are for a server on Java;
    ``home`` is the folder of a server that the user brings.
    """

    runtime: Runtime | None = None
    memory: ByteSize | None = None
    pg_config: Path | None = None
    java_options: tuple[str, ...] = ()
    home: Path | None = None
    uri: str = ""
    user: str = ""
    password: str = Field(default="", repr=False)
    properties: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _external_has_an_address(self) -> Self:
        if self.runtime is Runtime.EXTERNAL and not self.uri:
            raise ValueError('runtime = "external" needs uri = "…", the address of the running service')
        check_address(self.uri)
        return self

    def secrets(self) -> tuple[str, ...]:
        """What must not be in a message or a record."""
        return tuple(filter(None, [self.password, *passwords_within(self.uri)]))


class ServiceThatIsUp(ServiceSettings):
    """One that ``lakebench up`` started."""


class StorageKind(enum.StrEnum):
    """What a storage is: the file system, an S3 endpoint, our object store made slow, or Google Cloud Storage."""

    LOCAL = "local"
    S3 = "s3"
    SIMULATED = "simulated"
    GCS = "gcs"


_ENDPOINT = ("uri", "user", "password", "bucket", "region", "properties")
_KEYS: Mapping[StorageKind, tuple[str, ...]] = {
    StorageKind.LOCAL: ("path",),
    StorageKind.S3: _ENDPOINT,
    StorageKind.SIMULATED: ("properties",),
    StorageKind.GCS: (*_ENDPOINT, "backend", "credentials"),
}


def _check_properties(properties: Mapping[str, str], valid: tuple[str, ...]) -> None:
    for key, value in properties.items():
        if key not in valid:
            raise ValueError(f"unknown property {key}: {suggest(key, valid)}valid ones are {', '.join(valid)}")
        if key.startswith("latency.") and not (value.isdecimal() and (int(value) > 0 or key.endswith(".latency"))):
            raise ValueError(f"{key} must be a whole number of {'ms' if key.endswith('.latency') else 'kB/s'}")


class StorageSettings(_Strict):
    """One storage that tables may lie on.

    ``path`` is the folder of a local one (``None``: inside the run's). ``uri`` and what follows are an S3 endpoint that
    runs already; an ``s3`` without one is our own object store. ``backend`` says how ``gcs`` is reached: by its
    S3-compatible endpoint with HMAC keys, or through our object store's Google back end with ``credentials``, the path
    of a service account's JSON. ``properties`` are latencies in ms (``latency.get.latency``) and speeds of one request
    in kB/s (``latency.get.speed``) of a simulated one, and ``path-style`` of an endpoint.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    kind: StorageKind
    path: Path | None = None
    uri: str = ""
    user: str = ""
    password: str = Field(default="", repr=False)
    bucket: str = ""
    region: str = ""
    backend: Literal["s3", "google"] = "s3"
    credentials: Path | None = None
    properties: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_the_keys_of_its_kind(self) -> Self:
        for key in sorted(self.model_fields_set - {"kind", *_KEYS[self.kind]}):
            raise ValueError(f"{key} is no key of kind {self.kind}: it has {', '.join(_KEYS[self.kind]) or 'none'}")
        if self.kind is StorageKind.S3 and not self.uri and (self.model_fields_set - {"kind"}):
            raise ValueError('needs uri = "…", the address of the running endpoint; without any keys it is our own')
        if self.kind is StorageKind.SIMULATED and not self.properties:
            raise ValueError('needs properties = { "latency.get.latency" = 60, … }, in ms')
        check_address(self.uri)
        _check_properties(self.properties, _LATENCY if self.kind is StorageKind.SIMULATED else ("path-style",))
        return self

    def secrets(self) -> tuple[str, ...]:
        """What must not be in a message or a record."""
        return tuple(filter(None, [self.password, *passwords_within(self.uri)]))

    @property
    def ours(self) -> bool:
        """Whether the data lies on this machine: the file system, or our own object store over it."""
        return self.kind is StorageKind.LOCAL or (self.proxied and self.kind is not StorageKind.GCS)

    @property
    def proxied(self) -> bool:
        """Whether clients speak to an object store of ours, which counts requests."""
        own_s3 = self.kind is StorageKind.S3 and not self.uri
        google = self.kind is StorageKind.GCS and self.backend == "google"
        return own_s3 or google or self.kind is StorageKind.SIMULATED

    def missing(self) -> tuple[str, ...]:
        """The missing keys, without which it cannot be reached."""
        needed: tuple[str, ...] = ()
        if self.kind is StorageKind.GCS:
            needed = ("bucket", "credentials") if self.backend == "google" else ("user", "password", "bucket")
        elif self.uri:
            needed = ("user", "password")
        return tuple(key for key in needed if not getattr(self, key))


# A request waits 60 ms: Google's own answer to "is this normal" was p50 62 ms for small objects
# (github.com/googleapis/google-cloud-dotnet/issues/882). One request moves 60 MB/s: GCSFuse's published 7,741 MiB/s of
# 128 readers (its docs/benchmarks.md). Requests of an upload in parts ask S3Proxy's store for metadata, and so wait
# already. docs/services.md has what these settings come to.
_SIMULATED = {
    **{f"latency.{one}.latency": "60" for one in ("get", "put", "metadata", "list", "remove", "copy")},
    **{f"latency.{one}.speed": "60000" for one in ("get", "put", "upload-part")},
}
STORAGES: Mapping[str, StorageSettings] = {
    "local": StorageSettings(kind=StorageKind.LOCAL),
    "s3": StorageSettings(kind=StorageKind.S3),
    "simulated-gcs": StorageSettings(kind=StorageKind.SIMULATED, properties=_SIMULATED),
    "gcs": StorageSettings(kind=StorageKind.GCS),
}
"""The storages that exist without any settings."""


_LOGINS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "bearer": ("token",),
    "oauth2": ("token_uri", "client_id", "client_secret", "scope"),
    "sigv4": ("region", "service", "access_key", "secret_key"),
}
_OF_ALL_CATALOGS = ("uri", "warehouse", "storage", "observer")
_CATALOG_KEYS: Mapping[str, tuple[str, ...]] = {
    CatalogKind.REST: (*_OF_ALL_CATALOGS, "prefix", "authentication", "delegation"),
    CatalogKind.JDBC: (*_OF_ALL_CATALOGS, "user", "password"),
    CatalogKind.HIVE: _OF_ALL_CATALOGS,
    CatalogKind.GLUE: (*_OF_ALL_CATALOGS, "region", "access_key", "secret_key"),
}


class CatalogSettings(_Strict):
    """A catalog of the user's that runs already; its keys are those of :class:`~lakebench.model.Catalog`.

    ``authentication`` says which of the keys of a login there are. ``storage`` names where its tables lie (empty: the
    service ``object-store``), and ``observer`` the REST catalog by which lakebench itself looks at the same tables.
    """

    kind: Literal["rest", "jdbc", "hive", "glue"]
    uri: str = ""
    warehouse: str = ""
    prefix: str = ""
    authentication: Literal["none", "bearer", "oauth2", "sigv4"] = "none"
    token: str = Field(default="", repr=False)
    token_uri: str = ""
    client_id: str = ""
    client_secret: str = Field(default="", repr=False)
    scope: str = "catalog"
    region: str = ""
    service: str = ""
    access_key: str = Field(default="", repr=False)
    secret_key: str = Field(default="", repr=False)
    user: str = ""
    password: str = Field(default="", repr=False)
    delegation: Delegation = Delegation.NONE
    storage: str = ""
    observer: str = ""

    @model_validator(mode="after")
    def _has_the_keys_of_its_kind(self) -> Self:
        valid = (*_CATALOG_KEYS[self.kind], *_LOGINS[self.authentication])
        for key in sorted(self.model_fields_set - {"kind", *valid}):
            login = f' with authentication = "{self.authentication}"' if self.kind == "rest" else ""
            raise ValueError(f"{key} is no key of kind {self.kind}{login}: it has {', '.join(valid)}")
        if self.kind == "rest" or (self.kind == "jdbc" and "://" in self.uri):
            check_address(self.uri.removeprefix("jdbc:"))
        return self

    def missing(self) -> tuple[str, ...]:
        """The missing keys, without which it cannot be reached."""
        glue = self.kind == "glue"  # its endpoint follows from the region, its keys may be the environment's
        needed = ("region",) if glue else ("uri", *_LOGINS[self.authentication])
        return tuple(key for key in needed if not getattr(self, key))

    def secrets(self) -> tuple[str, ...]:
        """What must not be in a message or a record."""
        login = (self.token, self.client_secret, self.secret_key, self.password)
        return tuple(filter(None, [*login, *passwords_within(self.uri), *passwords_within(self.token_uri)]))

    def public(self) -> dict[str, Any]:
        """What the records keep of it."""
        login = {"token", "client_id", "client_secret", "access_key", "secret_key", "user", "password"}
        return self.model_dump(mode="json", exclude=login, exclude_unset=True)

    def described(self) -> Catalog:
        """The neutral description."""
        return Catalog(
            CatalogKind(self.kind),
            self.uri.rstrip("/"),
            self.warehouse,
            user=self.user,
            password=self.password,
            authentication=self._login(),
            prefix=self.prefix,
            delegation=self.delegation,
        )

    def _login(self) -> Authentication | None:
        if self.kind == "glue":
            return SigV4(self.region, "glue", self.access_key, self.secret_key)
        match self.authentication:
            case "bearer":
                return BearerToken(self.token)
            case "oauth2":
                return OAuth2(self.token_uri, self.client_id, self.client_secret, self.scope)
            case "sigv4":
                return SigV4(self.region, self.service, self.access_key, self.secret_key)
        return None


class EngineLimits(_Strict):
    """What one engine may use: ``memory`` of its worker process and ``threads``."""

    memory: ByteSize = ByteSize(4 * _GIB)
    threads: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: os.cpu_count() or 1)


class Settings(_Strict):
    """All that ``lakebench.toml`` may say.

    ``services``, ``engines``, ``storage`` and ``catalog`` are keyed by name; a table under ``storage`` goes over the
    built-in one of its name, key by key. ``pg_config`` is that of the service ``postgres``.
    """

    runtime: Runtime = Runtime.LOCAL
    output: Path = RUNS
    pg_config: Path | None = None
    services: dict[str, ServiceSettings] = Field(default_factory=dict)
    engines: dict[str, EngineLimits] = Field(default_factory=dict)
    storage_tables: dict[str, StorageSettings] = Field(default_factory=dict, alias="storage")
    catalogs: dict[str, CatalogSettings] = Field(default_factory=dict, alias="catalog")
    prices: Prices | None = None

    @model_validator(mode="before")
    @classmethod
    def _over_the_built_in(cls, values: Any) -> Any:
        tables = values.get("storage") if isinstance(values, dict) else None
        if not isinstance(tables, dict):
            return values
        built_in = {name: one.model_dump(exclude_unset=True) for name, one in STORAGES.items()}
        merged = {
            name: {**built_in.get(name, {}), **one} if isinstance(one, dict) else one for name, one in tables.items()
        }
        return {**values, "storage": merged}

    @model_validator(mode="after")
    def _storages_have_names_of_their_kind(self) -> Self:
        for name, storage in self.storage_tables.items():
            if not _STORAGE_NAME.fullmatch(name):
                raise ValueError(f"storage.{name}: a name has small letters, digits, - and _, 41 at most")
            if name in STORAGES and storage.kind is not STORAGES[name].kind:
                raise ValueError(f"storage.{name} is of kind {STORAGES[name].kind}: give the other one its own name")
            if (storage.kind is StorageKind.SIMULATED) is not name.startswith("simulated-"):
                raise ValueError(f"storage.{name}: the names of kind simulated, and no others, begin with simulated-")
        return self

    @model_validator(mode="after")
    def _catalogs_have_usable_names(self) -> Self:
        for name in self.catalogs:
            if not _STORAGE_NAME.fullmatch(name):
                raise ValueError(f"catalog.{name}: a name has small letters, digits, - and _, 41 at most")
        return self

    def storages(self) -> Mapping[str, StorageSettings]:
        """Every storage by name: the built-in ones, and those of the settings."""
        return {**STORAGES, **self.storage_tables}

    def storage(self, name: str) -> StorageSettings:
        """The storage called ``name``.

        Raises:
            UsageError: there is none; the message has the nearest name.
        """
        storages = self.storages()
        if name in storages:
            return storages[name]
        raise unknown("storage", name, storages)

    def service(self, name: str) -> ServiceSettings:
        """The settings of service ``name``; its ``runtime`` is always set.

        Those of an instance (``object-store@s3``) follow from its storage; the memory is the plain service's.

        Raises:
            UsageError: there is no such storage, it lacks keys, or it has no such service.
        """
        service, _, storage = name.partition("@")
        if storage and name not in self.services:
            return self._of_storage(service, storage)
        settings = self.services.get(name, ServiceSettings())
        pg_config = settings.pg_config or (self.pg_config if name == POSTGRES else None)
        return settings.model_copy(update={"runtime": settings.runtime or self.runtime, "pg_config": pg_config})

    def _of_storage(self, service: str, name: str) -> ServiceSettings:
        storage = self.storage(name)
        if missing := storage.missing():
            raise UsageError(f"the storage {name} needs {_with_meaning(missing)} under [storage.{name}] in {FILE}")
        runtime = Runtime.LOCAL if self.runtime is Runtime.EXTERNAL else self.runtime
        ours = ServiceSettings(runtime=runtime, memory=self.services.get(service, ServiceSettings()).memory)
        if service != "object-store":
            return ours
        if storage.kind is StorageKind.LOCAL:
            raise UsageError(f"the storage {name} is a file system and has no object store: start rest-catalog@{name}")
        named = {
            "bucket": storage.bucket,
            "region": storage.region or ("auto" if storage.kind is StorageKind.GCS else ""),
        }
        properties = {**{key: value for key, value in named.items() if value}, **storage.properties}
        if not storage.proxied:
            return ServiceSettings(
                runtime=Runtime.EXTERNAL,
                uri=storage.uri or _GOOGLE,
                user=storage.user,
                password=storage.password,
                properties=properties,
            )
        if storage.credentials:
            properties["credentials"] = str(storage.credentials.expanduser().absolute())
        return ours.model_copy(update={"properties": properties})

    def secrets(self) -> tuple[str, ...]:
        """Every password of the settings; those within addresses as they stand there and decoded."""
        tables: list[ServiceSettings | StorageSettings | CatalogSettings] = [*self.services.values()]
        tables += [*self.storages().values(), *self.catalogs.values()]
        return tuple(secret for one in tables for secret in one.secrets())

    def engine(self, name: str) -> EngineLimits:
        """The limits of engine ``name``."""
        return self.engines.get(name, EngineLimits())


def load(path: Path | None = None, **flags: Any) -> Settings:
    """The settings of ``path``, or of ``lakebench.toml`` in this folder where there is one; flags that are set win.

    Raises:
        UsageError: the file cannot be read, is not TOML, has an unknown key or an unusable value, or names a program
            although somebody else could have written it.
    """
    file = path or Path(FILE)
    if path is None and not os.path.lexists(file):
        values: dict[str, Any] = {}
    else:
        values = _read(file)
    values |= {key: value for key, value in flags.items() if value is not None}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{file}: {_explain(error)}") from None
    if named := _programs(settings):
        _check_owner(file, named)
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(files.text(file))
    except FileNotFoundError:
        raise UsageError(f"{file} cannot be read: there is no such file") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"{file} is not valid TOML: {error}; correct it, or move it away to use the defaults"
        ) from None


def _programs(settings: Settings) -> list[str]:
    """The keys that name programs to run."""
    named = ["pg_config"] if settings.pg_config else []
    named += [f"services.{name}.pg_config" for name, one in settings.services.items() if one.pg_config]
    named += [f"services.{name}.home" for name, one in settings.services.items() if one.home]
    named += [f"services.{name}.java_options" for name, one in settings.services.items() if one.java_options]
    return named + [
        f"services.{name}.properties.{key}"
        for name, one in settings.services.items()
        for key in one.properties
        if key.startswith(_RUN)
    ]


def _check_owner(file: Path, keys: Sequence[str]) -> None:
    try:
        who = stranger(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    if who:
        raise UsageError(
            f"{file} names what is run ({', '.join(keys)}), and {who}: somebody else could have written it, so it is "
            "not used; read it, and copy it into a folder that you alone write to"
        )


def _explain(error: ValidationError) -> str:
    """The first error in one line, with the nearest valid keys for an unknown one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return ": ".join(one for one in (where, first["msg"].removeprefix("Value error, ")) if one)
    valid = _keys(first["loc"])
    return f"unknown key {where}: {suggest(str(first['loc'][-1]), valid)}valid keys are {', '.join(valid)}"


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {
        "services": ServiceSettings,
        "engines": EngineLimits,
        "storage": StorageSettings,
        "catalog": CatalogSettings,
    }
    fields = (tables.get(str(loc[0]), Settings) if len(loc) > 1 else Settings).model_fields
    return [field.alias or name for name, field in fields.items()]


def _with_meaning(keys: tuple[str, ...]) -> str:
    """The keys, each with what to write after it."""
    meaning = {
        "user": "the access key of an HMAC key pair",
        "password": "its secret key",
        "bucket": "the bucket",
        "credentials": "the path of a service account's JSON",
    }
    return ", ".join(f'{key} = "{meaning[key]}"' for key in keys)
