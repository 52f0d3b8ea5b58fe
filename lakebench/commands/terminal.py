"""What the commands print on the terminal, and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

import lakebench

if TYPE_CHECKING:
    from lakebench.progress import Progress

ERRORS = Console(stderr=True, highlight=False, soft_wrap=True)


def progress_of(quiet: bool) -> Progress:
    """Where long work of a command reports to."""
    from lakebench.progress import Quiet, Terminal

    return Quiet() if quiet else Terminal(Console(stderr=True, width=None if sys.stderr.isatty() else 100))


def print_json(command: str, value: Mapping[str, Any]) -> None:
    """Print ``value`` for programs, with its name, the version of its shape and the version of lakebench.

    ``outputs.schema.json`` beside this module describes it.
    """
    from lakebench.commands.json_outputs import VERSION

    head = {"output": command, "version": VERSION, "lakebench": lakebench.__version__}
    print(json.dumps({**head, **value}, indent=2))  # noqa: T201 - output for programs


def plain(text: str) -> str:
    """``text`` in one line, without markup."""
    from rich.markup import escape

    return escape(" ".join(text.splitlines()))


def table(title: str, lines: Sequence[tuple[str, ...]]) -> None:
    """Print ``lines``, of which the first is the header."""
    from rich.table import Table

    made = Table(title=title, title_justify="left", show_edge=False)
    for column in lines[0]:
        made.add_column(column, overflow="fold")
    for line in lines[1:]:
        made.add_row(*(plain(str(cell)) for cell in line))
    Console(highlight=False, width=None if sys.stdout.isatty() else 100).print(made)
