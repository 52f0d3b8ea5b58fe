"""Files: partitions, sort order, compaction, expiry, cleanup, encryption, foreign files, data paths."""

from __future__ import annotations

from lakebench.datasets.ducklake.feature import DOCS, FILES, DuckLakeFeature, look, no, rows, run

_PARTITIONS = f"{DOCS}duckdb/advanced_features/partitioning"
_SORTED = f"{DOCS}duckdb/advanced_features/sorted_tables"
_MAINTENANCE = f"{DOCS}duckdb/maintenance/"
_COUNT = "SELECT count(*) AS n FROM t"
_THREE = run(
    "CREATE TABLE t (id INTEGER)",
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t VALUES (2)",
    "INSERT INTO t VALUES (3)",
)
_ALL_THREE = rows("SELECT * FROM t", "id: int32", (1,), (2,), (3,))
_MERGE = run("CALL ducklake_merge_adjacent_files('lake')")
_EXPIRE = run("CALL ducklake_expire_snapshots('lake', older_than => now() + INTERVAL '1 hour')")
_CLEAN = run("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)")

ALL: tuple[DuckLakeFeature, ...] = (
    DuckLakeFeature(
        "partition",
        "partitioned by a column: a file for each value",
        _PARTITIONS,
        (
            *run("CREATE TABLE t (id INTEGER, k VARCHAR)", "ALTER TABLE t SET PARTITIONED BY (k)"),
            *run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'a'), (4, NULL)"),
            rows("SELECT id FROM t WHERE k = 'a'", "id: int32", (1,), (3,)),
            rows("SELECT id FROM t WHERE k IS NULL", "id: int32", (4,)),
            rows(_COUNT, "n: int64", (4,)),
            look(("partition", "=", ["identity"]), ("data-files", "=", 3), ("hive-folders", "contains", "k=a")),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "partition-transforms",
        "partitioned by year and month of a timestamp",
        _PARTITIONS,
        (
            *run("CREATE TABLE t (id INTEGER, ts TIMESTAMP)", "ALTER TABLE t SET PARTITIONED BY (year(ts), month(ts))"),
            *run(
                "INSERT INTO t VALUES (1, '2024-01-05'), (2, '2024-02-05'), (3, '2025-01-05'), "
                "(4, '2024-01-31 23:59:59')"
            ),
            rows("SELECT id FROM t WHERE ts < '2024-02-01'", "id: int32", (1,), (4,)),
            look(("partition", "=", ["year", "month"]), ("data-files", "=", 3)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "partition-bucket",
        "partitioned into buckets",
        _PARTITIONS,
        (
            *run("CREATE TABLE t (id INTEGER)", "ALTER TABLE t SET PARTITIONED BY (bucket(4, id))"),
            *run("INSERT INTO t SELECT range FROM range(200)"),
            rows("SELECT id FROM t WHERE id = 34", "id: int32", (34,)),
            rows(_COUNT, "n: int64", (200,)),
            look(("data-files", "=", 4), ("rows-in-files", "=", 200)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "partition-evolution",
        "another partitioning: old files stay as they are, new ones follow it",
        _PARTITIONS,
        (
            *run("CREATE TABLE t (id INTEGER, k VARCHAR)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')"),
            *run("ALTER TABLE t SET PARTITIONED BY (k)", "INSERT INTO t VALUES (3, 'a'), (4, 'b')"),
            *run("ALTER TABLE t RESET PARTITIONED BY", "INSERT INTO t VALUES (5, 'a'), (6, 'b')"),
            rows("SELECT id FROM t WHERE k = 'a'", "id: int32", (1,), (3,), (5,)),
            *run("DELETE FROM t WHERE k = 'b'"),
            rows("SELECT id FROM t", "id: int32", (1,), (3,), (5,)),
            look(("partition", "=", []), ("partition-values", "=", [["a", 1]])),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "sorted",
        "a sorted table writes sorted files, and without the order it does not",
        _SORTED,
        (
            *run("CREATE TABLE t (id INTEGER)", "CREATE TABLE u (id INTEGER)", "ALTER TABLE t SET SORTED BY (id ASC)"),
            *run("INSERT INTO t SELECT (range * 37) % 100 FROM range(100)"),
            *run("INSERT INTO u SELECT (range * 37) % 100 FROM range(100)"),
            rows(_COUNT, "n: int64", (100,)),
            look(("sort", "=", ["id"]), ("sorted-files", "=", 1)),
            look(("sort", "=", []), ("sorted-files", "=", 0), table="u"),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "merge-adjacent",
        "adjacent files are merged; time travel and change feed stay",
        f"{_MAINTENANCE}merge_adjacent_files",
        (
            *_THREE,
            *_MERGE,
            _ALL_THREE,
            rows("SELECT * FROM t AT (VERSION => 3)", "id: int32", (1,), (2,)),
            rows(
                "SELECT snapshot_id, id FROM lake.table_changes('t', 3, 4)",
                "snapshot_id: int64; id: int32",
                (3, 2),
                (4, 3),
            ),
            look(("data-files", "=", 1), ("rows-in-files", "=", 3), ("scheduled-for-deletion", "=", 3)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "rewrite-deleted",
        "a file with many deleted rows is rewritten without them",
        f"{_MAINTENANCE}rewrite_data_files",
        (
            *run(
                "CREATE TABLE t (id INTEGER)",
                "INSERT INTO t SELECT range FROM range(100)",
                "DELETE FROM t WHERE id < 60",
            ),
            *run("CALL ducklake_rewrite_data_files('lake', 't', delete_threshold => 0.5)"),
            rows("SELECT count(*) AS n, min(id) AS a FROM t", "n: int64; a: int32", (40, 60)),
            rows("SELECT count(*) AS n FROM t AT (VERSION => 2)", "n: int64", (100,)),
            look(("data-files", "=", 1), ("rows-in-files", "=", 40), ("delete-files", "=", 0)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "expire",
        "expired snapshots are gone, and after the cleanup their files, too",
        f"{_MAINTENANCE}expire_snapshots",
        (
            *_THREE,
            *_MERGE,
            look(("files-in-storage", "=", 4)),
            *_EXPIRE,
            look(("snapshots", "=", 1), ("files-in-storage", "=", 4), ("scheduled-for-deletion", "=", 3)),
            no("SELECT * FROM t AT (VERSION => 2)", "[Nn]o snapshot"),
            *_CLEAN,
            _ALL_THREE,
            look(("files-in-storage", "=", 1), ("scheduled-for-deletion", "=", 0), ("absent-files", "=", 0)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "expire-version",
        "one snapshot is expired by its version; a dry run expires none",
        f"{_MAINTENANCE}expire_snapshots",
        (
            *_THREE,
            *run("CALL ducklake_expire_snapshots('lake', versions => [2], dry_run => true)"),
            rows("SELECT * FROM t AT (VERSION => 2)", "id: int32", (1,)),
            *run("CALL ducklake_expire_snapshots('lake', versions => [2])"),
            no("SELECT * FROM t AT (VERSION => 2)", "[Nn]o snapshot"),
            rows("SELECT * FROM t AT (VERSION => 3)", "id: int32", (1,), (2,)),
            _ALL_THREE,
            look(("snapshots", "=", 4)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "drop-and-clean",
        "the files of a dropped table go with its snapshots",
        f"{_MAINTENANCE}recommended_maintenance",
        (
            *_THREE,
            *run("CREATE TABLE u (id INTEGER)", "INSERT INTO u VALUES (1)", "DROP TABLE t"),
            look(("files-in-storage", "=", 4), table="u"),
            *_EXPIRE,
            *_CLEAN,
            rows("SELECT * FROM u", "id: int32", (1,)),
            look(("files-in-storage", "=", 1), ("absent-files", "=", 0), table="u"),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "orphans",
        "files that no snapshot knows are deleted, and no others",
        f"{_MAINTENANCE}cleanup_of_files",
        (
            *_THREE,
            *run("COPY (SELECT 1 AS id) TO '{data}main/t/orphan.parquet'"),
            look(("orphans", "=", 1), ("files-in-storage", "=", 4)),
            *run("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)"),
            _ALL_THREE,
            look(("orphans", "=", 0), ("files-in-storage", "=", 3), ("absent-files", "=", 0)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "checkpoint",
        "CHECKPOINT flushes and merges",
        f"{_MAINTENANCE}checkpoint",
        (
            *run("CREATE TABLE t (id INTEGER)", "INSERT INTO t SELECT range FROM range(20)"),
            *run("INSERT INTO t SELECT range + 20 FROM range(20)", "INSERT INTO t VALUES (40)", "CHECKPOINT lake"),
            rows("SELECT count(*) AS n, max(id) AS a FROM t", "n: int64; a: int32", (41, 40)),
            look(("inlined-rows", "=", 0), ("data-files", "=", 1), ("rows-in-files", "=", 41)),
        ),
    ),
    DuckLakeFeature(
        "encryption",
        "encrypted: nobody reads the files without the catalog's keys",
        f"{DOCS}duckdb/advanced_features/encryption",
        (
            *run(
                "CREATE TABLE t (id INTEGER)", "INSERT INTO t SELECT range FROM range(50)", "DELETE FROM t WHERE id < 5"
            ),
            rows(_COUNT, "n: int64", (45,)),
            look(
                ("encrypted", "=", "true"),
                ("data-files", "=", 1),
                ("unreadable-files", "=", 1),
                ("rows-told", "=", 50),
                ("with-keys", "=", 2),
            ),
            rows(_COUNT, "n: int64", (45,)),
        ),
        {**FILES, "ENCRYPTED": "true"},
    ),
    DuckLakeFeature(
        "add-files",
        "a foreign Parquet file is added, not copied",
        f"{DOCS}duckdb/metadata/adding_files",
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'own')"),
            *run("COPY (SELECT 2::INTEGER AS id, 'foreign' AS v) TO '{beside}foreign.parquet'"),
            *run("CALL ducklake_add_data_files('lake', 't', '{beside}foreign.parquet')"),
            rows("SELECT * FROM t", "id: int32; v: string", (1, "own"), (2, "foreign")),
            look(
                ("data-files", "=", 2),
                ("foreign-files", "=", 1),
                ("files-in-storage", "=", 1),
                ("rows-in-files", "=", 2),
            ),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "add-files-mapping",
        "foreign files with missing and extra columns: refused, and taken where it is allowed",
        f"{DOCS}duckdb/metadata/adding_files",
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR DEFAULT 'none')"),
            *run("COPY (SELECT 2::TINYINT AS id, 9 AS extra) TO '{beside}foreign.parquet'"),
            no("CALL ducklake_add_data_files('lake', 't', '{beside}foreign.parquet')", "column"),
            *run(
                "CALL ducklake_add_data_files('lake', 't', '{beside}foreign.parquet', allow_missing => true, "
                "ignore_extra_columns => true)"
            ),
            rows("SELECT * FROM t", "id: int32; v: string", (2, "none")),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "data-path",
        "the data path is kept in the catalog; another one is taken only when it is to be overridden",
        f"{DOCS}duckdb/usage/connecting",
        (
            *run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)"),
            look(("data-files", "=", 1)),
            *run("INSERT INTO t VALUES (2)", session="b"),
            look(("data-files", "=", 2), ("files-in-storage", "=", 1), ("absent-files", "=", 1)),
        ),
        FILES,
        {"b": {"DATA_PATH": "{beside}", "OVERRIDE_DATA_PATH": "true"}},
    ),
)
