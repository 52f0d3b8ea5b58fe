"""``lakebench export``: a run for other tools."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakebench.errors import UsageError

if TYPE_CHECKING:
    from lakebench.results.records import Run


class ExportFormat(enum.StrEnum):
    """What is written."""

    PARQUET = "parquet"
    CSV = "csv"
    JUNIT = "junit"
    PYTEST_BENCHMARK = "pytest-benchmark"
    PYPERF = "pyperf"


class ExportTable(enum.StrEnum):
    """The data frame that is written as Parquet or CSV."""

    CASES = "cases"
    SAMPLES = "samples"
    LATENCIES = "latencies"


_FRAMES = frozenset({ExportFormat.PARQUET, ExportFormat.CSV})


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run: its id or folder.")],
    format_: Annotated[ExportFormat, typer.Option("--format", help="What is written.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The file; one that is there is replaced.")],
    table: Annotated[
        ExportTable | None,
        typer.Option(help="What Parquet and CSV have a row for: each case, execution or query. Default: cases."),
    ] = None,
) -> None:
    """Write a run in a format of other tools.

    parquet and csv have a table (docs/python.md has its columns). junit is for the test page of a CI: a known failure
    and what did not run are skipped there. pytest-benchmark and pyperf have the times of verified answers, for
    pytest-benchmark compare, python -m pyperf compare_to, and the trackers that read these.

    [bold]Examples[/bold]

      lakebench export 20261121T101500Z-phase4-a1b2 --format junit --output junit.xml
      lakebench export runs/20261121T101500Z-phase3-c3d4 --format parquet --table samples --output samples.parquet
    """
    from lakebench.commands.runs import folder_of
    from lakebench.execution.settings import load
    from lakebench.results import records

    if table and format_ not in _FRAMES:
        raise UsageError(f"--table says what parquet and csv have: {format_} has no tables, leave it away")
    read = records.read(folder_of(load(), run))
    try:
        _write(read, format_, table or ExportTable.CASES, output)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
    typer.echo(output)


def _write(run: Run, format_: ExportFormat, table: ExportTable, output: Path) -> None:
    from lakebench.reports import exports

    if format_ in _FRAMES:
        _write_frame(run, format_, table, output)
    elif format_ is ExportFormat.JUNIT:
        exports.junit(run).write(str(output), pretty=True)
    elif format_ is ExportFormat.PYPERF:
        exports.pyperf(run, output)
    else:
        output.write_text(json.dumps(exports.pytest_benchmark(run), indent=1), encoding="utf-8")


def _write_frame(run: Run, format_: ExportFormat, table: ExportTable, output: Path) -> None:
    from lakebench.results import frames

    made = {"cases": frames.cases, "samples": frames.samples, "latencies": frames.latencies}[table](run)
    if format_ is ExportFormat.CSV:
        made.to_csv(output, index=False)
    else:
        made.to_parquet(output, index=False)
