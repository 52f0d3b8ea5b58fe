"""What a life came to, case by case: the first failure of each engine in each part, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakebench.errors import CaseError, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Evidence
from lakebench.model import EngineRef

WRITES, READS, TAG, EXPIRED = "writes", "reads", "pinned-tag", "pinned-expired"
GROUP = "The life of "
"""How the group of a life's cases begins; its title follows."""
Part = tuple[str, EngineRef]
"""The kind of check, and the engine that it is about."""


class Ended(Exception):
    """The life cannot go on: the table is not what it must be, or nobody writes it any more."""


@dataclass
class Observations:
    """``found`` has the evidence of each part, ``failed`` its first failure, ``finished`` are those that are through.

    ``why`` says why the life ended before its time.
    """

    found: dict[Part, dict[str, Any]] = field(default_factory=dict)
    failed: dict[Part, CaseError] = field(default_factory=dict)
    finished: set[Part] = field(default_factory=set)
    why: str = ""

    def evidence(self, part: Part) -> dict[str, Any]:
        """What is known of ``part``, to be added to."""
        return self.found.setdefault(part, {})

    def add(self, part: Part, key: str, value: Any) -> None:
        """Add ``value`` to a list of the part's evidence."""
        self.evidence(part).setdefault(key, []).append(value)

    def fail(self, part: Part, error: CaseError) -> None:
        """Keep the first failure."""
        self.failed.setdefault(part, error)

    def has_failed(self, part: Part) -> bool:
        """Whether the engine failed in this part already."""
        return part in self.failed

    def end(self, part: Part, what: str) -> Ended:
        """Blame ``part`` for a wrong table, after which nothing more can be learnt from it."""
        self.fail(part, WrongAnswer(what))
        self.why = f"the table was wrong by then: {part[0]} by {part[1]}: {what}"
        return Ended(self.why)

    def result(self, part: Part) -> Evidence:
        """The evidence of a part that passed.

        Raises:
            CaseError: it did not, or it did not come to it.
        """
        evidence: Mapping[str, Any] = self.found.get(part, {})
        if error := self.failed.get(part):
            error.details.update(evidence)
            raise error
        if self.why and part not in self.finished:
            raise EngineUnavailable(f"not done to the end: {self.why}", **evidence)
        if not evidence:
            raise EngineUnavailable("it did not come to its turn: the life was too short for that")
        return {**evidence, "checked_against": ["the commits of the life, applied to the generator's rows"]}
