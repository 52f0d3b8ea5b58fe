"""Iceberg tables in a local folder, written by PyIceberg: what ``lakebench check`` is pointed at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "name": pa.array(["one", None, "drei", "東京"]),
        "amount": pa.array([1.5, float("nan"), None, -0.0]),
        "day": pa.array([0, 1, None, 20000], pa.date32()),
        "tags": pa.array([["a", "b"], [], None, ["c"]], pa.list_(pa.string())),
    }
)


def write(folder: Path, *appends: pa.Table, partition: tuple[str, str] | None = None) -> Path:
    """A table below ``folder`` with one commit for each of ``appends``; the path of its newest metadata file.

    ``partition`` is the column and the transform that it is partitioned by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog("own", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/lake")
    catalog.create_namespace("mine")
    table = catalog.create_table("mine.orders", (appends or (ROWS,))[0].schema)
    if partition:
        with table.update_spec() as change:
            change.add_field(*partition)
    for rows in appends or (ROWS,):
        table.append(rows)
    location = catalog.load_table("mine.orders").metadata_location
    catalog.close()
    return Path(location.removeprefix("file://"))


def content(file: Path) -> dict[str, Any]:
    """The JSON of a metadata file."""
    value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return value
