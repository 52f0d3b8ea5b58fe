"""What one read of a table of the matrix comes to, beside what the oracle expects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakebench.datasets.interop import same
from lakebench.errors import CaseEnd, HarnessFault, WrongAnswer, from_outcome
from lakebench.execution.engine_client import EngineClient
from lakebench.iceberg.operations import Read
from lakebench.outcomes import Outcome
from lakebench.processes.replies import error_from
from lakebench.verification.checker import Checker


def compared(
    client: EngineClient, checker: Checker, read: Read, reply: Mapping[str, Any], actual: Path, expected: Path
) -> tuple[dict[str, Any], CaseEnd | None]:
    """The evidence of one read, and the error where it did not pass."""
    asked = {"read": read.name, "calls": reply["calls"]}
    if not reply["ok"]:
        error = client.case_end(error_from(reply["error"]))
        return {**asked, "outcome": error.outcome, "reason": str(error)}, _of_read(read, error)
    checked = checker.call(same.compare, actual, expected)
    evidence = {**asked, "outcome": Outcome.PASS, "rows": checked.rows}
    if checked.type_differences:
        evidence["type_differences"] = list(checked.type_differences)
    if checked.diff is None:
        return evidence, None
    return {**evidence, "outcome": Outcome.WRONG, "reason": checked.message, "diff": dict(checked.diff)}, WrongAnswer(
        f"{read.name}: {checked.message}"
    )


def _of_read(read: Read, error: CaseEnd) -> CaseEnd:
    if isinstance(error, HarnessFault):
        return error
    return from_outcome(error.outcome, f"{read.name}: {error}")
