"""pg_mooncake, whose versions 0.1 and 0.2 are two products."""

from __future__ import annotations

from lakebench.model import Runtime
from lakebench.services.postgres_extension import ExtensionService


class PgMooncakeService(ExtensionService):
    """A PostgreSQL with pg_mooncake 0.2: columnstore mirrors of heap tables, which its DuckDB reads.

    It needs DuckDB's community extension ``mooncake``, which it downloads, or finds in the folder that
    ``conf.duckdb.extension_directory`` names. It connects to itself over a Unix socket, without a password: the socket
    lies in the cluster's folder, which no other user can enter, and lets everybody in.
    """

    name = "pg_mooncake"
    title = "PostgreSQL with pg_mooncake"
    extensions = ("pg_mooncake",)
    preload = ("pg_duckdb", "pg_mooncake")
    conf = {"wal_level": "logical", "duckdb.allow_community_extensions": "true"}  # noqa: RUF012 - a mapping
    uses = ("mooncake.create_table", "mooncake.create_snapshot")
    image = "mooncakelabs/pg_mooncake:17-v0.2.0"
    build = (
        "git clone --branch v0.2.0 --recursive https://github.com/Mooncake-Labs/pg_mooncake && cd pg_mooncake && "
        "make pg_duckdb PG_VERSION=pg17 && make install PG_VERSION=pg17"
    )

    def _initdb_options(self) -> list[str]:
        others = [option for option in super()._initdb_options() if not option.startswith("--auth=")]
        return ["--auth-local=trust", "--auth-host=scram-sha-256", *others]

    def _settings(self, port: int) -> dict[str, str]:
        socket = {"unix_socket_directories": str(self._data)} if self.runtime is Runtime.LOCAL else {}
        return {**super()._settings(port), **socket}


class PgMooncake01Service(ExtensionService):
    """A PostgreSQL with pg_mooncake 0.1: tables ``USING columnstore``, written as Delta Lake; never with pg_duckdb."""

    name = "pg_mooncake-0.1"
    title = "PostgreSQL with pg_mooncake 0.1"
    extensions = ("pg_mooncake",)
    preload = ("pg_mooncake",)
    image = "mooncakelabs/pg_mooncake:17-v0.1.2"
    build = (
        "git clone --branch v0.1.2 --recursive https://github.com/Mooncake-Labs/pg_mooncake && cd pg_mooncake && "
        "make release PG_CONFIG=/path/to/pg_config && sudo make install PG_CONFIG=/path/to/pg_config"
    )
