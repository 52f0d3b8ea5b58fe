"""Citus and pg_lake in one PostgreSQL."""

from __future__ import annotations

from lakebench.services.citus import CitusService
from lakebench.services.pg_lake import PgLakeService


class CitusPgLakeService(CitusService, PgLakeService):
    """A PostgreSQL that loads Citus and pg_lake, and its ``pgduck_server``. No database of ours has either.

    Each database that has them keeps background workers of both, more than PostgreSQL's default allows.
    """

    name = "citus_pg_lake"
    title = "PostgreSQL with Citus and pg_lake"
    extensions = ("citus", "pg_lake")
    preload = ("citus", "pg_extension_base")
    conf = {**CitusService.conf, "max_worker_processes": "32"}  # noqa: RUF012 - a mapping
    uses = ()
    creates = False
    image = "lakebench/citus-pg_lake:3.5-pg17"
    build = f"({CitusService.build}) && ({PgLakeService.build})"
