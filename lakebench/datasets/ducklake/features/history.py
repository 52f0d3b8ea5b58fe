"""Snapshots: time travel, the change feed, row lineage; and schema evolution, seen from both sides of a change."""

from __future__ import annotations

from lakebench.datasets.ducklake.feature import DOCS, FILES, INLINED, DuckLakeFeature, look, no, rows, run

_TRAVEL = f"{DOCS}duckdb/usage/time_travel"
_FEED = f"{DOCS}duckdb/advanced_features/data_change_feed"
_EVOLUTION = f"{DOCS}duckdb/usage/schema_evolution"
_KEYED = "id: int32; v: string"
_CHANGED = "snapshot_id: int64; rowid: int64; change_type: string; id: int32; v: string"
# Snapshots: 1 the table, 2 two rows, 3 one less, 4 the other changed.
_STORY = run(
    "CREATE TABLE t (id INTEGER, v VARCHAR)",
    "INSERT INTO t VALUES (1, 'Hello'), (2, 'DuckLake')",
    "DELETE FROM t WHERE id = 1",
    "UPDATE t SET v = concat(v, v)",
)
_CHANGES = (
    (2, 0, "insert", 1, "Hello"),
    (2, 1, "insert", 2, "DuckLake"),
    (3, 0, "delete", 1, "Hello"),
    (4, 1, "update_preimage", 2, "DuckLake"),
    (4, 1, "update_postimage", 2, "DuckLakeDuckLake"),
)
_VERSIONS = (
    rows("SELECT * FROM t AT (VERSION => 1)", _KEYED),
    rows("SELECT * FROM t AT (VERSION => 2)", _KEYED, (1, "Hello"), (2, "DuckLake")),
    rows("SELECT * FROM t AT (VERSION => 3)", _KEYED, (2, "DuckLake")),
    rows("SELECT * FROM t", _KEYED, (2, "DuckLakeDuckLake")),
    no("SELECT * FROM t AT (VERSION => 99)", "[Nn]o snapshot"),
)
_FEEDS = (
    rows("FROM lake.table_changes('t', 2, 4)", _CHANGED, *_CHANGES),
    rows("FROM lake.table_changes('t', 3, 3)", _CHANGED, _CHANGES[2]),
    rows(
        "SELECT id, v FROM ducklake_table_insertions('lake', 'main', 't', 2, 2)", _KEYED, (1, "Hello"), (2, "DuckLake")
    ),
    rows("SELECT id, v FROM ducklake_table_deletions('lake', 'main', 't', 3, 3)", _KEYED, (1, "Hello")),
)

ALL: tuple[DuckLakeFeature, ...] = (
    DuckLakeFeature("travel-version", "time travel by version", _TRAVEL, (*_STORY, *_VERSIONS), FILES),
    DuckLakeFeature(
        "travel-version-inlined", "time travel by version, inlined rows", _TRAVEL, (*_STORY, *_VERSIONS), INLINED
    ),
    DuckLakeFeature(
        "travel-timestamp",
        "time travel by timestamp",
        _TRAVEL,
        (
            *_STORY,
            *run("SET VARIABLE moment = (SELECT snapshot_time FROM ducklake_snapshots('lake') WHERE snapshot_id = 2)"),
            rows("SELECT * FROM t AT (TIMESTAMP => getvariable('moment'))", _KEYED, (1, "Hello"), (2, "DuckLake")),
            no("SELECT * FROM t AT (TIMESTAMP => TIMESTAMP '2001-01-01')", "[Nn]o snapshot"),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "attach-version",
        "attached at a snapshot it shows that one, and refuses to write",
        _TRAVEL,
        (
            *_STORY,
            look(),
            rows("SELECT * FROM t", _KEYED, (1, "Hello"), (2, "DuckLake"), session="b"),
            no("INSERT INTO t VALUES (9, 'x')", "read-only|snapshot", session="b"),
        ),
        FILES,
        {"b": {"SNAPSHOT_VERSION": "2"}},
    ),
    DuckLakeFeature("change-feed", "change feed: changes, insertions, deletions", _FEED, (*_STORY, *_FEEDS), FILES),
    DuckLakeFeature("change-feed-inlined", "change feed of inlined rows", _FEED, (*_STORY, *_FEEDS), INLINED),
    DuckLakeFeature(
        "row-lineage",
        "row lineage: the rowid of a row stays in an update and a compaction",
        f"{DOCS}duckdb/advanced_features/row_lineage",
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')"),
            *run("INSERT INTO t VALUES (3, 'c')", "UPDATE t SET v = 'z' WHERE id = 2"),
            rows("SELECT rowid, id FROM t", "rowid: int64; id: int32", (0, 1), (1, 2), (2, 3)),
            *run("CALL ducklake_merge_adjacent_files('lake')"),
            rows(
                "SELECT rowid, id, v FROM t",
                "rowid: int64; id: int32; v: string",
                (0, 1, "a"),
                (1, 2, "z"),
                (2, 3, "c"),
            ),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "add-column",
        "columns added, with and without default, and read in old files",
        _EVOLUTION,
        (
            *run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)", "ALTER TABLE t ADD COLUMN a INTEGER"),
            *run("ALTER TABLE t ADD COLUMN b VARCHAR DEFAULT 'old'", "INSERT INTO t VALUES (2, 5, 'new')"),
            rows("SELECT * FROM t", "id: int32; a: int32; b: string", (1, None, "old"), (2, 5, "new")),
            rows("SELECT * FROM t WHERE b = 'old'", "id: int32; a: int32; b: string", (1, None, "old")),
            rows("SELECT * FROM t AT (VERSION => 2)", "id: int32", (1,)),
            look(("data-files", "=", 2), ("columns", "=", {"id": "int32", "a": "int32", "b": "varchar"})),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "drop-column",
        "a column dropped; one of the same name that comes again is another",
        _EVOLUTION,
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'gone')"),
            *run(
                "ALTER TABLE t DROP COLUMN v", "ALTER TABLE t ADD COLUMN v VARCHAR", "INSERT INTO t VALUES (2, 'new')"
            ),
            rows("SELECT * FROM t", _KEYED, (1, None), (2, "new")),
            rows("SELECT * FROM t AT (VERSION => 2)", _KEYED, (1, "gone")),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "rename",
        "a column and a table renamed; old names at old snapshots",
        _EVOLUTION,
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'x')"),
            *run("ALTER TABLE t RENAME v TO w", "INSERT INTO t VALUES (2, 'y')", "ALTER TABLE t RENAME TO u"),
            rows("SELECT * FROM u WHERE w = 'x'", "id: int32; w: string", (1, "x")),
            rows("SELECT * FROM t AT (VERSION => 2)", _KEYED, (1, "x")),
            no("SELECT * FROM t", "does not exist"),
            look(("file-columns", "=", ["id", "v", "w"]), ("columns", "=", {"id": "int32", "w": "varchar"}), table="u"),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "swap-names",
        "two columns change names: values follow the field, not the name",
        _EVOLUTION,
        (
            *run("CREATE TABLE t (a INTEGER, b INTEGER)", "INSERT INTO t VALUES (1, 2)", "ALTER TABLE t RENAME a TO c"),
            *run("ALTER TABLE t RENAME b TO a", "ALTER TABLE t RENAME c TO b"),
            rows("SELECT a, b FROM t", "a: int32; b: int32", (2, 1)),
            rows("SELECT a, b FROM t WHERE a = 2", "a: int32; b: int32", (2, 1)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "promote",
        "types promoted; a lossy change is refused",
        _EVOLUTION,
        (
            *run("CREATE TABLE t (a TINYINT, b INTEGER, c UINTEGER, f FLOAT)", "INSERT INTO t VALUES (1, 2, 3, 0.5)"),
            *run(
                "ALTER TABLE t ALTER a SET TYPE SMALLINT",
                "ALTER TABLE t ALTER b SET TYPE BIGINT",
                "ALTER TABLE t ALTER c SET TYPE UBIGINT",
                "ALTER TABLE t ALTER f SET TYPE DOUBLE",
                "INSERT INTO t VALUES (300, 5000000000, 5000000000, 0.25)",
            ),
            rows(
                "SELECT * FROM t WHERE b < 6000000000",
                "a: int16; b: int64; c: uint64; f: double",
                (1, 2, 3, 0.5),
                (300, 5000000000, 5000000000, 0.25),
            ),
            no("ALTER TABLE t ALTER b SET TYPE INTEGER", "[Cc]annot|only"),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "nested-evolution",
        "fields of a struct added, renamed and dropped",
        _EVOLUTION,
        (
            *run(
                "CREATE TABLE t (id INTEGER, s STRUCT(a INTEGER, b VARCHAR))",
                "INSERT INTO t VALUES (1, {'a': 1, 'b': 'x'})",
            ),
            *run(
                "ALTER TABLE t ADD COLUMN s.c INTEGER",
                "ALTER TABLE t RENAME s.a TO z",
                "ALTER TABLE t DROP COLUMN s.b",
                "INSERT INTO t VALUES (2, {'z': 5, 'c': 7})",
            ),
            rows(
                "SELECT * FROM t",
                "id: int32; s: struct<z: int32, c: int32>",
                (1, {"z": 1, "c": None}),
                (2, {"z": 5, "c": 7}),
            ),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "promote-field",
        "the type of a struct's field promoted",
        _EVOLUTION,
        (
            *run("CREATE TABLE t (s STRUCT(a INTEGER))", "INSERT INTO t VALUES ({'a': 1})"),
            *run("ALTER TABLE t ALTER s.a SET TYPE BIGINT", "INSERT INTO t VALUES ({'a': 5000000000})"),
            rows("SELECT * FROM t", "s: struct<a: int64>", ({"a": 1},), ({"a": 5000000000},)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "evolution-inlined",
        "schema evolution over inlined rows",
        _EVOLUTION,
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'x')"),
            *run("ALTER TABLE t ADD COLUMN a INTEGER DEFAULT 7", "ALTER TABLE t RENAME v TO w"),
            *run("ALTER TABLE t ALTER id SET TYPE BIGINT", "INSERT INTO t VALUES (2, 'y', 8)"),
            rows("SELECT * FROM t", "id: int64; w: string; a: int32", (1, "x", 7), (2, "y", 8)),
            look(("inlined-rows", "=", 2), ("data-files", "=", 0)),
        ),
        INLINED,
    ),
)
