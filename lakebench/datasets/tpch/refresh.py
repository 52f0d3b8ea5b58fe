"""The rows that RF1 inserts and RF2 deletes (clauses 2.6 and 2.7): SF · 1500 orders each, with their line items.

``tpchgen-cli`` makes no update sets, so a pair's rows come from the data itself. Order number i (from 1) has the sparse
key of clause 4.2.3: the first 8 keys of each 32 are taken, the other 24 are free. RF2 of pair u deletes the u-th
SF · 1500 orders from the first on, as clause 2.7.3 says. RF1 of pair u inserts the u-th SF · 1500 orders from the last
on once more, each under the key 8 above its own, which is among the second 8 keys of its 32, as clause 4.2.4 says.

What differs from ``dbgen -U``:

* An inserted order repeats the customer, dates, comment and line items of an order that is there; dbgen draws new ones.
* Its total price and the extended prices of its line items are one cent higher, so that it never ties with the order
  that it repeats: Q3 and Q18 cut their answer after so many rows, and a tie there has two right answers.
* Inserted keys begin at the end of the key range, dbgen's at its start, so that RF1 and RF2 never touch the same keys.
  That holds for as many pairs as half of the orders allow, which is about 500 at any scale factor; dbgen
  has 4000.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets.tpch.data import TpchData
from lakebench.errors import HarnessFault, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = {"orders": "o_orderkey", "lineitem": "l_orderkey"}
"""The tables that the refresh functions change → the column with the order's key."""
_PRICES = {"orders": "o_totalprice", "lineitem": "l_extendedprice"}
_ORDERS_PER_SF = 1500
_KEPT_BITS, _SPARSE_BITS = 3, 2
_TO_FREE_KEY = 1 << _KEPT_BITS
_BATCH_ROWS = 1 << 17
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Refresh:
    """Pair ``u`` (from 1) of RF1 and RF2: ``orders`` orders are inserted, and as many deleted.

    ``delete_lo`` to ``delete_hi``, both included, are exactly the keys to delete. The inserted keys are between
    ``insert_lo`` and ``insert_hi``, both included, where other orders have keys too.
    """

    u: int
    orders: int
    insert_lo: int
    insert_hi: int
    delete_lo: int
    delete_hi: int


def sparse_key(order: int) -> int:
    """The key of order number ``order`` (from 1), as dbgen's ``mk_sparse`` makes it for the initial population."""
    kept = order & (_TO_FREE_KEY - 1)
    return order >> _KEPT_BITS << _KEPT_BITS + _SPARSE_BITS | kept


def refresh_pair(dataset: TpchData, u: int) -> Refresh:
    """Pair ``u`` (from 1) for ``dataset``: SF · 1500 orders, rounded down, at least 1.

    Raises:
        UsageError: there are not so many pairs.
    """
    last = dataset.tables["orders"].rows
    orders = max(1, int(dataset.scale_factor * _ORDERS_PER_SF))
    most = last // (2 * orders)
    if not 1 <= u <= most:
        raise UsageError(
            f"{dataset.id} has refresh data for {most} pairs of RF1 and RF2, and pair {u} is needed: run fewer streams"
        )
    return Refresh(
        u=u,
        orders=orders,
        insert_lo=sparse_key(last - orders * u + 1) + _TO_FREE_KEY,
        insert_hi=sparse_key(last - orders * (u - 1)) + _TO_FREE_KEY,
        delete_lo=sparse_key(orders * (u - 1) + 1),
        delete_hi=sparse_key(orders * u),
    )


def write_insert(orders: Sequence[Path], lineitem: Sequence[Path], pair: Refresh, folder: Path) -> tuple[Path, Path]:
    """Write what RF1 of ``pair`` inserts as two Parquet files in ``folder``, with the generator's schema; their paths.

    ``orders`` and ``lineitem`` are the dataset's files. Only the row groups with rows to repeat are read of them, a
    part at a time.

    Raises:
        HarnessFault: the files do not hold these orders.
    """
    folder.mkdir(parents=True, exist_ok=True)
    into = {table: folder / f"{table}-{pair.u:04d}.parquet" for table in KEYS}
    written = {
        table: _write(table, files, pair, into[table]) for table, files in (("orders", orders), ("lineitem", lineitem))
    }
    if written["orders"] != pair.orders or written["lineitem"] < pair.orders:
        raise HarnessFault(f"of {pair} RF1 found {written['orders']} orders and {written['lineitem']} line items")
    return into["orders"], into["lineitem"]


def _write(table: str, files: Sequence[Path], pair: Refresh, into: Path) -> int:
    """Write the rows of ``table`` that ``pair`` inserts; how many."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(into, pq.read_schema(files[0]), store_decimal_as_integer=True) as writer:
        for file in files:
            for batch in _batches(file, KEYS[table], pair):
                writer.write_batch(_changed(batch, table))
                rows += batch.num_rows
    return rows


def _batches(file: Path, key: str, pair: Refresh) -> Iterator[pa.RecordBatch]:
    """The rows of ``file`` that ``pair`` repeats, with their own keys."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    lo, hi = pair.insert_lo - _TO_FREE_KEY, pair.insert_hi - _TO_FREE_KEY
    with pq.ParquetFile(file) as source:
        groups = [n for n in range(source.num_row_groups) if _overlaps(source.metadata.row_group(n), key, lo, hi)]
        for batch in source.iter_batches(_BATCH_ROWS, row_groups=groups) if groups else ():
            keys = batch.column(key)
            wanted = pc.and_(pc.greater_equal(keys, lo), pc.less_equal(keys, hi))
            first, count = pc.index(wanted, True).as_py(), wanted.true_count
            # The generator's rows are in the order of their keys, and Arrow filters no string views.
            if count and wanted[first : first + count].true_count != count:
                raise HarnessFault(f"{file} is not in the order of {key}")
            if count:
                yield batch.slice(first, count)


def _overlaps(group: Any, key: str, lo: int, hi: int) -> bool:
    """Whether a row group may hold keys from ``lo`` to ``hi``, by its statistics."""
    column = next(group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == key)
    statistics = column.statistics
    return statistics is None or not statistics.has_min_max or bool(statistics.min <= hi and statistics.max >= lo)


def _changed(batch: pa.RecordBatch, table: str) -> pa.RecordBatch:
    """``batch`` under free keys, its price one cent higher."""
    import pyarrow as pa
    import pyarrow.compute as pc

    new = {KEYS[table]: pa.scalar(_TO_FREE_KEY, pa.int64()), _PRICES[table]: pa.scalar(_CENT, pa.decimal128(3, 2))}
    columns = [
        pc.add(column, new[field.name]).cast(field.type) if field.name in new else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
