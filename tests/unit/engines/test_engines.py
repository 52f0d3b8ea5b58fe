from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench import engines
from lakebench.engines.boundary import engine_call, words
from lakebench.engines.daft.engine import Daft
from lakebench.engines.datafusion.engine import DataFusion
from lakebench.engines.duckdb import engine as duckdb
from lakebench.engines.duckdb.engine import DuckDB, IcebergScan
from lakebench.engines.ducklake import store_secret
from lakebench.engines.inprocess import Answer, s3_properties
from lakebench.engines.polars.engine import Polars
from lakebench.engines.pyiceberg import engine as pyiceberg
from lakebench.engines.pyiceberg.engine import PyIceberg, named_columns, slices
from lakebench.engines.trino.engine import Trino
from lakebench.errors import CommitConflict, EngineUnavailable, OutOfMemory, Refused, UsageError, WrongAnswer
from lakebench.iceberg.scan import Scan
from lakebench.model import Catalog, CatalogKind, Endpoint, EngineSettings, Lake, ObjectStore, Runtime

ENGINES = (DuckDB, IcebergScan, PyIceberg, Daft, Polars, DataFusion)
STORE = ObjectStore("http://127.0.0.1:1", "lake", "key", "it's secret")
LAKE = Lake("lake", STORE, Catalog(CatalogKind.REST, "http://127.0.0.1:2/iceberg", "warehouse", ref="main"))
SETTINGS = EngineSettings(1, 2**30, "/nowhere")
FORBIDDEN = {"duckdb", "pyiceberg", "daft", "polars", "datafusion", "pyiceberg_core", "pyarrow", "pandas"}


def test_an_adapter_of_others_that_breaks_on_import_is_named_and_one_of_ours_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "an_outsider.py").write_text("raise RuntimeError('built for another machine')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match=r"theirs of an unknown .* cannot be loaded \(RuntimeError: built for"):
        engines._load(EntryPoint("theirs", "an_outsider:Engine", engines.ENTRY_POINTS))
    with pytest.raises(AttributeError):
        engines._load(EntryPoint("ours", "lakebench.engines.duckdb.engine:Nobody", engines.ENTRY_POINTS))


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (ValueError("no"), Refused),
        (ImportError("No module named 'x'"), EngineUnavailable),
        (RuntimeError("CommitFailedException: Requirement failed"), CommitConflict),
        (RuntimeError("the catalog said: HTTP 409"), CommitConflict),
        (RuntimeError("Out of Memory Error: could not allocate"), OutOfMemory),
        (RuntimeError("Resources exhausted: no more"), OutOfMemory),
        (WrongAnswer("ours"), WrongAnswer),
        (MemoryError(), OutOfMemory),
    ],
)
def test_an_engines_error_becomes_ours(error: Exception, becomes: type[Exception]) -> None:
    with pytest.raises(becomes) as raised:
        engine_call(_raise, error)
    assert type(raised.value) is becomes


def _raise(error: Exception) -> None:
    raise error


def test_the_engines_words_are_kept_but_not_all() -> None:
    with pytest.raises(Refused) as raised:
        engine_call(_raise, ValueError("\n".join(["first", "", "second", *"abcdefgh"])))
    assert str(raised.value) == "ValueError: first\nsecond\na\nb\nc\nd"
    assert words(ValueError("INTERNAL Error: no\n\nStack Trace:\n\n/lib/x.so(_ZN)[0x7fcb]")) == "INTERNAL Error: no"


def test_an_error_without_words_has_those_of_its_cause() -> None:
    error = ValueError("")
    error.__cause__ = ValueError("why")
    assert words(error) == "why"
    assert words(KeyError()) == "KeyError()"


def test_an_error_that_ray_passes_on_has_the_words_of_the_task() -> None:
    class RayTaskError(Exception):
        cause = ValueError("the file is not there")

    error = RayTaskError("ray::run() (pid=1)\n  File task.py, line 1")
    assert words(error) == "ray::run() (pid=1)\n  File task.py, line 1"
    RayTaskError.__module__ = "ray.exceptions"
    assert words(error) == "the file is not there"


def test_an_answer_has_a_schema_without_rows_and_errors_on_the_way() -> None:
    schema = pa.schema([("a", pa.int64())])
    assert list(Answer(schema, [])) == []
    assert Answer(schema, []).schema == schema

    def broken() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise ValueError("half way")

    with pytest.raises(Refused, match="half way"):
        list(Answer(schema, engine_call.rows(broken())))


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT a FROM t", ("a",)),
        ("SELECT B FROM t WHERE c > 1", ("b", "c")),
        ("SELECT count(*) FROM t", ("a",)),
        ("SELECT a * b FROM t", ("a", "b")),
        ("SELECT * FROM t", ("a", "b", "c")),
        ("SELECT x.a, t.* FROM t, x", ("a", "b", "c")),
        ("SELECT DISTINCT * FROM t", ("a", "b", "c")),
        ("SELECT a FROM t NATURAL JOIN x", ("a", "b", "c")),
    ],
)
def test_the_columns_that_a_query_may_use(sql: str, columns: tuple[str, ...]) -> None:
    assert named_columns(sql, ("a", "b", "c")) == columns


def test_a_column_that_is_no_word_is_found_as_it_is_written() -> None:
    assert named_columns('SELECT "My Col", "a.b" FROM t', ("id", "My Col", "a.b", "a b")) == ("My Col", "a.b")


def test_a_file_is_read_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.table({"a": range(1000), "s": pa.array([str(n) for n in range(1000)], pa.string_view())})
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=100)
    monkeypatch.setattr(pyiceberg, "_BATCH_ROWS", 100)
    monkeypatch.setattr(pyiceberg, "_SLICE_BYTES", 2500)
    parts = list(slices(str(tmp_path / "rows.parquet")))
    assert len(parts) > 1
    assert all(part.nbytes < 6000 for part in parts)
    assert pa.concat_tables(parts) == rows.set_column(1, "s", rows["s"].cast(pa.string()))


def test_quotes_do_not_end_a_secret_or_a_name() -> None:
    assert "SECRET 'it''s secret'" in store_secret(LAKE.objects)
    assert "USE_SSL 'false'" in store_secret(LAKE.objects)
    assert duckdb._name('a"b') == '"a""b"'


def test_the_store_in_pyicebergs_words() -> None:
    assert s3_properties(STORE)["s3.path-style-access"] == "true"
    assert s3_properties(STORE)["s3.force-virtual-addressing"] == "false"


@pytest.mark.parametrize("engine", [DuckDB, IcebergScan])
def test_duckdb_refuses_a_branch_of_the_tables_own(engine: Any) -> None:
    with pytest.raises(Refused, match="no syntax"):
        engine(SETTINGS).scan(Scan("t", ref="dev"))


@pytest.mark.parametrize("scan", [Scan("t", ref="dev"), Scan("t", snapshot_id=1)])
def test_datafusion_refuses_what_is_not_current(scan: Scan) -> None:
    with pytest.raises(Refused, match="current snapshot only"):
        DataFusion(SETTINGS).scan(scan)


def test_iceberg_scan_reads_the_metadata_file_that_is_current_when_it_is_asked() -> None:
    import duckdb

    current = iter((1, 2, 3))

    class Scanner(IcebergScan):
        def _plain(self, table: str) -> str:
            assert table == "t"
            return str(next(current))

        def _source(self, scan: Scan) -> str:
            return f"range({self._plain(scan.table)})"

    engine = Scanner(SETTINGS)
    engine._connection = duckdb.connect()
    assert [len(pa.Table.from_batches(engine.query("SELECT * FROM t"))) for _ in range(3)] == [1, 2, 3]
    engine.close()


def _trino(ran: list[str], settings: EngineSettings) -> Trino:
    """Trino whose statements go into ``ran`` alone."""

    class Connected(Trino):
        def _connect(self, *_: str | None) -> Any:
            cursor = SimpleNamespace(execute=ran.append, fetchall=list, close=lambda: None)
            return SimpleNamespace(cursor=lambda: cursor, close=lambda: None)

    return Connected(settings)


def test_trino_of_the_user_gets_a_catalog_of_another_name_and_loses_it_again() -> None:
    ran: list[str] = []
    server = Endpoint("trino", Runtime.EXTERNAL, "https://trino.example", "trino.example", 443, "476", "me", "secret")
    engine = _trino(ran, replace(SETTINGS, server=server))
    engine.open(LAKE)
    name = engine._opened.name
    assert name.startswith("lakebench_")
    assert name != _trino(ran, engine.settings)._catalog_name(LAKE)
    engine.close()
    assert ran[0] == ran[2] == f'DROP CATALOG IF EXISTS "{name}"'
    assert ran[1].startswith(f'CREATE CATALOG "{name}" USING iceberg')
    assert len(ran) == 3


def test_trino_opened_again_leaves_a_broken_connection_and_drops_the_catalog_that_was_open() -> None:
    ran: list[str] = []
    broken = SimpleNamespace(cursor=partial(_raise, OSError("broken")), close=partial(_raise, OSError("broken")))
    engine = _trino(ran, SETTINGS)
    engine.open(LAKE)
    engine._connection = broken
    ran.clear()
    engine.open(replace(LAKE, name="other"))
    assert ran[:2] == ['DROP CATALOG IF EXISTS "lake"', 'DROP CATALOG IF EXISTS "other"']
    assert ran[-1].startswith('CREATE CATALOG "other"')


def test_sparks_local_files_are_no_patterns() -> None:
    from lakebench.engines.spark.engine import _address

    assert _address("/data/ü b\\c[a]{b}*?.parquet") == "file:///data/ü b\\\\c\\[a\\]\\{b\\}\\*\\?.parquet"


def test_rusts_object_store_gets_the_bucket_in_the_hosts_name_where_that_is_how_it_is_addressed() -> None:
    from lakebench.engines.inprocess import object_store_options
    from lakebench.engines.polars.calls import s3_endpoint

    hosted = ObjectStore("http://s3.example:80", "lake", "k", "s", path_style=False)
    assert object_store_options(hosted)["aws_endpoint_url"] == "http://lake.s3.example:80"
    assert object_store_options(replace(hosted, path_style=True))["aws_endpoint_url"] == "http://s3.example:80"
    assert s3_endpoint(s3_properties(hosted), "s3://lake/t") == {"s3.endpoint": "http://lake.s3.example:80"}
    assert s3_endpoint({}, "s3://lake/t") == {}
