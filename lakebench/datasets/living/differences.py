"""How the rows of a table differ from those that it must hold, in words. Runs in the checker process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakebench.datasets.living.life import KEY
from lakebench.iceberg.operations import Delete, from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import pyarrow as pa

COMPARED = (KEY, "o_orderstatus", "o_totalprice")
"""The columns that are compared: who the row is, and what commits change in it."""
SHOWN = 200


def difference(actual: pa.Table, expected: pa.Table, program: Sequence[Mapping[str, Any]]) -> str:
    """One sentence about the rows of ``actual`` that are none of ``expected`` or the reverse; empty where all are."""
    import pyarrow as pa

    wanted = expected.select(list(COMPARED)).sort_by(KEY)
    if not actual.num_columns:
        return f"it has no rows instead of {wanted.num_rows}"
    try:
        had = actual.select(list(COMPARED)).cast(wanted.schema).sort_by(KEY)
    except (KeyError, pa.ArrowException) as error:
        return f"its columns are others: {str(error)[:SHOWN]}"
    if had.combine_chunks().equals(wanted.combine_chunks()):
        return ""
    return _in_words(had, wanted, program)


def _in_words(had: pa.Table, wanted: pa.Table, program: Sequence[Mapping[str, Any]]) -> str:
    """Rows too many come first: a deleted row that is back is the worst that a table can do."""
    import pyarrow.compute as pc

    more = _absent(had, wanted)
    if more:
        deleted = _deleted_by(program, more[0])
        why = f", which commit {deleted} deleted" if deleted else ""
        return f"it has {len(more)} {_orders(more)} that must not be there, such as {more[0]}{why}"
    if fewer := _absent(wanted, had):
        return f"it lacks {len(fewer)} {_orders(fewer)}, such as {fewer[0]}"
    counts = had.group_by(KEY).aggregate([(KEY, "count")])
    doubled = counts.filter(pc.greater(counts[f"{KEY}_count"], 1))[KEY].to_pylist()
    if doubled:
        return f"it has {len(doubled)} {_orders(doubled)} more than once, such as {doubled[0]}"
    columns = [name for name in COMPARED if name != KEY]
    other = [
        key
        for name in columns
        for key in had.filter(pc.fill_null(pc.not_equal(had[name], wanted[name]), fill_value=True))[KEY].to_pylist()
    ]
    return f"it has other values in {len(set(other))} {_orders(other)}, such as {other[0]}" if other else "it differs"


def _orders(keys: Sequence[int]) -> str:
    return "order" if len(set(keys)) == 1 else "orders"


def _absent(one: pa.Table, other: pa.Table) -> list[int]:
    """The keys of ``one`` that ``other`` has not, ascending."""
    import pyarrow.compute as pc

    keys: list[int] = one.filter(pc.invert(pc.is_in(one[KEY], other[KEY].combine_chunks())))[KEY].to_pylist()
    return keys


def _deleted_by(program: Sequence[Mapping[str, Any]], key: int) -> int:
    """The last commit, from 1 on, that deleted the order; 0 where none did."""
    deletes = ((number, from_json(one)) for number, one in enumerate(program, 1) if one["op"] == Delete.__name__)
    numbers = [number for number, one in deletes if isinstance(one, Delete) and key in one.where[0].value]
    return max(numbers, default=0)
