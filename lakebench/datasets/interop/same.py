"""Whether a reader's answer is the oracle's.

As :func:`lakebench.datasets.answers.same_rows` compares, with what engines may show in more than one form: a variant is
the JSON that its text says, a UUID is its text or its bytes, a geometry is its well-known binary in any byte order. The
names of columns are those of the table in their order, in any case of letters, as SQL engines fold it.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import answer_files, answers, cells
from lakebench.datasets.answer_files import Checked
from lakebench.datasets.answers import Diff, Sameness
from lakebench.datasets.interop import wkb
from lakebench.datasets.interop.oracle import COUNT
from lakebench.iceberg.values import JSON, WKB

if TYPE_CHECKING:
    import pyarrow as pa

_Fit = Callable[[Any], Any]


def same_read(actual: pa.Table, expected: pa.Table) -> Sameness:
    """Whether ``actual`` has the columns and exactly the rows of ``expected``, in any order of rows."""
    wrong = _names(actual, expected)
    if wrong:
        return Sameness(wrong)
    fits = [_fit(field) for field in expected.schema]
    wanted, got = (
        [tuple(fit(cell) for fit, cell in zip(fits, row, strict=True)) for row in cells.rows(table)]
        for table in (expected, actual)
    )
    return answers.same_cells(actual, expected, got, wanted)


def compare(actual: Path, expected: Path) -> Checked:
    """:func:`same_read` of a reader's answer and what it has to be, in files."""
    return answer_files.compare_by(same_read, actual, expected)


def compare_each(actual: Path, expected: Path, count: int) -> list[Checked]:
    """:func:`compare` of the first ``count`` answers, which both files have with their numbers in a first column."""
    if answer_files.compare_by(functools.partial(_same_first, count), actual, expected).ok:
        return [Checked(ok=True, rows=-1)] * count
    return [
        answer_files.compare_by(functools.partial(_same_part, n, is_numbered=True), actual, expected)
        for n in range(count)
    ]


def compare_part(actual: Path, expected: Path, n: int) -> Checked:
    """:func:`compare` of one answer with the one of this number in ``expected``."""
    return answer_files.compare_by(functools.partial(_same_part, n, is_numbered=False), actual, expected)


def _same_first(count: int, actual: pa.Table, expected: pa.Table) -> Sameness:
    import pyarrow.compute as pc

    return same_read(actual, expected.filter(pc.less(expected.column(0), count)))


def _same_part(n: int, actual: pa.Table, expected: pa.Table, *, is_numbered: bool) -> Sameness:
    wrong = _names(actual, expected) if is_numbered else None
    if wrong:
        return Sameness(wrong)
    return same_read(_part(actual, n) if is_numbered else actual, _part(expected, n))


def _part(table: pa.Table, n: int) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table.column(0), n)).remove_column(0)


def _names(actual: pa.Table, expected: pa.Table) -> Diff | None:
    """The difference in the columns' names; a count's one column may have any."""
    got, wanted = ([name.lower() for name in table.column_names] for table in (actual, expected))
    is_count = (expected.schema.metadata or {}).items() >= COUNT.items()
    if got == wanted or (is_count and len(got) == 1):
        return None
    shown = f"columns {', '.join(actual.column_names)} instead of {', '.join(expected.column_names)}"
    return Diff(
        "columns",
        shown[: cells.SHOWN_CHARACTERS],
        expected.num_rows,
        actual.num_rows,
        expected=(tuple(expected.column_names[: answers.SHOWN_COLUMNS]),),
        actual=(tuple(actual.column_names[: answers.SHOWN_COLUMNS]),),
    )


def _fit(field: pa.Field) -> _Fit:
    """What brings a cell of an answer into the form that its expected ``field`` has."""
    metadata: Mapping[bytes, bytes] = field.metadata or {}
    if metadata.items() >= JSON.items():
        return _json
    if metadata.items() >= WKB.items():
        return lambda cell: wkb.normal(cell) if isinstance(cell, bytes) else cell
    return _fit_type(field.type)


def _fit_type(of: pa.DataType) -> _Fit:
    import pyarrow as pa

    if str(of) in answers.UUIDS:
        return _uuid
    if pa.types.is_struct(of):
        return _struct({field.name.lower(): (field.name, _fit(field)) for field in of})
    if pa.types.is_map(of):
        key, value = _fit(of.key_field), _fit(of.item_field)
        return lambda cell: _entries(cell, key, value)
    if pa.types.is_list(of):
        element = _fit(of.value_field)
        return lambda cell: ("list", *map(element, cell[1:])) if _is(cell, "list") else cell
    return lambda cell: cell


def _is(cell: Any, what: str) -> bool:
    return isinstance(cell, tuple) and cell[:1] == (what,)


def _struct(fields: Mapping[str, tuple[str, _Fit]]) -> _Fit:
    """Names in any case; a field that is not expected stays as it is."""

    def fit(cell: Any) -> Any:
        if not isinstance(cell, tuple) or not all(isinstance(one, tuple) and len(one) == 2 for one in cell):  # noqa: PLR2004 - a pair
            return cell
        expected = [(fields.get(str(name).lower(), (name, lambda value: value)), value) for name, value in cell]
        return tuple((name, change(value)) for (name, change), value in expected)

    return fit


def _entries(cell: Any, key: _Fit, value: _Fit) -> Any:
    if not _is(cell, "map"):
        return cell
    return ("map", *sorted(((key(one), value(other)) for one, other in cell[1:]), key=repr))


def _uuid(cell: Any) -> Any:
    """The bytes of a UUID that is shown as text."""
    if not isinstance(cell, str):
        return cell
    try:
        return uuid.UUID(cell).bytes
    except ValueError:  # no UUID: it differs, and is shown as it is
        return cell


def _json(cell: Any) -> Any:
    """The value that a variant's JSON text says, hashable; text that is no JSON differs from every value."""
    if not isinstance(cell, str):
        return cell
    try:
        return ("json", _frozen(json.loads(cell, parse_float=Decimal, parse_constant=_constant)))
    except ValueError:
        return ("no JSON", cell)


def _constant(text: str) -> Any:
    """NaN and the infinities, which some engines write into JSON; as text, NaN equals NaN."""
    return ["a number", text]


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return ("object", *sorted((name, _frozen(one)) for name, one in value.items()))
    if isinstance(value, list):
        return ("array", *map(_frozen, value))
    return ("bool", value) if isinstance(value, bool) else value
