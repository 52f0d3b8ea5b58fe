"""What would run here: every engine and service, its version, how it would run, and how to fix what would not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console

from lakebench.commands.terminal import plain, table
from lakebench.config import Settings
from lakebench.engines import Engine, abilities, engines
from lakebench.errors import LakebenchError
from lakebench.inputs.addresses import without_passwords
from lakebench.model import Runtime
from lakebench.provisioning import artifacts, environments, tested
from lakebench.services import SERVICES
from lakebench.services.base import Service
from lakebench.services.catalog import ExternalCatalog
from lakebench.services.compose import Composed
from lakebench.services.postgres_extension import ExtensionService, toml_key

_MB = 1_000_000
# Service → its group in the lock file, where that has another name; PostgreSQL comes as a package.
_GROUPS = {"object-store": "s3proxy"}


@dataclass(frozen=True)
class Readiness:
    """One engine or service: ``ready``: whether it would run now; ``mend``: the command that fixes what is missing."""

    kind: str
    name: str
    version: str
    how: str
    ready: bool
    missing: str = ""
    mend: str = ""


def examine(settings: Settings) -> list[Readiness]:
    """Look at every engine and service; nothing is started or downloaded."""
    return [
        *(_engine(engine, settings) for engine in engines().values()),
        *(_service(service, settings) for service in SERVICES.values()),
    ]


def show(readiness: Sequence[Readiness], others: Sequence[dict[str, str]]) -> None:
    """Print the table, how to fix what would not run, and the packages whose version is not the tested one."""
    lines = [(one.kind, one.name, one.version, "yes" if one.ready else "no", one.how) for one in readiness]
    table("what would run here", [("kind", "name", "version", "ready", "how"), *lines])
    console = Console(highlight=False, soft_wrap=True)
    for one in readiness:
        if not one.ready:
            console.print(f"[bold]{one.name}[/bold]: {plain(one.missing)}; to fix it: {plain(one.mend)}")
    if others:
        table("not the tested versions", [tuple(others[0]), *(tuple(one.values()) for one in others)])
        console.print("lakebench install --locked makes an environment of its own with the tested versions")


def untested() -> list[dict[str, str]]:
    """The packages whose installed version is not the tested one: ``package``, ``installed``, ``tested``, ``part``.

    ``part`` is the engines whose version it is, ``direct`` (else a package that lakebench itself asks for) or
    ``dependency`` (a package that one of those asks for).
    """
    return [
        {"package": one.package, "installed": one.installed, "tested": one.tested, "part": _part(one)}
        for one in tested.untested()
    ]


def _part(one: tested.Untested) -> str:
    names = [
        engine.name for engine in engines().values() if not engine.usual_version and engine.distribution == one.package
    ]
    return ", ".join(names) or ("direct" if one.direct else "dependency")


def _engine(engine: type[Engine], settings: Settings) -> Readiness:
    how = f"needs the {engine.service} server" if engine.service else "inside its worker process"
    if engine.usual_version:
        own = f"{how}; in an environment of its own, which the first use makes; {', '.join(abilities(engine))}"
        return Readiness("engine", engine.name, engine.usual_version, own, True)
    try:
        installed = version(engine.distribution)
    except PackageNotFoundError:
        mend = "lakebench install --locked"
        return Readiness("engine", engine.name, "", how, False, f"{engine.distribution} is not installed", mend)
    if lacking := _lacking(engine.service, settings):
        return Readiness("engine", engine.name, "", how, False, *lacking)
    return Readiness("engine", engine.name, installed, f"{how}; {', '.join(abilities(engine))}", True)


def _service(service: type[Service], settings: Settings) -> Readiness:
    configured = settings.service(service.name)
    if configured.runtime is Runtime.EXTERNAL:
        return Readiness(
            "service", service.name, "the server's own", f"external, {without_passwords(configured.uri)}", True
        )
    if configured.runtime is Runtime.COMPOSE:
        try:
            Composed.require()
        except LakebenchError as error:
            return Readiness("service", service.name, service.version, "compose", False, str(error), "start Docker")
        return Readiness("service", service.name, service.version, "compose", True)
    if lacking := _lacking(service.name, settings):
        return Readiness("service", service.name, "", "local", False, *lacking)
    how = f"local, {configured.pg_config}" if configured.pg_config else f"local; {_cached(service)}"
    return Readiness("service", service.name, "" if configured.pg_config else service.version, how, True)


def _lacking(name: str | None, settings: Settings) -> tuple[str, str] | None:
    """What a local server that the user brings lacks and how to get it; ``None`` for any other service."""
    service = SERVICES.get(name or "")
    if service is None or settings.service(service.name).runtime is not Runtime.LOCAL:
        return None
    if issubclass(service, ExternalCatalog):
        return f"{service.why}", f'[services.{service.name}] runtime = "external", and uri, of one that runs'
    if service.has_home and settings.service(service.name).home is None:
        return "no package index has it", f"[services.{service.name}] home = the folder that you put it in"
    return _lacking_extension(service, settings) if issubclass(service, ExtensionService) else None


def _lacking_extension(service: type[ExtensionService], settings: Settings) -> tuple[str, str] | None:
    try:
        missing = service.lacking(settings)
    except LakebenchError as error:
        missing = str(error)
    table = f"[services.{toml_key(service.name)}]"
    mend = f'{table} runtime = "compose" starts {service.image}; or build it, and name its pg_config: {service.build}'
    return (missing, mend) if missing else None


def _cached(service: type[Service]) -> str:
    """What a first start would download."""
    name = _GROUPS.get(service.name, service.name)
    if environments.is_locked(service.name):
        return "in an environment of its own, which the first use makes"
    if name not in artifacts.locked()["maven"]:
        return "installed with lakebench"
    missing = [one for one in artifacts.group(name) if not (artifacts.repository() / one.path).exists()]
    size = sum(one.size for one in missing)
    return f"downloads {size / _MB:,.0f} MB at its first start" if missing else "downloaded"
