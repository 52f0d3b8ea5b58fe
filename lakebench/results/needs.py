"""Needs: things that a run names and not every machine has. An accepted outcome counts only if the run names its needs.

``catalog=rest`` (every run has one), ``data=<name>`` (the user's own data), ``duckdb@1.4.4`` (an environment),
``services.<name>.uri`` and ``storage.<name>.uri`` (an endpoint of the user's), ``services.<name>.home`` (a program of
the user's), ``pg_config`` and ``services.<name>.pg_config`` (a PostgreSQL installation).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from lakebench.model import Runtime, Selection

_PG_CONFIG = "pg_config"


def named(settings: Mapping[str, Any]) -> frozenset[str]:
    """The needs that the ``settings`` in a run's header name."""
    selection = settings.get("selection", {})
    needs = {f"catalog={selection.get('catalog') or Selection().catalog}"}
    needs |= {ref for ref in settings.get("engines", ()) if "@" in ref}
    needs |= {f"storage.{name}.uri" for name, one in settings.get("storages", {}).items() if one.get("uri")}
    needs |= {f"services.{name}.uri" for name in external(settings)}
    if selection.get("data"):
        needs.add(f"data={PurePath(selection['data']).name}")
    needs |= {pg_config_of(name) for name, one in settings.get("services", {}).items() if one.get(_PG_CONFIG)}
    needs |= {home_of(name) for name, one in settings.get("services", {}).items() if one.get("home")}
    if settings.get(_PG_CONFIG):
        needs.add(_PG_CONFIG)
    return frozenset(needs)


def pg_config_of(service: str) -> str:
    """The need for a PostgreSQL installation of ``service``; that of ``postgres`` is named like the top-level key."""
    return _PG_CONFIG if service == "postgres" else f"services.{service}.{_PG_CONFIG}"


def home_of(service: str) -> str:
    """The need for the folder of a ``service`` that the user brings."""
    return f"services.{service}.home"


def external(settings: Mapping[str, Any]) -> frozenset[str]:
    """The services that are endpoints of the user's."""
    services = settings.get("services", {})
    return frozenset(name for name, one in services.items() if one.get("runtime") == Runtime.EXTERNAL)
