"""The inspector: what a DuckLake physically is, by its catalog's own tables and by its files.

It does not use DuckLake's extension: it reads the catalog as a database, and Parquet files with pyarrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lakebench.datasets.ducklake import catalog
from lakebench.datasets.ducklake.catalog import Metadata, Row
from lakebench.datasets.interop.feature import Proof
from lakebench.datasets.interop.inspector import Inspected, missing
from lakebench.iceberg.damage import Damaged, parsed
from lakebench.iceberg.files import file_system
from lakebench.model import Lake

Facts = dict[str, Any]


def facts(lake: Lake, table: str) -> Facts:
    """The facts of ``lake`` and its ``table`` at the newest snapshot: JSON values.

    Raises:
        ValueError: there is no such table.
    """
    with Metadata(lake) as metadata:
        at = catalog.newest(metadata)
        one = catalog.the_table(metadata, at, table)
        files = _Files(lake, metadata, at, one)
        return {**_catalog_facts(metadata, at, one), **_inlined_facts(metadata, at, one), **files.facts()}


def inspect(lake: Lake, table: str, proof: Sequence[Proof] = ()) -> Inspected:
    """:func:`facts`, and those of ``proof`` that do not hold among them."""
    table_facts = facts(lake, table)
    return Inspected(table_facts, missing=tuple(missing(proof, table_facts)))


def files(lake: Lake, table: str) -> tuple[list[str], list[str]]:
    """The live data files of ``table`` by the catalog, and every file below the lake's data path."""
    scheme = "" if lake.store is None else "s3://"
    return catalog.addresses(lake, table), sorted(f"{scheme}{one}" for one in listed(lake))


def _catalog_facts(metadata: Metadata, at: int, table: Row) -> Facts:
    of_table = f"table_id = {table['table_id']}"
    columns = metadata.live("ducklake_column", at, of_table)
    settings = {one["key"]: one["value"] for one in metadata.rows("ducklake_metadata") if not one.get("scope")}
    spec = metadata.live("ducklake_partition_info", at, of_table)
    sort = metadata.live("ducklake_sort_info", at, of_table)
    return {
        "format": settings.get("version"),
        "encrypted": settings.get("encrypted"),
        "snapshots": len(metadata.rows("ducklake_snapshot")),
        "newest": at,
        "tables": sorted(one["table_name"] for one in metadata.live("ducklake_table", at)),
        "views": sorted(one["view_name"] for one in metadata.live("ducklake_view", at)),
        "macros": sorted(one["macro_name"] for one in metadata.live("ducklake_macro", at)),
        "comments": sorted(one["value"] for one in metadata.live("ducklake_tag", at)),
        "column-comments": sorted(one["value"] for one in metadata.live("ducklake_column_tag", at)),
        "columns": {one["column_name"]: one["column_type"] for one in columns if one["parent_column"] is None},
        "required": [one["column_name"] for one in columns if not one["nulls_allowed"]],
        "partition": [
            one["transform"]
            for spec_id in (one["partition_id"] for one in spec)
            for one in metadata.rows("ducklake_partition_column", f"partition_id = {spec_id}")
        ],
        "sort": [
            one["expression"].strip('"')
            for sort_id in (one["sort_id"] for one in sort)
            for one in metadata.rows("ducklake_sort_expression", f"sort_id = {sort_id}")
        ],
        "scheduled-for-deletion": len(metadata.rows("ducklake_files_scheduled_for_deletion")),
    }


def _inlined_facts(metadata: Metadata, at: int, table: Row) -> Facts:
    """Rows in the catalog: live ones, and deletes of rows in files."""
    tables = catalog.inlined(metadata, table["table_id"])
    return {
        "inlined-rows": sum(len(metadata.live(name, at)) for name in tables),
        "inlined-deletes": len(metadata.rows(f"ducklake_inlined_delete_{table['table_id']}")),
    }


class _Files:
    """The files of one table, and all files below the lake's data path."""

    def __init__(self, lake: Lake, metadata: Metadata, at: int, table: Row) -> None:
        of_table = f"table_id = {table['table_id']}"
        self._lake, self._metadata, self._system = lake, metadata, file_system(lake.store)
        self._home = catalog.folder(lake, metadata, at, table)
        self._data = metadata.live("ducklake_data_file", at, of_table)
        self._deletes = metadata.live("ducklake_delete_file", at, of_table)
        self._known = {catalog.absolute(self._home, one) for one in metadata.rows("ducklake_data_file", of_table)}
        self._known |= {catalog.absolute(self._home, one) for one in metadata.rows("ducklake_delete_file", of_table)}

    def facts(self) -> Facts:
        data = [catalog.absolute(self._home, one) for one in self._data]
        deletes = [catalog.absolute(self._home, one) for one in self._deletes]
        stored = listed(self._lake)
        footers = [self._footer(path) for path in data]
        readable = [one for one in footers if one is not None]
        return {
            "data-files": len(data),
            "delete-files": len(deletes),
            "delete-formats": sorted({path.rpartition(".")[2] for path in deletes}),
            "rows-told": sum(one["record_count"] for one in self._data),
            "rows-in-files": sum(one.num_rows for one in readable),
            "rows-in-delete-files": sum(self._deleted(path) for path in deletes),
            "unreadable-files": len(footers) - len(readable),
            "with-keys": sum(bool(one["encryption_key"]) for one in [*self._data, *self._deletes]),
            "codecs": sorted({one.row_group(0).column(0).compression for one in readable if one.num_row_groups}),
            "file-columns": sorted({name for one in readable for name in one.schema.to_arrow_schema().names}),
            "partition-values": self._partition_values(),
            "hive-folders": sorted({path.removeprefix(self._home).rpartition("/")[0] for path in data} - {""}),
            "foreign-files": sum(not path.startswith(self._lake.catalog.warehouse) for path in data),
            "absent-files": sum(
                _plain(path) not in stored for path in [*data, *deletes] if path.startswith(self._home)
            ),
            "files-in-storage": len(stored),
            "orphans": len(stored - {_plain(path) for path in self._known} - self._scheduled()),
            "sorted-files": sum(self._is_sorted(path) for path in data),
        }

    def _scheduled(self) -> set[str]:
        rows = self._metadata.rows("ducklake_files_scheduled_for_deletion")
        return {_plain(catalog.absolute(self._lake.catalog.warehouse, one)) for one in rows}

    def _footer(self, path: str) -> Any:
        """The Parquet footer, ``None`` where pyarrow cannot read it, as it is encrypted."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return parsed(lambda: pq.read_metadata(_plain(path), filesystem=self._system), pa.ArrowException, OSError)
        except (Damaged, FileNotFoundError):
            return None

    def _deleted(self, path: str) -> int:
        """The number of positions in a delete file; for a deletion vector it is the catalog's count."""
        if not path.endswith(".parquet"):
            row = next(one for one in self._deletes if catalog.absolute(self._home, one) == path)
            return int(row["delete_count"])
        footer = self._footer(path)
        return 0 if footer is None else int(footer.num_rows)

    def _partition_values(self) -> list[list[Any]]:
        """The catalog's partition values of the live files, as ``[value, files]``."""
        ids = ", ".join(str(one["data_file_id"]) for one in self._data) or "-1"
        rows = self._metadata.rows("ducklake_file_partition_value", f"data_file_id IN ({ids})")
        counts = Counter(str(one["partition_value"]) for one in rows)
        return [[value, count] for value, count in sorted(counts.items())]

    def _is_sorted(self, path: str) -> bool:
        """Whether the first column is in ascending order."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = parsed(lambda: pq.read_table(_plain(path), filesystem=self._system), pa.ArrowException, OSError)
        except (Damaged, FileNotFoundError):
            return False
        values = rows.column(0).to_pylist()
        return None not in values and values == sorted(values)


def listed(lake: Lake) -> set[str]:
    """The paths of every Parquet and Puffin file below the lake's data path."""
    from pyarrow.fs import FileSelector, FileType

    selector = FileSelector(_plain(lake.catalog.warehouse).rstrip("/"), recursive=True, allow_not_found=True)
    entries = file_system(lake.store).get_file_info(selector)
    return {one.path for one in entries if one.type == FileType.File and one.path.endswith((".parquet", ".puffin"))}


def _plain(path: str) -> str:
    """A path as Arrow's file system takes it: bucket and key, or a local path."""
    return path.removeprefix("s3://")
