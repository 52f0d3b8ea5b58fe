"""Citus: PostgreSQL that spreads tables over shards, here as a cluster of one node."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from typing import ClassVar

from lakebench.http import HOST
from lakebench.services.base import Command
from lakebench.services.postgres_extension import ExtensionService


class CitusService(ExtensionService):
    """A PostgreSQL with Citus. It becomes its own only node when the first table is distributed.

    Citus connects to itself as the user of a query, by the service's password, which it reads from a file: a role that
    a case makes needs that password.
    """

    name = "citus"
    title = "PostgreSQL with Citus"
    extensions: ClassVar[tuple[str, ...]] = ("citus",)
    preload: ClassVar[tuple[str, ...]] = ("citus",)  # Citus insists on being the first
    conf = {"citus.local_hostname": HOST, "citus.node_conninfo": "sslmode=disable"}  # noqa: RUF012 - a mapping
    uses: ClassVar[tuple[str, ...]] = (
        "pg_catalog.create_distributed_table",
        "pg_catalog.citus_add_local_table_to_metadata",
    )
    image = "citusdata/citus:14.0.0-pg17"
    build = (
        "git clone --branch v14.0.1 https://github.com/citusdata/citus && cd citus && "
        "./configure PG_CONFIG=/path/to/pg_config && make && sudo make install"
    )

    def command(self, ports: Mapping[str, int]) -> Command:
        """PostgreSQL's command, with the file of its password."""
        command = super().command(ports)
        file = self.private("pgpass", f"{HOST}:{ports['main']}:*:*:{self.password}\n")
        if self._account:
            shutil.chown(file, self._account)
        return dataclasses.replace(command, env={**command.env, "PGPASSFILE": str(file)})
