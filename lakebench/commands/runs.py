"""The folders of runs, by the names that the user gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.errors import UsageError

if TYPE_CHECKING:
    from lakebench.config import Settings


def folder_of(settings: Settings, name: str) -> Path:
    """The folder of the run called ``name``, or at the path ``name``.

    Raises:
        UsageError: there is none; the message has the newest ones.
    """
    for at in (settings.output / name, Path(name)):
        if (at / "records.jsonl").exists():
            return at
    newest = sorted((one.parent.name for one in settings.output.glob("*/records.jsonl")), reverse=True)[:3]
    hint = f"the newest are {', '.join(newest)}" if newest else f"there is none in {settings.output}"
    raise UsageError(f"no run called '{name}': {hint}")
