"""What adapters that speak to PostgreSQL share: a database's address, psycopg's errors, and rows as Arrow."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lakebench.engines.boundary import EngineCalls, read_error
from lakebench.engines.inprocess import arrow_column
from lakebench.errors import EngineCrash, EngineUnavailable, LakebenchError, OutOfMemory, Refused, unknown
from lakebench.model import Catalog, Endpoint, ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = 38
PROTOCOLS: Mapping[str, int | None] = {"simple": None, "prepared": 0}
"""How statements reach the server → psycopg's ``prepare_threshold``.

``simple``: a statement without parameters is one simple query; ``prepared``: each is prepared at its first execution.
"""
_PROVIDERS = ("libc", "icu", "builtin")


def parameters(catalog: Catalog) -> dict[str, str]:
    """Where the database of ``catalog`` is, by libpq's keywords ``host``, ``port``, ``dbname``, ``user``, ``password``.

    Its ``uri`` is ``postgresql://host:port/database``, with or without ``jdbc:`` before it.
    """
    address = urlsplit(catalog.uri.removeprefix("jdbc:"))
    keywords = {
        "dbname": address.path.removeprefix("/"),
        "host": address.hostname or "",
        "port": str(address.port or ""),
        "user": catalog.user,
        "password": catalog.password,
    }
    return {key: value for key, value in keywords.items() if value}


def login(endpoint: Endpoint, database: str = "") -> dict[str, str]:
    """The same keywords for the running server ``endpoint``, in its database or in another one."""
    keywords = {
        "dbname": database or endpoint.properties["database"],
        "host": endpoint.host,
        "port": str(endpoint.port),
        "user": endpoint.user,
        "password": endpoint.password,
    }
    return {key: value for key, value in keywords.items() if value}


VERSIONS = (
    "SELECT 'postgresql' AS name, current_setting('server_version') AS version UNION ALL "
    "SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql'"
)
"""Name and version of the server and of each extension of the database."""


def server_versions(service: str, rows: Iterable[Sequence[object]]) -> dict[str, str]:
    """The answer of :data:`VERSIONS` by ``<service> <name>``, for records of cases that ask several servers."""
    return {f"{service} {name}": str(version) for name, version in rows}


def literal(text: str) -> str:
    """``text`` as a literal of SQL (PostgreSQL's documentation, *String Constants*)."""
    return "'" + text.replace("'", "''") + "'"


def secret_parameters(store: ObjectStore) -> dict[str, str]:
    """Those of ``duckdb.create_simple_secret`` (pg_duckdb's documentation, *Secrets*) for ``store``."""
    scheme, _, address = store.endpoint.partition("://")
    return {
        "type": "S3",
        "key_id": store.access_key,
        "secret": store.secret_key,
        "region": store.region,
        "url_style": "path" if store.path_style else "vhost",
        "endpoint": address,
        "use_ssl": str(scheme == "https").lower(),
    }


def connect(keywords: Mapping[str, str], *, zone: str = "UTC", protocol: str = "simple") -> Any:
    """A session in autocommit with the time zone ``zone``, by a ``protocol`` of :data:`PROTOCOLS`.

    Raises:
        EngineUnavailable: the server does not let us in.
    """
    import psycopg

    threshold, options = PROTOCOLS[protocol], "-c TimeZone=" + zone.replace("\\", "\\\\").replace(" ", "\\ ")
    return calls()(psycopg.connect, conninfo(keywords), autocommit=True, prepare_threshold=threshold, options=options)


def provider_of(locale: str) -> tuple[str, str]:
    """The provider and the name of a ``locale``: ``icu:de-DE``, ``builtin:C.UTF-8`` (17 and later), ``de_DE.UTF-8``.

    Raises:
        UsageError: there is no such provider.
    """
    provider, colon, name = locale.partition(":")
    if not colon:
        return "libc", provider
    if provider not in _PROVIDERS:
        raise unknown("provider of a locale", provider, _PROVIDERS)
    return provider, name


def create_database(name: str, locale: str = "C") -> str:
    """The statement that makes the database ``name`` with the collation ``locale`` (:func:`provider_of`).

    A server of PostgreSQL 15 or newer, whatever its own locale, obeys it where it has that provider and locale.
    """
    provider, locale_name = provider_of(locale)
    text = literal(locale_name)
    collation = {
        "libc": f"LC_COLLATE {text} LC_CTYPE {text}",
        "icu": f"ICU_LOCALE {text} LC_COLLATE 'C' LC_CTYPE 'C'",
        "builtin": f"BUILTIN_LOCALE {text} LC_COLLATE 'C' LC_CTYPE 'C'",
    }
    quoted = '"' + name.replace('"', '""') + '"'
    of_template = "TEMPLATE template0 ENCODING 'UTF8'"
    return f"CREATE DATABASE {quoted} {of_template} LOCALE_PROVIDER {provider} {collation[provider]}"


def conninfo(keywords: Mapping[str, str]) -> str:
    """``keywords`` as one connection string (PostgreSQL's documentation, *Connection Strings*)."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in keywords.items())


def calls(connection: Any = None) -> EngineCalls:
    """Calls of psycopg, whose errors are in PostgreSQL's words; ``connection`` is the one in use, where there is one.

    They raise:

    - EngineUnavailable: the server does not let us in.
    - EngineCrash: the connection is gone.
    - OutOfMemory: PostgreSQL says that it has too little.
    - Refused: any other error.
    """
    return EngineCalls(functools.partial(_meaning, connection))


def fetched(connection: Any, sql: str) -> tuple[Sequence[Any], list[Any]]:
    """What PostgreSQL says of the columns of an answer, and its rows."""
    call = calls(connection)
    with call.entered(connection.cursor) as cursor:
        call(cursor.execute, sql)
        return cursor.description or (), call(cursor.fetchall)


def _meaning(connection: Any, error: Exception) -> LakebenchError:
    import psycopg

    if not isinstance(error, psycopg.Error):
        return read_error(error)
    message = " ".join(str(error).split())[:500]
    if connection is None:
        return EngineUnavailable(f"PostgreSQL does not let us in: {message}")
    if connection.broken:
        return EngineCrash(f"PostgreSQL's server process ended: {message}")
    return OutOfMemory(message) if "out of memory" in message.lower() else Refused(message)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def arrow_table(description: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """The fetched rows as Arrow, typed by what PostgreSQL says of each column.

    Raises:
        Refused: a column has a type that is not kept as Arrow here.
    """
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(description)
    kinds = [_arrow_type(column, values) for column, values in zip(description, columns, strict=True)]
    schema = pa.schema([pa.field(column.name, kind) for column, kind in zip(description, kinds, strict=True)])
    return pa.table([arrow_column(values, kind) for values, kind in zip(columns, kinds, strict=True)], schema=schema)


def _arrow_type(column: Any, values: Sequence[Any]) -> pa.DataType:
    """The Arrow type of a result column; a numeric without precision is as wide as its values need.

    What psycopg gives as text is text: types that it does not know, and those that it was set to leave so.
    """
    import psycopg
    import pyarrow as pa

    info = calls()(psycopg.adapters.types.get, column.type_code)
    name = info.name if info else str(column.type_code)
    depth = 0
    if info is not None and column.type_code == info.array_oid:
        while depth == 0 or any(isinstance(value, list) for value in values):
            values = [one for value in values for one in value or ()]
            depth += 1
    kind = _scalar_type(name, (column.precision, column.scale), values)
    for _ in range(depth):
        kind = pa.list_(kind)
    return kind


def _scalar_type(name: str, declared: tuple[int | None, int | None], values: Sequence[Any]) -> pa.DataType:
    import pyarrow as pa

    if name == "numeric":
        if any(value is not None and not value.is_finite() for value in values):
            raise Refused("the answer has a numeric NaN or infinity, which Arrow's decimals do not hold")
        precision, scale = declared
        return pa.decimal128(min(precision or _DIGITS, _DIGITS), _scale(scale, values))
    types = {
        "bool": pa.bool_(),
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
        "bytea": pa.binary(),
    }
    if name in types:
        return types[name]
    if all(isinstance(value, str) for value in values if value is not None):
        return pa.string()
    raise Refused(f"the answer has a column of PostgreSQL's type {name}, which is not kept as Arrow here")


def _scale(declared: int | None, values: Sequence[Decimal | None]) -> int:
    if declared is not None:
        return declared
    exponents = [value.as_tuple().exponent for value in values if value is not None]
    return max((-one for one in exponents if isinstance(one, int)), default=0)
