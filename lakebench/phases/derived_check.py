"""The reads that follow from a feature's rows: filters in one batch, and those that fail once more, alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebench.datasets.interop import same
from lakebench.datasets.interop.derived_reads import DerivedReads
from lakebench.datasets.interop.program import read_in_words
from lakebench.errors import CaseEnd, CaseError
from lakebench.iceberg.operations import Read
from lakebench.outcomes import Outcome
from lakebench.phases.read_check import ReadResult, TableReader, checked, failed

_CONFIRMED = 3
"""Wrong answers of a batch that are asked for once more, alone."""
_MOST_FAILURES = 3
"""Failures without an answer after which no more is asked: each costs a connection or a process."""


@dataclass(frozen=True)
class DerivedCheck:
    """The derived reads of one table by one reader.

    The file ``filtered`` has the right answers to all filters, ``shapes`` has one for each of the other reads.
    """

    table: TableReader
    reads: DerivedReads
    filtered: Path
    shapes: tuple[Path, ...]

    def run(self) -> tuple[dict[str, Any], list[CaseEnd]]:
        """How many were asked and passed, with the evidence of those that failed; and the errors of these."""
        results = [*self._filters(), *self._shapes()]
        failures = [(read, evidence, error) for read, (evidence, error) in results if error is not None]
        asked, planned = len(results), len(self.reads.filters) + len(self.reads.shapes)
        evidence: dict[str, Any] = {"asked": asked, "passed": asked - len(failures)}
        if asked < planned:
            evidence["not_asked"] = planned - asked
        evidence["reads"] = [
            {**one, "asked": read_in_words(read), "kind": _kind(read)} for read, one, _ in failures
        ]  # fmt: skip
        return evidence, [error for _, _, error in failures]

    def _shapes(self) -> Iterator[tuple[Read, ReadResult]]:
        try:
            yield from zip(self.reads.shapes, self.table.results(self.reads.shapes, self.shapes), strict=True)
        except CaseError as error:
            yield self.reads.shapes[0], failed(self.reads.shapes[0], error)

    def _filters(self) -> Iterator[tuple[Read, ReadResult]]:
        """The filters by one call where the engine answers it, else one by one."""
        filters = self.reads.filters
        if not filters:
            return
        scan = replace(self.table.scan(filters[0]), where=(), filters=tuple(one.where for one in filters))
        try:
            ((reply, into),) = self.table.ask([scan])
        except CaseError:
            yield from self._one_by_one()
            return
        if reply["ok"]:
            yield from self._of_batch(into, reply["calls"])
        else:
            yield from self._one_by_one()

    def _of_batch(self, into: Path, calls: Sequence[str]) -> Iterator[tuple[Read, ReadResult]]:
        filters = self.reads.filters
        answers = self.table.context.checker.call(same.compare_each, into, self.filtered, len(filters))
        confirmed = 0
        for n, (read, rows) in enumerate(zip(filters, answers, strict=True)):
            result = checked(read, rows, calls)
            if result[1] is not None and confirmed < _CONFIRMED:
                confirmed += 1
                alone = self._alone(n)
                result = result if alone[1] is None else alone
            yield read, result

    def _one_by_one(self) -> Iterator[tuple[Read, ReadResult]]:
        failures = 0
        for n, read in enumerate(self.reads.filters):
            result = self._alone(n)
            yield read, result
            failures += result[0]["outcome"] not in {Outcome.PASS, Outcome.WRONG}
            if failures >= _MOST_FAILURES:
                return

    def _alone(self, n: int) -> ReadResult:
        read = self.reads.filters[n]
        try:
            ((reply, into),) = self.table.ask([self.table.scan(read)])
        except CaseError as error:
            return failed(read, error)
        compare = self.table.context.checker.call
        return self.table.result(read, reply, lambda: compare(same.compare_part, into, self.filtered, n))


def _kind(read: Read) -> str:
    """What an acceptance keeps of a read: not its values, which come and go with the rows of the feature."""
    tests = " and ".join(f"{one.column} {one.test}" for one in read.where) or read.name
    return f"count(*) where {tests}" if read.count else tests
