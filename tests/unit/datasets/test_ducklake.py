from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.datasets import answers
from lakebench.datasets.choice import chosen
from lakebench.datasets.ducklake import catalog, expected, inspector
from lakebench.datasets.ducklake.feature import DuckLakeFeature, Look, Step
from lakebench.datasets.ducklake.features import FEATURES
from lakebench.datasets.interop.feature import Proof
from lakebench.engines.ducklake import attach_ducklake, unverified
from lakebench.errors import UsageError, WrongAnswer
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, TableFormat

SESSIONS = {"a", "b"}


def steps(feature: DuckLakeFeature) -> list[Step]:
    return [one for one in feature.steps if isinstance(one, Step)]


def test_ids_are_words_of_their_own() -> None:
    ids = [one.id for one in FEATURES]
    assert len(set(ids)) == len(ids)
    assert all(one.replace("-", "").isalnum() and one == one.lower() for one in ids)


@pytest.mark.parametrize("feature", FEATURES, ids=[one.id for one in FEATURES])
def test_a_feature_can_fail(feature: DuckLakeFeature) -> None:
    asserting = [one for one in feature.steps if isinstance(one, Look) and one.proofs]
    asserting += [one for one in steps(feature) if one.columns or one.refusal]  # type: ignore[misc]
    assert asserting
    assert feature.source.startswith("https://ducklake.select/docs/stable/")
    assert set(feature.used) <= SESSIONS
    assert set(feature.sessions) <= set(feature.used)


@pytest.mark.parametrize("feature", FEATURES, ids=[one.id for one in FEATURES])
def test_expected_rows_are_tables(feature: DuckLakeFeature) -> None:
    for one in steps(feature):
        if one.columns:
            assert expected.table(one.columns, one.rows).num_rows == len(one.rows)


def test_proofs_name_facts_that_there_are(tmp_path: Path) -> None:
    facts = inspector.facts(lake(tmp_path), "t")
    proofs = [proof for one in FEATURES for step in one.steps if isinstance(step, Look) for proof in step.proofs]
    assert {proof.fact for proof in proofs} <= set(facts)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("int8", pa.int8()),
        ("utc", pa.timestamp("us", "UTC")),
        ("decimal128(38, 10)", pa.decimal128(38, 10)),
        (
            "list<struct<a: int32, b: map<string, int32>>>",
            pa.list_(pa.struct([("a", pa.int32()), ("b", pa.map_(pa.string(), pa.int32()))])),
        ),
    ],
)
def test_types_are_read_from_text(text: str, kind: pa.DataType) -> None:
    assert expected.kind(text) == kind


def test_a_type_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="integer"):
        expected.kind("integer")


@pytest.mark.parametrize(("value", "same"), [("1.50", True), ("1.51", False)])
def test_a_wrong_value_differs(value: str, same: bool) -> None:
    columns = {"d": "decimal128(5, 2)", "n": "list<int32>"}
    one = expected.table(columns, [(value, [1, None])])
    assert (answers.same_rows(one, expected.table(columns, [("1.50", [1, None])])).diff is None) is same


def test_what_is_taken_at_the_start_is_not_set_afterwards() -> None:
    options = {"allow_unsigned_extensions": "true", "threads": "1", "DATA_INLINING_ROW_LIMIT": "0"}
    lake = Lake("lake", None, Catalog(CatalogKind.DUCKDB, "/l.ducklake", "/l/"), "main", options=options)
    statements = list(attach_ducklake(lake))
    assert statements[0] == "SET threads = '1'"
    assert statements[1].startswith("ATTACH 'ducklake:/l.ducklake' AS ")
    assert "DATA_INLINING_ROW_LIMIT '0'" in statements[1]
    assert not any("unsigned" in one for one in statements)


def test_extensions_of_a_version_that_is_named_are_verified() -> None:
    installed, named = EngineRef("duckdb"), EngineRef("duckdb", "1.4.4")
    assert unverified(installed) == {"allow_unsigned_extensions": "true"}
    assert unverified(named) == unverified(installed, named) == {}


def test_features_are_chosen_by_globs() -> None:
    ids = [one.id for one in FEATURES]
    assert chosen(ids, ["expire*"]) == ("expire", "expire-version")
    assert chosen(ids, []) == tuple(ids)
    with pytest.raises(UsageError, match="did you mean expire"):
        chosen(ids, ["expires"])


# The inspector, on a catalog that was made by hand.

TABLES = {
    "ducklake_snapshot": "snapshot_id INTEGER",
    "ducklake_metadata": "key TEXT, value TEXT, scope TEXT, scope_id INTEGER",
    "ducklake_schema": "schema_id INTEGER, begin_snapshot INTEGER, end_snapshot INTEGER, path TEXT, "
    "path_is_relative INTEGER",
    "ducklake_table": "table_id INTEGER, begin_snapshot INTEGER, end_snapshot INTEGER, schema_id INTEGER, "
    "table_name TEXT, path TEXT, path_is_relative INTEGER",
    "ducklake_column": "column_id INTEGER, begin_snapshot INTEGER, end_snapshot INTEGER, table_id INTEGER, "
    "column_name TEXT, column_type TEXT, nulls_allowed INTEGER, parent_column INTEGER",
    "ducklake_data_file": "data_file_id INTEGER, table_id INTEGER, begin_snapshot INTEGER, end_snapshot INTEGER, "
    "path TEXT, path_is_relative INTEGER, record_count INTEGER, encryption_key TEXT",
    "ducklake_delete_file": "delete_file_id INTEGER, table_id INTEGER, begin_snapshot INTEGER, end_snapshot INTEGER, "
    "path TEXT, path_is_relative INTEGER, delete_count INTEGER, encryption_key TEXT",
    "ducklake_inlined_data_tables": "table_id INTEGER, table_name TEXT",
    "ducklake_inlined_data_1_1": "row_id INTEGER, begin_snapshot INTEGER, end_snapshot INTEGER, id INTEGER",
}
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "ducklake_snapshot": [(0,), (1,), (2,), (3,)],
    "ducklake_metadata": [("version", "1.0", None, None), ("encrypted", "false", None, None)],
    "ducklake_schema": [(0, 0, None, "main/", 1)],
    "ducklake_table": [(1, 1, None, 0, "t", "t/", 1), (2, 1, 2, 0, "gone", "gone/", 1)],
    "ducklake_column": [(1, 1, None, 1, "id", "int32", 0, None)],
    "ducklake_data_file": [
        (1, 1, 2, None, "live.parquet", 1, 3, None),
        (2, 1, 1, 2, "old.parquet", 1, 1, None),
        (3, 1, 2, None, "secret.parquet", 1, 1, "key"),
    ],
    "ducklake_delete_file": [(4, 1, 3, None, "gone-delete.parquet", 1, 2, None)],
    "ducklake_inlined_data_tables": [(1, "ducklake_inlined_data_1_1")],
    "ducklake_inlined_data_1_1": [(0, 1, None, 5), (1, 1, 2, 6)],
}


def lake(folder: Path) -> Lake:
    """A catalog in SQLite, a live file, one that is not Parquet, one nobody knows, and an absent delete file."""
    with sqlite3.connect(folder / "m.sqlite") as made:
        for name, columns in TABLES.items():
            made.execute(f"CREATE TABLE {name} ({columns})")
            for row in ROWS[name]:
                made.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
    made.close()
    home = folder / "d" / "main" / "t"
    home.mkdir(parents=True)
    pq.write_table(pa.table({"id": [1, 2, 3]}), home / "live.parquet")
    pq.write_table(pa.table({"id": [2, 1]}), home / "nobodys.parquet")
    (home / "secret.parquet").write_bytes(b"no Parquet")
    made_of = Catalog(CatalogKind.SQLITE, str(folder / "m.sqlite"), f"{folder}/d/")
    return Lake("lake", None, made_of, "main", TableFormat.DUCKLAKE)


def test_the_inspector_reads_catalog_and_files(tmp_path: Path) -> None:
    facts = inspector.facts(lake(tmp_path), "t")
    wanted = {
        "format": "1.0",
        "snapshots": 4,
        "newest": 3,
        "tables": ["t"],
        "columns": {"id": "int32"},
        "required": ["id"],
        "data-files": 2,
        "delete-files": 1,
        "rows-in-files": 3,
        "rows-told": 4,
        "unreadable-files": 1,
        "with-keys": 1,
        "inlined-rows": 1,
        "inlined-deletes": 0,
        "files-in-storage": 3,
        "absent-files": 1,
        "orphans": 1,
        "sorted-files": 1,
        "rows-in-delete-files": 0,
        "foreign-files": 0,
        "codecs": ["SNAPPY"],
        "views": [],
    }
    assert {name: facts[name] for name in wanted} == wanted


def test_live_addresses_are_absolute(tmp_path: Path) -> None:
    home = f"{tmp_path}/d/main/t"
    assert catalog.addresses(lake(tmp_path), "t") == [f"{home}/live.parquet", f"{home}/secret.parquet"]


def test_a_table_that_the_newest_snapshot_has_not(tmp_path: Path) -> None:
    with pytest.raises(WrongAnswer, match="no table gone at snapshot 3"):
        inspector.facts(lake(tmp_path), "gone")


def test_a_proof_that_does_not_hold_is_reported(tmp_path: Path) -> None:
    proof = [Proof("inlined-rows", "=", 2), Proof("data-files", "=", 2)]
    assert inspector.inspect(lake(tmp_path), "t", proof).missing == ("inlined-rows = 2: found 1",)


def test_a_catalog_that_is_locked_is_not_one_without_the_table(tmp_path: Path) -> None:
    import contextlib

    with contextlib.closing(sqlite3.connect(tmp_path / "locked.sqlite")) as held:
        held.execute("CREATE TABLE ducklake_snapshot (snapshot_id INTEGER)")
        held.commit()
        held.execute("BEGIN EXCLUSIVE")
        of = Lake("l", None, Catalog(CatalogKind.SQLITE, str(tmp_path / "locked.sqlite"), "/l/"))
        metadata = catalog.Metadata(of)
        metadata._connection.execute("PRAGMA busy_timeout = 0")
        with metadata, pytest.raises(sqlite3.OperationalError, match="locked"):
            metadata.rows("ducklake_snapshot")
        held.rollback()
        with catalog.Metadata(of) as free:
            assert (free.rows("ducklake_snapshot"), free.rows("ducklake_table")) == ([], [])
