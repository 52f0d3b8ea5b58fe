"""``lakebench check``: the user's own tables against the specification, and read by every engine."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lakebench.commands.answers import Runs
from lakebench.commands.arguments import Engines, Json, UseUp
from lakebench.commands.terminal import plain, print_json, progress_of
from lakebench.outcomes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebench.config import Settings
    from lakebench.reports.content import Document, Table
    from lakebench.table_check.check import CheckedTable


def check(
    tables: Annotated[
        list[str],
        typer.Argument(
            metavar="TABLE…",
            help="catalog:namespace.table of a catalog in lakebench.toml (catalog:namespace.* for all tables), the "
            "address of a metadata.json (a path, or s3://), a folder with one, or a folder of Parquet files.",
        ),
    ],
    engines: Engines = "",
    storage: Annotated[
        str, typer.Option(metavar="NAME", help="The storage of lakebench.toml that s3:// addresses lie in.")
    ] = "",
    run: Runs = None,
    files: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Of more files than this only so many are opened by the inspector; of plain Parquet, read by engines.",
        ),
    ] = 500,
    time: Annotated[bool, typer.Option("--time", help="Say how long each whole scan took.")] = False,
    time_limit: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Time limit of one engine's scan.")
    ] = 600.0,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where check.md, check.html and check.json go. Default: nowhere."),
    ] = None,
    use_up: UseUp = False,
    json_: Json = False,
) -> int:
    """Check tables of yours: what breaks the specification, and whether every engine reads the same rows.

    Nothing is written to them; rights to read are enough. Each engine reads the whole table, and its worker sums it up:
    rows, nulls, extremes, sums, and a hash that does not depend on the order of rows. It is asked again with filters at
    the bounds of files and partitions, for the oldest snapshot, and for branches and tags. Readers that differ are held
    against the reference reader, or the majority. Exit code 4 where readers disagree, 1 where the specification is
    violated or an engine of --engines gave no rows, 3 where no engine could read a table.

    [bold]Examples[/bold]

      lakebench check mine:sales.orders
      lakebench check 'mine:sales.*' --engines duckdb,pyiceberg --output checked
      lakebench check s3://bucket/lake/orders/metadata/00042-abc.metadata.json --time
      lakebench check ./mine
    """
    from lakebench.execution.settings import load
    from lakebench.reports import table_check as report

    settings = load()
    if use_up:
        from lakebench.commands import up

        settings = up.settings(settings)
    checked = _checked(tables, engines, run or [], settings, (storage, files, time_limit), quiet=json_)
    document, values = report.document(checked, timed=time), report.to_json(checked, timed=time)
    if output is not None:
        _write(output, document, values)
    if json_:
        print_json("check", values)
    else:
        _show(document, output)
    return ExitCode.first(*(one.code for one in checked))


def _checked(
    texts: Sequence[str],
    named: str,
    runs: Sequence[str],
    settings: Settings,
    bounds: tuple[str, int, float],
    *,
    quiet: bool,
) -> list[CheckedTable]:
    """The tables checked, with what the matrix knows of the engines that were asked."""
    from lakebench import engines
    from lakebench.commands.answers import listed_engines, sources
    from lakebench.datasets.interop.features import all_features
    from lakebench.engines import CanScan
    from lakebench.provisioning.environments import Releases
    from lakebench.results import matrix_cells
    from lakebench.table_check import check as checks
    from lakebench.table_check.known import features_in_use, known_failures

    progress = progress_of(quiet)
    asked = listed_engines(Releases(progress).named(named) or "", "--engines") if named else checks.default_engines()
    refs = tuple(map(engines.parse, engines.able(asked, CanScan, "read tables")))
    known = sources(settings, runs).known
    storage, files, limit_s = bounds
    arguments = checks.CheckArguments(
        tuple(texts), refs, storage, files, limit_s, tuple(map(str, refs)) if named else ()
    )
    checked = checks.check(arguments, settings, progress)
    versions = {one.reader: one.version for table in checked for one in table.answers if one.version}
    resolved = [
        matrix_cells.resolved(known, dataclasses.replace(ref, version=versions.get(str(ref)) or ref.version))
        for ref in refs
    ]
    return [
        dataclasses.replace(
            one,
            known=tuple(known_failures(known, features_in_use(one.findings.facts, all_features()), resolved)),
        )
        if one.findings and one.findings.facts
        else one
        for one in checked
    ]


def _write(folder: Path, document: Document, values: dict[str, Any]) -> None:
    from lakebench.reports import html, markdown

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "check.md").write_text(markdown.render(document), encoding="utf-8")
    (folder / "check.html").write_text(html.render(document), encoding="utf-8")
    (folder / "check.json").write_text(f"{json.dumps(values, indent=2)}\n", encoding="utf-8")


def _show(document: Document, output: Path | None) -> None:
    from lakebench.reports.content import Paragraph, Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    for section in document.sections:
        console.print(f"\n[bold]{plain(section.title)}[/bold]")
        for part in section.parts:
            if isinstance(part, Paragraph):
                console.print(plain(part.text))
            elif isinstance(part, Table):
                _print(part)
    console.print(f"\n[bold]{plain(document.verdict)}[/bold]")
    if output is not None:
        console.print(f"the report: {plain(str(output / 'check.html'))}")


def _print(part: Table) -> None:
    from lakebench.commands.terminal import table

    table(part.caption, [part.head, *(tuple(cell.text for cell in row) for row in part.rows)])
    for note in part.notes:
        Console(highlight=False, width=None if sys.stdout.isatty() else 100).print(plain(note))
