"""Support claims of the engines, and known failures: ``claims.toml`` beside each engine and beside the phases.

``docs/claims.md`` describes the file. A topic that no file mentions is unknown, which does not mean unsupported.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import fnmatch
import functools
import inspect
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from lakebench.engines import engines
from lakebench.errors import HarnessFault
from lakebench.outcomes import Outcome

FILE = "claims.toml"
_PHASES = Path(__file__).parents[1] / "phases"
Side = Literal["read", "write"]
_VERSIONS = re.compile(r"([A-Za-z][\w.-]*)?\s*([<>=!~].*)")


class Support(enum.StrEnum):
    """The support that an engine claims for a topic; ``full`` is reading and writing."""

    FULL = "full"
    READ = "read"
    WRITE = "write"
    NONE = "none"
    UNKNOWN = "unknown"


class Verdict(enum.StrEnum):
    """The result of comparing an outcome with a support claim."""

    AS_CLAIMED = "as claimed"
    BETTER = "better than claimed"
    BROKEN = "broken claim"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ClaimOf:
    """The ``support`` that an engine's documents (``source``, read on ``date``, ISO 8601) claim for ``topic``.

    ``versions`` says which versions the claim is about: a specifier (``>=1.5``) of the engine's own version, or of
    another component that the engine reports (``iceberg>=1.12``); empty means any.
    """

    topic: str
    support: Support
    source: str
    date: str
    since: str = ""
    versions: str = ""

    def covers(self, side: Side) -> bool:
        """Whether ``side`` is claimed to work."""
        return self.support in {Support.FULL, side}

    def speaks_of(self, versions: Mapping[str, str]) -> bool:
        """Whether the claim is about an engine that reports ``versions``, its own first."""
        component, specifier = _specifier(self.versions)
        if not specifier:
            return True
        running = versions.get(component) if component else next(iter(versions.values()), None)
        try:
            return running is not None and specifier.contains(running, prereleases=True)
        except InvalidVersion:
            return False

    def to_json(self) -> dict[str, str]:
        """As JSON values, for the evidence of a case."""
        return {name: str(value) for name, value in dataclasses.asdict(self).items()}


@dataclass(frozen=True)
class Accepted:
    """A known failure: ``case`` is a glob of case ids; ``versions`` had it, and ``link`` leads to a report of it."""

    case: str
    outcome: Outcome
    reason: str
    versions: str = ""
    link: str = ""


@dataclass(frozen=True)
class _File:
    """The contents of a ``claims.toml``: the claims of all engines in its folder, and those of single engines by name.

    ``readers`` are engines that only read, each with the source of that: the folder's claims about writing do not
    apply to them.
    """

    claims: Mapping[str, tuple[ClaimOf, ...]]
    by_engine: Mapping[str, Mapping[str, tuple[ClaimOf, ...]]]
    readers: Mapping[str, str]
    accepted: tuple[Accepted, ...]


def claim_of(engine: str, feature: str, topic: str, versions: Mapping[str, str] | str) -> ClaimOf | None:
    """The claim of ``engine`` at ``versions`` about ``feature``, or else about its ``topic``; ``None`` without a claim.

    ``versions`` is a mapping that the running engine reports, its own version first, or only its own version.

    Raises:
        HarnessFault: the engine's ``claims.toml`` cannot be read.
    """
    running = {engine: versions} if isinstance(versions, str) else versions
    file = _file(_folder(engine) / FILE)
    for name in (feature, topic):
        for claim in file.by_engine.get(engine, {}).get(name, ()):
            if claim.speaks_of(running):
                return claim
        for claim in file.claims.get(name, ()):
            if claim.speaks_of(running):
                return _as_reader(claim, file.readers[engine]) if engine in file.readers else claim
    return None


def _as_reader(claim: ClaimOf, source: str) -> ClaimOf:
    """``claim`` without the part about writing, for an engine that only reads."""
    left = {Support.FULL: Support.READ, Support.WRITE: Support.NONE}.get(claim.support, claim.support)
    return dataclasses.replace(claim, support=left, source=f"{claim.source}; {source}")


def verdict(claim: ClaimOf | None, side: Side, outcome: Outcome) -> Verdict | None:
    """``outcome`` of reading or writing compared with ``claim``; ``None`` where it did not run."""
    if not outcome.ran:
        return None
    if claim is None or claim.support is Support.UNKNOWN:
        return Verdict.UNKNOWN
    if outcome is Outcome.PASS:
        return Verdict.AS_CLAIMED if claim.covers(side) else Verdict.BETTER
    return Verdict.BROKEN if claim.covers(side) else Verdict.AS_CLAIMED


@functools.cache
def accepted() -> tuple[Accepted, ...]:
    """All accepted outcomes of the phases and of the installed engines.

    Raises:
        HarnessFault: a ``claims.toml`` cannot be read.
    """
    folders = dict.fromkeys([_PHASES, *(_folder(name) for name in engines())])
    return tuple(one for folder in folders for one in _file(folder / FILE).accepted)


def accepted_for(case: str) -> Accepted | None:
    """The accepted outcome whose glob matches the case with this id, whatever its outcome is this time."""
    return next((one for one in accepted() if fnmatch.fnmatchcase(case, one.case)), None)


def accepted_as(case: str, outcome: Outcome) -> Accepted | None:
    """The accepted outcome of ``case`` if it is ``outcome``, else ``None``."""
    expected = accepted_for(case)
    return expected if expected is not None and expected.outcome is outcome else None


def _folder(engine: str) -> Path:
    return Path(inspect.getfile(engines()[engine])).parent


@functools.cache
def _file(path: Path) -> _File:
    """The contents of the file at ``path``; empty where there is no file."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        by_engine = {
            name: dict(value) for name, value in document.items() if isinstance(value, dict) and name != "claims"
        }
        readers = {name: str(value.pop("read_only")) for name, value in by_engine.items() if "read_only" in value}
        return _File(
            claims=_claims(document.get("claims", {})),
            by_engine={name: _claims(value) for name, value in by_engine.items()},
            readers=readers,
            accepted=tuple(_accepted(one) for one in document.get("accepted", [])),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise HarnessFault(f"{path}: {error}") from None


def _accepted(fields: Mapping[str, Any]) -> Accepted:
    outcome = Outcome(fields["outcome"])
    if not outcome.is_failure:
        raise ValueError(f"{outcome} is no failure that can be accepted")
    return Accepted(**{**fields, "outcome": outcome})


def _claims(topics: Mapping[str, Any]) -> dict[str, tuple[ClaimOf, ...]]:
    """Topic → its claims; several claims about one topic differ in their ``versions``."""
    listed = {topic: value if isinstance(value, list) else [value] for topic, value in topics.items()}
    return {topic: tuple(_claim(topic, one) for one in values) for topic, values in listed.items()}


def _claim(topic: str, fields: Mapping[str, Any]) -> ClaimOf:
    try:
        date = _date(fields["date"])
        claim = ClaimOf(**{**fields, "topic": topic, "support": Support(fields["support"]), "date": date})
        _specifier(claim.versions)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the claim {topic}: {error}") from None
    return claim


def _date(value: Any) -> str:
    if not isinstance(value, dt.date):
        raise TypeError(f"date = {value!r} is not a date: write 2026-11-21 without quotes")
    return value.isoformat()


@functools.cache
def _specifier(text: str) -> tuple[str, SpecifierSet]:
    """Component (empty: the engine itself) and specifier of ``text``.

    Raises:
        ValueError: it is neither.
    """
    match = _VERSIONS.fullmatch(text.strip())
    if text and not match:
        raise ValueError(f"versions = {text!r} is neither '>=1.5' nor 'iceberg>=1.12'")
    try:
        return (match[1] or "", SpecifierSet(match[2])) if match else ("", SpecifierSet())
    except InvalidSpecifier as error:
        raise ValueError(f"versions: {error}") from None
