"""``lakebench upgrade``: what another version of an engine breaks, mends and brings new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakebench.commands.answers import (
    Format,
    Formats,
    Measure,
    Runs,
    absent,
    command,
    measured,
    print_as,
    sources,
    titles,
    today,
    with_reference,
)
from lakebench.commands.arguments import Json, Output
from lakebench.commands.terminal import progress_of

if TYPE_CHECKING:
    from lakebench.model import EngineRef


def upgrade(
    engine: Annotated[str, typer.Argument(metavar="ENGINE", help="The engine.")],
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The version that you have.")],
    now: Annotated[str, typer.Argument(metavar="NOW", help="The version that you want; latest: the newest release.")],
    run: Runs = None,
    measure: Measure = False,
    format_: Formats = Format.TABLE,
    output: Output = None,
    json_: Json = False,
) -> None:
    """Show what another version of an engine breaks, mends and brings new, and how its times change.

    The outcomes are those that lakebench ships, those that you accepted, and those of the runs that --run names; ratios
    of times, with their intervals, need runs that timed both versions on the same data. A version that nobody measured
    is named, with the command that measures it. --measure runs the engine at both versions beside the engines that need
    no server.

    [bold]Examples[/bold]

      lakebench upgrade duckdb 1.4.4 1.5.5 --measure
      lakebench upgrade duckdb 1.4.4 latest --format markdown
    """
    from lakebench import engines
    from lakebench.execution.settings import load
    from lakebench.provisioning.environments import LATEST, Releases
    from lakebench.reports import answers
    from lakebench.results.upgrade import upgrade as answer_of

    format_ = Format.JSON if json_ else format_
    settings, progress = load(output=output), progress_of(format_ is not Format.TABLE)
    texts = [f"{engine}@{version}" for version in (before, now)]
    if LATEST in {before, now}:
        texts = [Releases(progress).named(one) or one for one in texts]
    refs = [engines.parse(one) for one in texts]
    names = list(run or ())
    if measure:
        names.append(str(measured(*_asked(refs), settings, quiet=format_ is not Format.TABLE)))
    found = sources(settings, names)
    answer = answer_of(found.known, refs[0], refs[1], found.runs)
    notes = absent(found.known, refs)
    if notes or not answer.old_tables:
        notes.append(
            f"Both versions are measured by: {command(*_asked(refs))}; then add --run RUN here, or --measure now"
        )
    by_id = titles()
    document = answers.upgrade_document(answer, by_id, today(), notes)
    print_as(
        format_, "upgrade", document, answers.upgrade_json(answer, by_id, notes), answers.upgrade_rows(answer, by_id)
    )


def _asked(refs: list[EngineRef]) -> tuple[list[str], list[str]]:
    """The writers and the readers that show an upgrade: both versions, and the engines that need no server."""
    from lakebench import engines
    from lakebench.engines import CanOperate, CanScan
    from lakebench.model import Selection
    from lakebench.phases import find

    usual = find("interop").engines(Selection())
    others = [name for name in usual if engines.find(name).service is None and name != refs[0].name]
    texts = [*map(_here, refs), *others]
    return with_reference(engines.having(texts, CanOperate)), list(engines.having(texts, CanScan))


def _here(ref: EngineRef) -> str:
    """The name of ``ref``, without its version where that is the installed one: it needs no environment of its own."""
    from lakebench import engines
    from lakebench.provisioning.environments import installed

    engine = engines.find(ref.name)
    return ref.name if not engine.usual_version and installed(engine) == ref.version else str(ref)
