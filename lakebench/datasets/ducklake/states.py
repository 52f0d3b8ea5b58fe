"""States of one DuckLake table that other engines have to read, and the statements for each engine.

A reader has to return what DuckLake itself returns: rows written by hand. Statements for one engine are data here, in
that engine's own SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakebench.datasets.ducklake.feature import FILES, Step, run

TABLE = "t"


@dataclass(frozen=True)
class State:
    """A table as ``steps`` leave it; ``query`` is plain SQL for any engine, ``rows`` its exact answer.

    ``columns`` are name → Arrow type; ``options`` those of ATTACH.
    """

    id: str
    title: str
    steps: tuple[Step, ...]
    rows: tuple[tuple[Any, ...], ...]
    options: Mapping[str, str]
    columns: tuple[str, str] = ("id", "name")

    @property
    def query(self) -> str:
        """The query for every reader."""
        return f"SELECT {', '.join(self.columns)} FROM {TABLE}"

    @property
    def types(self) -> Mapping[str, str]:
        """The columns with their Arrow types."""
        return dict(zip(self.columns, ("int32", "string"), strict=True))


_BEGIN = run(
    "CREATE TABLE t (id INTEGER, name VARCHAR)",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')",
)
_ALL = ((1, "one"), (2, "two"), (3, "three"))
_WITHOUT_TWO = (_ALL[0], _ALL[2])
_DELETE = run("DELETE FROM t WHERE id = 2")

STATES: tuple[State, ...] = (
    State("insert", "after inserts", _BEGIN, _ALL, FILES),
    State("delete", "after a delete", (*_BEGIN, *_DELETE), _WITHOUT_TWO, FILES),
    State(
        "update",
        "after an update",
        (*_BEGIN, *run("UPDATE t SET name = 'deux' WHERE id = 2")),
        (*_WITHOUT_TWO, (2, "deux")),
        FILES,
    ),
    State(
        "inlined-insert",
        "with inlined rows",
        (*_BEGIN, *run("INSERT INTO t VALUES (4, 'four')")),
        (*_ALL, (4, "four")),
        {"DATA_INLINING_ROW_LIMIT": "2"},
    ),
    State(
        "inlined-delete",
        "with an inlined delete",
        (*_BEGIN, *_DELETE),
        _WITHOUT_TWO,
        {"DATA_INLINING_ROW_LIMIT": "2"},
    ),
    State(
        "rename",
        "after a column was renamed",
        (*_BEGIN, *run("ALTER TABLE t RENAME name TO label", "INSERT INTO t VALUES (4, 'four')")),
        (*_ALL, (4, "four")),
        FILES,
        ("id", "label"),
    ),
    State(
        "merged",
        "after files were merged, before the cleanup",
        (*_BEGIN, *run("INSERT INTO t VALUES (4, 'four')", "CALL ducklake_merge_adjacent_files('lake')")),
        (*_ALL, (4, "four")),
        FILES,
    ),
    State(
        "partitioned",
        "partitioned",
        (
            *run("CREATE TABLE t (id INTEGER, name VARCHAR)", "ALTER TABLE t SET PARTITIONED BY (name)"),
            *run("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')"),
        ),
        _ALL,
        FILES,
    ),
    State("encrypted", "encrypted", _BEGIN, _ALL, {**FILES, "ENCRYPTED": "true"}),
    State(
        "cleaned",
        "after a delete, rewritten, expired and cleaned up",
        (
            *_BEGIN,
            *_DELETE,
            *run(
                "CALL ducklake_rewrite_data_files('lake', 't', delete_threshold => 0)",
                "CALL ducklake_expire_snapshots('lake', older_than => now() + INTERVAL '1 hour')",
                "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)",
            ),
        ),
        _WITHOUT_TWO,
        FILES,
    ),
)

CONNECTORS: Mapping[str, str] = {
    "trino": "CREATE CATALOG lakebench_ducklake USING ducklake WITH (\"connection-url\" = '{uri}')",
    "spark": "CREATE TEMPORARY VIEW lakebench_ducklake USING ducklake OPTIONS (path '{uri}')",
}
"""Engine → the statement that needs a connector in its server; ``{uri}`` is the address of the catalog."""

IMPORTS: Mapping[str, tuple[str, ...]] = {
    "trino": (
        "CREATE SCHEMA IF NOT EXISTS {namespace}",
        "CREATE TABLE {namespace}.{table} ({first} INTEGER, {second} VARCHAR)",
        """ALTER TABLE {namespace}.{table}
        EXECUTE add_files(location => '{folder}', format => 'PARQUET', recursive_directory => 'TRUE')""",
    )
}
"""Engine → statements that make files of ``{folder}`` a table of its own, where it reads no plain Parquet."""

LISTINGS: Mapping[str, str] = {
    "spark": "CREATE OR REPLACE TEMPORARY VIEW live_files USING org.apache.spark.sql.jdbc OPTIONS ("
    "driver 'org.postgresql.Driver', url 'jdbc:{uri}', user '{user}', password '{password}', "
    "dbtable '(SELECT path FROM \"{schema}\".ducklake_data_file WHERE end_snapshot IS NULL) AS f')"
}
"""Engine → a view ``live_files`` with the paths of the live data files, read from a catalog in PostgreSQL by JDBC."""
