"""The section about what ran, on what machine, and how; and the limits of the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lakebench.datasets.storage_probe import in_words
from lakebench.outcomes import Outcome
from lakebench.prices import Prices
from lakebench.reports import costs, limits
from lakebench.reports.alerts import alerts
from lakebench.reports.content import Cell, Paragraph, Part, Table, cells, facts, memory, not_had, seconds, show, size
from lakebench.results import statistics
from lakebench.results.records import Dataset, EngineFacts, Run, ServiceFacts

_DERIVED = {
    "tpch": "Derived from TPC-H, not comparable to published TPC-H results",
    "clickbench": "Derived from ClickBench, not comparable to published ClickBench results",
}
_OUTCOMES = (
    "Outcomes. PASS: the answer was checked and is right. FAIL is one of WRONG (an answer, and not the right one), "
    "REFUSED (the engine said no), CRASH (process or server died), TIMEOUT, OUT_OF_MEMORY. UNAVAILABLE: it did not run "
    "here, which is neither. HARNESS_FAULT: an error of lakebench itself, which says nothing of the engine."
)
_TIMES = "Times. Only a verified answer has a time; it is checked after the clock, outside the engine."
_SAMPLES = (
    "Samples. Warm-ups are kept apart. Engines take turns in seeded, shuffled rounds. Every raw sample, with its "
    "offset and position in the order, stands below its case's evidence."
)
_STATISTICS = (
    f"Statistics. The interval is a seeded percentile bootstrap of the median with {statistics.RESAMPLES:,} resamples; "
    f"below {statistics.MIN_INTERVAL} samples there is none, and at 5 it can at most span minimum to maximum, which "
    "covers the median in 94 of 100 cases. Spread is 1.4826 · MAD / median, and unstable is a spread over 10 %. An "
    "outlier has a modified z over 3.5 and is kept. p90 is told from 20 samples on, p95 from 40, p99 from 200. Drift "
    "compares the medians of the first and second half, each of at least five: over 5 % apart, with an interval that "
    "does not hold 1."
)
_UNTESTED = 300
"""Characters of the list of packages in one line; the report has the whole list."""
_UNRECORDED = not_had("the run did not record it")


def parts(run: Run) -> list[Part]:
    """All of the identity section."""
    return [
        _run(run),
        *(one for dataset in run.datasets for one in _dataset(dataset, costs.of_run(run.header.settings))),
        _engines(run.engines),
        _services(run.services),
        _machine(run),
        facts("Settings, each in force", dict(run.header.settings)),
    ]


def _run(run: Run) -> Table:
    header = run.header
    values = {
        "run": header.run,
        "command": header.command,
        "phases": header.phases,
        "started": header.started,
        "resumed": [one.at for one in run.resumes] or "no",
        "ended": f"{run.end.status}, {run.end.seconds:.0f} s, exit code {run.end.exit_code}" if run.end else "not yet",
        "harness version": header.harness.get("version") or None,
        "harness commit": header.harness.get("commit") or None,
        "tested versions (SHA-256)": header.harness.get("lock") or None,
        "packages at other versions": header.harness.get("untested") or "none",
        "seed": header.settings.get("seed"),
    }
    return facts("Run and harness", values)


def _dataset(dataset: Dataset, prices: Prices | None) -> list[Part]:
    total = _sum([one.bytes for one in dataset.tables])
    values = {
        "scale factor": dataset.scale_factor,
        "seed": dataset.seed,
        "content hash": dataset.content_hash,
        "workload hash": dataset.workload_hash,
        **({"made on the workers of": dataset.generated_on} if dataset.generated_on else {}),
        "written by": dataset.written_by,
        "load time": None if dataset.load_seconds is None else f"{dataset.load_seconds:.1f} s",
        "peak memory of the loading process": None
        if dataset.load_peak_bytes is None
        else f"{dataset.load_peak_bytes / 2**20:,.0f} MiB",
        "size": None if total is None else size(total),
        **({} if total is None or not prices or not prices.gb_month else {"price of keeping it": _kept(total, prices)}),
        "data files": _sum([one.files for one in dataset.tables]),
        **({"storage, without an engine": in_words(dataset.storage_probe)} if dataset.storage_probe else {}),
    }
    return [facts(f"Dataset {dataset.dataset}", values), _tables(dataset)]


def _kept(total: int, prices: Prices) -> str:
    return f"{prices.of_keeping(total):.3g} {prices.currency} a month (data files of the current snapshot)"


def _sum(values: Sequence[int | None]) -> int | None:
    had = [one for one in values if one is not None]
    return sum(had) if had and len(had) == len(values) else None


def _tables(dataset: Dataset) -> Table:
    head = ("table", "rows", "data files", "delete files", "bytes", "format", "snapshot id", "metadata")
    rows = tuple(
        cells(
            one.name,
            f"{one.rows:,}",
            *(_UNRECORDED if value is None else value for value in (one.files, one.delete_files)),
            _UNRECORDED if one.bytes is None else size(one.bytes),
            f"v{one.format_version or '?'}, {one.file_format or '?'}, {one.codec or '?'}",
            *(_UNRECORDED if value is None else value for value in (one.snapshot_id, one.metadata_location)),
        )
        for one in dataset.tables
    )
    return Table(f"Tables of {dataset.dataset}, as measured", head, rows)


def _engines(engines: Sequence[EngineFacts]) -> Table:
    head = ("engine", "versions, as it reports them", "settings that are not its defaults", "server", "packages (lock)")
    rows = tuple(
        (
            Cell(one.engine),
            Cell(f"UNAVAILABLE: {one.reason}" if one.reason else show("", one.versions)),
            Cell(show("", one.settings)),
            Cell(one.service or "none: inside the worker"),
            Cell(one.python_lock or _UNRECORDED),
        )
        for one in engines
    )
    return Table("Engines", head, rows)


def _services(services: Sequence[ServiceFacts]) -> Table:
    head = ("service", "version", "runtime", "ready after", "memory limit", "settings")
    rows = tuple(
        cells(
            one.service,
            one.version,
            one.runtime,
            not_had("not started by us") if one.seconds_to_start is None else f"{seconds(one.seconds_to_start)} s",
            not_had("none was set") if one.memory_limit is None else memory(one.memory_limit),
            show("", one.settings),
        )
        for one in services
    )
    return Table("Services", head, rows)


def _machine(run: Run) -> Table:
    machine = dict(run.header.machine)
    missing = machine.pop("not_had", {})
    machine["load_after"] = None if run.end is None else run.end.load_after
    table = facts("Machine", machine, missing if isinstance(missing, Mapping) else {})
    return Table(table.caption, table.head, tuple((Cell(_words(a.text)), b) for a, b in table.rows))


def _words(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ")


def method(run: Run) -> list[Part]:
    """How outcomes and times are measured, and the limits."""
    return [
        *(Paragraph(one) for one in (_OUTCOMES, *([_TIMES, _SAMPLES, _STATISTICS] if limits.timed(run) else []))),
        *map(Paragraph, derived(run)),
        limits.table(run),
    ]


def derived(run: Run) -> list[str]:
    """The sources of the workloads, one sentence for each."""
    return [text for name, text in _DERIVED.items() if any(one.dataset == name for one in run.datasets)]


def untested(run: Run) -> str:
    """One line about packages whose installed version is not the tested one; empty where there is none."""
    packages = run.header.harness.get("untested")
    if not packages:
        return ""
    shown = packages if len(packages) <= _UNTESTED else f"{packages[:_UNTESTED].rpartition(', ')[0]}, …"
    return f"Not the tested versions: {shown}. An environment with those: lakebench install --locked"


def verdict(run: Run) -> tuple[str, bool]:
    """The run in one line; and whether it is whole and everything that ran passed or failed as accepted."""
    counts = Counter(record.outcome for record in run.cases)
    failures = {kind: count for kind, count in counts.items() if kind.mark == "FAIL"}
    known = sum("known" in record.evidence for record in run.cases if record.outcome.is_failure)
    absent = counts[Outcome.UNAVAILABLE]
    ran = sum(record.outcome.ran for record in run.cases)
    whole = not alerts(run)
    if not ran:
        text = "NOTHING RAN"
    elif failures:
        kinds = ", ".join(f"{count} {kind.value}" for kind, count in sorted(failures.items()))
        failed = sum(failures.values())
        accepted = "AS ACCEPTED: " if whole else ""
        head, tail = (accepted, "all of them known") if known == failed else ("FAIL: ", f"{known} of them known")
        text = f"{head}{failed} of {ran} cases that ran failed ({kinds}), {tail}"
    else:
        text = f"{'PASS: ' if whole else ''}all {ran} cases that ran passed"
    if absent:
        text += f"; {absent} did not run here (UNAVAILABLE)"
    return text, bool(ran) and known == sum(failures.values()) and whole
