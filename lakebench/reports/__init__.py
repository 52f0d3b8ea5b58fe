"""Reports, made from the records of a run alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.errors import HarnessFault, UsageError
from lakebench.execution.fault_log import FaultLog
from lakebench.outcomes import ExitCode
from lakebench.paths import run_name, with_source
from lakebench.processes import guard
from lakebench.results import records

if TYPE_CHECKING:
    from rich.console import Console


def write(run_dir: Path, earlier: Sequence[Path] = ()) -> tuple[Path, Path]:
    """Write ``report.md`` and ``report.html`` into ``run_dir`` from its ``records.jsonl``; their paths.

    ``summary.md`` is the same in short.

    The tables that compare lakes have cases of the ``earlier`` runs too. Pages of phases lie beside the report. Each
    file replaces an older one atomically.

    Raises:
        UsageError: the records cannot be read, or the reports not written.
    """
    from lakebench.reports import by_phase, document, html, markdown, short

    run = records.read(run_dir)
    contents = document.build(run, [records.read(one) for one in earlier])
    made = run_dir / "report.md", run_dir / document.PAGE
    _replace(made[0], markdown.render(contents))
    _replace(made[1], html.render(contents))
    for page in by_phase.pages(run):
        _replace(run_dir / page.PAGE, page.render(run))
    names = (document.PAGE, *(page.PAGE for page in by_phase.pages(run)), "report.md", records.FILE)
    _replace(run_dir / short.NAME, short.render(run, names))
    return made


def write_apart(run_dir: Path, earlier: Sequence[Path] = ()) -> None:
    """:func:`write` in a process of its own: drawing takes more memory than all the rest of a run's parent.

    Raises:
        UsageError: the records cannot be read, or the reports not written.
        HarnessFault: the report failed; its traceback is in the folder of the run.
    """
    command = [sys.executable, "-P", "-m", "lakebench.reports", *(str(one.resolve()) for one in (run_dir, *earlier))]
    done = guard.run(command, with_source())
    message = done.stderr.strip() or f"exit code {done.returncode}"
    if done.returncode == ExitCode.USAGE:
        raise UsageError(message)
    if done.returncode:
        fault = HarnessFault(f"the report was not written: {message.splitlines()[-1]}", traceback=message)
        raise FaultLog(run_dir).fault(fault)


def summarise(run_dir: Path, console: Console) -> None:
    """Print the run in ``run_dir`` on ``console``: where its reports are, and last the verdict.

    Raises:
        UsageError: the records cannot be read.
    """
    from lakebench.reports import by_phase, document, summary

    run = records.read(run_dir)
    names = ("report.md", document.PAGE, *(page.PAGE for page in by_phase.pages(run)))
    summary.show(run, console, tuple(path for name in names if (path := run_dir / name).exists()))


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"{path} cannot be written: {error.strerror}; mend it, then lakebench report {run_name(path.parent)}"
        ) from None
