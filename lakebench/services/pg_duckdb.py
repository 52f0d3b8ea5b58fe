"""pg_duckdb: PostgreSQL with DuckDB inside."""

from __future__ import annotations

from lakebench.services.postgres_extension import ExtensionService


class PgDuckDBService(ExtensionService):
    """A PostgreSQL with pg_duckdb.

    Its DuckDB downloads the extensions that a query needs; ``conf.duckdb.extension_directory`` names a folder that has
    them already.
    """

    name = "pg_duckdb"
    title = "PostgreSQL with pg_duckdb"
    extensions = ("pg_duckdb",)
    preload = ("pg_duckdb",)
    uses = ("duckdb.create_simple_secret", "duckdb.query", "duckdb.raw_query")
    image = "pgduckdb/pgduckdb:17-v1.1.1"
    build = (
        "git clone --branch v1.1.1 --recursive https://github.com/duckdb/pg_duckdb && cd pg_duckdb && "
        "make PG_CONFIG=/path/to/pg_config && sudo make install PG_CONFIG=/path/to/pg_config"
    )
