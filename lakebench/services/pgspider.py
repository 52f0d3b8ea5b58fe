"""PGSpider: PostgreSQL that puts tables of several servers behind one."""

from __future__ import annotations

from lakebench.services.postgres_extension import ExtensionService


class PgSpiderService(ExtensionService):
    """A PostgreSQL with pgspider_ext and postgres_fdw, by which it reaches other servers."""

    name = "pgspider"
    title = "PostgreSQL with PGSpider"
    extensions = ("pgspider_ext", "postgres_fdw")
    preload = ()
    image = "lakebench/pgspider:17-1.3.0"
    build = (
        "git clone --branch v1.3.0 https://github.com/pgspider/pgspider_ext && cd pgspider_ext && "
        "make USE_PGXS=1 PG_CONFIG=/path/to/pg_config && sudo make install USE_PGXS=1 PG_CONFIG=/path/to/pg_config "
        "(PostgreSQL 13, 15, 16 or 17, with the source of its postgres_fdw in ../postgres_fdw)"
    )
