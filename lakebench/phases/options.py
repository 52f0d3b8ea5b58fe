"""The options of phases: what one declares, and what reads the usual kinds of value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets.choice import chosen
from lakebench.engines import CanOperate, CanScan
from lakebench.errors import UsageError, unknown


@dataclass(frozen=True)
class Asked:
    """What an option's value is checked against.

    ``features`` are, for :data:`FEATURES_OPTION`, the ids that the phases have; ``engines`` those that ``--engines``
    names.
    """

    features: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Option:
    """An option of a phase on the command line: ``lakebench run PHASE --NAME VALUE``.

    ``read`` makes the value of the text that the user gives, or of ``default``; it raises :class:`UsageError` where the
    text is not valid. The value is kept in the records: it is text, a number, a boolean or a list of them.

    Phases that share an option declare the same object. ``names_engines`` says that the value lists engines, which then
    have to run. ``field`` is a field of :class:`lakebench.model.Selection`; the value of an option without one comes
    from :meth:`lakebench.phases.base.Phase.option`.
    """

    name: str
    help: str
    metavar: str = "TEXT"
    default: str = ""
    read: Callable[[str, Asked], Any] = lambda text, _: text
    field: str = ""
    names_engines: bool = False


def listed(text: str) -> tuple[str, ...]:
    """The parts of ``text`` between commas, each once."""
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def one_of(what: str, valid: Iterable[str]) -> Callable[[str, Asked], str]:
    """Reads the name of a ``what``, one of ``valid``."""
    names = list(valid)

    def read(text: str, _: Asked) -> str:
        if text not in names:
            raise unknown(what, text, names)
        return text

    return read


def some_of(what: str, valid: Iterable[str]) -> Callable[[str, Asked], tuple[str, ...]]:
    """Reads names, separated by commas, each one of ``valid`` and at least one."""
    names = list(valid)
    one = one_of(what, names)

    def read(text: str, asked: Asked) -> tuple[str, ...]:
        if not listed(text):
            raise UsageError(f"name a {what}: {', '.join(names)}")
        return tuple(one(name, asked) for name in listed(text))

    return read


def _globs(text: str, asked: Asked) -> tuple[str, ...]:
    chosen(asked.features, listed(text))
    return listed(text)


def _writers(text: str, asked: Asked) -> tuple[str, ...]:
    return engines.able(listed(text), CanOperate, "write the features") or engines.having(asked.engines, CanOperate)


def _readers(text: str, asked: Asked) -> tuple[str, ...]:
    return engines.able(listed(text), CanScan, "read tables") or engines.having(asked.engines, CanScan)


FEATURES_OPTION = Option(
    "features",
    "Features, separated by commas, * is any text; lakebench list features shows them. Default: all.",
    metavar="GLOBS",
    read=_globs,
    field="features",
)
"""For each phase that has :meth:`lakebench.phases.base.Phase.features`."""

WRITERS_OPTION = Option(
    "writers",
    "Engines that write. Default: those of --engines, or all, that can.",
    metavar="ENGINES",
    read=_writers,
    field="writers",
    names_engines=True,
)
READERS_OPTION = Option(
    "readers",
    "Engines that read. Default: those of --engines, or all, that can.",
    metavar="ENGINES",
    read=_readers,
    field="readers",
    names_engines=True,
)
