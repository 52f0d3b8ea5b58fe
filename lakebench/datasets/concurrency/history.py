"""The logs of concurrent workers (:mod:`lakebench.processes.concurrent_tasks`), read back and summed up."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets.concurrency.oracle import INSERTS, Attempt, Final, Seen, explain
from lakebench.datasets.concurrency.workloads import SEED
from lakebench.datasets.table_files import read
from lakebench.results import statistics

if TYPE_CHECKING:
    import pyarrow as pa

_MS = 1e6
_NS = 1e9
_PARTICULAR = re.compile(r"/[\w./@:-]+|'[^']*'|\"[^\"]*\"|\(PID \d+\)|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
_SHOWN = 160
_UNKNOWN = frozenset({"EngineCrash", "Timeout"})


def of_files(
    workload: str,
    writers: Mapping[int, Path],
    readers: Mapping[str, Path],
    final: Path,
    facts: Path | None,
    lost: Sequence[int],
) -> dict[str, Any]:
    """As :func:`summary_of`, with the ``final`` rows in a file; the one row of ``facts`` is added as it is."""
    more: dict[str, Any] = read(facts).to_pylist()[0] if facts else {}
    return {**summary_of(workload, writers, readers, read(final), lost), **more}


def summary_of(
    workload: str,
    writers: Mapping[int, Path],
    readers: Mapping[str, Path],
    final: pa.Table,
    lost: Sequence[int] = (),
) -> dict[str, Any]:
    """Counts, times and anomalies of one cell, as JSON values; ``writers`` and ``readers`` are files by name.

    ``lost`` are the times at which the answer to a commit of the first writer was lost.
    """
    attempts = [_doubted(one, lost) for number, path in writers.items() for one in _attempts(number, _lines(path))]
    reads = [(name, line) for name, path in readers.items() for line in _lines(path)]
    seen = [
        Seen(name, one["began"], one["ended"], tuple(map(tuple, one["rows"]))) for name, one in reads if "rows" in one
    ]
    first = [Attempt(*SEED, 0, 0, "done")] if workload in {"insert", "groups"} else []
    explained = explain(workload, [*first, *attempts], seen, _final(final))
    return {
        **_counts(attempts),
        **_times(attempts),
        "final_rows": _inserted(final) if workload in INSERTS else final.num_rows,
        "unknown_landed": explained.unknown_landed,
        "reads": len(seen),
        "reads_behind": explained.behind,
        "read_errors": _classes(one for _, one in reads if "kind" in one),
        "anomalies": {kind: list(words) for kind, words in explained.anomalies.items()},
    }


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of the file; a killed process may have left half of one."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _attempts(writer: int, lines: Sequence[Mapping[str, Any]]) -> list[Attempt]:
    """Each task that began; one without an end is unknown: its process was killed in it."""
    began = {one["task"]: one["began"] for one in lines if "began" in one}
    ended = {one["task"]: one for one in lines if "ended" in one}
    lost = {"ended": None, "state": "unknown", "kind": "killed", "message": "the process ended in it", "tries": 1}
    return [_attempt(writer, task, at, ended.get(task, lost)) for task, at in began.items()]


def _attempt(writer: int, task: int, began: int, end: Mapping[str, Any]) -> Attempt:
    kind, message = end.get("kind", ""), end.get("message", "")
    return Attempt(writer, task, began, end["ended"], end["state"], kind, message, end["tries"])


def _doubted(attempt: Attempt, lost: Sequence[int]) -> Attempt:
    """``attempt``, as unknown where its server died, it hung, or the answer to its commit was lost in it."""
    if attempt.state != "refused" or attempt.ended is None:
        return attempt
    unheard = attempt.writer == 1 and any(attempt.began <= at <= attempt.ended for at in lost)
    return dataclasses.replace(attempt, state="unknown") if unheard or attempt.kind in _UNKNOWN else attempt


def _final(table: pa.Table) -> Final:
    listed = table.select(["id", "writer", "value"]).to_pylist()
    return Final(tuple((one["id"], one["writer"], one["value"]) for one in listed), tuple(table.column_names))


def _inserted(final: pa.Table) -> int:
    """The rows that writers inserted."""
    return sum(writer != SEED[0] for writer in final.column("writer").to_pylist())


def _counts(attempts: Sequence[Attempt]) -> dict[str, Any]:
    states = Counter(one.state for one in attempts)
    failed = [dataclasses.asdict(one) for one in attempts if one.state != "done"]
    return {
        "asked": len(attempts),
        "succeeded": states["done"],
        "failed": states["refused"],
        "unknown": states["unknown"],
        "client_retries": sum(one.tries - 1 for one in attempts),
        "errors": _classes(failed),
    }


def _times(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Times of the tasks that succeeded: seconds from the first begin to the last end, and milliseconds of each."""
    took = [(one.ended - one.began) / _MS for one in attempts if one.state == "done" and one.ended is not None]
    ends = [one.ended for one in attempts if one.ended is not None]
    if not took or not ends:
        return {}
    wall = (max(ends) - min(one.began for one in attempts)) / _NS
    summary = statistics.summarise(took)
    p95 = summary.quantiles.get("p95")
    return {
        "wall_s": round(wall, 3),
        "operations_per_s": round(len(took) / wall, 2),
        "median_ms": round(summary.median, 2),
        "p95_ms": round(p95, 2) if p95 is not None else f"n too small ({len(took)})",
        "maximum_ms": round(max(took), 2),
    }


def _classes(errors: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Errors without what is particular to one of them (paths, numbers, names), and how many there were of each."""
    classes = (f"{one['kind']}: {' '.join(_PARTICULAR.sub('…', one['message']).split())[:_SHOWN]}" for one in errors)
    return dict(Counter(classes).most_common())
