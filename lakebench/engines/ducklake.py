"""What adapters of DuckDB share, alone or inside PostgreSQL: how a DuckLake is attached."""

from __future__ import annotations

from collections.abc import Iterator

from lakebench.engines.postgresql import conninfo, parameters, secret_parameters
from lakebench.model import ZONE, Catalog, CatalogKind, EngineRef, Lake, ObjectStore

AT_START = frozenset({"allow_unsigned_extensions"})
"""The settings of a lake that DuckDB takes only at its start."""


def unverified(*refs: EngineRef) -> dict[str, str]:
    """The setting by which DuckDB does not verify its extensions' signatures, 40 to 75 ms each, where that is safe.

    The installed version's extensions are those of the lock file, hash by hash. A version that is named
    (``duckdb@1.4.4``) is installed without hashes: there DuckDB's check is the only one, and stays.
    """
    return {} if any(ref.version for ref in refs) else {"allow_unsigned_extensions": "true"}


def store_secret(store: ObjectStore, kind: str = "TEMPORARY") -> str:
    """The statement that makes the secret ``lakebench_store`` of ``store``; its ``kind`` may be ``PERSISTENT``."""
    parameters = ", ".join(f"{name.upper()} {_text(value)}" for name, value in secret_parameters(store).items())
    return f"CREATE OR REPLACE {kind} SECRET lakebench_store ({parameters})"


def attach_ducklake(lake: Lake) -> Iterator[str]:
    """The statements that attach ``lake``; the last one makes its schema the current one.

    The settings come first, except those of :data:`AT_START`: attaching is a transaction too, and may lose a race.
    """
    for key, value in lake.options.items():
        if not key.isupper() and key not in {*AT_START, ZONE}:
            yield f"SET {key} = {_text(value)}"
    options = {"DATA_PATH": lake.catalog.warehouse}
    options |= {key: value for key, value in lake.options.items() if key.isupper()}
    listed = ", ".join(f"{key} {_parameter(value)}" for key, value in options.items())
    yield f"ATTACH {_text(f'ducklake:{_metadata(lake.catalog)}')} AS {_name(lake.name)} ({listed})"
    yield f"USE {_name(lake.name)}.{_name(lake.namespace)}"


def _metadata(catalog: Catalog) -> str:
    """What follows ``ducklake:`` in ATTACH (DuckLake's documentation, *Choosing a Catalog Database*)."""
    if catalog.kind is CatalogKind.DUCKDB:
        return catalog.uri
    if catalog.kind is CatalogKind.SQLITE:
        return f"sqlite:{catalog.uri}"
    return f"postgres:{conninfo(parameters(catalog))}"


def _parameter(value: str) -> str:
    """A value of ATTACH: a truth value has no quotes."""
    return value if value in {"true", "false"} else _text(value)


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
