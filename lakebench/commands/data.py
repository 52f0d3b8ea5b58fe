"""``lakebench data``: a dataset for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from lakebench.commands.terminal import table
from lakebench.datasets.tpch import TpchData


def to_json(dataset: TpchData) -> dict[str, Any]:
    """The tables with their rows, bytes and files."""
    listed = [
        {"name": one.name, "rows": one.rows, "bytes": one.bytes, "files": [str(file) for file in one.files]}
        for one in dataset.tables.values()
    ]
    return {"scale_factor": str(dataset.scale_factor), "content_hash": dataset.content_hash, "tables": listed}


def show(dataset: TpchData) -> None:
    """Print the tables, and the folder of the files."""
    tables = list(dataset.tables.values())
    lines = [(one.name, f"{one.rows:,}", f"{one.bytes:,}", str(len(one.files))) for one in tables]
    title = f"TPC-H SF {dataset.scale_factor}, content hash {dataset.content_hash[:16]}…"
    table(title, [("table", "rows", "bytes", "files"), *lines])
    Console(highlight=False, soft_wrap=True).print(f"in {Path(tables[0].files[0]).parent}")
