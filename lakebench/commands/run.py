"""``lakebench run``: makes a request of the command line, and checks it before anything starts."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lakebench import engines, harness, phases
from lakebench.commands.terminal import ERRORS, plain, print_json
from lakebench.config import Settings
from lakebench.datasets.tpch import scale_factor
from lakebench.errors import UsageError, unknown
from lakebench.execution.protocol import PROFILES, Profile
from lakebench.execution.request import Request, base_of
from lakebench.outcomes import Outcome
from lakebench.paths import run_name
from lakebench.phases.base import Phase
from lakebench.phases.options import listed
from lakebench.phases.selection import engines_named, select
from lakebench.phases.table_loading import loader
from lakebench.provisioning.environments import Releases
from lakebench.results import records

_SHOWN = 20
ALL = "all"
"""Stands for every phase that runs by its defaults."""


@dataclass(frozen=True)
class Arguments:
    """The options of ``lakebench run`` that belong to no single phase; lists are text with commas, times in seconds.

    ``profile`` is empty where the user names none.
    """

    engines: str = ""
    require: str = ""
    writer: str = "pyiceberg"
    profile: str = ""
    scale_factor: str | None = None
    samples: int | None = None
    time_limit: float | None = None
    seed: int = 1


def request(
    words: Sequence[str],
    options: Mapping[str, str],
    arguments: Arguments,
    settings: Settings,
    releases: Releases,
) -> Request:
    """The request for the phases that ``words`` name, with the phases' own ``options``: name → text.

    Raises:
        UsageError: a name does not exist, or does not fit the other options.
        ServiceUnavailable: the package index does not say what ``@latest`` is.
    """
    names, data = phases_of(words)
    if not names:
        raise UsageError(f"name a phase: {', '.join([*phases.phases(), ALL])} (lakebench list phases shows more)")
    wanted = [phases.find(name) for name in names]
    options = {name: _released(name, text, wanted, releases) for name, text in options.items()}
    chosen = listed(releases.named(arguments.engines) or "")
    selection = select(wanted, options, chosen, settings)
    selection = replace(selection, data=str(Path(data).resolve()) if data else "")
    in_options = engines_named(wanted, options)
    texts = [*chosen, *in_options] if chosen else [name for phase in wanted for name in phase.engines(selection)]
    base = base_of(selection.against, settings)
    refs = tuple(dict.fromkeys([*map(engines.parse, texts), *([base.ref] if base and base.ref else [])]))
    against = [str(ref) for ref in refs if str(ref) == selection.against]
    asked = Request(
        phases=names,
        refs=refs,
        writer=_writer(wanted, arguments.writer),
        profile=_profile(arguments, "regression" if selection.against else "standard"),
        seed=arguments.seed,
        settings=settings,
        command=shlex.join(["lakebench", *sys.argv[1:]]),
        selection=selection,
        named=tuple(dict.fromkeys((*chosen, *in_options, *against))),
    )
    return required(asked, listed(releases.named(arguments.require) or ""))


def _released(name: str, text: str, wanted: Sequence[Phase], releases: Releases) -> str:
    """``text`` of the option ``name`` with the newest releases where it names engines."""
    declared = [one for phase in wanted for one in phase.options if one.name == name]
    named = any(one.names_engines or one.field == "against" for one in declared)
    return releases.named(text) or "" if named else text


def phases_of(words: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The phases that ``words`` name, each once, and the path that follows one of them.

    Raises:
        UsageError: a path after a phase that takes none, or no path after one that needs it.
    """
    names: list[str] = []
    data = ""
    for text in words:
        if names and not data and ("/" in text or Path(text).exists()):
            data = _data(phases.find(names[-1]), text)
        elif text == ALL:
            names += [one.name for one in phases.phases().values() if not one.needs_data]
        else:
            names.append(phases.find(text).name)
    if not data and (without_data := next((one for one in map(phases.find, names) if one.needs_data), None)):
        raise UsageError(f"{without_data.name} needs {without_data.data}: lakebench run {without_data.name} ./mine")
    return tuple(dict.fromkeys(names)), data


def _data(phase: Phase, path: str) -> str:
    if not phase.data:
        raise UsageError(f"{phase.name} takes no path: {path} is not a phase; lakebench list phases shows more")
    if not Path(path).exists():
        raise UsageError(f"{path}: there is no such file or folder; {phase.name} takes {phase.data}")
    return path


def _profile(arguments: Arguments, usual: str) -> Profile:
    """The profile that is named, or the ``usual`` one, with what the options change."""
    name = arguments.profile or usual
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    profile = PROFILES[name]
    protocol = profile.protocol
    if arguments.samples is not None:
        protocol = replace(protocol, samples=arguments.samples)
    if arguments.time_limit is not None:
        protocol = replace(protocol, limit_s=arguments.time_limit)
    size = profile.scale_factor if arguments.scale_factor is None else scale_factor(arguments.scale_factor)
    options = {"sf": arguments.scale_factor, "repeat": arguments.samples}
    chosen = tuple(name for name, value in options.items() if value is not None)
    return replace(profile, protocol=protocol, scale_factor=size, chosen=chosen)


def _writer(wanted: Sequence[Phase], name: str) -> str:
    """The engine that writes the dataset; empty where no phase loads one."""
    if not any(phase.loads for phase in wanted):
        return ""
    loader(name)
    return name


def required(asked: Request, names: Sequence[str]) -> Request:
    """``asked`` with the engines that must run.

    Raises:
        UsageError: the run does not ask one of ``names``.
    """
    refs = [str(ref) for ref in asked.refs]
    for name in names:
        if str(engines.parse(name)) not in refs:
            raise UsageError(
                f"--require {name}: this run does not ask it, but {', '.join(refs)}; name it with --engines too"
            )
    return replace(asked, require=tuple(names))


def show(result: harness.Result, *, as_json: bool) -> None:
    """Print how the run differs from what is accepted, or for programs its whole result."""
    if as_json:
        error = str(result.error) if result.error else None
        summary = {
            "run": result.folder.name,
            "folder": str(result.folder),
            "exit_code": int(result.code),
            "error": error,
            "outcomes": _counts(result.folder),
            "gone": [vars(one) for one in result.gone],
            "changes": {kind: list(map(str, lines)) for kind, lines in result.changes.items()},
            "stale": list(result.stale),
        }
        print_json("run", summary)
        return
    for kind in ("gone", "worse", "new"):
        lines = [*map(str, result.changes.get(kind, ()))]
        for line in lines[:_SHOWN]:
            ERRORS.print(f"[yellow]{kind}:[/yellow] {plain(line)}")
        if len(lines) > _SHOWN:
            ERRORS.print(f"[yellow]{kind}:[/yellow] {len(lines) - _SHOWN} more; the report has all")
    for line in result.stale[:_SHOWN]:
        ERRORS.print(f"[yellow]better than accepted:[/yellow] {plain(line)}")
    if result.error:
        error = f"{result.error} (lakebench run --resume {run_name(result.folder)} continues it)"
        ERRORS.print(f"[bold red]lakebench:[/bold red] {plain(error)}")


def _counts(folder: Path) -> dict[str, int]:
    """How many cases of the run in ``folder`` have each outcome, also those that none has."""
    counted = Counter(case.outcome for case in records.read(folder).cases)
    return {outcome.value: counted[outcome] for outcome in Outcome}
