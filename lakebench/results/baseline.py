"""The baseline: what is accepted of each case, since somebody looked at it.

Files of one form: those that phases ship, each in its own folder, and the user's own beside ``lakebench.toml``, which
wins case by case.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakebench.errors import UsageError
from lakebench.inputs import files as local_files
from lakebench.inputs import untrusted
from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import needs
from lakebench.results.coordinates import engines_of

FILE = "lakebench-accepted.json"
_LARGEST = 256 * 2**20  # bytes; every cell of the matrix takes one
SCHEMA = 2
_FIRST_SCHEMA = 1
_ENTRY, _NEEDS = 4, 5
ACCEPTABLE = tuple(one for one in Outcome if one is not Outcome.HARNESS_FAULT)


@dataclass(frozen=True)
class Acceptance:
    """Somebody accepted ``run`` on ``date``, for ``reason``; ``versions`` are engine → its components, in a line.

    Cases refer to it by ``number``, which it keeps. ``run`` are several, by comma, where they were accepted together.
    """

    number: int
    run: str
    date: str
    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What is accepted of a case: any of ``outcomes``, each with its verdict (empty where nothing is claimed).

    There are several where a race decides. ``engine`` is whose case it is; ``needs`` are those of :mod:`.needs`.
    """

    engine: str
    outcomes: Mapping[Outcome, str]
    by: Acceptance
    needs: frozenset[str] = frozenset()

    def says(self, other: Entry) -> bool:
        """Whether ``other`` accepts nothing else, whoever accepted it."""
        return other.outcomes.items() <= self.outcomes.items()


Key = tuple[str, frozenset[str]]
"""The id of a case, and what it needs: one case may have several entries."""
Entries = dict[Key, Entry]


@dataclass(frozen=True)
class Baseline:
    """Case id → what is accepted of it."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def of(self, case: str) -> Entry | None:
        """What is accepted of the case with this id."""
        return self.entries.get(case)


def load(settings: Mapping[str, Any], shipped: Iterable[Path], own: Path = Path(FILE)) -> Baseline:
    """What is accepted here for a run whose header has ``settings``.

    What the files ``shipped`` say counts, and what ``own`` says instead; of several entries of one case that which
    needs most of what the settings name.

    Raises:
        UsageError: one of the files is damaged.
    """
    found: Entries = {}
    for file in (*shipped, own):
        found |= read(file)
    given = needs.named(settings)
    fitting = [(case, entry) for (case, wanted), entry in found.items() if wanted <= given]
    return Baseline(dict(sorted(fitting, key=lambda one: len(one[1].needs))))


def concerned(case: str, versions: Mapping[str, str]) -> dict[str, str]:
    """Those of ``versions`` whose engine the case's id names."""
    names = engines_of(case)
    return {engine: told for engine, told in versions.items() if engine in names}


def verdict(case: Record) -> str:
    """The outcome of ``case`` held against what its engine claims; empty where nothing is claimed."""
    return str(case.evidence.get("verdict") or "")


def write(path: Path, entries: Entries) -> None:
    """Write the file whole, sorted, one line a case: what changed is what a diff shows."""
    numbered = {entry.by.number: entry.by for entry in entries.values()}
    acceptances = [
        f'"{number}": {_text({key: value for key, value in vars(by).items() if key != "number"})}'
        for number, by in sorted(numbered.items())
    ]
    order = sorted((case, sorted(wanted), entry) for (case, wanted), entry in entries.items())
    cases = [_line(case, wanted, entry) for case, wanted, entry in order]
    text = (
        f'{{\n"schema": {SCHEMA},\n"acceptances": {{\n' + ",\n".join(acceptances) + "\n},\n"
        '"cases": [\n' + ",\n".join(cases) + "\n]\n}\n"
    )
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _line(case: str, wanted: Sequence[str], entry: Entry) -> str:
    told = {outcome.value: entry.outcomes[outcome] for outcome in Outcome if outcome in entry.outcomes}
    return _text([case, entry.engine, told, entry.by.number, *([wanted] if wanted else [])])


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


Damaged = Callable[[str, str], UsageError]


def read(path: Path) -> Entries:
    """The entries of the file at ``path``; none where there is no file."""
    if not os.path.lexists(path):
        return {}
    try:
        text = local_files.text(path, _LARGEST)
        told = untrusted.plain(json.loads(text))
    except FileNotFoundError:
        raise UsageError(f"{path} is a link to nothing: remove it, or put the file there") from None
    except json.JSONDecodeError as error:
        raise _damaged(path, error.lineno, error.msg) from None
    except RecursionError:
        raise _damaged(path, 1, "it is nested too deep") from None
    except untrusted.NotBelieved as error:
        raise _damaged(path, 1, str(error)) from None
    damaged = functools.partial(_damaged_at, path, text)
    if not isinstance(told, dict) or not isinstance(told.get("acceptances"), dict) or "cases" not in told:
        raise damaged("", "it has no acceptances and cases")
    by = {number: _acceptance(number, one, damaged) for number, one in told["acceptances"].items()}
    return dict(_parsed(path, told, by, damaged))


def _parsed(
    path: Path, told: Mapping[str, Any], by: Mapping[str, Acceptance], damaged: Damaged
) -> Iterable[tuple[Key, Entry]]:
    schema, cases = told.get("schema"), told["cases"]
    if schema == SCHEMA and isinstance(cases, list):
        return [_entry(one, by, damaged) for one in cases]
    if schema == _FIRST_SCHEMA and isinstance(cases, dict):
        return [_earlier(case, one, by, damaged) for case, one in cases.items()]
    if schema in {SCHEMA, _FIRST_SCHEMA}:
        raise damaged("", "it has no acceptances and cases")
    raise UsageError(f"{path} has schema {schema} and this lakebench reads up to {SCHEMA}: upgrade lakebench-harness")


def _acceptance(number: str, told: Any, damaged: Damaged) -> Acceptance:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Acceptance).validate_python({**told, "number": int(number)})
    except (TypeError, ValueError):
        raise damaged(f'"{number}"', "it is not an acceptance") from None


def _entry(told: Any, by: Mapping[str, Acceptance], damaged: Damaged) -> tuple[Key, Entry]:
    case = told[0] if isinstance(told, list) and told and isinstance(told[0], str) else ""
    line = f"[{_text(case)}"
    if not case or len(told) not in {_ENTRY, _NEEDS} or not isinstance(told[2], dict) or not told[2]:
        raise damaged(line, "it is not [case, engine, {outcome: verdict}, number of an acceptance]")
    outcomes = {_outcome(name, line, damaged): str(said) for name, said in told[2].items()}
    if str(told[3]) not in by:
        raise damaged(line, f"there is no acceptance {told[3]!r}")
    wanted = frozenset(map(str, told[4])) if len(told) == _NEEDS and isinstance(told[4], list) else frozenset()
    return (case, wanted), Entry(str(told[1]), outcomes, by[str(told[3])], wanted)


def _earlier(case: str, told: Any, by: Mapping[str, Acceptance], damaged: Damaged) -> tuple[Key, Entry]:
    """The entry of a file of the first schema: ``[outcome, verdict, number]``."""
    line = f"{_text(case)}:"
    if not isinstance(told, list) or len(told) != 3 or str(told[2]) not in by:  # noqa: PLR2004 - its three parts
        raise damaged(line, "it is not [outcome, verdict, number of an acceptance]")
    wanted = needs.of_earlier(case)
    outcomes = {_outcome(told[0], line, damaged): str(told[1])}
    return (case, wanted), Entry(engines_of(case)[-1], outcomes, by[str(told[2])], wanted)


def _outcome(name: object, line: str, damaged: Damaged) -> Outcome:
    if not isinstance(name, str) or name not in ACCEPTABLE:
        raise damaged(line, f"{name!r} is no outcome that can be accepted")
    return Outcome(str(name))


def _damaged_at(path: Path, text: str, start: str, why: str) -> UsageError:
    """The error that names the line which begins with ``start``."""
    lines = (number for number, line in enumerate(text.splitlines(), 1) if start and line.lstrip().startswith(start))
    return _damaged(path, next(lines, 1), why)


def _damaged(path: Path, line: int, why: str) -> UsageError:
    return UsageError(
        f"{path} line {line} is damaged ({why}): correct the line, restore the file from version control, or move it "
        'away and write it again with lakebench accept RUN --reason "…"'
    )
