"""``lakebench history``: a folder of runs, and where outcomes and times step in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakebench.commands.answers import Format, Formats, print_as
from lakebench.commands.arguments import Json
from lakebench.errors import UsageError


def history(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="The folder of the runs. Default: that of lakebench.toml.")
    ] = None,
    format_: Formats = Format.TABLE,
    json_: Json = False,
) -> None:
    """Show how outcomes and times went over all runs of a folder, and which versions changed where they step.

    Times are compared on the same machine and the same data only. A step is more than 10 % and 5 ms, beyond the noise
    of the samples, and shown by two runs; a run that differs alone is an outlier. CSV has a line for each case in each
    run.

    [bold]Examples[/bold]

      lakebench history
      lakebench history /var/lakebench/nightly --format markdown
    """
    from lakebench.execution.settings import load
    from lakebench.reports import history as reports
    from lakebench.results import records
    from lakebench.results.history import history as history_of

    at = folder or load().output
    files = sorted(at.glob(f"*/{records.FILE}"))
    if not files:
        raise UsageError(f"there is no run in {at}: name the folder of runs, such as runs")
    runs, notes = [], []
    for file in files:
        try:
            runs.append(records.read(file))
        except UsageError as error:
            notes.append(f"LEFT OUT: {error}")
    found = history_of(runs)
    print_as(
        Format.JSON if json_ else format_,
        "history",
        reports.document(found, notes),
        reports.to_json(found, notes),
        reports.rows(found),
    )
