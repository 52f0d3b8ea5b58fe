"""How often a comparison says what is not so: one engine against itself, and against itself made slower.

Each run is what ``lakebench run … --against`` does: two worker processes of its own hold DuckDB with TPC-H as plain
Parquet, take turns by the ``regression`` protocol (10 pairs, up to 30 while undecided; or ``--pairs``), and every
answer is checked. The records go through the code of ``lakebench compare``. Runs with two equal sides and runs with a
slowed candidate alternate, so a slow minute hits both. In the slowed one the worker is busy for another 10 %
(``--slowdown``) inside the clock.

What counts is the verdict of the geometric mean over the queries: ``slower`` or ``faster`` is a false alarm where both
sides are the same, and ``slower`` is the slowdown found where one is slowed. The verdicts of single queries are told
beside it; so are regressions, which these queries are too short for (50 ms).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from slowed_duckdb import SLOWDOWN, SlowedDuckDB

from lakebench.config import Settings
from lakebench.datasets import tpch
from lakebench.datasets.workload import Question, Workload
from lakebench.engines import find
from lakebench.execution.cases import Case, now
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.protocol import PROFILES, Protocol
from lakebench.execution.request import Request
from lakebench.execution.workers import BASE, WorkerPool
from lakebench.model import Catalog, CatalogKind, Coordinates, EngineRef, Lake, TableFormat
from lakebench.processes.guard import Guard
from lakebench.processes.worker_client import Remote
from lakebench.progress import Quiet, Terminal
from lakebench.provisioning.environments import python_for
from lakebench.results import comparison, records
from lakebench.services import Services

DUCKDB = EngineRef("duckdb")
CANDIDATE = "candidate"
QUERIES = "q06,q14"
PHASE = "false-alarms"
USUAL = 0.10
"""The slowdown that the ``regression`` protocol is made for."""


@dataclass(frozen=True)
class Goal:
    """Parts: of the runs with equal sides that may show a difference, and of the slowed ones that have to."""

    false_alarms: float
    found: float


GOALS = {True: Goal(0.05, 0.95), False: Goal(0.025, 0.90)}
"""Whether the slowdown is the usual one or more, or a smaller one."""


class SlowedPool(WorkerPool):
    """Workers of which the candidate's engine is slowed."""

    def _start(self, ref: EngineRef, session: str, form: TableFormat | None = None) -> Remote:
        if session != CANDIDATE:
            return super()._start(ref, session, form)
        python = python_for(SlowedDuckDB, ref, self._progress)
        folder = self._guard.folder / f"worker-{CANDIDATE}"
        return Remote(self._guard, SlowedDuckDB, ref, python, folder, self._limit(ref, session))


def protocol(pairs: int) -> Protocol:
    """That of ``regression``; with ``pairs`` that number of them, whatever they show."""
    usual = PROFILES["regression"].protocol
    return replace(usual, samples=pairs, most=pairs) if pairs else usual


def measurement(question: Question, lake: Lake, protocol: Protocol) -> Measurement:
    """``question`` asked of both workers, in turns."""
    return Measurement(
        name=question.name,
        entries=(
            entry(question, lake, BASE, case_id(question, CANDIDATE)),
            entry(question, lake, CANDIDATE),
        ),
        protocol=protocol,
        references=question.references,
        rules=question.rules,
        tolerance="TPC-H, clause 2.1.3.5",
    )


def case_id(question: Question, session: str) -> str:
    """Of the records."""
    return f"{PHASE}/{session}/{question.name}/{DUCKDB}"


def entry(question: Question, lake: Lake, session: str, against: str = "") -> MeasuredEngine:
    """One side of a comparison."""
    title = f"{question.name} in the session {session}"
    about = Coordinates(engine=DUCKDB.name, storage=session, format=TableFormat.PARQUET, query=question.name)
    row = question.name.upper()
    case = Case(case_id(question, session), PHASE, title, DUCKDB, "plain Parquet", row, session, about)
    return MeasuredEngine(
        case, lambda _: lake, question.sql(find(DUCKDB.name)), session=session, store="", against=against
    )


def lines(context: RunContext, workload: Workload, questions: list[Question], name: str) -> Iterator[records.Line]:
    """The records of one run."""
    yield records.Header(name, (PHASE,), " ".join(sys.argv), now()[0])
    yield records.Dataset(
        workload.name,
        workload.scale_factor,
        workload.seed,
        workload.content_hash,
        workload_hash=workload.workload_hash,
        storage="local",
        format=TableFormat.PARQUET,
    )
    for question in questions:
        both = measurement(question, parquet(workload), context.request.profile.protocol)
        yield from both.run(context, frozenset(case.id for case in both.cases))


def parquet(workload: Workload) -> Lake:
    """The generator's own files as a lake."""
    files = {name: tuple(one.as_uri() for one in table.files) for name, table in workload.tables.items()}
    return Lake("tpch", None, Catalog(CatalogKind.REST, "", ""), format=TableFormat.PARQUET, files=files)


def run(
    workload: Workload, questions: list[Question], name: str, seed: int, pairs: int, *, slowed: bool
) -> records.Run:
    """Measure, write the records, and read them again."""
    settings = Settings()
    with Guard(PHASE) as guard:
        size = Decimal(workload.scale_factor)
        profile = replace(PROFILES["regression"], scale_factor=size, protocol=protocol(pairs))
        request = Request((), (DUCKDB,), "", profile, seed, settings, command=PHASE)
        services, pool = Services(settings, guard, Quiet()), SlowedPool if slowed else WorkerPool
        folder = guard.folder / name
        with (
            run_context(request, guard, services, Quiet(), pool=pool) as context,
            records.Writer(folder / records.FILE) as writer,
        ):
            for line in lines(context, workload, questions, name):
                writer.write(line)
        return records.read(folder)


def judged(made: records.Run, *, slowed: bool) -> dict[str, object]:
    """What ``lakebench compare`` says of the run."""
    compared = comparison.within(made)
    assert len(compared.rows) * 2 == len(made.cases), [one.reason for one in made.cases if one.reason]
    ratio = compared.means[-1].ratio
    return {
        "run": made.header.run,
        "slowed": slowed,
        "verdict": ratio.verdict,
        "ratio": round(ratio.ratio, 4),
        "interval": [round(ratio.interval.low, 4), round(ratio.interval.high, 4)] if ratio.interval else None,
        "floor": round(ratio.floor, 4),
        "queries": {
            row.query: f"{row.ratio.ratio:.3f} {row.ratio.verdict}, n {len(row.base)}" for row in compared.rows
        },
        "query_verdicts": [row.ratio.verdict for row in compared.rows],
        "pairs": sum(len(row.base) for row in compared.rows),
        "milliseconds": {row.query: round(row.base_s * 1e3, 1) for row in compared.rows},
        "regressions": len(compared.regressions),
    }


def summary(runs_judged: list[dict[str, object]], runs: int, slowdown: float) -> dict[str, object]:
    """False alarms and slowdowns found, of the geometric mean and of single queries, and the pairs that they took."""
    goal = GOALS[slowdown >= USUAL]
    equal, slowed = ([one for one in runs_judged if one["slowed"] is side] for side in (False, True))
    alarms = sum(one["verdict"] in {"slower", "faster"} for one in equal)
    slower = sum(one["verdict"] == "slower" for one in slowed)
    return {
        "runs": runs,
        "false alarms": alarms,
        "slowdowns found": slower,
        "slowdown": slowdown,
        "holds": alarms <= goal.false_alarms * runs and slower >= goal.found * runs,
        "pairs, both sides equal": _pairs(equal),
        "pairs, candidate slowed": _pairs(slowed),
        "single queries, both sides equal": _counted(equal),
        "single queries, candidate slowed": _counted(slowed),
    }


def _pairs(runs_judged: list[dict[str, object]]) -> float:
    """The mean number of pairs of a run, of all its queries together."""
    return sum(int(str(one["pairs"])) for one in runs_judged) / len(runs_judged)


def _counted(runs_judged: list[dict[str, object]]) -> dict[str, int]:
    return dict(Counter(one for run_ in runs_judged for one in run_["query_verdicts"]))  # type: ignore[attr-defined]


def main() -> None:
    """Print one JSON object a run, and a summary; the exit code is 1 where it does not hold."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sf", type=Decimal, default=Decimal(1))
    arguments.add_argument("--runs", type=int, default=40, help="of each kind")
    arguments.add_argument("--queries", default=QUERIES)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--slowdown", type=float, default=USUAL, help="part of the time, such as 0.05")
    arguments.add_argument("--pairs", type=int, default=0, help="of each query, instead of 10 to 30")
    options = arguments.parse_args()
    os.environ[SLOWDOWN] = str(options.slowdown)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).resolve().parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )  # the worker imports slowed_duckdb by its name
    workload = tpch.workload(tpch.generate(options.sf, Terminal(Console(stderr=True))))
    wanted = options.queries.split(",")
    questions = [one for one in workload.questions if one.name in wanted]
    runs_judged = []
    for number in range(options.runs):
        for slowed in (False, True):
            seed = options.seed * 1_000_000 + number
            name = f"{'slowed' if slowed else 'equal'}-{number:02}"
            runs_judged.append(
                judged(run(workload, questions, name, seed, options.pairs, slowed=slowed), slowed=slowed)
            )
            print(json.dumps(runs_judged[-1]), flush=True)  # noqa: T201 - the result
    result = summary(runs_judged, options.runs, options.slowdown)
    print(json.dumps(result))  # noqa: T201 - the result
    sys.exit(0 if result["holds"] else 1)


if __name__ == "__main__":
    main()
