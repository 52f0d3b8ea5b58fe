"""Whose fault an exception is, where adapters differ; the base tests of lakebench.testing have what they share."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakebench.engines import Engine, find
from lakebench.engines.boundary import EngineCalls, called_back, engine_call, meaning
from lakebench.engines.datafusion.provider import IcebergCatalog
from lakebench.engines.reference.engine import Reference
from lakebench.engines.schemas import python_value
from lakebench.errors import CommitConflict, EngineUnavailable, HarnessFault, OutOfMemory, Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import Field
from lakebench.model import Catalog, CatalogKind, EngineSettings, Lake, ObjectStore, TableFormat
from lakebench.processes.worker import Worker

SETTINGS = EngineSettings(1, 2**30, "/nowhere")
STORE = ObjectStore("http://127.0.0.1:9", "lake", "key", "secret")
LAKE = Lake("lake", STORE, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "w"))
ROWS = pa.table({"n": [1]})


class Lazy:
    """An answer whose rows fail when they are asked for."""

    schema = ROWS.schema

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from ROWS.to_batches()
        if self.error:
            raise self.error


class Engines:
    """An engine: each call gives another one, except ``fails``, which raises ``error``."""

    def __init__(self, fails: str, error: Exception, gives: dict[str, Any] | None = None) -> None:
        self._fails, self._error, self._gives = fails, error, gives or {}

    def __getattr__(self, name: str) -> Any:
        if name in self._gives:
            return self._gives[name]

        def called(*_: Any, **__: Any) -> Any:
            if name == self._fails:
                raise self._error
            return Engines(self._fails, self._error, self._gives)

        return called


def adapter(name: str, **state: Any) -> Engine:
    """The adapter of the engine ``name``, as it is once it is open."""
    engine = find(name)(SETTINGS)
    for key, value in {"_lake": LAKE, "_using": True, **state}.items():
        setattr(engine, key, value)
    return engine


def error_of(engine: Engine, **request: Any) -> dict[str, Any]:
    error: dict[str, Any] = Worker(engine).answer(request)["error"]
    return error


QUERY = {"op": "query", "sql": "SELECT n FROM t", "into": "/nowhere/rows"}


@pytest.mark.parametrize("name", ["duckdb", "daft"])
def test_rows_that_the_engine_computes_while_they_are_fetched_are_its_own(name: str) -> None:
    lazy = Lazy(ValueError("half way"))
    schema = Engines("nothing", KeyError(), {"to_pyarrow_schema": lambda: ROWS.schema})
    gives = {"to_arrow_reader": lambda: lazy, "to_arrow_iter": lambda: iter(lazy), "schema": lambda: schema}
    holder = {"duckdb": "_connection", "daft": "_session"}[name]
    error = error_of(adapter(name, **{holder: Engines("nothing", KeyError(), gives)}), **QUERY)
    assert (error["kind"], error["message"]) == ("Refused", "ValueError: half way")


@pytest.mark.parametrize("name", ["duckdb", "pyiceberg", "polars", "daft"])
def test_an_operation_of_ours_that_breaks_is_a_fault_with_its_statements(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("planted")

    engine = adapter(name, _catalog=Engines("nothing", KeyError()), _connection=Engines("nothing", KeyError()))
    for where in ("lakebench.engines.sql.SqlDialect.literal", "lakebench.iceberg.values.arrow_array"):
        monkeypatch.setattr(where, broken)
    append = ops.to_json(ops.Append(fields=(Field("n", "int"),), rows=((1,),)))
    error = error_of(engine, op="operate", operations=[append])
    assert error["kind"] == "HarnessFault"
    assert error["details"]["operation"] == append["op"]
    assert error["details"]["statements"] == []


def test_the_reference_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reference, "_commit", lambda *_: {}["planted"])
    state = {"_catalog": Engines("", KeyError()), "_store": Engines("", KeyError())}
    append = ops.to_json(ops.Append(fields=(Field("n", "int"),), rows=((1,),)))
    error = error_of(adapter("reference", **state), op="operate", operations=[append])
    assert error["kind"] == "HarnessFault"
    monkeypatch.setattr(Reference, "_commit", _refuses)
    assert error_of(adapter("reference", **state), op="operate", operations=[append])["kind"] == "Refused"


def _refuses(*_: Any) -> None:
    raise Refused("the table has no column x")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), OutOfMemory),
        (RuntimeError("CommitFailedException"), CommitConflict),
        (ModuleNotFoundError("No module named 'adbc'", name="adbc"), EngineUnavailable),
        (KeyError("x"), Refused),
    ],
)
def test_each_way_of_calling_reads_errors_alike(error: Exception, kind: type[Exception]) -> None:
    def fails(*_: Any) -> Any:
        raise error

    @contextlib.contextmanager
    def at_exit() -> Iterator[None]:
        yield
        raise error

    def rows() -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(kind):
        engine_call(fails, 1)
    with pytest.raises(kind):
        list(engine_call.rows(rows()))
    with pytest.raises(kind), engine_call.entered(at_exit):
        pass


def test_an_error_in_the_block_of_an_engines_context_is_ours() -> None:
    class Strict:
        """A context manager that raises the block's own error again."""

        def __enter__(self) -> None: ...

        def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
            if error:
                raise error

    for context in (Strict, contextlib.nullcontext):
        with pytest.raises(KeyError, match="ours"), engine_call.entered(context):
            raise KeyError("ours")


def test_an_engine_that_calls_us_back_is_not_blamed_for_our_exception() -> None:
    """DataFusion asks our catalog for tables while it plans, and raises our exception as an error of its own."""

    class Catalog:
        def load_table(self, _identifier: Any) -> Any:
            return None  # so what is done with it fails in our code

        def list_tables(self, _namespace: str) -> Any:
            raise ValueError("the server says no")

    def engine(function: Callable[[], Any]) -> Any:
        try:
            return function()
        except (AttributeError, ValueError) as error:
            raise RuntimeError(f"External({error!r})") from None

    tables = IcebergCatalog(Catalog(), "ns").schema("ns")
    with pytest.raises(AttributeError, match="NoneType"):
        engine_call(engine, lambda: tables.table("t"))
    with pytest.raises(AttributeError, match="NoneType"):
        engine_call(_goes_on, lambda: tables.table("t"))
    with pytest.raises(Refused, match=r"External\(ValueError\('the server says no'\)\)"):
        engine_call(engine, tables.table_names)


def _goes_on(function: Callable[[], Any]) -> None:
    """An engine that ignores the exception."""
    with contextlib.suppress(AttributeError):
        function()


def test_what_is_called_back_passes_our_own_errors() -> None:
    @called_back
    def ours() -> None:
        raise EngineUnavailable("no such thing")

    with pytest.raises(EngineUnavailable):
        engine_call(ours)


def test_an_engine_may_read_its_own_errors() -> None:
    call = EngineCalls(lambda error: OutOfMemory(f"its words: {error}"))
    with pytest.raises(OutOfMemory, match="its words: 7"):
        call(_seven)


def _seven() -> None:
    raise ValueError(7)


def _imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, top: str) -> Exception:
    (tmp_path / f"{package}.py").write_text(top)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        importlib.import_module(package)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    finally:
        sys.modules.pop(package, None)
    raise AssertionError("it was imported")


@pytest.mark.parametrize(
    ("top", "reason"),
    [
        ("raise RuntimeError('built for another machine')", "an_engine fails when it is imported"),
        ("raise ImportError('libssl.so.3: cannot open shared object file')", "libssl.so.3"),
        ("import nothing_like_it", "No module named 'nothing_like_it': install what is missing"),
        ("from json import nothing", "cannot import name 'nothing'"),
    ],
)
def test_a_broken_package_of_the_engine_makes_it_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str, reason: str
) -> None:
    error = _imported(tmp_path, monkeypatch, "an_engine", top)
    meant = meaning(error, "lakebench.engines.duckdb.engine:DuckDB")
    assert isinstance(meant, EngineUnavailable)
    assert reason in str(meant)


@pytest.mark.parametrize("top", ["{}['x']", "from lakebench.engines import nothing", "import lakebench.nothing"])
def test_a_broken_adapter_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str) -> None:
    error = _imported(tmp_path, monkeypatch, "lakebench_mine", top)
    assert isinstance(meaning(error, "lakebench_mine:Mine"), HarnessFault)


def test_a_method_that_another_version_of_the_engine_lacks_is_refused_but_no_typing_error_of_ours() -> None:
    import pyiceberg.schema

    with pytest.raises(AttributeError) as of_engine:
        pyiceberg.schema.Schema().no_such_method()  # type: ignore[attr-defined]
    assert isinstance(meaning(of_engine.value), Refused)
    for mistake in (lambda: LAKE.no_such, lambda: None.no_such, lambda: {}.no_such):  # type: ignore[attr-defined]
        with pytest.raises(AttributeError) as of_ours:
            mistake()
        assert isinstance(meaning(of_ours.value), HarnessFault)


def test_a_lake_of_parquet_needs_no_store() -> None:
    """An adapter says on purpose what an engine lacks for a lake, and its error stays as it is."""
    error = error_of(
        adapter("pg_duckdb"), op="open", lake=_json(Lake("l", None, LAKE.catalog, format=TableFormat.PARQUET))
    )
    assert error["kind"] == "EngineUnavailable"


def _json(lake: Lake) -> dict[str, Any]:
    import dataclasses
    import json

    value: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(lake)))
    return value


def test_a_polars_without_catalogs_in_sql_is_no_refusal_of_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older release lacks what the adapter asks for: then it could not run, and is not blamed."""
    import polars as pl

    class Older:
        """``SQLContext`` before 2.1."""

    monkeypatch.setattr(pl, "SQLContext", Older)
    with pytest.raises(EngineUnavailable, match=r"since 2\.1"):
        find("polars")(SETTINGS).open(LAKE)


def test_nanoseconds_without_pandas_are_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine's environment of its own may have no pandas."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineUnavailable, match="no pandas in this environment"):
        python_value("timestamp_ns", "2024-01-01T00:00:00.123456789")
    assert python_value("long", 7) == 7
