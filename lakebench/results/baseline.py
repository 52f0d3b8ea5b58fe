"""The baseline: the outcomes of each case that somebody reviewed and accepted.

Each phase ships one file in its folder. The user has one beside ``lakebench.toml``, in the same format; its entries
replace the shipped ones case by case.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.errors import UsageError
from lakebench.inputs import files as local_files
from lakebench.inputs import untrusted
from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.results import needs, schema1

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FILE = "lakebench-accepted.json"
_LARGEST = 256 * 2**20  # bytes; each cell of the matrix has a line
SCHEMA = 3
_WITHOUT_COORDINATES, _FIRST_SCHEMA = 2, 1
_COORDINATES = frozenset(one.name for one in dataclasses.fields(Coordinates))
ACCEPTABLE = tuple(one for one in Outcome if one is not Outcome.HARNESS_FAULT)

DERIVED = "derived: "
"""How the name of a read begins that follows from the rows of a feature."""


@dataclass(frozen=True)
class Acceptance:
    """Somebody accepted ``run`` on ``date`` for ``reason``; ``versions``: engine → its components, in one line.

    Cases refer to it by ``number``, which never changes. ``run`` names several runs, separated by commas, where they
    were accepted together.
    """

    number: int
    run: str
    date: str
    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """The accepted ``outcomes`` of a case, each with its verdict (empty where the engine claims nothing).

    A case has several where a race decides. ``engine`` is the engine that is tested; :mod:`.needs` describes ``needs``.
    ``reads`` are the :func:`failed_reads` that are accepted; ``None`` where the acceptance did not note them.
    """

    phase: str
    engine: str
    outcomes: Mapping[Outcome, str]
    by: Acceptance
    coordinates: Coordinates
    needs: frozenset[str] = frozenset()
    reads: frozenset[str] | None = None

    @property
    def versions(self) -> dict[str, str]:
        """The versions of the engines that take part in the case, when it was accepted."""
        names = self.coordinates.participants
        return {engine: components for engine, components in self.by.versions.items() if engine in names}

    def says(self, other: Entry) -> bool:
        """Whether every outcome that ``other`` accepts is accepted here as well, with the same verdict and reads."""
        return other.outcomes.items() <= self.outcomes.items() and other.reads == self.reads

    def accepts(self, case: Record) -> bool:
        """Whether the outcome of ``case`` is accepted, and no read failed that did not when it was accepted."""
        return case.outcome in self.outcomes and (
            self.reads is None or (failed_reads(case) or self.reads) <= self.reads
        )


Key = tuple[str, frozenset[str]]
"""The id of a case, and its needs: one case may have several entries."""
Entries = dict[Key, Entry]
Covers = Callable[[str, Coordinates], bool]
"""Whether a run should have a case, by its phase and its coordinates."""


@dataclass(frozen=True)
class Baseline:
    """Case id → its accepted outcomes."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def of(self, case: str) -> Entry | None:
        """The entry of the case with this id."""
        return self.entries.get(case)

    def held_against(self, case: Record) -> Entry | None:
        """The entry of ``case``; where an engine has a version that nobody accepted, that of the engine without one.

        So a newer version fails a run by what it breaks, and not by what is known of the engine.
        """
        plain = case.coordinates.without_versions
        return self.of(case.case) or (self._plain.get((case.phase, plain)) if plain != case.coordinates else None)

    @functools.cached_property
    def _plain(self) -> dict[tuple[str, Coordinates], Entry]:
        return {(one.phase, one.coordinates): one for one in self.entries.values()}


def load(settings: Mapping[str, Any], shipped: Iterable[Path], user_file: Path = Path(FILE)) -> Baseline:
    """The baseline for a run whose header has ``settings``.

    ``user_file`` takes precedence over the files ``shipped``. An entry counts if the settings name all that it needs;
    of several such entries of one case, the one with the most needs counts.

    Raises:
        UsageError: one of the files is damaged.
    """
    entries: Entries = {}
    for file in (*shipped, user_file):
        entries |= read(file)
    named = needs.named(settings)
    fitting = [(case, entry) for (case, wanted), entry in entries.items() if wanted <= named]
    return Baseline(dict(sorted(fitting, key=lambda one: len(one[1].needs))))


def verdict(case: Record) -> str:
    """The verdict on ``case``: its outcome compared with its engine's claim; empty where the engine claims nothing."""
    return str(case.evidence.get("verdict") or "")


def failed_reads(case: Record) -> frozenset[str] | None:
    """The reads that failed of a cell of the matrix: derived ones by columns and comparisons, as values may change.

    ``None`` where none failed, or the case has no reads.
    """
    if case.phase != "interop":
        return None
    own, derived = case.evidence.get("reads") or (), case.evidence.get("derived") or {}
    failed = [str(one.get("read")) for one in own if one.get("outcome") != Outcome.PASS]
    failed += [f"{DERIVED}{one.get('kind')}" for one in derived.get("reads", ())]
    return frozenset(failed) or None


def write(path: Path, entries: Entries) -> None:
    """Write the whole file, sorted, with one line for each case, so that a diff shows what changed."""
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
    outcomes = {outcome.value: entry.outcomes[outcome] for outcome in Outcome if outcome in entry.outcomes}
    what = [case, entry.phase, entry.engine, outcomes, entry.by.number, entry.coordinates.present_fields()]
    reads = [] if entry.reads is None else [sorted(entry.reads)]
    return _text([*what, *([wanted] if wanted or reads else []), *reads])


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


Damaged = Callable[[str, str], UsageError]


def read(path: Path) -> Entries:
    """The entries of the file at ``path``; none where there is no file."""
    if not os.path.lexists(path):
        return {}
    try:
        text = local_files.text(path, _LARGEST)
        document = untrusted.plain(json.loads(text))
    except FileNotFoundError:
        raise UsageError(f"{path} is a link to nothing: remove it, or put the file there") from None
    except json.JSONDecodeError as error:
        raise _damaged(path, error.lineno, error.msg) from None
    except RecursionError:
        raise _damaged(path, 1, "it is nested too deep") from None
    except untrusted.NotBelieved as error:
        raise _damaged(path, 1, str(error)) from None
    damaged = functools.partial(_damaged_at, path, text)
    if not isinstance(document, dict) or not isinstance(document.get("acceptances"), dict) or "cases" not in document:
        raise damaged("", "it has no acceptances and cases")
    by = {number: _acceptance(number, one, damaged) for number, one in document["acceptances"].items()}
    return dict(_parsed(path, document, by, damaged))


def _parsed(
    path: Path, document: Mapping[str, Any], by: Mapping[str, Acceptance], damaged: Damaged
) -> Iterable[tuple[Key, Entry]]:
    schema, cases = document.get("schema"), document["cases"]
    if schema == SCHEMA and isinstance(cases, list):
        return [_entry(one, by, damaged) for one in cases]
    if schema == _WITHOUT_COORDINATES and isinstance(cases, list):
        return [_entry(schema1.accepted_now(one), by, damaged) for one in cases]
    if schema == _FIRST_SCHEMA and isinstance(cases, dict):
        return [_earlier(case, one, by, damaged) for case, one in cases.items()]
    if schema in {SCHEMA, _WITHOUT_COORDINATES, _FIRST_SCHEMA}:
        raise damaged("", "it has no acceptances and cases")
    raise UsageError(f"{path} has schema {schema} and this lakebench reads up to {SCHEMA}: upgrade lakebench-harness")


def _acceptance(number: str, fields: Any, damaged: Damaged) -> Acceptance:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Acceptance).validate_python({**fields, "number": int(number)})
    except (TypeError, ValueError):
        raise damaged(f'"{number}"', "it is not an acceptance") from None


def _entry(fields: Any, by: Mapping[str, Acceptance], damaged: Damaged) -> tuple[Key, Entry]:
    first = fields[0] if isinstance(fields, list) and fields and isinstance(fields[0], str) else ""
    line = f"[{_text(first)}"
    match fields:
        case [str(case), str(phase), str(engine), {**accepted}, number, {**about}, *rest] if case and accepted:
            outcomes = {_outcome(name, line, damaged): str(claimed) for name, claimed in accepted.items()}
            wanted = frozenset(map(str, rest[0])) if rest and isinstance(rest[0], list) else frozenset()
            if str(number) not in by:
                raise damaged(line, f"there is no acceptance {number!r}")
            coordinates = _coordinates(dict(about), line, damaged)
            reads = frozenset(map(str, rest[1])) if len(rest) > 1 and isinstance(rest[1], list) else None
            return (case, wanted), Entry(phase, engine, outcomes, by[str(number)], coordinates, wanted, reads)
    raise damaged(line, "it is not [case, phase, engine, {outcome: verdict}, number of an acceptance, {coordinates}]")


def _coordinates(fields: dict[Any, Any], line: str, damaged: Damaged) -> Coordinates:
    if unknown := fields.keys() - _COORDINATES:
        raise damaged(line, f"{min(unknown)!r} is no coordinate")
    try:
        return _adapter().validate_python(fields)
    except ValueError:
        raise damaged(line, "a coordinate is no text") from None


@functools.cache
def _adapter() -> TypeAdapter[Coordinates]:
    from pydantic import TypeAdapter

    return TypeAdapter(Coordinates)


def _earlier(case: str, fields: Any, by: Mapping[str, Acceptance], damaged: Damaged) -> tuple[Key, Entry]:
    """The entry of a file of the first schema: ``[outcome, verdict, number]``."""
    line = f"{_text(case)}:"
    if not isinstance(fields, list) or len(fields) != 3 or str(fields[2]) not in by:  # noqa: PLR2004 - its three parts
        raise damaged(line, "it is not [outcome, verdict, number of an acceptance]")
    wanted, about = schema1.needs_of(case), schema1.coordinates(case)
    outcomes = {_outcome(fields[0], line, damaged): str(fields[1])}
    engine = about.participants[-1] if about.participants else ""
    return (case, wanted), Entry(schema1.phase_of(case), engine, outcomes, by[str(fields[2])], about, wanted)


def _outcome(name: object, line: str, damaged: Damaged) -> Outcome:
    if not isinstance(name, str) or name not in ACCEPTABLE:
        raise damaged(line, f"{name!r} is no outcome that can be accepted")
    return Outcome(str(name))


def _damaged_at(path: Path, text: str, start: str, why: str) -> UsageError:
    """The error that names the line that begins with ``start``."""
    lines = (number for number, line in enumerate(text.splitlines(), 1) if start and line.lstrip().startswith(start))
    return _damaged(path, next(lines, 1), why)


def _damaged(path: Path, line: int, why: str) -> UsageError:
    return UsageError(
        f"{path} line {line} is damaged ({why}): correct the line, restore the file from version control, or move it "
        'away and write it again with lakebench accept RUN --reason "…"'
    )
