"""The limits of a run: what its results do not show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakebench.reports.content import Cell, Table, cells, show
from lakebench.results import statistics
from lakebench.results.records import SHORT_LIVED, Run, ServiceFacts

_STORES = "object-store"


def table(run: Run) -> Table:
    """Rows of subject and limit."""
    subjects = {
        "Machine": _machine(run),
        "Size": _size(run),
        "Storage": " ".join(_storage(run)),
        "Load": " ".join(_load(run)),
        "Engines": _engines(run),
        "Times": _times(run),
        "Timings of few runs": _few(run),
        "Faults of the harness": _faults(run),
    }
    rows: tuple[tuple[Cell, ...], ...] = tuple(cells(name, text) for name, text in subjects.items() if text)
    return Table("What this does not show", ("subject", "limit"), rows)


def timed(run: Run) -> bool:
    """Whether any case has samples."""
    return any(one.samples for one in run.cases)


def _machine(run: Run) -> str:
    ours = [one for one in run.services if one.runtime != "external"]
    shared = "clients and servers share its cores and its page cache" if ours else "the engines share its cores"
    machine = run.header.machine
    return (
        f"one node, {show('', machine.get('cores'))} cores, virtualised: {show('', machine.get('virtualised'))}. "
        f"Others may use the same hardware; {shared}, so nothing here tells how an engine scales out."
    )


def _times(run: Run) -> str:
    """Why there are none, where servers were started for answers alone."""
    if timed(run) or not any(SHORT_LIVED in one.settings for one in run.services):
        return ""
    return (
        "not shown: the verdict is correctness. Each question was asked once, several engines at a time, and servers "
        "on Java were started to begin early, not to be fast (their first compiler alone, classes from an archive)."
    )


def _size(run: Run) -> str:
    scales = sorted({one.scale_factor for one in run.datasets} - {"none"})
    if not scales or not timed(run):
        return ""
    caution = "at small ones the costs of planning, metadata and start-up outweigh the scan."
    return f"scale factor {', '.join(scales)}: {caution}"


def _storage(run: Run) -> Iterator[str]:
    stores = [one for one in run.services if one.service.partition("@")[0] == _STORES]
    slowed = [one.service for one in stores if _simulated(one)]
    if external := [one.service for one in run.services if one.runtime == "external"]:
        yield f"external: {', '.join(external)}, as they were at that time and from here."
    if any(one.runtime != "external" and one.service not in slowed for one in stores):
        yield (
            "An object store of ours is a process on this machine in front of a disk: S3Proxy, MinIO and the like are "
            "not S3, and the network is loopback. Its numbers have no latency, throttling and price of a cloud store."
        )
    if slowed:
        yield f"{', '.join(slowed)} waits as its settings say: a simulation, not a cloud store."
    if not stores:
        yield "no object store was asked: what one costs is not in these numbers."


def _simulated(store: ServiceFacts) -> bool:
    return store.service.partition("@")[2].startswith("simulated-")


def _load(run: Run) -> Iterator[str]:
    """How many sessions ran at once, for each kind of measurement in the run."""
    if timed(run):
        yield "Latencies are of one query at a time."
    if streams := _numbers(run, "streams"):
        yield f"Throughput is of {_listed(streams)} streams at once, with what they share of this machine."
    concurrencies = [one.evidence["concurrency"] for one in run.cases if one.evidence.get("concurrency")]
    if writers := sorted({one["writers"] for one in concurrencies if isinstance(one.get("writers"), int)}):
        yield f"Writers at once: {_listed(writers)}; nothing is told of more."


def _numbers(run: Run, key: str) -> list[int]:
    return sorted({value for one in run.cases if isinstance(value := one.evidence.get(key), int)})


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _engines(run: Run) -> str:
    return "each with the settings shown: others may suit this machine better, or another." if run.engines else ""


def _few(run: Run) -> str:
    few = any(
        0 < sum(sample.kind == kind for sample in one.samples) < statistics.MIN_INTERVAL
        for one in run.cases
        for kind in ("cold", "warm")
    )
    least = statistics.MIN_INTERVAL
    return f"those with fewer than {least} samples have no interval: do not compare two of them." if few else ""


def _faults(run: Run) -> str:
    faults = sum(one.outcome == "HARNESS_FAULT" for one in run.cases)
    return (
        f"{faults} cases say nothing of an engine: lakebench run --resume {run.header.run} runs them again."
        if faults
        else ""
    )
