"""What the table holds after some commits, by no engine: the generator's rows, and what the commits made of them.

Runs in the checker process. Commits name rows by their key, so those that they changed are few, and all others are the
generator's.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files
from lakebench.datasets.living.life import FIELDS, KEY, RECENT, WATCHED
from lakebench.errors import HarnessFault
from lakebench.iceberg.operations import Append, Delete, Merge, Operation, Row, from_json
from lakebench.iceberg.values import arrow_table

if TYPE_CHECKING:
    import pyarrow as pa

Encoded = Sequence[Mapping[str, Any]]
"""Operations as JSON."""


def write_answers(base: Sequence[Path], program: Encoded, least: int, into: Mapping[str, Path]) -> None:
    """Write what each of the queries must answer after ``program``, as Arrow IPC files by the query's name.

    ``base`` are the generator's files; ``least`` is the least key that is looked up.
    """
    rows = rows_after(base, program)
    for name, path in into.items():
        table_files.write(_ANSWERS[name](rows, least), path)


def rows_after(base: Sequence[Path], program: Encoded) -> pa.Table:
    """All rows after ``program``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    changed = changes(from_json(one) for one in program)
    generated = _generated(tuple(base))
    untouched = pc.invert(pc.is_in(generated[KEY], pa.array(list(changed), pa.int64())))
    made = arrow_table(FIELDS, [one for one in changed.values() if one is not None])
    return pa.concat_tables([generated.filter(untouched), made.cast(generated.schema)])


def changes(program: Iterable[Operation]) -> dict[int, Row | None]:
    """Key → the row that it has after ``program``, ``None`` where it is deleted; keys that nothing changed are absent.

    Raises:
        HarnessFault: an operation is none of a life.
    """
    changed: dict[int, Row | None] = {}
    for one in program:
        if isinstance(one, Append | Merge):
            changed.update({row[0]: row for row in one.rows})
        elif isinstance(one, Delete) and [(at.column, at.test) for at in one.where] == [(KEY, "in")]:
            changed.update(dict.fromkeys(one.where[0].value))
        else:
            raise HarnessFault(f"{type(one).__name__} is no commit of a life")
    return changed


@functools.lru_cache(maxsize=1)
def _generated(base: tuple[Path, ...]) -> pa.Table:
    """The generator's rows with plain, nullable types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [one.name for one in FIELDS]
    types = arrow_table(FIELDS, []).schema
    return pa.concat_tables(pq.read_table(path, columns=names).cast(types) for path in base).combine_chunks()


def _totals(rows: pa.Table, _: int) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    total = pc.sum(rows["o_totalprice"])
    return pa.table({"n": pa.array([rows.num_rows], pa.int64()), "total": pa.array([total.as_py()], total.type)})


def _groups(rows: pa.Table, _: int) -> pa.Table:
    grouped = rows.group_by("o_orderpriority").aggregate([("o_totalprice", "count"), ("o_totalprice", "sum")])
    return grouped.rename_columns({"o_totalprice_count": "n", "o_totalprice_sum": "total"})


def _recent(rows: pa.Table, least: int) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.greater_equal(rows[KEY], least)).select(list(RECENT))


def _watched(rows: pa.Table, least: int) -> pa.Table:
    return _recent(rows, least).select(list(WATCHED))


_ANSWERS = {"totals": _totals, "groups": _groups, "recent": _recent, "watched": _watched}
