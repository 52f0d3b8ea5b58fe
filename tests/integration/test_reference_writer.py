"""What the reference writer makes, seen by the inspector and by PyIceberg and DuckDB, who had no part in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from started import QUICK

from lakebench.datasets.interop import inspector
from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.engines.reference.engine import Reference
from lakebench.engines.reference.rows import Live
from lakebench.engines.reference.schema import ROW_ID
from lakebench.engines.reference.table import OpenTable
from lakebench.errors import CommitConflict, EngineUnavailable, Refused
from lakebench.iceberg.catalogs import table_metadata
from lakebench.iceberg.operations import (
    Append,
    Compact,
    Concurrent,
    Create,
    Delete,
    EqualityDelete,
    ExpireSnapshots,
    Merge,
    Operation,
    Row,
    SetProperties,
    Update,
)
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field
from lakebench.model import EngineSettings, Lake
from lakebench.processes import worker
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services, lakes

pytestmark = pytest.mark.integration

COLUMNS = (Field("id", "int"), Field("v", "string"))
ROWS: tuple[Row, ...] = ((1, "a"), (2, "b"), (3, None))
MORE: tuple[Row, ...] = ((4, "d"), (5, "e"))


class Written:
    """The reference writer on a lake, and what others see there."""

    def __init__(self, lake: Lake, folder: str) -> None:
        self.lake, self._settings = lake, EngineSettings(2, 2 * 2**30, folder)
        self.writer = Reference(self._settings)
        self.writer.open(lake)
        self._readers: dict[type[Any], Any] = {}
        self.statements: list[str] = []

    def do(self, *operations: Operation) -> list[list[bool]]:
        self.statements.clear()
        done = [self.writer.operate(one, self.statements.append) for one in operations]
        return [one for one in done if one is not None]

    def metadata(self, table: str) -> dict[str, Any]:
        metadata: dict[str, Any] = table_metadata(self.lake.catalog, self.lake.namespace, table)["metadata"]
        return metadata

    def facts(self, table: str) -> dict[str, Any]:
        inspected = inspector.inspect(self.metadata(table), self.lake.objects)
        assert inspected.violations == ()
        return dict(inspected.facts)

    def table(self, name: str) -> OpenTable:
        return OpenTable(self.writer._store, self.metadata(name))

    def read(self, reader: type[Any], table: str, **more: Any) -> list[Row]:
        if reader not in self._readers:
            self._readers[reader] = reader(self._settings)
            self._readers[reader].open(self.lake)
        batches, schema = worker.drain(self._readers[reader].scan(Scan(table, fields=COLUMNS, **more)))
        rows = pa.Table.from_batches(batches, schema).to_pylist()
        return sorted((tuple(row.values()) for row in rows), key=repr)

    def close(self) -> None:
        for one in self._readers.values():
            one.close()
        self.writer.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    with Guard("reference") as guard:
        services = Services(QUICK, guard, Quiet())
        services.start(["object-store", "rest-catalog"])
        assert services.failures() == {}
        lake = dataclasses.replace(lakes.rest_lake(services), namespace="reference")
        made = Written(lake, str(tmp_path_factory.mktemp("reference")))
        yield made
        made.close()
        services.stop()


def made(written: Written, table: str, version: int = 2, **properties: str) -> None:
    given = {one.replace("_", "."): value for one, value in properties.items()}
    written.do(
        Create(table=table, columns=COLUMNS, format_version=version, properties=given),
        Append(table=table, fields=COLUMNS, rows=ROWS),
        Append(table=table, fields=COLUMNS, rows=MORE),
    )


def ids(*numbers: int) -> tuple[Condition, ...]:
    return (Condition("id", "in", numbers),)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_changes_of_rows_are_read_by_others(version: int, written: Written) -> None:
    table = f"changed_{version}"
    made(written, table, version)
    written.do(
        Delete(table=table, fields=COLUMNS, where=ids(1, 4)),
        Update(table=table, fields=COLUMNS, where=ids(2), values={"v": "new"}),
        Merge(table=table, fields=COLUMNS, rows=((3, "c"), (9, "i"))),
    )
    expected = [(2, "new"), (3, "c"), (5, "e"), (9, "i")]
    assert written.facts(table)["format-version"] == version
    assert {"p": written.read(PyIceberg, table), "d": written.read(DuckDB, table)} == {"p": expected, "d": expected}


def test_one_delete_has_one_puffin_file(written: Written) -> None:
    made(written, "vectors", 3)
    written.do(Delete(table="vectors", fields=COLUMNS, where=ids(2, 4)))
    vectors = [one.file for one in Live(written.table("vectors")).deletes]
    assert len({one.path for one in vectors}) == 1
    assert len({one.offset for one in vectors}) == 2
    assert written.read(DuckDB, "vectors") == [(1, "a"), (3, None), (5, "e")]


def test_row_ids_stay_with_their_rows(written: Written) -> None:
    made(written, "lineage", 3)

    def known() -> dict[int, int]:
        live = Live(written.table("lineage"))
        return {row[1]: row[ROW_ID] for entry in live.data for row in live.rows(entry).values()}

    before = known()
    assert sorted(before.values()) == [0, 1, 2, 3, 4]
    written.do(
        Update(table="lineage", fields=COLUMNS, where=ids(2), values={"v": "new"}),
        Delete(table="lineage", fields=COLUMNS, where=ids(5)),
        Compact(table="lineage"),
    )
    assert known() == {one: before[one] for one in (1, 2, 3, 4)}
    assert written.facts("lineage")["deletion-vectors"] == 0


def test_the_second_of_two_commits_finds_the_first_and_is_tried_again(written: Written) -> None:
    made(written, "concurrent")
    b = (Condition("v", "=", "b"),)
    parts = tuple(Update(table="concurrent", fields=COLUMNS, where=b, add={"id": step}) for step in (1000, 100))
    assert written.do(Concurrent(table="concurrent", operations=parts)) == [[True, True]]
    commits = [one for one in written.statements if one.startswith("POST namespaces/reference/tables/concurrent")]
    assert len(commits) == 3
    assert (1102, "b") in written.read(PyIceberg, "concurrent")
    written_files = {one.split()[1] for one in written.statements if one.startswith("PUT")}
    gone = {one.split()[1] for one in written.statements if one.startswith("DELETE")}
    assert gone
    assert gone < written_files


def test_expired_files_are_gone(written: Written) -> None:
    made(written, "expired", write_delete_mode="copy-on-write")
    written.do(Delete(table="expired", fields=COLUMNS, where=ids(1)), ExpireSnapshots(table="expired"))
    gone = [one.split()[1] for one in written.statements if one.startswith("DELETE")]
    assert {one.rpartition(".")[2] for one in gone} == {"avro", "parquet"}
    with pytest.raises(Refused):
        written.writer._store.read(gone[0])
    assert written.read(PyIceberg, "expired") == [(2, "b"), (3, None), (4, "d"), (5, "e")]


def test_shapes_that_our_own_properties_give(written: Written) -> None:
    properties = {"lakebench.field-ids": "none", "lakebench.row-groups": "3", "lakebench.manifest-per-file": "true"}
    written.do(
        Create(table="shaped", columns=COLUMNS, properties=properties),
        Append(table="shaped", fields=COLUMNS, rows=ROWS),
        SetProperties(table="shaped", properties={"lakebench.row-groups": "1"}),
        Append(table="shaped", fields=COLUMNS, rows=MORE),
        EqualityDelete(table="shaped", fields=COLUMNS, key=("id",), rows=((2,),), columns=("id",)),
        Compact(table="shaped"),
        Append(table="shaped", fields=COLUMNS, rows=((6, "f"),)),
    )
    table = written.table("shaped")
    assert len(table.manifests(table.head())) == 2
    assert written.facts("shaped")["parquet-field-ids"] is False
    assert written.read(PyIceberg, "shaped") == [(1, "a"), (3, None), (4, "d"), (5, "e"), (6, "f")]


def test_what_cannot_be_done_is_told(written: Written) -> None:
    made(written, "refused")
    with pytest.raises(Refused, match="no column missing"):
        written.do(Delete(table="refused", fields=COLUMNS, where=(Condition("missing", "=", 1),)))
    with pytest.raises(Refused, match="no branch missing"):
        written.do(Append(table="refused", fields=COLUMNS, rows=MORE, branch="missing"))
    with pytest.raises(Refused, match="404"):
        written.do(Append(table="no_such_table", fields=COLUMNS, rows=MORE))
    table = written.table("refused")
    table.metadata["table-uuid"] = "00000000-0000-0000-0000-000000000000"
    stale = OpenTable(written.writer._store, table.metadata)
    stale.change("set-properties", updates={"a": "b"})
    with pytest.raises(CommitConflict):
        written.writer._catalog.commit("refused", stale.requirements, stale.updates)


def test_it_says_who_it_is(written: Written) -> None:
    assert list(written.writer.versions()) == ["fastavro", "pyarrow"]
    with pytest.raises(EngineUnavailable):
        Reference(EngineSettings(1, 2**30, "")).operate(Compact(), print)
