"""Rows: inlined ones, DELETE, UPDATE, MERGE, TRUNCATE, delete files and deletion vectors."""

from __future__ import annotations

from lakebench.datasets.ducklake.feature import DOCS, FILES, INLINED, DuckLakeFeature, look, rows, run

_INLINING = f"{DOCS}duckdb/advanced_features/data_inlining"
_KEYED = "id: int32; v: string"
_COUNT = "SELECT count(*) AS n FROM t"
_HUNDRED = run("CREATE TABLE t (id INTEGER)", "INSERT INTO t SELECT range FROM range(100)")

ALL: tuple[DuckLakeFeature, ...] = (
    DuckLakeFeature(
        "inlined-insert",
        "small inserts stay in the catalog until they are flushed",
        _INLINING,
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'x'), (2, 'y')"),
            look(("inlined-rows", "=", 2), ("files-in-storage", "=", 0)),
            rows("SELECT * FROM t", _KEYED, (1, "x"), (2, "y")),
            *run("CALL ducklake_flush_inlined_data('lake')"),
            look(("inlined-rows", "=", 0), ("data-files", "=", 1), ("rows-in-files", "=", 2)),
            rows("SELECT * FROM t", _KEYED, (1, "x"), (2, "y")),
        ),
        INLINED,
    ),
    DuckLakeFeature(
        "inlined-insert-limit",
        "an insert above the limit is a file; the limit of a table overrides it",
        _INLINING,
        (
            *run(
                "CREATE TABLE t (id INTEGER)", "CALL lake.set_option('data_inlining_row_limit', 3, table_name => 't')"
            ),
            *run("INSERT INTO t VALUES (1), (2), (3)", "INSERT INTO t SELECT range FROM range(5)"),
            rows(_COUNT, "n: int64", (8,)),
            look(("data-files", "=", 1), ("rows-in-files", "=", 5), ("inlined-rows", "=", 3)),
        ),
        INLINED,
    ),
    DuckLakeFeature(
        "inlined-delete",
        "a small delete from a file stays in the catalog until it is flushed",
        _INLINING,
        (
            *_HUNDRED,
            *run("DELETE FROM t WHERE id < 2"),
            look(("inlined-deletes", "=", 2), ("delete-files", "=", 0), ("rows-in-files", "=", 100)),
            rows("SELECT count(*) AS n, min(id) AS a FROM t", "n: int64; a: int32", (98, 2)),
            *run("CALL ducklake_flush_inlined_data('lake')"),
            look(("inlined-deletes", "=", 0), ("delete-files", "=", 1), ("rows-in-delete-files", "=", 2)),
            rows("SELECT count(*) AS n, min(id) AS a FROM t", "n: int64; a: int32", (98, 2)),
        ),
        INLINED,
    ),
    DuckLakeFeature(
        "inlined-flush-history",
        "a flush keeps time travel to before a delete of an inlined row",
        _INLINING,
        (
            *run(
                "CREATE TABLE t (id INTEGER)", "INSERT INTO t SELECT range FROM range(8)", "DELETE FROM t WHERE id = 2"
            ),
            *run("DELETE FROM t WHERE id = 5", "CALL ducklake_flush_inlined_data('lake')"),
            rows("SELECT count(*) AS n FROM t AT (VERSION => 2)", "n: int64", (8,)),
            rows("SELECT count(*) AS n FROM t AT (VERSION => 3)", "n: int64", (7,)),
            rows("SELECT * FROM t", "id: int32", (0,), (1,), (3,), (4,), (6,), (7,)),
            look(("inlined-rows", "=", 0), ("data-files", "=", 1)),
        ),
        INLINED,
    ),
    DuckLakeFeature(
        "delete",
        "DELETE writes a delete file; the data file stays as it is",
        f"{DOCS}specification/tables/ducklake_delete_file",
        (
            *_HUNDRED,
            *run("DELETE FROM t WHERE id < 10"),
            look(("delete-files", "=", 1), ("rows-in-delete-files", "=", 10), ("rows-in-files", "=", 100)),
            *run("DELETE FROM t WHERE id < 15"),
            rows("SELECT count(*) AS n, min(id) AS a FROM t", "n: int64; a: int32", (85, 15)),
            look(("delete-files", "=", 1), ("rows-in-delete-files", "=", 15), ("data-files", "=", 1)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "delete-all",
        "DELETE of every row of a file drops the file from the table",
        f"{DOCS}specification/tables/ducklake_delete_file",
        (
            *_HUNDRED,
            *run("DELETE FROM t"),
            rows(_COUNT, "n: int64", (0,)),
            rows("SELECT count(*) AS n FROM t AT (VERSION => 2)", "n: int64", (100,)),
            look(("data-files", "=", 0), ("delete-files", "=", 0), ("files-in-storage", "=", 1)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "update",
        "UPDATE deletes and writes anew",
        f"{DOCS}duckdb/introduction",
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"),
            *run("UPDATE t SET v = upper(v), id = id + 10 WHERE id > 1"),
            rows("SELECT * FROM t", _KEYED, (1, "a"), (12, "B"), (13, "C")),
            look(("data-files", "=", 2), ("rows-in-files", "=", 5), ("rows-in-delete-files", "=", 2)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "merge",
        "MERGE INTO: update, insert; and delete",
        f"{DOCS}duckdb/usage/upserting",
        (
            *run("CREATE TABLE t (id INTEGER, v VARCHAR)", "INSERT INTO t VALUES (1, 'John'), (2, 'Anna')"),
            *run(
                "MERGE INTO t USING (SELECT unnest([3, 1]) AS id, unnest(['Sarah', 'Jim']) AS v) AS s ON (s.id = t.id) "
                "WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT"
            ),
            rows("SELECT * FROM t", _KEYED, (1, "Jim"), (2, "Anna"), (3, "Sarah")),
            *run(
                "MERGE INTO t USING (SELECT unnest([3, 2]) AS id) AS s ON (s.id = t.id) "
                "WHEN MATCHED AND t.v > 'B' THEN DELETE"
            ),
            rows("SELECT * FROM t", _KEYED, (1, "Jim"), (2, "Anna")),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "truncate",
        "TRUNCATE, and time travel to before it",
        f"{DOCS}duckdb/introduction",
        (
            *_HUNDRED,
            *run("TRUNCATE t"),
            rows(_COUNT, "n: int64", (0,)),
            rows("SELECT count(*) AS n FROM t AT (VERSION => 2)", "n: int64", (100,)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "deletion-vector",
        "deletion vectors in the place of delete files (experimental)",
        f"{DOCS}duckdb/usage/configuration",
        (
            *_HUNDRED,
            *run("CALL lake.set_option('write_deletion_vectors', true)", "DELETE FROM t WHERE id < 10"),
            rows("SELECT count(*) AS n, min(id) AS a FROM t", "n: int64; a: int32", (90, 10)),
            *run("DELETE FROM t WHERE id = 50"),
            look(("delete-files", "=", 1), ("delete-formats", "=", ["puffin"]), ("rows-in-delete-files", "=", 11)),
            rows(_COUNT, "n: int64", (89,)),
        ),
        FILES,
    ),
)
