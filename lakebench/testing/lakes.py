"""What an adapter does at a real lake: a class of tests for each ability."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench import engines
from lakebench.datasets import answers, rows
from lakebench.engines import CanAppend, Engine
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.errors import Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.catalogs import table_metadata
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field, PartitionField
from lakebench.iceberg.values import arrow_table
from lakebench.model import EngineSettings, Lake
from lakebench.processes import worker
from lakebench.services import Services, lakes

ONE, TWO = rows.rows(1, 0), rows.rows(1, 1)
TYPES = ("id", "an_int", "a_float", "a_decimal", "a_date", "a_timestamp")
FIELDS = (Field("id", "int"), Field("v", "string"))
PARTITION = (PartitionField("id", "bucket[2]"),)
SMALL = ((1, "one"), (2, "two"), (3, None))
_MEMORY_BYTES = 2 * 2**30


class LakeTests:
    """An adapter, open at a lake behind a REST catalog, and PyIceberg beside it for what others write and read.

    ``lake_of`` says which lake, ``library_lake_of`` how PyIceberg reaches its tables where that is another way, and
    ``needs`` the services that they stand on. ``holder`` is the attribute with its connection, session or
    catalog.
    """

    engine: ClassVar[type[Engine]]
    holder: ClassVar[str]
    lake_of: ClassVar[Callable[[Services], Lake]] = staticmethod(lakes.rest_lake)
    library_lake_of: ClassVar[Callable[[Services], Lake] | None] = None
    needs: ClassVar[tuple[str, ...]] = ("rest-catalog",)

    @pytest.fixture(scope="class")
    @classmethod
    def lake(cls, lakebench_services: Services) -> Lake:
        """The lake, in a namespace of this engine's."""
        server = (cls.engine.service,) if cls.engine.service else ()
        lakebench_services.start([*cls.needs, *server, *cls.engine.needs])
        assert lakebench_services.failures() == {}
        return cls._named(cls.lake_of(lakebench_services))

    @pytest.fixture(scope="class")
    @classmethod
    def library_lake(cls, lake: Lake, lakebench_services: Services) -> Lake:
        """The lake as PyIceberg reaches it."""
        return cls._named(cls.library_lake_of(lakebench_services)) if cls.library_lake_of else lake

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(
        cls, lake: Lake, lakebench_services: Services, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Any]:
        """The adapter, open."""
        yield from _opened(cls.engine, lake, lakebench_services, tmp_path_factory.mktemp("adapter"))

    @pytest.fixture(scope="class")
    @classmethod
    def library(
        cls, library_lake: Lake, lakebench_services: Services, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[PyIceberg]:
        """PyIceberg, open at the same lake."""
        yield from _opened(PyIceberg, library_lake, lakebench_services, tmp_path_factory.mktemp("library"))

    @pytest.fixture
    def table(self, library: PyIceberg, request: pytest.FixtureRequest) -> Iterator[str]:
        """A table with the rows :data:`ONE`, written by PyIceberg."""
        name = f"t{abs(hash(request.node.name))}"
        library.create(name, rows.schema())
        library.append(name, ONE)
        yield name
        library.drop(name)

    def test_each_ability_is_tested(self) -> None:
        """It inherits the tests of what the engine can do, and of nothing else."""
        tests_of = {name: globals()[f"{name.title().replace('_', '')}Tests"] for name in engines.ABILITIES}
        mine = {name for name, tests in tests_of.items() if issubclass(type(self), tests)}
        assert mine == set(engines.abilities(self.engine))

    def test_versions_and_settings_tell_no_secret(self, adapter: Any, lake: Lake, lakebench_services: Services) -> None:
        """The engine reports versions; neither they nor its settings hold a credential, of whatever runs."""
        text = str(adapter.versions()) + str(adapter.settings_used())
        assert adapter.versions()
        assert all(adapter.versions().values())
        secrets = [lakebench_services.endpoint(name).password for name in lakebench_services.names()]
        secrets += [lake.store.access_key, lake.store.secret_key] if lake.store else []
        assert not [one for one in secrets if one and one in text]

    @classmethod
    def _named(cls, lake: Lake) -> Lake:
        return dataclasses.replace(lake, namespace=f"tests_{cls.engine.name.replace('-', '_').replace('.', '_')}")


def _opened(engine: type[Engine], lake: Lake, services: Services, folder: Path) -> Iterator[Any]:
    server = services.endpoint(engine.service) if engine.service else None
    made = engine(EngineSettings(2, _MEMORY_BYTES, str(folder), server))
    made.open(lake)
    yield made
    made.close()


class _Broken:
    """A connection or session whose every function fails, but that it can be closed."""

    def close(self) -> None:
        """Nothing to close."""

    stop = close

    def __getattr__(self, name: str) -> Any:
        def broken(*_: Any, **__: Any) -> Any:
            raise RuntimeError(f"the session is invalidated: {name}")

        return broken


def read(answer: Any) -> pa.Table:
    """An answer as one table."""
    batches, schema = worker.drain(answer)
    return pa.Table.from_batches(batches, schema)


def assert_rows(answer: Any, *expected: pa.Table) -> None:
    """Stop where ``answer`` has not the rows of ``expected``, in any order."""
    checked = answers.same_rows(read(answer), pa.concat_tables(expected))
    assert checked.diff is None, checked.diff.text()


class ScanTests(LakeTests):
    """For :class:`~lakebench.engines.CanScan`; ``travels`` says whether it reads snapshots by their ids."""

    travels: ClassVar[bool] = True

    def test_it_reads_the_rows(self, adapter: Any, table: str) -> None:
        """Every value of every type."""
        assert_rows(adapter.scan(Scan(table)), ONE)

    def test_chosen_columns_keep_their_types(self, adapter: Any, table: str) -> None:
        """Columns in the order asked for; no decimal becomes a float."""
        answer = read(adapter.scan(Scan(table, TYPES)))
        assert answer.column_names == list(TYPES)
        assert answer.schema.types == [rows.schema().field(name).type for name in TYPES]

    def test_conditions_and_count(self, adapter: Any, library: PyIceberg, table: str) -> None:
        """Rows that conditions hold for, and their number, where only some partitions can have them."""
        library.operate(ops.Create(table=f"{table}_small", columns=FIELDS, partition=PARTITION), _unheard)
        library.operate(ops.Append(table=f"{table}_small", fields=FIELDS, rows=SMALL), _unheard)
        where = (Condition("id", ">=", 2), Condition("v", "not-null"))
        scan = Scan(f"{table}_small", ("v", "id"), where=where, fields=FIELDS)
        assert_rows(adapter.scan(scan), arrow_table(FIELDS[::-1], (("two", 2),)))
        counted = read(adapter.scan(dataclasses.replace(scan, columns=None, count=True)))
        assert [list(one.values()) for one in counted.to_pylist()] == [[1]]

    def test_a_commit_of_another_is_seen_in_the_same_session(
        self, adapter: Any, library: PyIceberg, table: str
    ) -> None:
        """Nothing that is cached outlives a commit."""
        assert_rows(adapter.scan(Scan(table)), ONE)
        library.append(table, TWO)
        assert_rows(adapter.scan(Scan(table)), ONE, TWO)

    def test_a_snapshot_by_its_id(self, adapter: Any, library: PyIceberg, table: str) -> None:
        """The rows that a snapshot had, or a refusal where the engine has no way to read it."""
        snapshots = read(library.scan(Scan(table, ("snapshot_id",), metadata="snapshots")))
        (first,) = snapshots["snapshot_id"].to_pylist()
        library.append(table, TWO)
        scan = Scan(table, snapshot_id=first)
        if self.travels:
            assert_rows(adapter.scan(scan), ONE)
        else:
            with pytest.raises(Refused):
                read(adapter.scan(scan))

    @pytest.mark.usefixtures("table")
    def test_a_table_that_is_not_there_is_refused(self, adapter: Any) -> None:
        """In the engine's own words, which name it; without another table its namespace might not be there."""
        with pytest.raises(Refused, match="no_such"):
            read(adapter.scan(Scan("no_such_table")))

    def test_opened_again_it_has_left_its_broken_session(self, adapter: Any, lake: Lake, table: str) -> None:
        """What is good for nothing after a failure is left behind."""
        setattr(adapter, self.holder, _Broken())
        with pytest.raises(Refused, match="invalidated"):
            read(adapter.scan(Scan(table)))
        adapter.open(lake)
        assert_rows(adapter.scan(Scan(table)), ONE)


class QueryTests(LakeTests):
    """For :class:`~lakebench.engines.CanQuery`; ``session`` holds what runs SQL where that is not ``holder``."""

    session: ClassVar[str] = ""

    def test_it_counts_what_others_append_too(self, adapter: Any, library: PyIceberg, table: str) -> None:
        """An aggregate over all rows, in a session that lasts."""
        for rows_there in (ONE.num_rows, ONE.num_rows + TWO.num_rows):
            answer = read(adapter.query(f"SELECT count(*) AS n FROM {table}"))
            assert [list(one.values()) for one in answer.to_pylist()] == [[rows_there]]
            library.append(table, TWO)

    def test_an_answer_without_rows_has_its_columns(self, adapter: Any, table: str) -> None:
        """With their types."""
        answer = read(adapter.query(f"SELECT id, a_date FROM {table} WHERE id < 0"))
        assert (answer.num_rows, answer.column_names) == (0, ["id", "a_date"])
        assert answer.schema.types == [pa.int64(), pa.date32()]

    def test_what_it_refuses_is_in_its_own_words(self, adapter: Any, table: str) -> None:
        """Of a table and of a column that are not there."""
        for sql in ("SELECT count(*) AS n FROM no_such_table", f"SELECT no_such_column FROM {table}"):
            with pytest.raises(Refused, match=r"(?i)no_such"):
                read(adapter.query(sql))

    def test_opened_again_it_queries_in_another_session(self, adapter: Any, lake: Lake, table: str) -> None:
        """A session that broke is left behind."""
        setattr(adapter, self.session or self.holder, _Broken())
        with pytest.raises(Refused, match="invalidated"):
            read(adapter.query(f"SELECT id FROM {table}"))
        adapter.open(lake)
        assert read(adapter.query(f"SELECT id FROM {table}")).num_rows == ONE.num_rows


class ExecuteTests(LakeTests):
    """For :class:`~lakebench.engines.CanExecute`."""

    def test_a_statement_changes_the_table(self, adapter: Any, library: PyIceberg, table: str) -> None:
        """Others read what it left."""
        adapter.execute(f"DELETE FROM {table} WHERE id >= 10")
        assert sorted(read(library.scan(Scan(table)))["id"].to_pylist()) == list(range(10))

    def test_a_statement_that_fails_is_refused(self, adapter: Any) -> None:
        """In the engine's own words."""
        with pytest.raises(Refused, match=r"(?i)no_such"):
            adapter.execute("DELETE FROM no_such_table WHERE id > 0")


class CreateTests(LakeTests):
    """For :class:`~lakebench.engines.CanCreate`."""

    def test_a_table_in_a_new_namespace(self, adapter: Any, library: PyIceberg, lake: Lake, library_lake: Lake) -> None:
        """Others see that it is there, with its columns and what is appended, and that it is gone."""
        new = f"{lake.namespace}_new"
        adapter.open(dataclasses.replace(lake, namespace=new))
        library.open(dataclasses.replace(library_lake, namespace=new))
        try:
            adapter.create("made", rows.schema())
            assert read(library.scan(Scan("made"))).schema.names == rows.schema().names
            if isinstance(adapter, CanAppend):
                adapter.append("made", ONE)
                assert_rows(library.scan(Scan("made")), ONE)
            adapter.drop("made")
            with pytest.raises(Refused):
                read(library.scan(Scan("made")))
            adapter.drop("made")
        finally:
            adapter.open(lake)
            library.open(library_lake)


class AppendTests(LakeTests):
    """For :class:`~lakebench.engines.CanAppend`."""

    def test_others_read_what_it_appends(self, adapter: Any, library: PyIceberg, table: str) -> None:
        """Every value of every type."""
        adapter.append(table, TWO)
        assert_rows(library.scan(Scan(table)), ONE, TWO)


class LoadTests(LakeTests):
    """For :class:`~lakebench.engines.CanLoad`."""

    def test_others_read_what_it_loads(self, adapter: Any, library: PyIceberg, table: str, tmp_path: Path) -> None:
        """The rows of local Parquet files."""
        pq.write_table(TWO, tmp_path / "rows ü.parquet")
        adapter.load(table, [str(tmp_path / "rows ü.parquet")])
        assert_rows(library.scan(Scan(table)), ONE, TWO)


class RegisterTests(LakeTests):
    """For :class:`~lakebench.engines.CanRegister`."""

    def test_a_table_is_known_by_its_metadata(
        self, adapter: Any, library: PyIceberg, library_lake: Lake, table: str
    ) -> None:
        """Under another name, others read the same rows."""
        there = table_metadata(library_lake.catalog, library_lake.namespace, table)
        adapter.register(f"{table}_registered", there["metadata-location"])
        assert_rows(library.scan(Scan(f"{table}_registered")), ONE)


class AddFilesTests(LakeTests):
    """For :class:`~lakebench.engines.CanAddFiles`."""

    def test_others_read_the_files_that_it_adds(self, adapter: Any, library: PyIceberg, table: str) -> None:
        """The data files of a table become those of another one."""
        files = pa.Table.from_batches(list(library.scan(Scan(table, metadata="files"))))
        other = f"{table}_added"
        library.create(other, rows.schema())
        adapter.add_files(other, files["file_path"].to_pylist())
        assert_rows(library.scan(Scan(other)), ONE)
        library.drop(other)


class DistributeTests(LakeTests):
    """For :class:`~lakebench.engines.CanDistribute`."""

    def test_every_task_runs_on_the_cluster(self, adapter: Any) -> None:
        """Each gives its own result, once."""
        results = adapter.distribute(doubled, [{"number": number} for number in range(5)])
        assert sorted(one["number"] for one in results) == [0, 2, 4, 6, 8]


def doubled(task: Mapping[str, Any]) -> dict[str, Any]:
    """Twice the number; sent to a cluster by value."""
    return {"number": 2 * task["number"]}


class OperateTests(LakeTests):
    """For :class:`~lakebench.engines.CanOperate`."""

    def test_others_read_what_its_operations_made(self, adapter: Any, library: PyIceberg) -> None:
        """A partitioned table, an append, and two at once of which one may lose."""
        statements: list[str] = []
        done = None
        append = ops.Append(table="operated", fields=FIELDS, rows=SMALL)
        more = ops.Append(table="operated", fields=FIELDS, rows=((4, "four"),))
        for one in (
            ops.Create(table="operated", columns=FIELDS, partition=PARTITION),
            append,
            ops.Concurrent(table="operated", operations=(more, more)),
        ):
            done = adapter.operate(one, statements.append)
        assert statements
        assert done is not None
        assert any(done)
        expected = arrow_table(FIELDS, (*SMALL, *((4, "four"),) * done.count(True)))
        assert_rows(library.scan(Scan("operated")), expected)

    def test_a_step_on_a_table_that_is_not_there_is_refused(self, adapter: Any) -> None:
        """The engine refuses it, whatever it did before."""
        append = ops.Append(table="no_such_table", fields=FIELDS, rows=SMALL)
        with pytest.raises(Refused):
            adapter.operate(append, _unheard)


def _unheard(_: str) -> None: ...
