"""ClickBench: its 43 queries on ``hits``, a sample that we generate or the user's own Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from lakebench.datasets import clickbench
from lakebench.datasets.workload import Workload
from lakebench.execution.context import RunContext
from lakebench.phases.query_workloads.base import Queries

_ROWS = {"quick": 100_000}
_ROWS_USUAL = 1_000_000


class ClickBench(Queries):
    """How fast each engine answers ClickBench's queries, all of them verified."""

    name: ClassVar[str] = "clickbench"
    subject: ClassVar[str] = "hits"
    title: ClassVar[str] = "ClickBench's 43 queries on one wide table"
    data: ClassVar[str] = "Parquet of the table hits: a file, or a folder of files. Default: a sample is generated"

    def workload(self, context: RunContext) -> Workload:
        """The user's hits, or the generated sample."""
        path = Path(context.request.selection.data) if context.request.selection.data else None
        return clickbench.workload(context.progress, path, _ROWS.get(context.request.profile.name, _ROWS_USUAL))
