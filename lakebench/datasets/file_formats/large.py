"""The two large tables, made as Parquet files in the order of their ``id``: functions for the checker process."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lakebench.datasets import table_files
from lakebench.datasets.answer_files import Checked, compare_rows
from lakebench.iceberg.files import file_system
from lakebench.model import ObjectStore

SCATTER = 982_451_653
"""A prime: ``id`` times it, modulo the number of rows, is a key without order that no two rows share."""
WIDE_SHARE = 20
"""The wide table has one row for this many of lineitem."""
_NUMBERS, _TEXTS, _REALS = 24, 12, 12
_ENDS = (".actual", ".expected")


def make_lineitem(files: Sequence[Path], into: Path) -> int:
    """Write lineitem with ``id``, the position of a row, and ``k``, a unique key without order; the number of rows."""
    listed = ", ".join(f"'{one}'" for one in files)
    return _write(f"SELECT row_number() OVER () - 1 AS id, * FROM read_parquet([{listed}])", into)


def make_wide(rows: int, into: Path) -> int:
    """Write a table of ``rows`` rows and 54 columns, with structs, lists and nulls at each depth; their number."""
    return _write(f"SELECT {', '.join(_wide_columns())} FROM range({rows}) t(id)", into)


def wide_summary() -> list[tuple[str, str]]:
    """What a whole scan of the wide table is summed up by, as :attr:`lakebench.iceberg.scan.Scan.summary`."""
    numbers = [("sum", f"n{at}") for at in range(_NUMBERS)]
    others = [("count", f"{kind}{at}") for kind, of in (("t", _TEXTS), ("r", _REALS)) for at in range(of)]
    nested = [("sum", "info.address.zip"), ("count", "info.name"), ("length", "tags"), ("length", "points")]
    return [("sum", "id"), ("sum", "k"), *numbers, *others, ("count", "at"), *nested]


def _wide_columns() -> list[str]:
    """Every seventh number is null, low and high cardinalities in turn; a struct and its fields are null apart."""
    numbers = (
        f"CASE WHEN (id + {at}) % 7 <> 0 THEN hash(id, {at}) % {10 ** (at % 9 + 1)} END::BIGINT AS n{at}"
        for at in range(_NUMBERS)
    )
    texts = (
        f"CASE WHEN (id + {at}) % 11 <> 0 THEN 'text ' || (hash(id, {at}) % {50 if at % 2 else 10**9}) END AS t{at}"
        for at in range(_TEXTS)
    )
    reals = (f"(hash(id, {at}) % 1000000) / {100 if at % 2 else 7}::DOUBLE AS r{at}" for at in range(_REALS))
    address = "CASE WHEN id % 3 <> 0 THEN {'city': 'city ' || id % 100, 'zip': (id % 99999)::INTEGER} END"
    name = "CASE WHEN id % 4 <> 0 THEN 'name ' || id % 1000 END"
    return [
        *("id", *numbers, *texts, *reals),
        "TIMESTAMP '2026-01-01' + to_microseconds(id * 1000003) AS at",
        f"CASE WHEN id % 5 <> 0 THEN {{'name': {name}, 'address': {address}}} END AS info",
        "CASE WHEN id % 6 <> 0 THEN list_transform(range(id % 4), x -> 'tag ' || (id + x) % 20) END AS tags",
        "list_transform(range(id % 3), x -> {'x': (id + x) / 8, 'y': x::INTEGER}) AS points",
    ]


def _write(select: str, into: Path) -> int:
    """Write the rows of ``select`` in their order, with the key beside ``id``."""
    import duckdb
    import pyarrow.parquet as pq

    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        counted = connection.execute(f"SELECT count(*) FROM ({select})").fetchone()
        rows = int(counted[0]) if counted else 0
        key = f"(id * {SCATTER}) % {max(rows, 1)} AS k"
        connection.execute(f"COPY (SELECT id, {key}, * EXCLUDE (id) FROM ({select})) TO '{into}' (FORMAT parquet)")
    return int(pq.read_metadata(into).num_rows)


def same_as_source(actual: Path, source: Path, rows: int, key: str) -> Checked:
    """Compare a table with the first ``rows`` rows of ``source``, types and nulls included, in the order of ``key``.

    Whole columns are compared by Arrow; where one differs, a few rows are compared to say how.
    """
    got, expected = table_files.read(actual), _head(source, rows)
    types = tuple(
        f"{one.name}: {got.schema.field(one.name).type} instead of {one.type}"
        for one in expected.schema
        if one.name in got.column_names and got.schema.field(one.name).type != one.type
    )
    if got.num_rows != expected.num_rows or got.column_names != expected.column_names:
        return compare_rows(actual, _written(expected, actual.with_suffix(".expected")))
    order = _order(got, key)
    differing = [one for one in expected.column_names if not _equal(got, expected, one, order)]
    if not differing:
        return Checked(ok=True, rows=got.num_rows, sources=("the source file",), type_differences=types)
    return _narrowed(got, expected, order, differing[0], actual)


def _order(table: Any, key: str) -> Any:
    import pyarrow.compute as pc

    return pc.sort_indices(table.column(key))


def _plain(column: Any, kind: Any) -> Any:
    """The column in the type ``kind`` of the source, as far as Arrow turns one into the other."""
    import pyarrow as pa

    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])


def _equal(got: Any, expected: Any, column: str, order: Any) -> bool:
    wanted = expected.column(column)
    return bool(_plain(got.column(column), wanted.type).take(order).equals(wanted))


def _narrowed(got: Any, expected: Any, order: Any, column: str, actual: Path) -> Checked:
    """The comparison of rows around the first that differs in ``column``, by which the difference is told."""
    import pyarrow as pa

    shown, wanted = 2000, expected.column(column)
    have = _plain(got.column(column), wanted.type).take(order)
    steps = range(0, expected.num_rows, shown)
    at = next((one for one in steps if not have.slice(one, shown).equals(wanted.slice(one, shown))), 0)
    tables = [pa.table({column: one.slice(at, shown)}) for one in (have, wanted)]
    return compare_rows(*(_written(one, actual.with_suffix(end)) for one, end in zip(tables, _ENDS, strict=True)))


def _written(table: Any, into: Path) -> Path:
    table_files.write(table, into)
    return into


def _head(source: Path, rows: int) -> Any:
    import pyarrow.dataset as ds

    kind = "parquet" if source.suffix == ".parquet" else "ipc"
    return ds.dataset(str(source), format=kind).head(rows)


def upload(local: Path, store: ObjectStore, key: str) -> None:
    """Copy a file or a folder to ``key`` of ``store``."""
    from pyarrow.fs import copy_files

    copy_files(str(local), f"{store.bucket}/{key}", file_system(None), file_system(store))


def remove(path: Path) -> None:
    """Remove a file or a folder, where it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def size(path: Path) -> tuple[int, int]:
    """The files and bytes of a file or a folder."""
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    return len(files), sum(one.stat().st_size for one in files)
