"""Format versions, file formats, views, transactions, concurrency and maintenance."""

from __future__ import annotations

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import (
    Append,
    Compact,
    ComputeStatistics,
    Concurrent,
    Create,
    CreateView,
    Delete,
    ExpireSnapshots,
    Operation,
    Read,
    RewriteManifests,
    SetProperties,
    Transaction,
    Update,
    UpgradeFormat,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField

_FORMAT = "Format versions and file formats"
_TOGETHER = "Views, transactions, concurrency"
_MAINTENANCE = "Maintenance and statistics"
_COLUMNS = (Field("id", "int"), Field("p", "string"), Field("v", "long"))
_ROWS = Append(rows=tuple((n, "ab"[n % 2], n * 10) for n in range(1, 7)))
_MORE = Append(rows=tuple((n, "ab"[n % 2], n * 10) for n in range(7, 11)))
_MOR = {"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read"}
_V = Read("v = 30", columns=("id",), where=(Condition("v", "=", 30),))
_GONE = Delete(where=(Condition("id", "in", (2, 8)),))


def _table(
    name: str,
    group: str,
    title: str,
    topic: str,
    source: str,
    *then: Operation,
    properties: dict[str, str] | None = None,
    partition: tuple[PartitionField, ...] = (),
    version: int = 2,
    reads: tuple[Read, ...] = (_V,),
    proof: tuple[Proof, ...] = (),
) -> Feature:
    create = Create(columns=_COLUMNS, partition=partition, properties=properties or {}, format_version=version)
    return Feature(name, group, title, (create, *then), topic, source, reads, proof)


def _file_format(name: str, *, deletes: bool) -> Feature:
    return _table(
        f"data-files-{name}{'-deletes' if deletes else ''}",
        _FORMAT,
        f"{name.upper()} data files{' with rows deleted by position' if deletes else ''}",
        f"data-files-{name}",
        "Iceberg specification, Appendix A: Format-specific Requirements",
        _ROWS,
        _MORE,
        *([_GONE] if deletes else []),
        properties={"write.format.default": name, **_MOR},
        proof=(
            Proof("file-formats", "contains", name),
            *([Proof("position-delete-files", ">=", 1)] if deletes else []),
        ),
    )


def _codec(name: str) -> Feature:
    return _table(
        f"parquet-{name}",
        _FORMAT,
        f"Parquet data files compressed by {name}",
        "compression-codec",
        "Iceberg documentation, Configuration: write.parquet.compression-codec",
        _ROWS,
        properties={"write.parquet.compression-codec": name},
        proof=(Proof("codecs", "contains", name),),
    )


def _maintenance(
    name: str, title: str, topic: str, *then: Operation, by: str, proof: tuple[Proof, ...] = ()
) -> Feature:
    writer = "by another engine than the one that wrote" if by else "by the engine that wrote"
    return _table(
        f"{name}-by-another" if by else name,
        _MAINTENANCE,
        f"{title}, {writer}",
        topic,
        "iceberg 7457, duckdb-iceberg 321: files of a compactor that others cannot read",
        _ROWS,
        _MORE,
        *then,
        properties=_MOR,
        proof=proof,
    )


_COMPACTED = (Proof("operations", "contains", "replace"), Proof("position-delete-files", "=", 0))

ALL = (
    _table(
        "v1-table",
        _FORMAT,
        "format version 1",
        "v1-tables",
        "Iceberg specification, Version 1",
        _ROWS,
        _MORE,
        version=1,
        proof=(Proof("format-version", "=", 1),),
    ),
    _table(
        "v2-table",
        _FORMAT,
        "format version 2",
        "v2-tables",
        "Iceberg specification, Version 2",
        _ROWS,
        _MORE,
        proof=(Proof("format-version", "=", 2),),
    ),
    _table(
        "v3-table",
        _FORMAT,
        "format version 3",
        "v3-tables",
        "Iceberg specification, Version 3",
        _ROWS,
        _MORE,
        version=3,
        proof=(Proof("format-version", "=", 3),),
    ),
    _table(
        "upgrade-v1-v2",
        _FORMAT,
        "version 1 raised to 2, then rows deleted",
        "upgrade",
        "Iceberg specification, Appendix E: Format version changes",
        _ROWS,
        UpgradeFormat(format_version=2),
        _MORE,
        _GONE,
        version=1,
        proof=(Proof("format-version", "=", 2),),
    ),
    _table(
        "upgrade-v2-v3",
        _FORMAT,
        "version 2 with position deletes raised to 3, then rows deleted",
        "upgrade",
        "Iceberg specification, Appendix E: Format version changes",
        _ROWS,
        Delete(where=(Condition("id", "=", 1),)),
        UpgradeFormat(format_version=3),
        _MORE,
        _GONE,
        properties=_MOR,
        proof=(Proof("format-version", "=", 3),),
    ),
    *(_file_format(name, deletes=deletes) for name in ("orc", "avro") for deletes in (False, True)),
    _table(
        "codec-changed",
        _FORMAT,
        "the compression codec changed between two appends",
        "compression-codec",
        "Iceberg documentation, Configuration: write.parquet.compression-codec",
        _ROWS,
        SetProperties(properties={"write.parquet.compression-codec": "gzip"}),
        _MORE,
        properties={"write.parquet.compression-codec": "zstd"},
        proof=(Proof("codecs", "contains", ["gzip", "zstd"]),),
    ),
    *(_codec(name) for name in ("zstd", "snappy", "gzip")),
    Feature(
        "name-mapping",
        _FORMAT,
        "Parquet files without field ids, read by the table's name mapping",
        (Create(columns=_COLUMNS, properties={"lakebench.field-ids": "none"}), _ROWS),
        "name-mapping",
        "Iceberg specification, Column Projection: schema.name-mapping.default",
        (_V,),
        (Proof("parquet-field-ids", "=", False),),
        by_reference=True,
    ),
    _table(
        "bloom-filter",
        _FORMAT,
        "Parquet bloom filters, and point predicates that they prune",
        "bloom-filters",
        "iceberg 12458: wrong results by bloom filters",
        _ROWS,
        _MORE,
        properties={"write.parquet.bloom-filter-enabled.column.v": "true"},
        reads=(_V, Read("v = 35, which no row has", columns=("id",), where=(Condition("v", "=", 35),))),
        proof=(Proof("bloom-filters", "=", True),),
    ),
    _table(
        "view",
        _TOGETHER,
        "a view over a table",
        "views",
        "Iceberg View specification",
        _ROWS,
        CreateView(name="t_view", columns=("id", "v"), where=(Condition("v", ">", 20),)),
        reads=(Read("the view", view="t_view"),),
    ),
    Feature(
        "multi-table-transaction",
        _TOGETHER,
        "rows appended to two tables in one transaction",
        (
            Create(columns=_COLUMNS),
            Create(table="u", columns=_COLUMNS),
            Transaction(operations=(_ROWS, Append(table="u", rows=((1, "u", 1),)))),
        ),
        "multi-table-transaction",
        "Iceberg REST catalog OpenAPI, commitTransaction",
        (Read("the second table", table="u"),),
    ),
    _table(
        "concurrent-appends",
        _TOGETHER,
        "two appends that start from the same snapshot",
        "conflict-detection",
        "Iceberg specification, Commit Conflict Resolution and Retry",
        _ROWS,
        Concurrent(operations=(Append(rows=((100, "x", 1),)), Append(rows=((200, "y", 2),)))),
    ),
    _table(
        "concurrent-updates",
        _TOGETHER,
        "two updates of the same row at once: none may be lost",
        "conflict-detection",
        "trino 20092, 26853: lost updates on conflict",
        _ROWS,
        Concurrent(operations=tuple(Update(where=(Condition("id", "=", 3),), add={"v": step}) for step in (1, 1000))),
        properties=_MOR,
    ),
    _table(
        "concurrent-updates-of-two-engines",
        _TOGETHER,
        "two engines update the same row at once: none may be lost",
        "conflict-detection",
        "trino 20092, 26853, 31072: an insert or update lost when two engines commit",
        _ROWS,
        Concurrent(
            operations=(
                Update(where=(Condition("id", "=", 3),), add={"v": 1}),
                Update(where=(Condition("id", "=", 3),), add={"v": 1000}, by="another"),
            )
        ),
        properties=_MOR,
    ),
    _table(
        "concurrent-appends-of-two-engines",
        _TOGETHER,
        "two engines append at once",
        "conflict-detection",
        "Iceberg specification, Commit Conflict Resolution and Retry",
        _ROWS,
        Concurrent(operations=(Append(rows=((100, "x", 1),)), Append(rows=((200, "y", 2),), by="another"))),
    ),
    _table(
        "concurrent-deletes",
        _TOGETHER,
        "two deletes over the same file at once",
        "conflict-detection",
        "duckdb-iceberg, iceberg_add_snapshot.cpp: RETRY_BLOCKER, new deletes while a commit is tried again",
        _ROWS,
        Concurrent(operations=(Delete(where=(Condition("id", "=", 2),)), Delete(where=(Condition("id", "=", 5),)))),
        properties=_MOR,
    ),
    _table(
        "concurrent-compaction",
        _TOGETHER,
        "compaction while rows are deleted: neither doubled nor back again",
        "conflict-detection",
        "trino 18412, 18393: duplicates after a concurrent OPTIMIZE",
        _ROWS,
        _MORE,
        Concurrent(operations=(Compact(), Delete(where=(Condition("id", "=", 2),)))),
        properties=_MOR,
    ),
    *(
        _maintenance(
            "compaction",
            "small files with deletes compacted",
            "compaction",
            _GONE,
            Compact(by=by),
            by=by,
            # An unneeded delete file may stay behind, if another engine wrote it without naming its data file.
            proof=_COMPACTED[:1] if by else _COMPACTED,
        )
        for by in ("", "another")
    ),
    *(
        _maintenance(
            "expire-snapshots",
            "old snapshots expired, and their files deleted",
            "expire-snapshots",
            _GONE,
            ExpireSnapshots(by=by),
            by=by,
            proof=(Proof("snapshots", "=", 1),),
        )
        for by in ("", "another")
    ),
    *(
        _maintenance(
            "rewrite-manifests",
            "manifests rewritten",
            "rewrite-manifests",
            RewriteManifests(by=by),
            by=by,
            proof=(Proof("operations", "contains", "replace"),),
        )
        for by in ("", "another")
    ),
    Feature(
        "delete-by-another",
        _MAINTENANCE,
        "rows deleted by another engine than the one that wrote",
        (
            Create(columns=_COLUMNS, properties=_MOR),
            _ROWS,
            Delete(where=(Condition("id", "in", (2, 5)),), by="another"),
            _MORE,
        ),
        "position-deletes",
        "Iceberg specification, Position Delete Files",
        (_V,),
        (Proof("position-delete-files", ">=", 1),),
    ),
    Feature(
        "compact-v3",
        _MAINTENANCE,
        "a version 3 table compacted: row ids stay with their rows",
        (Create(columns=_COLUMNS, format_version=3, properties=_MOR), _ROWS, _MORE, _GONE, Compact()),
        "compaction",
        "iceberg 16263: row ids after a rewrite",
        (_V,),
        (Proof("deletion-vectors", "=", 0), Proof("first-row-ids", "=", True)),
    ),
    _table(
        "statistics",
        _MAINTENANCE,
        "numbers of distinct values in a Puffin file",
        "statistics",
        "Puffin specification, apache-datasketches-theta-v1",
        _ROWS,
        ComputeStatistics(),
        proof=(Proof("statistics", "contains", "apache-datasketches-theta-v1"),),
    ),
)
