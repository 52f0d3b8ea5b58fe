"""Print the jobs of the nightly run for ``.github/workflows/nightly.yml``: every phase, by runtime and by versions.

The line is ``jobs=[…]``, an output of a step: each job has a ``name``, the ``runtime``, the ``versions`` (pinned, or
newest: each engine whose version can be chosen, at its newest release beside the pinned one) and the ``arguments`` of
``lakebench run``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lakebench import engines, phases, services  # noqa: E402 - of this checkout
from lakebench.config import POSTGRES  # noqa: E402 - likewise
from lakebench.model import Runtime, Selection  # noqa: E402 - likewise
from lakebench.phases.base import Phase  # noqa: E402 - likewise

DATA = {"workload": "mine"}
"""Phase → the folder that an earlier step of the job makes."""
CONTAINERS_ALONE = frozenset({"phase7", "phase45"})
"""Phases of which a runner without an installation of the extensions can run nothing as processes."""
PINNED_ALONE = frozenset({"phase8", "phase10", "phase45"})
"""Phases in which other engines read what extensions of PostgreSQL wrote: a runner has none of these as a process."""


def jobs() -> Iterator[dict[str, str]]:
    """Every job."""
    for phase in phases.phases().values():
        if phase.name not in CONTAINERS_ALONE:
            yield _job(phase, Runtime.LOCAL, "pinned")
        if newest := _newest(phase):
            yield _job(phase, Runtime.LOCAL, "newest", "--engines", newest)
        yield _job(phase, Runtime.COMPOSE, "pinned")


def _job(phase: Phase, runtime: Runtime, versions: str, *more: str) -> dict[str, str]:
    data = [f"./{DATA[phase.name]}"] if phase.needs_data else []
    arguments = [phase.name, *data, "--profile", "quick", "--runtime", runtime.value, *more]
    return {
        "name": f"{phase.name}-{runtime.value}-{versions}",
        "phase": phase.name,
        "runtime": runtime.value,
        "versions": versions,
        "arguments": " ".join(arguments),
    }


def _newest(phase: Phase) -> str:
    """The engines of ``phase``, with the newest release beside each that has releases; empty where none has."""
    names = [name for name in phase.engines(Selection()) if not _needs_installation(name)]
    released = [name for name in names if _has_releases(name)] if phase.name not in PINNED_ALONE else []
    return ",".join([*names, *(f"{name}@latest" for name in released)] if released else ())


def _needs_installation(name: str) -> bool:
    """Whether the engine is an extension of PostgreSQL: a runner has none, and an engine that is named must run."""
    engine = engines.find(name)
    needed = [services.find(one) for one in (engine.service, *engine.needs) if one]
    return any(one.is_postgresql and one.name not in {POSTGRES, f"{POSTGRES}-remote"} for one in needed)


def _has_releases(name: str) -> bool:
    """Whether the newest release of this engine can be run: ``reference`` is ours, some are in locked environments."""
    engine = engines.find(name)
    return bool(engine.requirements) and not engine.usual_version and name != "reference"


if __name__ == "__main__":
    print(f"jobs={json.dumps(list(jobs()))}")
