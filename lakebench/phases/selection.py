"""What the options on a command line choose of phases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lakebench import phases
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.model import Selection
from lakebench.phases.base import Phase
from lakebench.phases.options import FEATURES_OPTION, Asked, Option, listed


def options_of(wanted: Iterable[Phase]) -> dict[Option, list[Phase]]:
    """Each option of ``wanted`` once, with the phases that have it."""
    having: dict[Option, list[Phase]] = {}
    for phase in wanted:
        for option in phase.options:
            having.setdefault(option, []).append(phase)
    return having


def engines_named(wanted: Iterable[Phase], texts: Mapping[str, str]) -> tuple[str, ...]:
    """The engines that the texts of options name."""
    naming = dict.fromkeys(one.name for one in options_of(wanted) if one.names_engines)
    return tuple(engine for name in naming for engine in listed(texts.get(name, "")))


def select(
    wanted: Sequence[Phase], texts: Mapping[str, str], engines: tuple[str, ...], settings: Settings
) -> Selection:
    """What ``wanted`` are asked for by the ``texts`` of options, by name, and by the ``engines`` of ``--engines``.

    Raises:
        UsageError: none of ``wanted`` has one of the options, or its text is not valid.
    """
    _check(wanted, texts)
    fields: dict[str, Any] = {}
    others: dict[str, dict[str, Any]] = {}
    # Those without a field first: a file of features has more for --features to choose from.
    for option, having in sorted(options_of(wanted).items(), key=lambda pair: bool(pair[0].field)):
        # Of files, features take time to read: only the option that chooses among them needs them.
        among = having if option is FEATURES_OPTION else ()
        features = tuple(one for phase in among for one in phase.features(others.get(phase.name, {})))
        value = option.read(texts.get(option.name, option.default), Asked(features, engines, settings))
        if option.field:
            fields[option.field] = value
            continue
        for phase in having:  # as the records give it back to a run that is resumed
            others.setdefault(phase.name, {})[option.name] = json.loads(json.dumps(value))
    return Selection(**fields, options=others)


def _check(wanted: Sequence[Phase], names: Iterable[str]) -> None:
    valid = {option.name for option in options_of(wanted)}
    for name in names:
        if wanted and name not in valid:
            having = [one.name for one in phases.phases().values() if name in {option.name for option in one.options}]
            asked = ", ".join(one.name for one in wanted)
            raise UsageError(f"--{name} is no option of {asked}, but of {', '.join(having)}")
