"""``lakebench fuzz``: random programs, each step by another engine, and what fails of them."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebench.commands.arguments import Json, UseUp
from lakebench.commands.terminal import print_json, progress_of
from lakebench.errors import UsageError

if TYPE_CHECKING:
    from lakebench.config import Settings
    from lakebench.execution.request import Request
    from lakebench.phases.interop.fuzz.search import SearchSummary

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_USUAL = 300.0


def fuzz(
    time: Annotated[
        str, typer.Option(metavar="TIME", help="End after this time: 90s, 30m, 2h. Default: 5m without --programs.")
    ] = "",
    programs: Annotated[int, typer.Option(min=0, metavar="N", help="End after N programs.")] = 0,
    engines: Annotated[
        str,
        typer.Option(
            metavar="ENGINES",
            help="Engines that write and read, separated by commas. Default: those that need no server.",
        ),
    ] = "",
    catalog: Annotated[str, typer.Option(metavar="NAME", help="The catalog, as of lakebench run interop.")] = "rest",
    seed: Annotated[int, typer.Option(help="Program n depends on this alone.")] = 1,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where findings go.")] = Path("fuzz"),
    use_up: UseUp = False,
    json_: Json = False,
) -> int:
    """Run random programs of operations, each step by an engine chosen at random on the same table.

    After each step the inspector looks at the table, and every engine reads it against the oracle. Of a new failure the
    smallest program that has it is written below --output; what is accepted already, or lies there from an earlier
    run, is known. The same seed and engines make the same programs.

    Exit codes: 0 nothing new, 4 a new wrong answer, 1 another new failure, 5 a fault of lakebench itself.

    [bold]Examples[/bold]

      lakebench fuzz --time 30m --seed 1 --engines duckdb,pyiceberg,spark,trino
      lakebench fuzz --programs 20 --engines duckdb,pyiceberg
    """
    from lakebench.commands import up
    from lakebench.execution.settings import load
    from lakebench.phases.interop.fuzz import session
    from lakebench.phases.interop.fuzz.search import Limits

    settings, progress = up.settings(load()) if use_up else load(), progress_of(json_)
    limits = Limits(_seconds(time) if time else 0.0 if programs else _USUAL, programs)
    asked = _request(engines, catalog, seed, settings)
    found = session.search(asked, limits, output, progress)
    if json_:
        print_json("fuzz", to_json(found, output))
    else:
        _show(found, output)
    return found.code


def _seconds(text: str) -> float:
    """The seconds of ``30m``.

    Raises:
        UsageError: this is no time.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match or not float(match[1]):
        raise UsageError(f"--time {text}: write a number with its unit: 90s, 30m or 2h")
    return float(match[1]) * _SECONDS[match[2]]


def _request(text: str, catalog: str, seed: int, settings: Settings) -> Request:
    from lakebench import engines
    from lakebench.execution.protocol import PROFILES
    from lakebench.execution.request import Request
    from lakebench.model import Selection
    from lakebench.phases.interop.fuzz import session
    from lakebench.phases.options import listed
    from lakebench.services import lakes

    lakes.check_catalog(settings, catalog)
    refs = tuple(map(engines.parse, listed(text))) or session.usual_engines()
    session.check(refs)
    return Request(
        phases=("interop",),
        refs=refs,
        writer="",
        profile=PROFILES["quick"],
        seed=seed,
        settings=settings,
        command=shlex.join(["lakebench", *sys.argv[1:]]),
        selection=Selection(catalog=catalog),
    )


def to_json(found: SearchSummary, output: Path) -> dict[str, Any]:
    """The summary for programs."""
    return {
        "output": str(output),
        "exit_code": int(found.code),
        "programs": found.programs,
        "steps": found.steps,
        "seconds": round(found.seconds, 1),
        "findings": [
            {"failure": one.failure.title, "folder": one.id, "operations": len(one.program)} for one in found.findings
        ],
        "known": [{"failure": one.title, "times": times, "like": like} for one, (times, like) in found.known.items()],
        "faults": found.faults,
    }


def _show(found: SearchSummary, output: Path) -> None:
    from rich.console import Console

    from lakebench.commands.terminal import plain, table

    known = [(one.title, str(times), like) for one, (times, like) in found.known.items()]
    if known:
        table("known failures", [("failure", "times", "like"), *known])
    if found.findings:
        lines = [(one.failure.title, str(len(one.program)), str(output / one.id)) for one in found.findings]
        table("new failures", [("failure", "operations", "finding"), *lines])
    console = Console(highlight=False, soft_wrap=True)
    for one in found.faults:
        console.print(plain(one))
    console.print(plain(found.line))
