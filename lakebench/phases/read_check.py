"""What the reads of a table of the matrix come to, beside what the oracle expects."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebench.datasets.answer_files import Checked
from lakebench.datasets.interop import same
from lakebench.errors import CaseEnd, HarnessFault, WrongAnswer, from_outcome
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import Read
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef, Lake
from lakebench.outcomes import Outcome
from lakebench.processes.replies import error_from

_WORST = (
    Outcome.HARNESS_FAULT,
    Outcome.WRONG,
    Outcome.CRASH,
    Outcome.TIMEOUT,
    Outcome.OUT_OF_MEMORY,
    Outcome.REFUSED,
    Outcome.UNAVAILABLE,
    Outcome.PASS,
)
ReadResult = tuple[dict[str, Any], CaseEnd | None]
"""The evidence of one read, and the error where it did not pass."""


@dataclass(frozen=True)
class TableReader:
    """One reader of one table: ``scan`` is what a read asks it for; each call has ``limit_s`` seconds.

    ``session`` names the worker, where a reader has several.
    """

    context: RunContext
    reader: EngineRef
    lake: Lake
    limit_s: float
    scan: Callable[[Read], Scan]
    session: str = ""

    def ask(self, scans: Sequence[Scan]) -> list[tuple[dict[str, Any], Path]]:
        """What became of each of ``scans``, and the file of its rows.

        Raises:
            LakebenchError: the worker could not be asked, or died.
        """
        into = [self.context.files.new(f"{self.reader}-{number}") for number in range(len(scans))]
        asked = [one.to_json() for one in scans]
        replies = self.context.client.scans(self.reader, self.lake, asked, into, self.limit_s, session=self.session)
        return list(zip(replies, into, strict=True))

    def results(self, reads: Sequence[Read], expected: Sequence[Path]) -> list[ReadResult]:
        """Each of ``reads`` held against its file of ``expected``.

        Raises:
            LakebenchError: as :meth:`ask` does.
        """
        answers = self.ask([self.scan(one) for one in reads])
        results = [
            self.result(read, reply, functools.partial(self.context.checker.call, same.compare, got, to))
            for read, (reply, got), to in zip(reads, answers, expected, strict=True)
        ]
        for _, got in answers:
            got.unlink(missing_ok=True)
        return results

    def result(self, read: Read, reply: Mapping[str, Any], check: Callable[[], Checked]) -> ReadResult:
        """What ``reply`` makes of ``read``; ``check`` compares the rows where there are some."""
        if not reply["ok"]:
            return failed(read, self.context.client.case_end(error_from(reply["error"])), reply["calls"])
        return checked(read, check(), reply["calls"])


def checked(read: Read, rows: Checked, calls: Sequence[str]) -> ReadResult:
    """The result of a read that gave ``rows``."""
    evidence: dict[str, Any] = {"read": read.name, "calls": list(calls), "outcome": Outcome.PASS, "rows": rows.rows}
    if rows.type_differences:
        evidence["type_differences"] = list(rows.type_differences)
    if rows.diff is None:
        return evidence, None
    wrong = {"outcome": Outcome.WRONG, "reason": rows.message, "diff": dict(rows.diff)}
    return {**evidence, **wrong}, WrongAnswer(f"{read.name}: {rows.message}")


def failed(read: Read, error: CaseEnd, calls: Sequence[str] = ()) -> ReadResult:
    """The result of a read that gave no rows."""
    evidence = {"read": read.name, "calls": list(calls), "outcome": error.outcome, "reason": str(error)}
    if isinstance(error, HarnessFault):
        return evidence, error
    return evidence, from_outcome(error.outcome, f"{read.name}: {error}")


def worst(errors: Sequence[CaseEnd]) -> CaseEnd | None:
    """The first of the worst of ``errors``: what becomes of a case of many reads."""
    return min(errors, key=lambda one: _WORST.index(one.outcome)) if errors else None
