"""What the commands print on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console

ERRORS = Console(stderr=True, highlight=False, soft_wrap=True)


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
