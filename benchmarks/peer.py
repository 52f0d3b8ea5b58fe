"""Our wall time beside that of the closest peer: TPC-H data generation, load and 22 queries by DuckDB, in one run.

The peer is LakeBench of Microsoft (the distribution ``lakebench``), in an environment of its own: ``peer_theirs.py``
runs it as its README shows, with its defaults; tables are Delta on local files, and no answer is verified. Ours is one
command, with Iceberg through a catalog, every answer verified, and a report. Each run is a process of its own from an
empty folder with no data; programs and environments are there before. The two take turns, AB then BA; every wall time
is taken from outside by the same clock. Prints the ratio of medians, each run's seconds and where they went as JSON;
exit code 1 where the ratio is over 0.75, 2 where a run failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lakebench import config, services
from lakebench.config import EngineLimits
from lakebench.errors import LakebenchError
from lakebench.model import Record
from lakebench.outcomes import ExitCode, Outcome
from lakebench.paths import cache_dir
from lakebench.processes.guard import Guard
from lakebench.progress import Progress, Terminal
from lakebench.provisioning.environments import _environment
from lakebench.results.records import Run, ServiceFacts, read
from lakebench.results.statistics import median, paired_ratio

COMMAND = ("run", "phase3", "--engines", "duckdb", "--storage", "local", "--formats", "iceberg")
"""Ours. Each query runs once, as theirs does."""
PROTOCOL = ("--profile", "once")
THEIRS = Path(__file__).parent / "peer_theirs.py"
REQUIREMENTS = ("lakebench[duckdb]==2.2.0", "duckdb-extension-delta==1.5.5", "duckdb-extensions==1.5.5")
"""Theirs, and DuckDB's extension ``delta`` from the package index, so that no other site has to be reached."""
TABLES, QUERIES = 8, 22
MOST = 0.75
"""What our wall time may be, as a part of theirs."""
WARM_UP_SF = "0.01"
"""Nothing at this scale factor tells of time, so a run at it needs no warm-up before it."""
DATASETS = "datasets"


class RunFailed(LakebenchError):
    """One of the two did not do all of its work, so its wall time says nothing."""


@dataclass(frozen=True)
class Process:
    """A process that ended well: both clocks in seconds, when it was started and when it had ended.

    ``load`` is the machine's load average over the minute before.
    """

    monotonic: tuple[float, float]
    wall: tuple[float, float]
    output: str
    load: float

    @property
    def seconds(self) -> float:
        """From before it was started until it had ended."""
        return self.monotonic[1] - self.monotonic[0]


@dataclass(frozen=True)
class Taken:
    """One run: its process, where its seconds went (phase → seconds, which add up to them), and what it ran with."""

    process: Process
    phases: Mapping[str, float]
    settings: Mapping[str, str]
    versions: Mapping[str, str]


def ours(guard: Guard, sf: str) -> Taken:
    """One run of our command, with no data in the cache.

    Raises:
        RunFailed: it failed, or not every answer was verified.
    """
    with tempfile.TemporaryDirectory(dir=guard.folder) as folder:
        cache, runs = _without_data(Path(folder) / "cache"), Path(folder) / "runs"
        command = [sys.executable, "-m", "lakebench", *COMMAND, *PROTOCOL, "--sf", sf, "--output", str(runs)]
        process = _process(guard, command, LAKEBENCH_CACHE=str(cache))
        (run,) = [read(one) for one in runs.iterdir()]
        measured = _verified(run)
        (engine,) = run.engines
        settings = {name: str(engine.settings[name]) for name in ("threads", "memory_limit")}
        return Taken(process, _our_phases(process, run, measured, cache), settings, engine.versions)


def _without_data(folder: Path) -> Path:
    """A cache at ``folder`` with all that the user's own has, but no data."""
    folder.mkdir()
    for one in cache_dir().iterdir():
        if one.name != DATASETS:
            (folder / one.name).symlink_to(one)
    return folder


def _verified(run: Run) -> list[Record]:
    """The cases that have times.

    Raises:
        RunFailed: they are not the 22 queries, each verified.
    """
    measured = [one for one in run.cases if one.samples and one.evidence.get("checked_against")]
    if not run.complete or len(measured) != QUERIES or any(one.outcome is not Outcome.PASS for one in measured):
        failures = "; ".join(
            f"{one.case}: {one.outcome} {one.reason}" for one in run.cases if one.outcome != Outcome.PASS
        )
        raise RunFailed(
            f"ours verified {len(measured)} of {QUERIES} queries: {failures[:500] or 'the run is not complete'}"
        )
    return measured


def _our_phases(process: Process, run: Run, measured: Sequence[Record], cache: Path) -> dict[str, float]:
    """Where our time went, by the run's records; the records' file and the data tell by their own times."""
    assert run.end
    began, ended = process.wall
    last = run.path.stat().st_mtime  # the line that has the run's seconds is the last
    first = last - run.end.seconds
    up = first + max((_up(run, one) for one in run.services), default=0.0)
    (lock,) = (cache / DATASETS / "tpch").glob("*.lock")
    (manifest,) = (cache / DATASETS / "tpch").glob("*/manifest.json")
    making, made = lock.stat().st_mtime, manifest.stat().st_mtime
    queries = sum(sample.ns for one in measured for sample in one.samples) / 1e9
    phases = {
        "start and imports": first - began,
        "services": up - first,
        "generation": max(made - max(making, up), 0.0),  # while services start it costs nothing
        "load": sum(one.load_seconds or 0.0 for one in run.datasets),
        "queries": queries,
        "verification": sum(one.seconds for one in measured) - queries,
        "services ended, report": ended - last,
    }
    return _complete(phases, process)


def _up(run: Run, service: ServiceFacts) -> float:
    """Seconds from when the services were first asked for until ``service`` was ready: it waits for what it needs."""
    needs = services.with_needs([service.service])[:-1]
    before = max((_up(run, one) for one in run.services if one.service in needs), default=0.0)
    return before + (service.seconds_to_start or 0.0)


def theirs(guard: Guard, python: Path, sf: str, limits: EngineLimits) -> Taken:
    """One run of the peer; its DuckDB may use all that ``limits`` give a whole worker of ours.

    Raises:
        RunFailed: a table or a query failed; the package itself goes on, and takes that for a duration.
    """
    with tempfile.TemporaryDirectory(dir=guard.folder) as folder:
        command = [str(python), "-P", str(THEIRS), "--folder", folder, "--sf", sf]
        limit_options = ["--threads", str(limits.threads), "--memory-limit", f"{limits.memory // 2**20}MiB"]
        process = _process(guard, [*command, *limit_options], HOME=str(_home(python)))
        reply = json.loads(process.output)
    failed = [f"{one['item']}: {one['error']}" for one in reply["items"] if one["error"]]
    if failed or len(reply["items"]) != TABLES + QUERIES:
        raise RunFailed(f"theirs did {len(reply['items'])} of {TABLES + QUERIES} items: {'; '.join(failed)[:500]}")
    stamps = [process.monotonic[0], *reply["stamps"].values()]
    phases = {name: stamps[at + 1] - stamps[at] for at, name in enumerate(reply["stamps"])}
    return Taken(process, _complete(phases, process), reply["settings"], reply["versions"])


def _complete(phases: Mapping[str, float], process: Process) -> dict[str, float]:
    """``phases`` and what none of them holds; negative where two of them overlap."""
    return {**phases, "left over": process.seconds - sum(phases.values())}


def _their_python(guard: Guard, progress: Progress) -> Path:
    """The Python of their environment, made where it is not there, with the extension where DuckDB looks for it."""
    python = _environment("peer-lakebench-2.2.0", REQUIREMENTS, progress)
    _home(python).mkdir(exist_ok=True)
    _process(guard, [str(python), "-P", str(THEIRS), "--install"], HOME=str(_home(python)))
    return python


def _home(python: Path) -> Path:
    """Their home folder, where DuckDB keeps its extensions."""
    return python.parent.parent / "home"


def _process(guard: Guard, command: Sequence[str], **variables: str) -> Process:
    """Run ``command`` to its end, after what earlier ones wrote is on the disk.

    Both sides keep compiled Python, as on a machine that says nothing about it: the warm-up compiles.

    Raises:
        RunFailed: it ended with another code than 0.
    """
    usual = {key: value for key, value in os.environ.items() if key not in {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}}
    environment = {**usual, "PYTHONPYCACHEPREFIX": str(guard.folder / "bytecode"), **variables}
    os.sync()
    load = os.getloadavg()[0]
    out, log = guard.folder / "out", guard.folder / "log"
    with out.open("wb") as output, log.open("wb") as errors:
        wall, monotonic = time.time(), time.monotonic()
        process = guard.spawn(command, env=environment, stdout=output, stderr=errors)
        process.wait()
        ended = time.monotonic()
    guard.stop(process)
    if process.returncode:
        log_end = " ".join(log.read_text("utf-8", "replace").split())[-500:]
        raise RunFailed(f"{' '.join(command)} ended with code {process.returncode}: {log_end}")
    return Process((monotonic, ended), (wall, wall + ended - monotonic), out.read_text("utf-8"), load)


def rounds(
    count: int, seed: int, one: Callable[[], Taken], other: Callable[[], Taken]
) -> tuple[list[Taken], list[Taken]]:
    """``count`` runs of each, in turns; ``seed`` says who is first, and the order turns about from round to round."""
    first = random.Random(seed).randrange(2)  # noqa: S311 - an order, not a secret
    ones: list[Taken] = []
    others: list[Taken] = []
    for number in range(count):
        turns = [(ones, one), (others, other)]
        for kept, take in turns if (number + first) % 2 == 0 else reversed(turns):
            kept.append(take())
    return ones, others


def _side(runs: Sequence[Taken]) -> dict[str, object]:
    """One side for the result: seconds, rounded."""
    return {
        "seconds": [round(one.process.seconds, 2) for one in runs],
        "load_before": [round(one.process.load, 2) for one in runs],
        "median": round(median([one.process.seconds for one in runs]), 2),
        "median_by_phase": {name: round(median([one.phases[name] for one in runs]), 2) for name in runs[0].phases},
        "phases": [{name: round(seconds, 2) for name, seconds in one.phases.items()} for one in runs],
        "settings": dict(runs[0].settings),
        "versions": dict(runs[0].versions),
    }


def compare(guard: Guard, progress: Progress, sf: str, count: int, seed: int) -> float:
    """Print the result as one JSON object; the ratio of medians, ours by theirs.

    Raises:
        LakebenchError: the environment cannot be made, or a run failed.
    """
    python = _their_python(guard, progress)
    limits = config.load().engine("duckdb")
    if sf != WARM_UP_SF:
        with progress.step(f"warming up at scale factor {WARM_UP_SF}"):
            ours(guard, WARM_UP_SF)
            theirs(guard, python, WARM_UP_SF, limits)

    def our_turn() -> Taken:
        with progress.step("ours"):
            return ours(guard, sf)

    def their_turn() -> Taken:
        with progress.step("theirs"):
            return theirs(guard, python, sf, limits)

    us, them = rounds(count, seed, our_turn, their_turn)
    ratio = paired_ratio([one.process.seconds for one in them], [one.process.seconds for one in us], seed=seed)
    result = {
        "scale_factor": sf,
        "rounds": count,
        "seed": seed,
        "command": f"lakebench {' '.join([*COMMAND, *PROTOCOL])}",
        "ratio": round(ratio.ratio, 3),
        "interval": [round(ratio.interval.low, 3), round(ratio.interval.high, 3)] if ratio.interval else None,
        "at_most": MOST,
        "ours": _side(us),
        "theirs": _side(them),
    }
    print(json.dumps(result, indent=1))  # noqa: T201 - the result
    return ratio.ratio


def main() -> int:
    """Run the comparison; the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sf", default="1")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    console = Console(stderr=True)
    with Guard("peer") as guard:
        try:
            ratio = compare(guard, Terminal(console), options.sf, options.rounds, options.seed)
        except LakebenchError as error:
            console.print(str(error), markup=False)
            return ExitCode.USAGE
    return ExitCode.WORSE if ratio > MOST else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
