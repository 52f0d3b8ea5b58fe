"""What a protocol check is, and the subjects that they are grouped by."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from lakebench.model import Authentication
from lakebench.phases.rest_catalog.sandbox import Sandbox


class Level(enum.StrEnum):
    """Whether a catalog has to pass a check, or tells by it what it is able to do."""

    MUST = "must"
    CAP = "cap"


Test: TypeAlias = Callable[[Sandbox], None]
"""Asks the catalog; returns where all is right, and raises a :class:`~lakebench.errors.CaseError` where it is not."""


@dataclass(frozen=True)
class ProtocolCheck:
    """One check: ``operation`` is the operationId that it is about, ``requires`` are others that it needs.

    ``logins`` are the kinds of authentication that a catalog must have for it; empty: any catalog has it.
    ``short_keys`` says that it waits for the end of keys of the store.
    """

    id: str
    title: str
    operation: str
    level: Level
    test: Test
    requires: tuple[str, ...] = ()
    logins: tuple[type[Authentication], ...] = ()
    short_keys: bool = False


@dataclass(frozen=True)
class Subject:
    """Checks of one subject, in the order of the report."""

    title: str
    checks: list[ProtocolCheck] = field(default_factory=list)

    def check(
        self,
        name: str,
        operation: str,
        level: Level = Level.MUST,
        *,
        requires: Sequence[str] = (),
        logins: Sequence[type[Authentication]] = (),
        short_keys: bool = False,
    ) -> Callable[[Test], Test]:
        """Make the decorated function a check; the first line of its docstring is the title."""

        def add(test: Test) -> Test:
            title = (test.__doc__ or name).strip().splitlines()[0].rstrip(".")
            needs = tuple(requires), tuple(logins), short_keys
            self.checks.append(ProtocolCheck(name, title, operation, level, test, *needs))
            return test

        return add
