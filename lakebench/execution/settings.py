"""The settings of a run: what ``lakebench.toml`` says, with the names of engines and services checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakebench import config, engines
from lakebench.config import Settings
from lakebench.errors import UsageError, suggest
from lakebench.services import SERVICES, find
from lakebench.services.java import JavaService
from lakebench.services.lakes import CATALOGS


def load(path: Path | None = None, **flags: Any) -> Settings:
    """As :func:`lakebench.config.load`.

    Raises:
        UsageError: as there, or the file names an engine or a service that is not known.
    """
    settings = config.load(path, **flags)
    _check_names(path or Path(config.FILE), settings)
    return settings


def _check_names(file: Path, settings: Settings) -> None:
    for kind, named, valid in (
        ("engines", settings.engines, engines.engines()),
        ("services", settings.services, SERVICES),
    ):
        for name in named:
            if (name.partition("@")[0] if kind == "services" else name) not in valid:
                hint = suggest(name, valid)
                raise UsageError(f"{file}: unknown key {kind}.{name}: {hint}valid names are {', '.join(valid)}")
    if taken := sorted(settings.catalogs.keys() & CATALOGS):
        raise UsageError(f"{file}: catalog.{taken[0]} is lakebench's own: give yours another name")
    for name, one in settings.services.items():
        if one.pg_config and not find(name).is_postgresql:
            servers = ", ".join(server for server, service in SERVICES.items() if service.is_postgresql)
            raise UsageError(f"{file}: services.{name}.pg_config: {name} is no PostgreSQL server: those are {servers}")
        if one.home and not find(name).has_home:
            servers = ", ".join(server for server, service in SERVICES.items() if service.has_home)
            raise UsageError(f"{file}: services.{name}.home: {name} is not the user's: those are {servers}")
        if one.java_options and not issubclass(find(name), JavaService):
            servers = ", ".join(server for server, service in SERVICES.items() if issubclass(service, JavaService))
            raise UsageError(f"{file}: services.{name}.java_options: {name} does not run on Java: those are {servers}")
