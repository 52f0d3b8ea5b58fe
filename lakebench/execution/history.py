"""The cases that a run has finished, in this process or in an earlier one; verdicts on other cases use them."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.model import EngineRef, Record
from lakebench.outcomes import Outcome
from lakebench.results.records import Run


class RunHistory:
    """The finished cases of a run, and the versions that its engines reported.

    A case that ended in an error of ours is not finished: it says nothing of an engine, and is run again.
    """

    def __init__(self, earlier: Run | None = None) -> None:
        self._cases: dict[str, Record] = {}
        self._versions: dict[str, Mapping[str, str]] = {}
        for facts in earlier.engines if earlier else ():
            self._versions[facts.engine] = facts.versions
        for record in earlier.cases if earlier else ():
            self.add(record)

    def add(self, record: Record) -> None:
        """Remember a record that is on the disk."""
        if record.outcome is Outcome.HARNESS_FAULT:
            return
        self._cases[record.case] = record
        if record.versions:
            self._versions[record.engine] = record.versions

    def case(self, case: str) -> Record | None:
        """The record of the case with this id, ``None`` where it is not finished."""
        return self._cases.get(case)

    def add_versions(self, ref: EngineRef, versions: Mapping[str, str]) -> None:
        """Remember the versions that ``ref`` reports."""
        self._versions[str(ref)] = versions

    def versions(self, ref: EngineRef) -> Mapping[str, str]:
        """The versions that ``ref`` reported last; empty before it ran."""
        return self._versions.get(str(ref), {})
