"""``lakebench stack``: what to avoid if these engines write, and those read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakebench.commands.answers import (
    REFERENCE,
    Format,
    Formats,
    Measure,
    Runs,
    absent,
    command,
    listed_engines,
    measured,
    print_as,
    sources,
    titles,
    today,
)
from lakebench.commands.arguments import Json, Output
from lakebench.commands.terminal import progress_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebench.results.stack import Stack


def stack(
    write: Annotated[str, typer.Option(metavar="ENGINES", help="Engines that write, separated by commas.")],
    read: Annotated[str, typer.Option(metavar="ENGINES", help="Engines that read, separated by commas.")],
    run: Runs = None,
    measure: Measure = False,
    format_: Formats = Format.TABLE,
    output: Output = None,
    json_: Json = False,
) -> None:
    """Show the features that a stack must avoid: what a writer cannot write, a reader refuses, or reads silently wrong.

    The outcomes are those that lakebench ships, those that you accepted (lakebench-accepted.json), and those of the
    runs that --run names. The answer says from which run and versions each comes, and how old they are. What is not
    known is listed, with the command that measures it. An engine without a version is the newest one that is known.

    [bold]Examples[/bold]

      lakebench stack --write spark --read trino,duckdb
      lakebench stack --write spark --read duckdb@1.4.4 --measure
      lakebench stack --write pyiceberg --read duckdb --format markdown
    """
    from lakebench import engines
    from lakebench.engines import CanOperate, CanScan
    from lakebench.execution.settings import load
    from lakebench.provisioning.environments import Releases
    from lakebench.reports import answers
    from lakebench.results import matrix_cells
    from lakebench.results.stack import stack as answer_of

    format_ = Format.JSON if json_ else format_
    settings, releases = load(output=output), Releases(progress_of(format_ is not Format.TABLE))
    writers = engines.able(listed_engines(releases.named(write) or "", "--write"), CanOperate, "write the features")
    readers = engines.able(listed_engines(releases.named(read) or "", "--read"), CanScan, "read tables")
    names = list(run or ())
    if measure:
        names.append(str(measured(writers, readers, settings, quiet=format_ is not Format.TABLE)))
    known = sources(settings, names).known
    refs = [[matrix_cells.resolved(known, engines.parse(one)) for one in side] for side in (writers, readers)]
    by_id = titles(by_reference=REFERENCE in writers)
    answer = answer_of(known, refs[0], refs[1], list(by_id), _no_way(writers))
    notes = [*absent(known, [*refs[0], *refs[1]]), *_to_measure(answer, writers, readers)]
    document = answers.stack_document(answer, by_id, today(), notes)
    print_as(format_, "stack", document, answers.stack_json(answer, by_id, notes), answers.stack_rows(answer, by_id))


def _to_measure(answer: Stack, writers: Sequence[str], readers: Sequence[str]) -> list[str]:
    """The command that measures the pairs that no source has."""
    wanted_writers = [
        text
        for text, ref in zip(writers, answer.writers, strict=True)
        if any(one == ref for one, _ in answer.unmeasured)
    ]
    wanted_readers = [
        text
        for text, ref in zip(readers, answer.readers, strict=True)
        if any(one == ref for _, one in answer.unmeasured)
    ]
    if not wanted_writers:
        return []
    asked = command(wanted_writers, wanted_readers or list(readers))
    return [f"What no source has is measured by: {asked}; then add --run RUN here, or add --measure now"]


def _no_way(writers: Sequence[str]) -> dict[tuple[str, str], str]:
    """(feature, name of a writer) → why nobody can ask the engine for it."""
    from lakebench import engines
    from lakebench.datasets.interop.features import all_features
    from lakebench.phases.interop.ways import lacking

    names = dict.fromkeys(engines.parse(one).name for one in writers)
    ways = {(feature.id, name): lacking(feature, name) for name in names for feature in all_features()}
    return {place: reason for place, reason in ways.items() if reason}
