"""DuckDB made slower by a part of its time: what ``false_alarms.py`` has to find."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.inprocess import Answer

if TYPE_CHECKING:
    import pyarrow as pa

SLOWDOWN = "FALSE_ALARMS_SLOWDOWN"
"""The variable that has the part of the time, such as 0.1."""


class SlowedDuckDB(DuckDB):
    """DuckDB that fetches its rows, and then is busy for another part of the time that this took."""

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql``, inside the clock of whoever asks."""
        began = time.perf_counter_ns()
        rows = super().query(sql)
        batches = list(rows)
        now = time.perf_counter_ns()
        until = now + round(float(os.environ[SLOWDOWN]) * (now - began))
        while time.perf_counter_ns() < until:
            pass
        return Answer(getattr(rows, "schema", None), batches)
