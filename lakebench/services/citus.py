"""Citus: PostgreSQL that spreads tables over shards, here as a cluster of one node."""

from __future__ import annotations

from lakebench.services.postgres_extension import ExtensionService


class CitusService(ExtensionService):
    """A PostgreSQL with Citus. It becomes its own only node when the first table is distributed."""

    name = "citus"
    title = "PostgreSQL with Citus"
    extensions = ("citus",)
    preload = ("citus",)  # Citus insists on being the first
    uses = ("pg_catalog.create_distributed_table", "pg_catalog.citus_add_local_table_to_metadata")
    image = "citusdata/citus:14.0.0-pg17"
    build = (
        "git clone --branch v14.0.1 https://github.com/citusdata/citus && cd citus && "
        "./configure PG_CONFIG=/path/to/pg_config && make && sudo make install"
    )
