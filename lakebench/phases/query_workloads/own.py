"""The user's own tables and queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from lakebench.datasets import folder
from lakebench.datasets.interop.store import upload
from lakebench.datasets.workload import Workload
from lakebench.execution.context import RunContext
from lakebench.model import Lake
from lakebench.phases.query_workloads.base import Queries
from lakebench.phases.table_loading import Loaded


class Own(Queries):
    """How fast each engine answers the user's own queries on the user's own tables, held against each other."""

    name: ClassVar[str] = "workload"
    subject: ClassVar[str] = "own"
    title: ClassVar[str] = "Your own Parquet and SQL"
    data: ClassVar[str] = "a folder of Parquet files and SQL files (see docs/workloads.md)"
    needs_data: ClassVar[bool] = True

    def workload(self, context: RunContext) -> Workload:
        """What lies in the folder that the user named."""
        return folder.workload(Path(context.request.selection.data), context.progress)

    def files(self, context: RunContext, lake: Lake, loaded: Loaded, table: str) -> tuple[str, ...]:
        """The user's own files: those of Iceberg lack a table without rows, and have other names for odd columns."""
        user_files = loaded.workload.tables[table].files
        if lake.store is not None:
            below = f"{lake.catalog.warehouse.rstrip('/')}/plain/{table}"
            return context.checker.call(upload, user_files, lake.store, below)
        links = _linked(user_files, context.files.kept / "plain" / str(loaded.facts.storage) / table)
        return tuple(f"file://{path}" for path in links)


def _linked(files: Sequence[Path], folder: Path) -> Iterator[Path]:
    """Links to ``files`` whose names no engine takes for a pattern or an encoded address."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        link = folder / f"{number:05d}.parquet"
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
        yield link
