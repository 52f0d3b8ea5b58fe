"""The user's own tables and queries."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from lakebench.bench import Bench
from lakebench.datasets import folder
from lakebench.datasets.workload import Workload
from lakebench.phases.queries import Queries


class Own(Queries):
    """How fast each engine answers the user's own queries on the user's own tables, held against each other."""

    name: ClassVar[str] = "workload"
    subject: ClassVar[str] = "own"
    title: ClassVar[str] = "Your own Parquet and SQL"
    data: ClassVar[str] = "a folder of Parquet files and SQL files (see docs/workloads.md)"
    needs_data: ClassVar[bool] = True

    def workload(self, bench: Bench) -> Workload:
        """What lies in the folder that the user named."""
        return folder.workload(Path(bench.selection.data), bench.progress)
