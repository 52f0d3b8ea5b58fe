"""Delta Lake tables on the local file system, as each engine that reads them does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakebench.engines import CanQuery, Engine, engines, inprocess
from lakebench.engines.duckdb import engine as duckdb
from lakebench.errors import EngineUnavailable
from lakebench.model import Catalog, CatalogKind, EngineSettings, Lake, TableFormat

ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int32()),
        "region": pa.array(["north", None, "Zürich"]),
        "seen": pa.array([datetime(2026, 3, 8, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC")),
    }
)
READERS = [name for name, one in engines().items() if TableFormat.DELTA in one.formats]


def lake(folder: Path) -> Lake:
    at = {"orders": (f"file://{folder}",)}
    return Lake("files", None, Catalog(CatalogKind.REST, "", ""), format=TableFormat.DELTA, files=at)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for package in ("deltalake", "duckdb_extension_delta"):
        pytest.importorskip(package, reason=f"{package} is not here: make delta")
    at = tmp_path / "orders"
    write(at, ROWS)
    return at


def write(folder: Path, rows: pa.Table, **mode: Any) -> None:
    import deltalake

    deltalake.write_deltalake(str(folder), rows, **mode)


def opened(name: str, at: Lake, tmp_path: Path) -> Engine:
    # Daft takes its threads once a process, and other tests in this one have it compute with two.
    engine = engines()[name](EngineSettings(threads=2, memory=2**30, folder=str(tmp_path)))
    engine.open(at)
    return engine


def test_three_engines_read_them() -> None:
    assert READERS == ["daft", "duckdb", "polars"]


@pytest.mark.parametrize("name", READERS)
def test_rows_of_the_last_version(name: str, folder: Path, tmp_path: Path) -> None:
    write(folder, ROWS.slice(0, 2), mode="overwrite")
    engine = opened(name, lake(folder), tmp_path)
    assert isinstance(engine, CanQuery)
    got = pa.Table.from_batches(list(engine.query("SELECT id, region FROM orders ORDER BY id")))
    engine.close()
    assert got.to_pylist() == ROWS.slice(0, 2).select(["id", "region"]).to_pylist()


@pytest.mark.parametrize("name", READERS)
def test_without_its_package_a_reader_says_how_it_is_had(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (inprocess, duckdb):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(EngineUnavailable, match="make delta"):
        opened(name, lake(tmp_path), tmp_path)
