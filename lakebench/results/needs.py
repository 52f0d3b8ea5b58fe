"""What a run names that not every machine has: an accepted outcome may need it, and counts only where it is named.

``catalog=rest`` (every run has one), ``data=<name>`` (the user's own data), ``duckdb@1.4.4`` (an environment),
``pg_config``, ``services.<name>.uri`` and ``storage.<name>.uri`` (an endpoint of the user's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from lakebench import engines, phases
from lakebench.config import Settings
from lakebench.model import Runtime, Selection

PG_CONFIG = "pg_config"


def named(settings: Mapping[str, Any]) -> frozenset[str]:
    """What the ``settings`` of a run's header name."""
    selection = settings.get("selection", {})
    found = {f"catalog={selection.get('catalog') or Selection().catalog}"}
    found |= {ref for ref in settings.get("engines", ()) if "@" in ref}
    found |= {f"storage.{name}.uri" for name, one in settings.get("storages", {}).items() if one.get("uri")}
    found |= {f"services.{name}.uri" for name in _external(settings)}
    if selection.get("data"):
        found.add(f"data={PurePath(selection['data']).name}")
    if settings.get(PG_CONFIG):
        found.add(PG_CONFIG)
    return frozenset(found)


def of(case: str, phase: str, settings: Mapping[str, Any]) -> frozenset[str]:
    """Those of :func:`named` that the case with this id stands on."""
    return named(settings) & frozenset(_of(case, phase, settings))


def of_earlier(case: str) -> frozenset[str]:
    """What an accepted outcome needs that was written when files did not say so: they knew the usual catalog only."""
    catalog = {f"catalog={Selection().catalog}"} if case.startswith("interop/") else set()
    return frozenset(catalog | {name for name in phases.engines_of(case) if "@" in name})


def _of(case: str, phase: str, settings: Mapping[str, Any]) -> Iterator[str]:
    known = phases.find(phase)
    selection = settings.get("selection", {})
    if known.chooses_catalog:
        yield f"catalog={selection.get('catalog') or Selection().catalog}"
    if known.data and selection.get("data"):
        yield f"data={PurePath(selection['data']).name}"
    yield from phases.engines_of(case)
    yield from (f"storage.{part}.uri" for part in case.split("/"))
    external = _external(settings)
    for service in _services(case, known, settings):
        if service in external:
            yield f"services.{service}.uri"
        elif service == "postgres":
            yield PG_CONFIG


def _services(case: str, phase: phases.Phase, settings: Mapping[str, Any]) -> Iterator[str]:
    """Those that every case of the phase stands on, and those of the case's engines."""
    own = Settings.model_validate({"storage": settings.get("storages", {})})
    yield from phase.services(phases.selection_of(settings), own)
    for name in phases.engines_of(case):
        engine = engines.engines().get(name.partition("@")[0])
        if engine is not None:
            yield from ([engine.service] if engine.service else [])
            yield from engine.needs


def _external(settings: Mapping[str, Any]) -> frozenset[str]:
    """The services that are endpoints of the user's."""
    services = settings.get("services", {})
    return frozenset(name for name, one in services.items() if one.get("runtime") == Runtime.EXTERNAL)
