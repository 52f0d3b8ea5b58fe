"""Tables, views, macros, comments, constraints, options, and the functions that list them."""

from __future__ import annotations

from lakebench.datasets.ducklake.feature import DOCS, FILES, DuckLakeFeature, look, no, rows, run

_DUCKDB = f"{DOCS}duckdb/"
_KEYED = "id: int32; v: string"

ALL: tuple[DuckLakeFeature, ...] = (
    DuckLakeFeature(
        "create-insert-read",
        "create, insert and read",
        f"{_DUCKDB}introduction",
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'one'), (2, 'two')"),
            *run("INSERT INTO t SELECT range + 10, 'many' FROM range(100)"),
            rows("SELECT * FROM t WHERE id < 11", _KEYED, (1, "one"), (2, "two"), (10, "many")),
            rows(
                "SELECT count(*) AS n, min(id) AS a, max(id) AS b FROM t", "n: int64; a: int32; b: int32", (102, 1, 109)
            ),
            look(("snapshots", "=", 4), ("newest", "=", 3), ("tables", "=", ["t"])),
            rows("SELECT count(*) AS n FROM t", "n: int64", (102,)),
        ),
    ),
    DuckLakeFeature(
        "create-as-select",
        "CREATE TABLE AS, CREATE OR REPLACE, IF NOT EXISTS, DROP",
        f"{_DUCKDB}introduction",
        (
            *run("CREATE TABLE t AS SELECT range AS id FROM range(20)", "CREATE TABLE IF NOT EXISTS t (other INTEGER)"),
            rows("SELECT count(*) AS n FROM t", "n: int64", (20,)),
            *run(
                "CREATE OR REPLACE TABLE t AS SELECT 1 AS id, 'x' AS v",
                "CREATE TABLE gone (i INTEGER)",
                "DROP TABLE gone",
            ),
            rows("SELECT * FROM t", _KEYED, (1, "x")),
            no("SELECT * FROM gone", "does not exist"),
            look(("tables", "=", ["t"]), ("columns", "=", {"id": "int32", "v": "varchar"})),
        ),
    ),
    DuckLakeFeature(
        "schemas",
        "schemas: created, qualified, dropped with their tables",
        f"{_DUCKDB}usage/paths",
        (
            *run(
                "CREATE SCHEMA other",
                "CREATE TABLE other.t (i INTEGER)",
                "CREATE TABLE t (i INTEGER)",
                "INSERT INTO other.t VALUES (7)",
                "INSERT INTO t VALUES (1)",
            ),
            rows("SELECT i FROM lake.other.t", "i: int32", (7,)),
            no("DROP SCHEMA other", "depend|not empty|contains"),
            *run("DROP SCHEMA other CASCADE"),
            no("SELECT * FROM other.t", "does not exist"),
            rows("SELECT i FROM t", "i: int32", (1,)),
        ),
    ),
    DuckLakeFeature(
        "not-null",
        "NOT NULL: kept, set and dropped",
        f"{_DUCKDB}advanced_features/constraints",
        (
            *run("CREATE TABLE t (id INTEGER NOT NULL, v VARCHAR)", "INSERT INTO t VALUES (1, 'x')"),
            no("INSERT INTO t VALUES (NULL, 'y')", "NOT NULL"),
            *run("ALTER TABLE t ALTER v SET NOT NULL"),
            no("INSERT INTO t VALUES (2, NULL)", "NOT NULL"),
            *run("ALTER TABLE t ALTER v DROP NOT NULL", "INSERT INTO t VALUES (3, NULL)"),
            no("ALTER TABLE t ALTER v SET NOT NULL", "NULL"),
            rows("SELECT * FROM t", _KEYED, (1, "x"), (3, None)),
            look(("required", "=", ["id"])),
        ),
    ),
    DuckLakeFeature(
        "defaults",
        "default values: literals, changed later",
        f"{_DUCKDB}unsupported_features",
        (
            *run(
                "CREATE TABLE t (id INTEGER, v VARCHAR DEFAULT 'first', d DATE DEFAULT '2025-08-08')",
                "INSERT INTO t (id) VALUES (1)",
                "ALTER TABLE t ALTER v SET DEFAULT 'second'",
                "INSERT INTO t (id) VALUES (2)",
                "ALTER TABLE t ALTER v DROP DEFAULT",
                "INSERT INTO t (id) VALUES (3)",
            ),
            rows(
                "SELECT * FROM t",
                "id: int32; v: string; d: date32",
                (1, "first", "2025-08-08"),
                (2, "second", "2025-08-08"),
                (3, None, "2025-08-08"),
            ),
        ),
    ),
    DuckLakeFeature(
        "default-expression",
        "default values that are no literals",
        f"{_DUCKDB}unsupported_features",
        (
            *run("CREATE TABLE t (id INTEGER, d DATE DEFAULT now())", "INSERT INTO t (id) VALUES (1)"),
            rows("SELECT id, d >= DATE '2025-01-01' AS set FROM t", "id: int32; set: bool", (1, True)),
        ),
    ),
    DuckLakeFeature(
        "views",
        "views: created, read, renamed, dropped",
        f"{_DUCKDB}advanced_features/views",
        (
            *run(
                "CREATE TABLE t (id INTEGER, v VARCHAR)",
                "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
                "CREATE VIEW few AS SELECT id FROM t WHERE v = 'y'",
                "CREATE VIEW gone AS SELECT 1",
                "DROP VIEW gone",
            ),
            rows("SELECT * FROM few", "id: int32", (2,)),
            look(("views", "=", ["few"])),
            rows("SELECT * FROM few", "id: int32", (2,)),
        ),
    ),
    DuckLakeFeature(
        "macros",
        "macros: scalar, table, defaults, dropped",
        f"{_DUCKDB}advanced_features/macros",
        (
            *run(
                "CREATE TABLE t (id INTEGER)",
                "INSERT INTO t VALUES (1), (200)",
                "CREATE MACRO plus(a, b := 10) AS a + b",
                "CREATE MACRO above(n) AS TABLE SELECT * FROM t WHERE id > n",
                "CREATE MACRO gone() AS 1",
                "DROP MACRO gone",
            ),
            look(("macros", "=", ["above", "plus"])),
            rows("SELECT plus(5) AS a, plus(40, 2) AS b", "a: int32; b: int32", (15, 42)),
            rows("SELECT * FROM above(100)", "id: int32", (200,)),
        ),
    ),
    DuckLakeFeature(
        "comments",
        "comments on tables, views and columns",
        f"{_DUCKDB}advanced_features/comments",
        (
            *run(
                "CREATE TABLE t (id INTEGER)",
                "CREATE VIEW w AS SELECT * FROM t",
                "COMMENT ON TABLE t IS 'old'",
                "COMMENT ON TABLE t IS 'very nice table'",
                "COMMENT ON VIEW w IS 'a view'",
                "COMMENT ON COLUMN t.id IS 'a key'",
            ),
            rows("SELECT comment FROM duckdb_tables() WHERE table_name = 't'", "comment: string", ("very nice table",)),
            rows(
                "SELECT comment FROM duckdb_columns() WHERE table_name = 't' AND column_name = 'id'",
                "comment: string",
                ("a key",),
            ),
            look(("comments", "=", ["a view", "very nice table"]), ("column-comments", "=", ["a key"])),
        ),
    ),
    DuckLakeFeature(
        "options",
        "options of a table",
        f"{_DUCKDB}usage/configuration",
        (
            *run(
                "CREATE TABLE t (id INTEGER)",
                "CREATE TABLE plain (id INTEGER)",
                "CALL lake.set_option('parquet_compression', 'zstd', table_name => 't')",
                "INSERT INTO t SELECT range FROM range(50)",
                "INSERT INTO plain SELECT range FROM range(50)",
            ),
            rows(
                "SELECT value FROM lake.options() WHERE option_name = 'parquet_compression'", "value: string", ("zstd",)
            ),
            look(("codecs", "=", ["ZSTD"])),
            look(("codecs", "=", ["SNAPPY"]), table="plain"),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "settings",
        "the settings of the lake",
        f"{_DUCKDB}usage/configuration",
        (
            *run("CREATE TABLE t (id INTEGER)"),
            rows("SELECT data_path = '{data}' AS same FROM lake.settings()", "same: bool", (True,)),
        ),
    ),
    DuckLakeFeature(
        "read-only",
        "attached read-only it reads, and refuses to write",
        f"{_DUCKDB}usage/connecting",
        (
            *run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)"),
            look(),
            rows("SELECT * FROM t", "id: int32", (1,), session="b"),
            no("INSERT INTO t VALUES (2)", "read-only", session="b"),
            no("CREATE TABLE u (i INTEGER)", "read-only", session="b"),
            look(("newest", "=", 2), ("tables", "=", ["t"])),
        ),
        sessions={"b": {"READ_ONLY": "true"}},
    ),
    DuckLakeFeature(
        "introspection",
        "ducklake_snapshots, ducklake_table_info, ducklake_list_files, current_snapshot",
        f"{_DUCKDB}usage/snapshots",
        (
            *run(
                "CREATE TABLE t (id INTEGER)", "INSERT INTO t SELECT range FROM range(30)", "DELETE FROM t WHERE id < 5"
            ),
            rows(
                "SELECT snapshot_id, schema_version, map_keys(changes) AS did FROM ducklake_snapshots('lake')",
                "snapshot_id: int64; schema_version: int64; did: list<string>",
                (0, 0, ["schemas_created"]),
                (1, 1, ["tables_created"]),
                (2, 1, ["tables_inserted_into"]),
                (3, 1, ["tables_deleted_from"]),
            ),
            rows(
                "SELECT table_name, file_count, delete_file_count FROM ducklake_table_info('lake')",
                "table_name: string; file_count: int64; delete_file_count: int64",
                ("t", 1, 1),
            ),
            rows(
                "SELECT count(data_file) AS n, count(delete_file) AS d FROM ducklake_list_files('lake', 't')",
                "n: int64; d: int64",
                (1, 1),
            ),
            rows(
                "SELECT count(*) AS n, count(delete_file) AS d "
                "FROM ducklake_list_files('lake', 't', snapshot_version => 2)",
                "n: int64; d: int64",
                (1, 0),
            ),
            rows("SELECT id FROM lake.current_snapshot()", "id: uint64", (3,)),
            look(("data-files", "=", 1), ("delete-files", "=", 1), ("newest", "=", 3)),
        ),
        FILES,
    ),
)
