"""What goes wrong while a random program runs, and when two failures are one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lakebench.iceberg.operations import Operation, Read
from lakebench.outcomes import Outcome

_CHANGING = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\S*[/\\]\S*|\S*\d\S*|\S+_\S+""")
_WORDS = 12
_SHOWN = 200  # characters

Side = Literal["write", "table", "read"]
"""An engine fails at its step, leaves a table that is wrong, or reads a table wrong that others read right."""


@dataclass(frozen=True)
class Failure:
    """``engine`` failed at the step ``operation``, or in reading after it.

    ``kind`` is what failures of one cause have in common: the words of a message without names and numbers, or what
    kind of read was wrong. ``step`` counts the operations up to it, of which the last was only ``attempted`` where the
    engine failed at it. ``evidence`` is JSON.
    """

    engine: str
    side: Side
    operation: str
    outcome: Outcome
    kind: str
    step: int
    reason: str
    read: Read | None = field(default=None, hash=False)
    attempted: Operation | None = field(default=None, hash=False)
    evidence: Mapping[str, Any] = field(default_factory=dict, compare=False, hash=False)

    @property
    def name(self) -> tuple[str, str, str, str, str]:
        """What two failures of one cause have in common."""
        return self.engine, self.side, self.operation, self.outcome.value, self.kind

    @property
    def title(self) -> str:
        """One line."""
        did = {"write": "at", "table": "wrong table after", "read": "reading after"}[self.side]
        text = f"{self.engine} {self.outcome} {did} {self.operation}: {' '.join(self.reason.split())}"
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def words_of(message: str) -> str:
    """The first words of ``message`` without names, numbers and paths."""
    first = next(iter(message.strip().splitlines()), "")
    return " ".join(_CHANGING.sub(" ", first).split()[:_WORDS])


def kind_of_read(read: Read) -> str:
    """What kind of read ``read`` is."""
    kinds = {"count": read.count, "filter": read.where, "snapshot": read.at, "branch": read.ref}
    return next((name for name, asked in kinds.items() if asked), "rows")


def name_of(operation: Operation) -> str:
    """The name of the kind of operation."""
    return type(operation).__name__
