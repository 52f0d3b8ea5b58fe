"""Whether two tables are the same answer: pure functions on Arrow tables, the same for every engine.

Values are compared as values: an ``int32`` 5, an ``int64`` 5 and a decimal 5.00 are one number. What may differ, and by
how much, is a rule of the column (:mod:`lakebench.datasets.rules`), always at least as tight as TPC-H clause 2.1.3.5.
Strings are compared as they are, trailing blanks too: Iceberg has no padded strings, and the generator writes none.
"""

from __future__ import annotations

import bisect
import dataclasses
import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakebench.datasets.cells import MINUS_ZERO, SHOWN_CHARACTERS, Row, canonical, cell_text, is_number, rows
from lakebench.datasets.rules import CAPS, FLOAT_RELATIVE, Rules

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_COLUMNS = 40
UUIDS = {"extension<arrow.uuid>", "fixed_size_binary[16]"}
"""The Arrow types that UUIDs are kept in."""
_SHOWN_ROWS = 10
# Above this, an answer with the wrong number of rows is not searched for the rows that are wrong.
_SEARCHED_ROWS = 1_000_000
_RESEMBLING_ROWS = 1000
FULL = "full: "
"""Prefix of the name of a source with the full answer: the one to the query without its LIMIT and OFFSET."""


@dataclass(frozen=True)
class Diff:
    """How an answer differs.

    ``kind`` is ``columns``, ``rows`` (their number), ``values`` or ``order``. ``missing`` counts the expected rows that
    the answer lacks, ``unexpected`` those it has beyond them (-1: not counted). ``expected`` and ``actual`` show the
    first of these rows as text.
    """

    kind: str
    message: str
    expected_rows: int
    actual_rows: int
    missing: int = 0
    unexpected: int = 0
    columns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    expected: tuple[tuple[str, ...], ...] = ()
    actual: tuple[tuple[str, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values, of bounded size."""
        return dataclasses.asdict(self)

    def text(self) -> str:
        """As lines for a terminal or a log."""
        lines = [self.message]
        for title, some in (("expected", self.expected), ("actual", self.actual)):
            lines += [f"  {title}: {' | '.join(row)}" for row in some]
        return "\n".join(lines)


@dataclass(frozen=True)
class Sameness:
    """The outcome of :func:`same_rows`; ``type_differences`` are columns with equal values of another type."""

    diff: Diff | None
    type_differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """The groups of engines that agree, the largest first; ``verified`` is empty where there is no majority.

    ``diffs`` compares each engine outside the first group with that group.
    """

    groups: tuple[tuple[str, ...], ...]
    verified: tuple[str, ...]
    diffs: Mapping[str, Diff]


def compare(actual: pa.Table, expected: pa.Table, rules: Rules) -> Diff | None:
    """How ``actual`` differs from ``expected`` under ``rules``; ``None`` where it is the same answer.

    Columns are compared by position, rows as a multiset, and the sequence of the ORDER BY keys row by row, so that
    ties may be in any order. With a LIMIT or an OFFSET, the rows that tie with the last one or the first one may be
    others: only their number and their keys are compared; without a key only the number of all.
    """
    wrong = _columns(actual, expected) or _too_many(actual, expected)
    if wrong:
        return wrong
    if rules.is_cut:
        return _compare_cut(actual, expected, rules)
    columns = [_Column(n, actual, expected, rules) for n in range(expected.num_columns)]
    got, wanted = rows(actual), rows(expected)
    missing, unexpected = _unmatched(got, wanted, columns)
    if missing or unexpected:
        return _values(expected, got, wanted, missing, unexpected, columns)
    return _order(expected, got, wanted, [columns[n] for n in rules.order])


def top_n(actual: pa.Table, full: pa.Table, rules: Rules) -> Diff | None:
    """Why ``actual`` cannot be ``full`` cut by LIMIT and OFFSET; ``None`` where it is a right answer.

    ``full`` is the answer without them, in the order of the ORDER BY, whose keys are ``rules.full_order``; keys that
    the query does not select are its last columns (:func:`lakebench.datasets.sql_rules.without_limit`). Each row must
    be one of those that tie at its position, as a multiset: this shows the number, the order and every value.
    """
    hidden = sum(position < 0 for position in rules.full_order)
    shown = full.select(range(full.num_columns - hidden))
    count = max(0, min(full.num_rows - rules.offset, full.num_rows if rules.limit is None else rules.limit))
    wrong = _columns(actual, shown) or _wrong_number(actual, count)
    if wrong:
        return wrong
    columns = [_Column(n, actual, shown, rules) for n in range(shown.num_columns)]
    got, ties = rows(actual), _ties(actual, full, rules, count)
    for first, last in sorted(set(ties)):
        tied = [row for row, tie in zip(got, ties, strict=True) if tie == (first, last)]
        candidates = _candidates(shown.slice(first, last - first), actual, columns)
        _, unexpected = _unmatched(tied, rows(candidates), columns)
        if unexpected:
            return _misplaced(actual, shown, rules, unexpected, columns)
    return None


def same_rows(actual: pa.Table, expected: pa.Table) -> Sameness:
    """Whether both have exactly the same rows, in any order.

    Every Arrow type that Iceberg types map to, nested ones too. NaN equals NaN; -0.0 is not 0.0; an instant is the same
    in any zone and unit, and is not a timestamp without a zone. Equal numbers of unequal types are accepted, and named.
    """
    wrong = _columns(actual, expected) or _too_many(actual, expected)
    if wrong:
        return Sameness(wrong)
    actual = _with_uuids_as(actual, expected)
    return same_cells(actual, expected, rows(actual), rows(expected))


def same_cells(actual: pa.Table, expected: pa.Table, got: Sequence[Row], wanted: Sequence[Row]) -> Sameness:
    """Whether ``got``, the rows of ``actual``, are the rows ``wanted`` of ``expected``, in any order.

    Columns that differ and have lost their type are named in the message with both types.
    """
    want, have = Counter(wanted), Counter(got)
    if not dict.__eq__(want, have):  # Counter's own takes far longer, as it looks up each element
        missing, unexpected = list((want - have).elements()), list((have - want).elements())
        columns = [_Column(n, actual, expected, Rules()) for n in range(expected.num_columns)]
        diff = _values(expected, got, wanted, missing, unexpected, columns)
        types = [one for one in _type_differences(actual, expected) if one.rpartition(": ")[0] in diff.columns]
        return Sameness(dataclasses.replace(diff, message="; ".join([diff.message, *types])))
    return Sameness(None, _type_differences(actual, expected))


def agreement(tables: Mapping[str, pa.Table], rules: Rules) -> Agreement:
    """Which of ``tables`` (engine → answer) agree under ``rules``.

    The largest group is verified where it has two members or more and is larger than any other; otherwise no group is.
    A name that starts with :data:`FULL` has the full answer, with which an engine agrees as :func:`top_n` says; it
    comes last in its group.
    """
    groups: list[list[str]] = []
    for engine in sorted(tables, key=lambda name: not name.startswith(FULL)):  # they can show more than the others
        for group in groups:
            if _difference(engine, group[0], tables, rules) is None:
                group.append(engine)
                break
        else:
            groups.append([engine])
    groups.sort(key=len, reverse=True)
    diffs = {engine: _difference(engine, groups[0][0], tables, rules) for group in groups[1:] for engine in group}
    groups = [sorted(group, key=lambda name: name.startswith(FULL)) for group in groups]
    return Agreement(
        tuple(tuple(group) for group in groups),
        tuple(groups[0]) if _is_majority(groups) else (),
        {engine: diff for engine, diff in diffs.items() if diff},
    )


def compare_with(source: str, actual: pa.Table, expected: pa.Table, rules: Rules) -> Diff | None:
    """:func:`compare`, or :func:`top_n` where ``source``, whose answer ``expected`` is, has the full answer."""
    return (top_n if source.startswith(FULL) else compare)(actual, expected, rules)


def _difference(name: str, other: str, tables: Mapping[str, pa.Table], rules: Rules) -> Diff | None:
    if name.startswith(FULL) and other.startswith(FULL):
        return compare(tables[name], tables[other], dataclasses.replace(rules, order=(), limit=None, offset=0))
    if name.startswith(FULL):
        name, other = other, name
    return compare_with(other, tables[name], tables[other], rules)


def _is_majority(groups: Sequence[Sequence[str]]) -> bool:
    return bool(groups) and len(groups[0]) > max(1, len(groups[1]) if len(groups) > 1 else 0)


def content_hash(table: pa.Table) -> str:
    """SHA-256 of the rows in canonical form, whatever their order, the types of their numbers or the columns' names."""
    lines = sorted("\x1f".join(canonical(cell) for cell in row) for row in rows(table))
    return hashlib.sha256("\x1e".join(lines).encode()).hexdigest()


class _Column:
    """What two columns at one position may differ by."""

    def __init__(self, position: int, actual: pa.Table, expected: pa.Table, rules: Rules) -> None:
        import pyarrow as pa

        self.position = position
        self.name = str(expected.field(position).name)
        types = actual.field(position).type, expected.field(position).type
        kind = rules.kind(position)
        has_float = any(pa.types.is_floating(one) for one in types)
        self.loose = kind != "exact" or has_float
        is_whole = kind == "exact" and any(pa.types.is_integer(one) for one in types)
        self._relative = FLOAT_RELATIVE if self.loose and not is_whole else Decimal(0)
        self._absolute = Decimal(0) if kind == "exact" else min(CAPS[kind], max(map(_unit, types)))

    def same(self, one: Row, other: Row) -> bool:
        """Whether the cells of two rows are the same value."""
        left, right = _plain(one[self.position]), _plain(other[self.position])
        if left == right or not (self.loose and is_number(left) and is_number(right)):
            return bool(left == right)
        left, right = Decimal(left), Decimal(right)
        if not (left.is_finite() and right.is_finite()):
            return False
        return bool(abs(left - right) <= max(self._absolute, self._relative * max(abs(left), abs(right))))


class _Key(_Column):
    """An ORDER BY column of a full answer: its position among the keys, and how it is compared.

    ``position`` is negative where the query does not select it.
    """

    def __init__(self, number: int, position: int, actual: pa.Table, full: pa.Table, rules: Rules) -> None:
        if position < 0:
            super().__init__(position % full.num_columns, full, full, Rules())
        else:
            super().__init__(position, actual, full, rules)
        self.position = number


def _unit(kind: pa.DataType) -> Decimal:
    """One unit of the last digit of a decimal type; 0 for any other."""
    import pyarrow as pa

    return Decimal(1).scaleb(-kind.scale) if pa.types.is_decimal(kind) else Decimal(0)


def _plain(cell: Any) -> Any:
    return 0.0 if cell == MINUS_ZERO else cell


def _columns(actual: pa.Table, expected: pa.Table) -> Diff | None:
    """How the columns differ: another number of them, or a permutation of the same names."""
    got, wanted = ([name.lower() for name in table.column_names] for table in (actual, expected))
    if len(got) != len(wanted):
        message = f"{len(got)} columns instead of {len(wanted)}"
    elif got != wanted and sorted(got) == sorted(wanted):
        message = f"columns in another order: {_list(actual.column_names)} instead of {_list(expected.column_names)}"
    else:
        return None
    names = (tuple(expected.column_names[:SHOWN_COLUMNS]),)
    return Diff(
        "columns",
        message,
        expected.num_rows,
        actual.num_rows,
        expected=names,
        actual=(tuple(actual.column_names[:SHOWN_COLUMNS]),),
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)[:SHOWN_CHARACTERS]


def _too_many(actual: pa.Table, expected: pa.Table) -> Diff | None:
    """A difference in the number of rows that is too large to be worth a search for the rows."""
    if actual.num_rows == expected.num_rows or max(actual.num_rows, expected.num_rows) <= _SEARCHED_ROWS:
        return None
    message = f"{actual.num_rows} rows instead of {expected.num_rows}"
    return Diff("rows", message, expected.num_rows, actual.num_rows, missing=-1, unexpected=-1)


def _unmatched(got: Sequence[Row], wanted: Sequence[Row], columns: Sequence[_Column]) -> tuple[list[Row], list[Row]]:
    """The rows of ``wanted`` that ``got`` lacks, and those that it has beyond them."""
    strict = [column.position for column in columns if not column.loose]
    loose = [column for column in columns if column.loose]
    waiting: dict[Row, list[Row]] = defaultdict(list)
    for row in wanted:
        waiting[tuple(row[n] for n in strict)].append(row)
    unexpected = []
    for row in got:
        candidates = waiting.get(tuple(row[n] for n in strict), [])
        match = next((n for n, one in enumerate(candidates) if all(column.same(row, one) for column in loose)), None)
        if match is None:
            unexpected.append(row)
        else:
            del candidates[match]
    return [row for rest in waiting.values() for row in rest], unexpected


def _values(
    expected: pa.Table,
    got: Sequence[Row],
    wanted: Sequence[Row],
    missing: Sequence[Row],
    unexpected: Sequence[Row],
    columns: Sequence[_Column],
) -> Diff:
    differing = _differing(missing, unexpected, columns) if len(missing) == len(unexpected) else ()
    if len(got) != len(wanted):
        kind, message = "rows", f"{len(got)} rows instead of {len(wanted)}"
    else:
        where = f" in {_list(differing)}" if differing else ""
        kind, message = "values", f"{len(missing)} of {len(wanted)} rows differ{where}"
    return Diff(
        kind,
        message,
        len(wanted),
        len(got),
        missing=len(missing),
        unexpected=len(unexpected),
        columns=differing,
        names=tuple(expected.column_names[:SHOWN_COLUMNS]),
        expected=_shown(missing),
        actual=_shown(unexpected),
    )


def _differing(missing: Sequence[Row], unexpected: Sequence[Row], columns: Sequence[_Column]) -> tuple[str, ...]:
    """The columns in which the first wrong row differs from the expected row that it resembles most."""
    likeness = [sum(column.same(unexpected[0], row) for column in columns) for row in missing[:_RESEMBLING_ROWS]]
    nearest = missing[likeness.index(max(likeness))]
    return tuple(column.name for column in columns if not column.same(unexpected[0], nearest))[:SHOWN_COLUMNS]


def _order(expected: pa.Table, got: Sequence[Row], wanted: Sequence[Row], keys: Sequence[_Column]) -> Diff | None:
    pairs = enumerate(zip(got, wanted, strict=True))
    wrong = [n for n, (one, other) in pairs if not all(key.same(one, other) for key in keys)]
    if not wrong:
        return None
    names = tuple(key.name for key in keys)
    return Diff(
        "order",
        f"rows not in the order of {_list(names)}, first at row {wrong[0] + 1}",
        len(wanted),
        len(got),
        columns=names,
        names=tuple(expected.column_names[:SHOWN_COLUMNS]),
        expected=_shown([wanted[n] for n in wrong[:_SHOWN_ROWS]]),
        actual=_shown([got[n] for n in wrong[:_SHOWN_ROWS]]),
    )


def _compare_cut(actual: pa.Table, expected: pa.Table, rules: Rules) -> Diff | None:
    """:func:`compare` where LIMIT or OFFSET may have cut through rows that tie."""
    wrong = _wrong_number(actual, expected.num_rows)
    if wrong or not (rules.order and expected.num_rows):
        return wrong
    columns = [_Column(n, actual, expected, rules) for n in range(expected.num_columns)]
    keys = [columns[n] for n in rules.order]
    got, wanted = rows(actual), rows(expected)
    if out_of_order := _order(expected, got, wanted, keys):
        missing, unexpected = _unmatched(got, wanted, keys)
        return _values(expected, got, wanted, missing, unexpected, keys) if missing else out_of_order
    edges = [wanted[0]] if rules.offset else []
    edges += [wanted[-1]] if len(wanted) == rules.limit else []
    inside = [n for n, row in enumerate(wanted) if not any(_tie(row, edge, keys) for edge in edges)]
    missing, unexpected = _unmatched([got[n] for n in inside], [wanted[n] for n in inside], columns)
    return _values(expected, got, wanted, missing, unexpected, columns) if missing else None


def _tie(one: Row, other: Row, keys: Sequence[_Column]) -> bool:
    return all(key.same(one, other) for key in keys)


def _wrong_number(actual: pa.Table, expected: int) -> Diff | None:
    if actual.num_rows == expected:
        return None
    message = f"{actual.num_rows} rows instead of {expected}"
    return Diff("rows", message, expected, actual.num_rows, missing=-1, unexpected=-1)


def _ties(actual: pa.Table, full: pa.Table, rules: Rules, count: int) -> list[tuple[int, int]]:
    """For each of ``count`` rows after the OFFSET, the range of its ties in ``full``."""
    if not rules.full_order:
        return [(0, full.num_rows)] * count
    keys = full.select([position % full.num_columns for position in rules.full_order])
    compared = [_Key(number, position, actual, full, rules) for number, position in enumerate(rules.full_order)]
    cells = rows(keys)
    starts = [n for n in range(len(cells)) if n == 0 or not all(key.same(cells[n], cells[n - 1]) for key in compared)]
    ends = [*starts[1:], len(cells)]
    groups = [bisect.bisect_right(starts, n) - 1 for n in range(rules.offset, rules.offset + count)]
    return [(starts[group], ends[group]) for group in groups]


def _candidates(some: pa.Table, actual: pa.Table, columns: Sequence[_Column]) -> pa.Table:
    """The rows of ``some`` without most of those that no row of ``actual`` can be: a full answer may be long."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if some.num_rows <= _RESEMBLING_ROWS:
        return some
    for n in (column.position for column in columns if not column.loose):
        kind = some.field(n).type
        if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_date32(kind)):
            continue
        try:
            values = actual.column(n).cast(kind).combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        some = some.filter(pc.is_in(some.column(n), value_set=values))
    return some


def _misplaced(
    actual: pa.Table, shown: pa.Table, rules: Rules, unexpected: Sequence[Row], columns: Sequence[_Column]
) -> Diff:
    """The difference, where rows are at positions at which they may not be."""
    count = actual.num_rows
    _, unknown = _unmatched(rows(actual), rows(_candidates(shown, actual, columns)), columns)
    if unknown:
        kind, message = "values", f"{len(unknown)} of {count} rows are not in the full answer"
    else:
        kind = "order"
        message = f"{len(unexpected)} of {count} rows are in the full answer, but at the wrong position"
    return Diff(
        kind,
        message,
        count,
        count,
        unexpected=len(unknown or unexpected),
        names=tuple(shown.column_names[:SHOWN_COLUMNS]),
        expected=_shown(rows(shown.slice(rules.offset, min(count, _SHOWN_ROWS)))),
        actual=_shown(unknown or unexpected),
    )


def _shown(some: Sequence[Row]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(cell_text(cell) for cell in row[:SHOWN_COLUMNS]) for row in some[:_SHOWN_ROWS])


def _type_differences(actual: pa.Table, expected: pa.Table) -> tuple[str, ...]:
    return tuple(
        f"{wanted.name}: {got.type} instead of {wanted.type}"
        for got, wanted in zip(actual.schema, expected.schema, strict=True)
        if got.type != wanted.type
    )


def _with_uuids_as(actual: pa.Table, expected: pa.Table) -> pa.Table:
    """``actual`` with text columns turned into bytes where ``expected`` holds UUIDs: some engines show them as text."""
    import pyarrow as pa

    for n, (got, wanted) in enumerate(zip(actual.schema, expected.schema, strict=True)):
        if _is_uuid(wanted.type) and not _is_uuid(got.type) and str(got.type).endswith(("string", "string_view")):
            try:
                values = [None if text is None else uuid.UUID(text).bytes for text in actual.column(n).to_pylist()]
            except ValueError:  # not UUIDs: they differ, and are shown as they are
                continue
            actual = actual.set_column(n, got.name, pa.array(values, pa.binary(16)))
    return actual


def _is_uuid(kind: pa.DataType) -> bool:
    return str(kind) in UUIDS
