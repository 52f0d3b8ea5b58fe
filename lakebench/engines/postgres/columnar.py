"""PostgreSQL servers that have tables by column: each is an engine, to which its failures are charged."""

from __future__ import annotations

from typing import ClassVar

from lakebench.engines.postgres.engine import Postgres
from lakebench.model import TableFormat


class _Columnar(Postgres):
    """A session of one such server. It is asked for tables that a phase makes there, never for a lake of a kind."""

    formats: ClassVar[tuple[TableFormat, ...]] = ()


class CitusColumnar(_Columnar):
    """Citus with the table access method ``columnar``."""

    name = "citus_columnar"
    title = "Citus, tables by column"
    service = "citus"


class PgMooncake01(_Columnar):
    """pg_mooncake 0.1: tables ``USING columnstore``, which DuckDB reads inside PostgreSQL."""

    name = "pg_mooncake-0.1"
    title = "pg_mooncake 0.1"
    service = "pg_mooncake-0.1"


class PgMooncake(_Columnar):
    """pg_mooncake 0.2: mirrors of heap tables, which DuckDB reads inside PostgreSQL."""

    name = "pg_mooncake"
    title = "pg_mooncake"
    service = "pg_mooncake"
