"""Answers in files, compared: functions for the checker process, because the parent never reads a row itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import answers
from lakebench.datasets.answers import Diff, Sameness
from lakebench.datasets.rules import Rules
from lakebench.datasets.table_files import Unreadable, read

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_ROWS = 1000


@dataclass(frozen=True)
class Checked:
    """The result of a comparison: ``diff`` is :meth:`~lakebench.datasets.answers.Diff.to_json` where ``ok`` is false.

    A file that cannot be read is a diff of kind ``unreadable``. ``sources`` are the references;
    ``sha256`` is the hash of the answer's rows in canonical form.
    """

    ok: bool
    diff: Mapping[str, Any] | None = None
    sha256: str = ""
    rows: int = 0
    sources: tuple[str, ...] = ()
    type_differences: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """One line: what is wrong, or nothing."""
        return str(self.diff["message"]) if self.diff else ""


@dataclass(frozen=True)
class Agreed:
    """:class:`~lakebench.datasets.answers.Agreement` as the parent sees it; ``unreadable`` engines are in no group."""

    groups: tuple[tuple[str, ...], ...]
    verified: tuple[str, ...]
    diffs: Mapping[str, Mapping[str, Any]]
    unreadable: Mapping[str, str]


def compare(actual: Path, expected: Mapping[str, Path], rules: Rules) -> Checked:
    """Compare the answer in ``actual`` with each of ``expected`` (source → file).

    A source whose name starts with :data:`~lakebench.datasets.answers.FULL` has the answer without LIMIT and OFFSET.
    """
    got = _read_answer(actual)
    if isinstance(got, Diff):
        return _checked(got, None)
    for source, path in expected.items():
        diff = answers.compare_with(source, got, read(path), rules)
        if diff:
            against = dataclasses.replace(diff, message=f"{diff.message} (against {source})")
            return _checked(against, got, sources=tuple(expected))
    return _checked(None, got, sources=tuple(expected))


def compare_rows(actual: Path, expected: Path) -> Checked:
    """Compare all rows of two tables exactly, in any order."""
    return compare_by(answers.same_rows, actual, expected)


def compare_by(same: Callable[[pa.Table, pa.Table], Sameness], actual: Path, expected: Path) -> Checked:
    """Compare all rows of two tables by ``same``."""
    got = _read_answer(actual)
    if isinstance(got, Diff):
        return _checked(got, None)
    sameness = same(got, read(expected))
    return _checked(sameness.diff, got, type_differences=sameness.type_differences)


def agree(tables: Mapping[str, Path], rules: Rules) -> Agreed:
    """Which engines' answers (engine → file) agree; of full answers see :func:`compare`."""
    by_engine = {engine: _read_answer(path) for engine, path in tables.items()}
    unreadable = {engine: one.message for engine, one in by_engine.items() if isinstance(one, Diff)}
    readable = {engine: one for engine, one in by_engine.items() if not isinstance(one, Diff)}
    agreed = answers.agreement(readable, rules)
    diffs = {engine: diff.to_json() for engine, diff in agreed.diffs.items()}
    return Agreed(tuple(map(tuple, agreed.groups)), tuple(agreed.verified), diffs, unreadable)


def cells(actual: Path) -> list[list[str | None]]:
    """The cells of a small answer as text, for evidence and plans: 1,000 rows at most.

    Raises:
        Unreadable: the file is not a table.
    """
    rows = read(actual).slice(0, _SHOWN_ROWS).to_pylist()
    return [[None if cell is None else str(cell) for cell in row.values()] for row in rows]


def _read_answer(path: Path) -> pa.Table | Diff:
    try:
        return read(path)
    except Unreadable as error:
        return Diff("unreadable", str(error), expected_rows=-1, actual_rows=-1)


def _checked(
    diff: Diff | None,
    actual: pa.Table | None,
    sources: tuple[str, ...] = (),
    type_differences: tuple[str, ...] = (),
) -> Checked:
    return Checked(
        ok=diff is None,
        diff=diff.to_json() if diff else None,
        sha256="" if actual is None else answers.content_hash(actual),
        rows=0 if actual is None else actual.num_rows,
        sources=sources,
        type_differences=type_differences,
    )
