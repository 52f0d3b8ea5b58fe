"""A report's parts on a terminal, as wide as the terminal."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from lakebench.reports.content import Cell, Document, Paragraph, Table

STYLES = {"pass": "green", "fail": "red", "none": "dim"}


def show(document: Document, console: Console) -> None:
    """Print the tables and paragraphs of ``document``, then its subtitle, its alerts, and last its verdict."""
    for table in (document.overview, *(part for section in document.sections for part in section.parts)):
        if isinstance(table, Table):
            console.print(grid(table))
            for note in table.notes:
                console.print(Text(note, style="dim"))
        elif isinstance(table, Paragraph):
            console.print(Text(table.text))
    console.print(Text(document.subtitle))
    for alert in document.alerts:
        console.print(Text(alert, style="bold red"))
    console.print(Text(document.verdict, style="bold green" if document.good else "bold red"), soft_wrap=True)


def grid(content: Table, shown: int | None = None) -> Grid:
    """``content``, or its first ``shown`` rows; a link to a file is one on terminals that show links."""
    table = Grid(
        title=content.caption, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for number, head in enumerate(content.head):
        right = number and content.layout == "figures"
        table.add_column(Text(head), justify="right" if right else "left", overflow="fold")
    for row in content.rows[:shown]:
        table.add_row(*(Text(cell.text, style=Style.parse(STYLES.get(cell.mark, "")) + _link(cell)) for cell in row))
    return table


def _link(cell: Cell) -> Style:
    file, _, anchor = cell.link.partition("#")
    return Style(link=f"{Path(file).resolve().as_uri()}#{anchor}") if file else Style()
