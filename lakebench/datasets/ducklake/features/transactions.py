"""Transactions: all or nothing, isolation between two processes, and conflicts."""

from __future__ import annotations

from lakebench.datasets.ducklake.feature import DOCS, FILES, INLINED, DuckLakeFeature, look, no, rows, run

_SOURCE = f"{DOCS}duckdb/advanced_features/transactions"
_CONFLICTS = f"{DOCS}duckdb/advanced_features/conflict_resolution"
_COUNT = "SELECT count(*) AS n FROM t"
_CONFLICT = "[Cc]onflict"

ALL: tuple[DuckLakeFeature, ...] = (
    DuckLakeFeature(
        "commit",
        "a transaction over two tables is one snapshot",
        _SOURCE,
        (
            *run("CREATE TABLE t (id INTEGER)", "CREATE TABLE u (id INTEGER)", "BEGIN"),
            *run("INSERT INTO t VALUES (1)", "INSERT INTO u VALUES (1), (2)", "COMMIT"),
            rows("SELECT (SELECT count(*) FROM t) AS a, (SELECT count(*) FROM u) AS b", "a: int64; b: int64", (1, 2)),
            look(("newest", "=", 3), ("snapshots", "=", 4)),
        ),
    ),
    DuckLakeFeature(
        "rollback",
        "a rollback leaves no rows, no table and no snapshot",
        _SOURCE,
        (
            *run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)", "BEGIN"),
            *run(
                "INSERT INTO t SELECT range FROM range(100)", "DELETE FROM t WHERE id = 1", "CREATE TABLE u (i INTEGER)"
            ),
            *run("ALTER TABLE t ADD COLUMN v VARCHAR", "ROLLBACK"),
            rows("SELECT * FROM t", "id: int32", (1,)),
            no("SELECT * FROM u", "does not exist"),
            look(
                ("newest", "=", 2), ("tables", "=", ["t"]), ("columns", "=", {"id": "int32"}), ("rows-in-files", "=", 1)
            ),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "own-writes",
        "a transaction reads its own writes, also of a table that it made",
        _SOURCE,
        (
            *run(
                "BEGIN",
                "CREATE TABLE t (id INTEGER)",
                "INSERT INTO t VALUES (1), (2)",
                "UPDATE t SET id = 3 WHERE id = 1",
            ),
            rows("SELECT * FROM t", "id: int32", (2,), (3,)),
            *run("DELETE FROM t WHERE id = 2", "COMMIT"),
            rows("SELECT * FROM t", "id: int32", (3,)),
            look(("newest", "=", 1)),
        ),
    ),
    DuckLakeFeature(
        "processes-isolation",
        "two processes: a reader inside a transaction does not see a later commit, and sees it afterwards",
        _SOURCE,
        (
            *run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1)"),
            *run("BEGIN", session="b"),
            rows(_COUNT, "n: int64", (1,), session="b"),
            *run("INSERT INTO t VALUES (2), (3)"),
            rows(_COUNT, "n: int64", (1,), session="b"),
            rows(_COUNT, "n: int64", (3,)),
            *run("COMMIT", session="b"),
            rows(_COUNT, "n: int64", (3,), session="b"),
        ),
    ),
    DuckLakeFeature(
        "processes-uncommitted",
        "two processes: what is not committed is not seen by the other",
        _SOURCE,
        (
            *run("CREATE TABLE t (id INTEGER)", "BEGIN", "INSERT INTO t SELECT range FROM range(20)"),
            rows(_COUNT, "n: int64", (0,), session="b"),
            *run("COMMIT"),
            rows(_COUNT, "n: int64", (20,), session="b"),
        ),
    ),
    DuckLakeFeature(
        "processes-appends",
        "two processes: both appends of overlapping transactions are kept",
        _CONFLICTS,
        (
            *run("CREATE TABLE t (id INTEGER)", "BEGIN"),
            *run("BEGIN", session="b"),
            *run("INSERT INTO t VALUES (1)"),
            *run("INSERT INTO t VALUES (2)", session="b"),
            *run("COMMIT"),
            *run("COMMIT", session="b"),
            rows("SELECT * FROM t", "id: int32", (1,), (2,)),
            look(("newest", "=", 3)),
        ),
    ),
    DuckLakeFeature(
        "processes-update-conflict",
        "two processes update one row in overlapping transactions: the second one is refused",
        _CONFLICTS,
        (
            *run("CREATE TABLE t (id INTEGER, v INTEGER)", "INSERT INTO t VALUES (1, 0)", "BEGIN"),
            *run("BEGIN", session="b"),
            *run("UPDATE t SET v = v + 1"),
            *run("UPDATE t SET v = v + 10", session="b"),
            *run("COMMIT"),
            no("COMMIT", _CONFLICT, session="b"),
            rows("SELECT * FROM t", "id: int32; v: int32", (1, 1)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "processes-inlined-conflict",
        "the same with inlined rows",
        _CONFLICTS,
        (
            *run("CREATE TABLE t (id INTEGER, v INTEGER)", "INSERT INTO t VALUES (1, 0)", "BEGIN"),
            *run("BEGIN", session="b"),
            *run("UPDATE t SET v = v + 1"),
            *run("UPDATE t SET v = v + 10", session="b"),
            *run("COMMIT"),
            no("COMMIT", _CONFLICT, session="b"),
            rows("SELECT * FROM t", "id: int32; v: int32", (1, 1)),
        ),
        INLINED,
    ),
    DuckLakeFeature(
        "processes-create-conflict",
        "two processes create one table in overlapping transactions: the second one is refused",
        _CONFLICTS,
        (
            *run("CREATE TABLE t (id INTEGER)", "BEGIN"),
            *run("BEGIN", session="b"),
            *run("CREATE TABLE u (a INTEGER)"),
            *run("CREATE TABLE u (b INTEGER)", session="b"),
            *run("COMMIT"),
            no("COMMIT", _CONFLICT, session="b"),
            look(("columns", "=", {"a": "int32"}), table="u"),
        ),
    ),
    DuckLakeFeature(
        "processes-alter-conflict",
        "a process inserts into a table that the other altered meanwhile: it is refused",
        _CONFLICTS,
        (
            *run("CREATE TABLE t (id INTEGER)", "BEGIN"),
            *run("BEGIN", session="b"),
            *run("ALTER TABLE t ADD COLUMN v INTEGER"),
            *run("INSERT INTO t SELECT range FROM range(20)", session="b"),
            *run("COMMIT"),
            no("COMMIT", _CONFLICT, session="b"),
            rows(_COUNT, "n: int64", (0,)),
        ),
    ),
    DuckLakeFeature(
        "commit-message",
        "author and message of a snapshot",
        f"{DOCS}duckdb/usage/snapshots",
        (
            *run("CREATE TABLE t (id INTEGER)", "BEGIN", "INSERT INTO t VALUES (1)"),
            *run("CALL lake.set_commit_message('Pedro', 'Inserting myself', extra_info => '{\"k\": 7}')", "COMMIT"),
            rows(
                "SELECT author, commit_message, commit_extra_info FROM ducklake_snapshots('lake') "
                "WHERE snapshot_id = 2",
                "author: string; commit_message: string; commit_extra_info: string",
                ("Pedro", "Inserting myself", '{"k": 7}'),
            ),
        ),
    ),
)
