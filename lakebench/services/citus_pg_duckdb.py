"""Citus and pg_duckdb in one PostgreSQL."""

from __future__ import annotations

from lakebench.services.citus import CitusService
from lakebench.services.pg_duckdb import PgDuckDBService


class CitusPgDuckDBService(CitusService):
    """A PostgreSQL that loads Citus and pg_duckdb. No database of ours has either: creating them is a test."""

    name = "citus_pg_duckdb"
    title = "PostgreSQL with Citus and pg_duckdb"
    extensions = ("citus", "pg_duckdb")
    preload = ("citus", "pg_duckdb")
    uses = ()
    creates = False
    image = "lakebench/citus-pg_duckdb:17-14.0.1-1.1.1"
    build = f"({CitusService.build}) && ({PgDuckDBService.build})"
