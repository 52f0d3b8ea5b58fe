"""What the harness itself costs: a query through it, and the same call in a plain script, in pairs.

Two processes hold DuckDB with the same lake open: one is the harness's worker, the other a
plain script that calls DuckDB as a user would and takes the time around the call. They take turns, AB then BA, so a
slow minute hits both. The result is the paired ratio of medians with its 95 % interval, and the difference for a query
that takes next to nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from rich.console import Console

from lakebench.config import Settings
from lakebench.datasets import tpch
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.model import BearerToken, EngineRef, Lake
from lakebench.phases.table_loading import load, tpch_data
from lakebench.processes.guard import Guard
from lakebench.progress import Terminal
from lakebench.results.statistics import median, paired_ratio
from lakebench.services import Services, lakes

PLAIN = Path(__file__).parent / "plain_duckdb.py"
DUCKDB = EngineRef("duckdb")
QUERIES = {
    "scan and aggregate": (
        "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice * (1 - l_discount)), count(*) "
        "FROM lineitem GROUP BY ALL"
    ),
    "many rows": "SELECT l_orderkey, l_extendedprice, l_shipdate FROM lineitem",
    "next to nothing": "SELECT 42 AS answer",
}


class Plain:
    """The plain script, asked over its pipes; the times are its own."""

    def __init__(self, guard: Guard, lake: Lake, config: dict[str, str]) -> None:
        self._process = guard.spawn(
            [sys.executable, str(PLAIN)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr.buffer
        )
        store, catalog = lake.objects, lake.catalog
        self._ask(
            {
                "endpoint": store.endpoint.partition("://")[2],
                "key": store.access_key,
                "secret": store.secret_key,
                "region": store.region,
                "warehouse": catalog.warehouse,
                "catalog": catalog.uri,
                "token": catalog.authentication.token if isinstance(catalog.authentication, BearerToken) else "",
                "namespace": lake.namespace,
                "config": config,
            }
        )

    def time(self, sql: str) -> int:
        """Nanoseconds around the one call."""
        return int(self._ask({"sql": sql})["ns"])

    def _ask(self, what: dict[str, object]) -> dict[str, int]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()
        told: dict[str, int] = json.loads(self._process.stdout.readline())
        return told


def pairs(count: int, first: Callable[[], int], second: Callable[[], int]) -> tuple[list[int], list[int]]:
    """``count`` pairs of times, the order turned about from pair to pair; one pair before them is thrown away."""
    ones, others = [], []
    for number in range(-1, count):
        if number % 2:
            other, one = second(), first()
        else:
            one, other = first(), second()
        if number >= 0:
            ones.append(one)
            others.append(other)
    return ones, others


def through(context: RunContext, lake: Lake, sql: str) -> int:
    """Nanoseconds of ``sql`` by the harness's worker, as a sample has them."""
    into = str(context.files.new("cost"))
    return int(context.client.call(DUCKDB, lake, "query", sql=sql, into=into)["ns"])


def main() -> None:
    """Print one JSON object a query."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sf", type=Decimal, default=Decimal(1))
    arguments.add_argument("--pairs", type=int, default=250)
    options = arguments.parse_args()
    progress = Terminal(Console(stderr=True))
    settings = Settings()
    with Guard("cost") as guard:
        services = Services(settings, guard, progress)
        services.start(["object-store", "nessie"])
        profile = replace(PROFILES["standard"], scale_factor=options.sf)
        request = Request((), (DUCKDB,), "pyiceberg", profile, seed=1, settings=settings, command="harness_cost")
        with run_context(request, guard, services, progress, ("object-store", "nessie")) as context:
            compare(context, guard, options.pairs)


def compare(context: RunContext, guard: Guard, number: int) -> None:
    """Print one JSON object a query, of ``number`` pairs."""
    lake = lakes.nessie_lake(context.services)
    load(context, lake, tpch.workload(tpch_data(context)))
    used = context.workers.open(DUCKDB, lake).settings
    plain = Plain(guard, lake, {name: used[name] for name in ("threads", "memory_limit", "temp_directory")})
    for name, sql in QUERIES.items():
        harness, script = pairs(number, partial(through, context, lake, sql), partial(plain.time, sql))
        ratio = paired_ratio(script, harness, seed=1)
        result = {
            "query": name,
            "pairs": number,
            "harness_ms": median(harness) / 1e6,
            "script_ms": median(script) / 1e6,
            "difference_ms": (median(harness) - median(script)) / 1e6,
            "ratio": ratio.ratio,
            "interval": [ratio.interval.low, ratio.interval.high] if ratio.interval else None,
        }
        print(json.dumps(result), flush=True)  # noqa: T201 - the result


if __name__ == "__main__":
    main()
