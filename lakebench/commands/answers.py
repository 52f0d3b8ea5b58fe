"""What ``lakebench stack`` and ``lakebench upgrade`` share: where outcomes come from, measuring them, and printing."""

from __future__ import annotations

import csv
import datetime as dt
import enum
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lakebench.commands.terminal import print_json, progress_of
from lakebench.errors import UsageError

if TYPE_CHECKING:
    from lakebench.config import Settings
    from lakebench.model import EngineRef
    from lakebench.reports.content import Document
    from lakebench.results.matrix_cells import MatrixCell
    from lakebench.results.records import Run

REFERENCE = "reference"
"""The writer that says which reader reads a feature right at all: without it, nobody tells whose fault a read is."""


class Format(enum.StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"
    CSV = "csv"


Runs = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="A run whose cells come before the accepted ones; its id or folder, may be given several times.",
    ),
]
Formats = Annotated[Format, typer.Option("--format", help="How the answer is printed.")]
Measure = Annotated[bool, typer.Option("--measure", help="Run the cells now, and answer with that run.")]


@dataclass(frozen=True)
class Sources:
    """The cells of the shipped baseline, of the user's own one, and of ``runs``; later ones replace earlier ones."""

    known: Mapping[Any, MatrixCell]
    runs: tuple[Run, ...]


def sources(settings: Settings, names: Sequence[str]) -> Sources:
    """What is known: all that is accepted on the default catalog, and all cells of the runs called ``names``.

    Raises:
        UsageError: there is no such run, or a file is damaged.
    """
    from lakebench import phases
    from lakebench.commands.runs import folders_of
    from lakebench.model import Selection
    from lakebench.results import baseline, matrix_cells, records

    (shipped,) = phases.baselines([matrix_cells.PHASE]).values()
    runs = tuple(records.read(folder) for folder in folders_of(settings, names))
    accepted = [
        matrix_cells.of_baseline(baseline.read(file), Selection().catalog) for file in (shipped, Path(baseline.FILE))
    ]
    by_date = sorted(runs, key=lambda run: run.header.started)
    return Sources(matrix_cells.merged(*accepted, *map(matrix_cells.of_run, by_date)), runs)


def measured(writers: Sequence[str], readers: Sequence[str], settings: Settings, *, quiet: bool) -> Path:
    """Run all features by ``writers`` and ``readers`` now; the folder of the run.

    Raises:
        LakebenchError: the run did not end well.
    """
    from lakebench import harness, reports
    from lakebench.commands.run import Arguments, request
    from lakebench.provisioning.environments import Releases

    progress = progress_of(quiet)
    options = {"writers": ",".join(with_reference(writers)), "readers": ",".join(readers)}
    asked = request(["interop"], options, Arguments(), settings, Releases(progress))
    folder = settings.output / harness.new_id(asked)
    progress.say(f"run {folder.name}: records in {folder}")
    result = harness.run(asked, folder, progress)
    reports.write_apart(folder)
    if result.error:
        raise result.error
    return folder


def with_reference(writers: Sequence[str]) -> list[str]:
    """``writers`` after the reference writer."""
    return list(dict.fromkeys([REFERENCE, *writers]))


def command(writers: Sequence[str], readers: Sequence[str]) -> str:
    """What measures all features by ``writers`` and ``readers``."""
    return f"lakebench run interop --writers {','.join(with_reference(writers))} --readers {','.join(readers)}"


def absent(known: Mapping[Any, MatrixCell], refs: Sequence[EngineRef]) -> list[str]:
    """A sentence for each engine that ``known`` does not have at this version."""
    from lakebench.results import matrix_cells

    sentences = []
    for ref in dict.fromkeys(refs):
        had = matrix_cells.versions(known, ref.name)
        if ref.version is None or ref.version not in had:
            there = f"there is {ref.name} {', '.join(had)}" if had else f"there is no other version of {ref.name}"
            sentences.append(f"Nobody measured {ref.name} {ref.version or ''}".rstrip() + f": {there}")
    return sentences


def titles(*, by_reference: bool = True) -> dict[str, str]:
    """Feature → its title; without ``by_reference`` only of what engines are asked to write."""
    from lakebench.datasets.interop.features import all_features

    return {one.id: one.title for one in all_features() if by_reference or not one.by_reference}


def print_as(
    format_: Format, name: str, document: Document, value: Mapping[str, Any], rows: Sequence[tuple[str, ...]]
) -> None:
    """Print the answer called ``name`` in one of its forms."""
    from lakebench.reports import markdown, terminal

    if format_ is Format.JSON:
        print_json(name, value)
    elif format_ is Format.CSV:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        print(text.getvalue(), end="")  # noqa: T201 - output for programs
    elif format_ is Format.MARKDOWN:
        print(markdown.render(document), end="")  # noqa: T201 - likewise
    else:
        terminal.show(document, Console(highlight=False, width=None if sys.stdout.isatty() else 100))


def today() -> dt.date:
    """The day in UTC, as records have it."""
    return dt.datetime.now(dt.UTC).date()


def listed_engines(text: str, option: str) -> list[str]:
    """The engines that an option names.

    Raises:
        UsageError: it names none.
    """
    from lakebench.phases.options import listed

    if named := list(dict.fromkeys(listed(text))):
        return named
    raise UsageError(f"{option} names no engine: lakebench list engines shows them")
