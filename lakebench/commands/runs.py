"""The folders of runs, by the names that the user gives."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.errors import UsageError
from lakebench.results import records

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


def folders_of(settings: Settings, names: Iterable[str]) -> list[Path]:
    """The folders of the runs in ``names``, of which each may be several with commas between them.

    Raises:
        UsageError: there is no such run, or its records are damaged.
    """
    folders = [folder_of(settings, name.strip()) for text in names for name in text.split(",") if name.strip()]
    for folder in folders:
        records.read(folder)
    return folders
