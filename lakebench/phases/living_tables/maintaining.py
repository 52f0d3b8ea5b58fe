"""One step of maintenance by one engine: what it costs, what it frees, and whether all that must stay is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lakebench.datasets.living.audit import Stored
from lakebench.errors import CaseError, Refused, WrongAnswer
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import Compact, ExpireSnapshots, Operation, RemoveOrphans
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef
from lakebench.phases.call_costs import Cost, change_cost
from lakebench.phases.living_tables.lives import Life, name_of
from lakebench.phases.living_tables.observations import READS, Observations
from lakebench.phases.living_tables.tables import STORE, LivingTable
from lakebench.phases.living_tables.watching import Watched, reader_of, watched


@dataclass
class Maintenance:
    """A step of maintenance; its part in the observations is the step's name with the engine."""

    context: RunContext
    life: Life
    table: LivingTable
    seen: Observations
    ref: EngineRef
    step: type[Operation]

    def __post_init__(self) -> None:
        """Nothing is done yet."""
        self._done = self._fewer = False

    @property
    def part(self) -> tuple[str, EngineRef]:
        """Whose outcome it is."""
        return name_of(self.step), self.ref

    @property
    def expires(self) -> bool:
        """Whether snapshots have expired by it, also where the engine said that it failed."""
        return self.step is ExpireSnapshots and (self._done or self._fewer)

    @property
    def compacts(self) -> bool:
        """Whether files were compacted by it."""
        return self._done and self.step is Compact

    def run(self, scan: Scan, expected: Path, wrong: Callable[[], str]) -> None:
        """Carry it out while a reader asks for ``scan``; ``wrong`` says how the rows differ from what they must be.

        Raises:
            Ended: the table is wrong now.
        """
        before, facts = self.table.stored(), self.table.facts()
        planted = self._planted()
        if self.seen.has_failed(self.part):
            return
        cost, watching, error = self._carried_out(scan, expected)
        self._check(wrong)
        after = self.table.stored()
        now = self.table.facts()
        self.seen.evidence(self.part).update(
            {"before": facts, "after": now, **_difference(before, after, planted)},
            **(cost.to_json() if cost else {}),
            **({"meanwhile": watching.to_json()} if watching else {}),
        )
        if error is None and (not_done := self._not_done(facts, now, after, planted)):
            error = Refused(f"the call was taken, but {not_done}")
        if error is not None:
            self.seen.fail(self.part, error)
        self._done, self._fewer = error is None, now["snapshots"] < facts["snapshots"]
        self.seen.finished.add(self.part)

    def _planted(self) -> tuple[str, ...]:
        """Files that nothing refers to, where they are to be removed."""
        if self.step is not RemoveOrphans:
            return ()
        try:
            return self.table.plant_orphans()
        except CaseError as error:
            self.seen.fail(self.part, error)
            return ()

    def _carried_out(self, scan: Scan, expected: Path) -> tuple[Cost | None, Watched | None, CaseError | None]:
        with self._reader_meanwhile(scan, expected) as watching:
            try:
                cost = self._cost(watching)
            except CaseError as error:
                return None, watching, error
        if watching and watching.counts.get("wrong"):
            what = f"{watching.counts['wrong']} wrong answers while {self.ref} did {self.part[0]}"
            self.seen.fail((READS, watching.reader), WrongAnswer(what))
        return cost, watching, None

    def _cost(self, watching: Watched | None) -> Cost:
        """Of the step alone."""
        more = {"others": lambda: watching.traffic} if watching else {}
        maintain = partial(self.table.maintain, self.ref, self.step)
        return change_cost(self.context, self.ref, self.table.lake, maintain, STORE, **more)

    @contextlib.contextmanager
    def _reader_meanwhile(self, scan: Scan, expected: Path) -> Iterator[Watched | None]:
        reader = reader_of([one for one in self.life.readers if not self.seen.has_failed((READS, one))], self.ref)
        if reader is None:
            yield None
            return
        with watched(self.context, reader, self.table.lake, scan, expected) as watching:
            yield watching

    def _check(self, wrong: Callable[[], str]) -> None:
        """Rows, tags and files, whatever the engine said.

        Raises:
            Ended: one of them is not as it was.
        """
        if damage := self.table.damage():
            raise self.seen.end(self.part, "; ".join(damage))
        if rows := wrong():
            raise self.seen.end(self.part, f"other rows than before: {rows}")

    def _not_done(
        self, before: Mapping[str, int], after: Mapping[str, int], there: Stored, planted: tuple[str, ...]
    ) -> str:
        """Why it was not done although the engine said so, in words; empty where it was."""
        files = [one["data_files"] + one["delete_files"] for one in (before, after)]
        if self.step is Compact and files[1] >= files[0] > 1:
            return f"there are {files[1]} files, and were {files[0]}"
        if self.step is ExpireSnapshots and after["snapshots"] >= before["snapshots"] > 1 + len(self.table.tags):
            return f"there are {after['snapshots']} snapshots, and were {before['snapshots']}"
        left = [one for one in planted if one in there.sizes]
        if left:
            return f"{len(left)} of {len(planted)} files that nothing refers to are still there"
        return ""


def _difference(before: Stored, after: Stored, planted: tuple[str, ...]) -> dict[str, Any]:
    """What came into the store and what went, in objects and bytes; planted files are neither."""
    made = {path: size for path, size in after.sizes.items() if path not in before.sizes and path not in planted}
    gone = {path: size for path, size in before.sizes.items() if path not in after.sizes}
    removed = [one for one in planted if one not in after.sizes]
    return {
        "made_objects": len(made),
        "made_bytes": sum(made.values()),
        "freed_objects": len(gone),
        "freed_bytes": sum(gone.values()),
        **({"orphans_planted": len(planted), "orphans_removed": len(removed)} if planted else {}),
    }
