from __future__ import annotations

import hashlib
import json
import shutil
import sys
import types
from collections import namedtuple
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.config import Settings
from lakebench.datasets import rows, tpch
from lakebench.datasets.tpch import data, references
from lakebench.datasets.tpch.queries import ANSWERED, q11_fraction
from lakebench.engines import Engine
from lakebench.errors import UsageError
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.model import EngineRef, Selection
from lakebench.phases.query_workloads.clickbench import ClickBench
from lakebench.phases.tpch.phase import Tpch
from lakebench.progress import Quiet

VERSION = data.generator_version()


@pytest.mark.parametrize("text", ["abc", "-1", "0", "nan", "inf", "", "1,5"])
def test_a_scale_factor_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not a number above 0") as error:
        tpch.scale_factor(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "value"), [("1", "1"), ("1.0", "1"), ("0.010", "0.01"), ("10", "1E+1"), (" 3 ", "3")])
def test_a_scale_factor(text: str, value: str) -> None:
    assert str(tpch.scale_factor(text)) == value


@pytest.mark.parametrize(
    ("scale", "fraction"),
    [
        ("0.01", "0.0001"),
        ("0.1", "0.0001"),
        ("1", "0.0001"),
        ("10", "0.00001"),
        ("3", "0.0000333333"),
        ("0.02", "0.005"),
    ],
)
def test_the_fraction_of_q11(scale: str, fraction: str) -> None:
    assert q11_fraction(tpch.scale_factor(scale)) == fraction


def test_22_queries_without_placeholders() -> None:
    queries = tpch.queries(Decimal(10))
    assert [query.number for query in queries] == list(range(1, 23))
    assert queries[0].name == "q01"
    assert not any("{" in query.sql or query.sql.endswith(";") for query in queries)
    assert "* 0.00001" in queries[10].sql


def test_the_workload_hash_knows_text_and_rules() -> None:
    assert tpch.workload_hash(tpch.queries(Decimal(1))) == tpch.workload_hash(tpch.queries(Decimal("0.1")))
    assert tpch.workload_hash(tpch.queries(Decimal(1))) != tpch.workload_hash(tpch.queries(Decimal(10)))
    assert tpch.workload_hash(tpch.queries(Decimal(1))[:1]) != tpch.workload_hash(tpch.queries(Decimal(1)))


def engine_in(folder: Path, dialect: str) -> type[Engine]:
    name = f"lakebench_test_{folder.name}"
    module = types.ModuleType(name)
    module.__file__ = str(folder / "engine.py")
    sys.modules[name] = module
    return type("Some", (Engine,), {"dialect": dialect, "__module__": name})


def test_a_translation(tmp_path: Path) -> None:
    query = tpch.queries(Decimal(1))[21]
    assert "SUBSTRING(c_phone, 1, 2)" in tpch.sql_for(query, engine_in(tmp_path, "spark"))
    assert tpch.sql_for(query, engine_in(tmp_path, "")) == query.sql
    assert not tpch.is_variant(query, engine_in(tmp_path, ""))


@pytest.mark.parametrize("dialect", ["duckdb", "trino", "spark", "postgres", ""])
def test_no_translation_turns_a_decimal_into_a_double(tmp_path: Path, dialect: str) -> None:
    engine = engine_in(tmp_path, dialect)
    for query in tpch.queries(Decimal(1)):
        assert "DOUBLE" not in tpch.sql_for(query, engine).upper()


def test_a_variant_replaces_the_translation(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "q11.sql").write_text("SELECT {fraction}\n", encoding="utf-8")
    engine = engine_in(tmp_path, "trino")
    queries = tpch.queries(Decimal(10))
    assert tpch.sql_for(queries[10], engine) == "SELECT 0.00001"
    assert tpch.is_variant(queries[10], engine)
    assert not tpch.is_variant(queries[0], engine)


def test_references_are_whole_and_of_known_origin() -> None:
    provenance = json.loads((references.FOLDER / "provenance.json").read_text("utf-8"))
    paths = {path for scale in ANSWERED for n in range(1, 23) for path in tpch.reference(scale, n).values()}
    assert paths == set(references.FOLDER.rglob("*.parquet"))
    hashes = {str(path.relative_to(references.FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert hashes == provenance["files"]
    for scale in ANSWERED:
        assert provenance["workload"][str(scale)] == tpch.workload_hash(tpch.queries(scale))
        assert all(len(tpch.reference(scale, n)) == 2 for n in range(1, 23))
    assert sum(path.stat().st_size for path in paths) < 2_000_000


def test_no_reference_elsewhere() -> None:
    assert tpch.reference(Decimal(10), 1) == {}


def cached(cache: Path) -> Path:
    """A folder such as the generator would leave, with tiny tables."""
    folder = cache / "datasets" / "tpch" / f"sf1-{VERSION}"
    for table in data.TABLES:
        (folder / table).mkdir(parents=True)
        for part in (1, 2, 10):
            view = pa.array(["a", "b"], pa.string_view())
            pq.write_table(pa.table({"key": [1, 2], "text": view}), folder / table / f"{table}.{part}.parquet")
    data._write_manifest(folder, Decimal(1), VERSION)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path))
    return cached(tmp_path)


def test_cached_data(folder: Path) -> None:
    dataset = tpch.generate(Decimal(1), Quiet())
    lineitem = dataset.tables["lineitem"]
    assert (dataset.id, dataset.folder, lineitem.rows) == ("tpch-sf1", folder, 6)
    assert [path.name for path in lineitem.files] == [f"lineitem.{n}.parquet" for n in (1, 2, 10)]
    assert lineitem.bytes == sum(path.stat().st_size for path in lineitem.files)
    assert lineitem.schema() == pa.schema([("key", pa.int64()), ("text", pa.string())])
    assert tpch.generate(Decimal(1), Quiet()).content_hash == dataset.content_hash


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "manifest", "manifest without files"])
def test_damaged_data(folder: Path, damage: str) -> None:
    file = folder / "orders" / "orders.2.parquet"
    whole = file.read_bytes()
    if damage == "cut":
        file.write_bytes(whole[:-1])
    elif damage == "changed":
        file.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    elif damage == "missing":
        file.unlink()
    else:
        file = folder / "manifest.json"
        file.write_text("{" if damage == "manifest" else '{"files": [], "generator": "x"}', encoding="utf-8")
    with pytest.raises(UsageError) as error:
        tpch.generate(Decimal(1), Quiet())
    assert str(error.value).startswith(f"damaged data: {file}: ")
    assert f"rm -r {folder}" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(folder)
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - what shutil.disk_usage gives
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(UsageError, match=r"needs about 375 MB in .* and 1 MB are free"):
        tpch.generate(Decimal(1), Quiet())
    assert not folder.exists()


@pytest.mark.parametrize("phase", [Tpch, ClickBench])
def test_postgresql_runs_only_for_ducklakes(phase: type[Tpch | ClickBench]) -> None:
    asked = [
        phase().services(Selection(formats=forms), Settings()) for forms in (("iceberg",), ("iceberg", "ducklake"))
    ]
    assert asked == [("rest-catalog@local",), ("rest-catalog@local", "postgres")]


def test_each_engine_needs_disk_space_for_its_own_tables() -> None:
    def needed(form: str, *names: str) -> int:
        refs = tuple(EngineRef(*name.split("@")) for name in names)
        profile, chosen = PROFILES["standard"], Selection(formats=(form,))
        request = Request(("phase3",), refs, "pyiceberg", profile, 1, Settings(), "", chosen)
        return sum(need.bytes for need in Tpch().disk_space(request) if need.what == "tables on local")

    one, two = needed("ducklake", "duckdb"), needed("ducklake", "duckdb", "duckdb@1.4.4", "polars")
    assert two == 2 * one > 0
    assert needed("iceberg", "duckdb") == needed("iceberg", "duckdb", "polars") > 0


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="LAKEBENCH_CACHE"):
        tpch.generate(Decimal(1), Quiet())


def test_no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_GENERATOR", "no-such-generator")
    with pytest.raises(UsageError, match="pip install no-such-generator"):
        tpch.generate(Decimal(1), Quiet())


class TestRows:
    def test_the_same_for_the_same_seed_and_writer(self) -> None:
        assert rows.rows(7, 1).equals(rows.rows(7, 1))
        assert not rows.rows(7, 1).equals(rows.rows(8, 1))
        assert not rows.rows(7, 1).equals(rows.rows(7, 2))

    def test_known_forever(self) -> None:
        assert rows.rows(7, 1).slice(2, 1).select(["id", "writer", "an_int", "a_string"]).to_pylist() == [KNOWN]

    def test_ids_are_unique_over_writers(self) -> None:
        ids = [number for writer in range(5) for number in rows.rows(0, writer)["id"].to_pylist()]
        assert len(set(ids)) == len(ids) == 5 * rows.ROWS

    def test_types_and_nulls(self) -> None:
        table = rows.rows(7, 0)
        table.validate(full=True)
        assert table.schema == rows.schema()
        assert all(column.null_count == 1 for column in table.columns[2:])


KNOWN = {"id": 22, "writer": 1, "an_int": -840588576, "a_string": "line\nbreak83"}
