"""What a run is asked for, and what it is to cover."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.execution.protocol import Profile
from lakebench.execution.settings import load
from lakebench.model import EngineRef, Selection


@dataclass(frozen=True)
class Scope:
    """What a run is to cover: engines in the order of the run, and what else was chosen.

    ``named`` says whether the user named the engines. ``profile`` is the name of one.
    """

    refs: tuple[EngineRef, ...]
    selection: Selection
    profile: str
    named: bool = True

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Scope | None:
        """The scope of the run whose header has ``settings``; ``None`` where they name no engines."""
        if "engines" not in settings:
            return None
        named = (ref.partition("@") for ref in settings["engines"])
        refs = tuple(EngineRef(name, version or None) for name, _, version in named)
        return cls(refs, selection_of(settings), settings.get("profile", ""), bool(settings.get("named", True)))

    @property
    def registered(self) -> tuple[EngineRef, ...]:
        """The engines of the scope that have an adapter here; records may be of another machine."""
        return tuple(ref for ref in self.refs if ref.name in engines.engines())

    def asks(self, names: Iterable[str]) -> bool:
        """Whether all engines ``names`` are asked.

        A run that was to ask every engine also misses one that has no adapter here any more.
        """
        asked = {str(ref) for ref in self.refs}
        return all(name in asked or (not self.named and self._lost(name)) for name in names)

    @staticmethod
    def _lost(name: str) -> bool:
        return "@" not in name and name not in engines.engines()


def selection_of(settings: Mapping[str, Any]) -> Selection:
    """What the run whose header has ``settings`` was asked for.

    Raises:
        UsageError: they are no settings of a run.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Selection).validate_python(settings.get("selection", {}))
    except ValidationError:
        raise UsageError(
            "the first line of the records does not have the selection of a run: start a new run"
        ) from None


@dataclass(frozen=True)
class Base:
    """What ``--against`` names: an engine, a storage, or settings. Exactly one is given."""

    ref: EngineRef | None = None
    storage: str | None = None
    settings: Settings | None = None


def base_of(text: str, settings: Settings) -> Base | None:
    """What ``--against TEXT`` names, ``None`` where it is empty.

    Raises:
        UsageError: it is neither an engine, nor a storage, nor a settings file.
    """
    if not text:
        return None
    if text.endswith(".toml"):
        return Base(settings=load(Path(text)))
    if text in settings.storages():
        return Base(storage=text)
    try:
        return Base(ref=engines.parse(text))
    except UsageError as error:
        storages = ", ".join(settings.storages())
        raise UsageError(
            f"--against {text}: it names no storage ({storages}), no settings file (*.toml), and no engine ({error})"
        ) from None


@dataclass(frozen=True)
class Request:
    """What the user asked for, checked: phases by name, engines, and the protocol to measure by.

    ``writer`` writes the dataset, and is empty where no phase needs one. ``named`` are the engines that the user named,
    and ``require`` those that must run as well.
    """

    phases: tuple[str, ...]
    refs: tuple[EngineRef, ...]
    writer: str
    profile: Profile
    seed: int
    settings: Settings
    command: str
    selection: Selection = field(default_factory=Selection)
    named: tuple[str, ...] = ()
    require: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """The engines that the run must have to be complete."""
        return tuple(dict.fromkeys((*self.named, *self.require)))

    def able(self, *abilities: type[Any]) -> tuple[EngineRef, ...]:
        """The engines of the run that have all of ``abilities``."""
        candidates = ((ref, engines.find(ref.name)) for ref in self.refs)
        return tuple(ref for ref, engine in candidates if all(issubclass(engine, ability) for ability in abilities))

    def shuffled(self, things: tuple[Any, ...], *, where: str) -> list[Any]:
        """``things`` in the order that the run's seed gives for ``where``."""
        order = list(things)
        random.Random(f"{self.seed}/{where}").shuffle(order)  # noqa: S311 - an order, not a secret
        return order

    @functools.cached_property
    def base(self) -> Settings | None:
        """The settings to compare against, where a file of them is named."""
        against = base_of(self.selection.against, self.settings)
        return against.settings if against else None

    def to_json(self) -> dict[str, Any]:
        """All of it for the records; :func:`again` reads it back."""
        return {
            "phases": list(self.phases),
            "engines": [str(ref) for ref in self.refs],
            "writer": self.writer,
            "profile": self.profile.name,
            "scale_factor": f"{self.profile.scale_factor:f}",
            "chosen": list(self.profile.chosen),
            "protocol": vars(self.profile.protocol),
            "seed": self.seed,
            "named": list(self.named),
            "require": list(self.require),
            "pg_config": str(self.settings.pg_config) if self.settings.pg_config else None,
            "selection": vars(self.selection),
            "runtime": str(self.settings.runtime),
            "storages": {name: self._storage(name) for name in self.selection.storages},
            "catalogs": self._catalogs(),
            "services": {name: _public(self.settings, name) for name in sorted(self.settings.services)},
            "limits": {str(ref): self.settings.engine(ref.name).model_dump() for ref in self.refs},
            "prices": self.settings.prices and self.settings.prices.model_dump(by_alias=True),
            "against": self._against(),
        }

    def _storage(self, name: str) -> dict[str, Any]:
        hidden = {"user", "password", "credentials"}
        return self.settings.storage(name).model_dump(mode="json", exclude=hidden, exclude_unset=True)

    def _catalogs(self) -> dict[str, Any]:
        """The user's own catalog, where the run is on one."""
        name, user_catalogs = self.selection.catalog, self.settings.catalogs
        return {name: user_catalogs[name].public()} if name in user_catalogs else {}

    def _against(self) -> Any:
        """What the candidate is held against: the name of an engine or a storage, or the settings in a file."""
        if self.base is None:
            return self.selection.against
        return {"limits": {str(ref): self.base.engine(ref.name).model_dump() for ref in self.refs}}


def _public(settings: Settings, service: str) -> dict[str, Any]:
    return settings.service(service).model_dump(mode="json", exclude={"user", "password"})
