"""A case of phase 5 beside the measured queries: one test of one engine."""

from __future__ import annotations

from lakebench.execution.cases import Case
from lakebench.model import Coordinates, EngineRef

PHASE = "phase5"


def case_of(ref: EngineRef, check: str, test: str, group: str, row: str, *, more: dict[str, str] | None = None) -> Case:
    """The case ``phase5/<check>/<test>/<engine>``; ``more`` are coordinates without a field."""
    return Case(
        id=f"{PHASE}/{check}/{test}/{ref}",
        phase=PHASE,
        title=f"{row}: {ref}",
        engine=ref,
        group=group,
        row=row,
        column=str(ref),
        coordinates=Coordinates(engine=ref.name, version=ref.version, check=check, test=test, more=more or {}),
    )
