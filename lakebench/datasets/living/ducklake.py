"""A DuckLake that lives: what it weighs by its catalog's own tables, and how its maintenance is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.datasets.ducklake import catalog
from lakebench.datasets.ducklake.catalog import Metadata
from lakebench.datasets.ducklake.inspector import listed
from lakebench.datasets.living.life import TABLE
from lakebench.iceberg.operations import Compact, ExpireSnapshots, Operation, RemoveOrphans
from lakebench.model import Lake

MAINTENANCE: Mapping[type[Operation], tuple[str, ...]] = {
    Compact: (
        "CALL ducklake_flush_inlined_data('{lake}')",
        "CALL ducklake_merge_adjacent_files('{lake}')",
        f"CALL ducklake_rewrite_data_files('{{lake}}', '{TABLE}', delete_threshold => 0)",
    ),
    ExpireSnapshots: (
        "CALL ducklake_expire_snapshots('{lake}', older_than => now() + INTERVAL '1 hour')",
        "CALL ducklake_cleanup_old_files('{lake}', cleanup_all => true)",
    ),
    RemoveOrphans: ("CALL ducklake_delete_orphaned_files('{lake}', older_than => now() - INTERVAL '3 days')",),
}
"""The statements of each kind of maintenance (DuckLake's documentation, *Maintenance*); it has no manifests."""


def facts(lake: Lake) -> dict[str, int]:
    """What a reader has to plan with, and the newest ``snapshot``; the metadata is what the catalog's tables take."""
    with Metadata(lake) as metadata:
        at = catalog.newest(metadata)
        of_table = f"table_id = {catalog.the_table(metadata, at, TABLE)['table_id']}"
        data = metadata.live("ducklake_data_file", at, of_table)
        deletes = metadata.live("ducklake_delete_file", at, of_table)
        return {
            "snapshot": at,
            "metadata_bytes": metadata.bytes(),
            "snapshots": len(metadata.rows("ducklake_snapshot")),
            "data_files": len(data),
            "data_bytes": sum(int(one["file_size_bytes"]) for one in data),
            "delete_files": len(deletes),
            "deleted_rows": sum(int(one["delete_count"]) for one in deletes),
            "rows_in_files": sum(int(one["record_count"]) for one in data),
        }


def damage(lake: Lake) -> list[str]:
    """The files of the newest snapshot that are not in the store, in words."""
    there = listed(lake)
    with Metadata(lake) as metadata:
        at = catalog.newest(metadata)
        table = catalog.the_table(metadata, at, TABLE)
        home = catalog.folder(lake, metadata, at, table)
        of_table = f"table_id = {table['table_id']}"
        kinds = ("ducklake_data_file", "ducklake_delete_file")
        paths = [catalog.absolute(home, one) for kind in kinds for one in metadata.live(kind, at, of_table)]
    absent = [one for one in paths if _plain(one) not in there]
    return [f"the file {one}, which the newest snapshot refers to, is not in the store" for one in absent]


def _plain(path: str) -> str:
    return path.removeprefix("s3://")
