"""``lakebench.toml`` and flags -> :class:`Settings`. Every error names the key and the valid values."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, model_validator

from lakebench.errors import UsageError
from lakebench.model import Runtime

FILE = "lakebench.toml"
_GIB = 1024**3


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(_Strict):
    """How one service comes to be; ``uri`` and what follows are for ``runtime = "external"``.

    ``memory`` is the limit of a server that we start. ``properties`` are what is particular to one service
    (``bucket`` and ``region`` of the object store, ``warehouse`` of a catalog, ``database`` of PostgreSQL).
    """

    runtime: Runtime | None = None
    memory: ByteSize | None = None
    uri: str = ""
    user: str = ""
    password: str = Field(default="", repr=False)
    properties: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _external_has_an_address(self) -> Self:
        if self.runtime is Runtime.EXTERNAL and not self.uri:
            raise ValueError('runtime = "external" needs uri = "…", the address of the running service')
        return self


class EngineLimits(_Strict):
    """What one engine may use: ``memory`` of its worker process and ``threads``."""

    memory: ByteSize = ByteSize(4 * _GIB)
    threads: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: os.cpu_count() or 1)


class Settings(_Strict):
    """All that ``lakebench.toml`` may say.

    ``services`` and ``engines`` are keyed by name; ``pg_config`` names a PostgreSQL installation with extensions.
    """

    runtime: Runtime = Runtime.LOCAL
    output: Path = Path("runs")
    pg_config: Path | None = None
    services: dict[str, ServiceSettings] = Field(default_factory=dict)
    engines: dict[str, EngineLimits] = Field(default_factory=dict)

    def service(self, name: str) -> ServiceSettings:
        """The settings of service ``name``; its ``runtime`` is always set."""
        own = self.services.get(name, ServiceSettings())
        return own if own.runtime else own.model_copy(update={"runtime": self.runtime})

    def engine(self, name: str) -> EngineLimits:
        """The limits of engine ``name``."""
        return self.engines.get(name, EngineLimits())


def load(path: Path | None = None, **flags: Any) -> Settings:
    """The settings of ``path``, or of ``lakebench.toml`` in this folder where there is one; flags that are set win.

    Raises:
        UsageError: the file cannot be read, is not TOML, or has an unknown key or an unusable value.
    """
    file = path or Path(FILE)
    if path is None and not file.exists():
        values: dict[str, Any] = {}
    else:
        values = _read(file)
    values |= {key: value for key, value in flags.items() if value is not None}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{file}: {_explain(error)}") from None
    _check_names(file, settings)
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{file} is not valid TOML: {error}; correct it, or move it away to use the defaults"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None


def _explain(error: ValidationError) -> str:
    """The first error in one line, with the nearest valid keys for an unknown one."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    valid = _keys(first["loc"])
    near = difflib.get_close_matches(str(first["loc"][-1]), valid, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown key {where}: {hint}valid keys are {', '.join(valid)}"


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {"services": ServiceSettings, "engines": EngineLimits}
    return list((tables.get(str(loc[0]), Settings) if len(loc) > 1 else Settings).model_fields)


def _check_names(file: Path, settings: Settings) -> None:
    from lakebench import engines
    from lakebench.services import SERVICES

    for kind, given, known in (
        ("engines", settings.engines, engines.engines()),
        ("services", settings.services, SERVICES),
    ):
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, list(known), n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise UsageError(f"{file}: unknown key {kind}.{name}: {hint}valid names are {', '.join(known)}")
