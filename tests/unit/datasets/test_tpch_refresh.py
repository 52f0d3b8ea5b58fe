from __future__ import annotations

import itertools
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.datasets.tpch import TpchData
from lakebench.datasets.tpch.refresh import Refresh, refresh_pair, sparse_key, write_insert
from lakebench.datasets.tpch.states import candidates, views
from lakebench.datasets.workload import TableData
from lakebench.errors import HarnessFault, UsageError

BOTH = frozenset({"orders", "lineitem"})
MONEY = pa.decimal128(15, 2)


def dataset(scale: str, orders: int | None = None) -> TpchData:
    count = int(Decimal(scale) * 1_500_000) if orders is None else orders
    return TpchData(Decimal(scale), Path(), "", {"orders": TableData("orders", (), count, 0)}, "")


class TestPairs:
    def test_the_keys_of_the_specification(self) -> None:
        # The first eight keys of each 32.
        assert [sparse_key(n) for n in (1, 7, 8, 15, 16, 1_500_000)] == [1, 7, 32, 39, 64, 6_000_000]

    @pytest.mark.parametrize("scale", ["0.001", "0.01", "0.1"])
    @pytest.mark.parametrize("u", [1, 2, 7, 500])
    def test_ranges_are_exact(self, scale: str, u: int) -> None:
        some = dataset(scale)
        keys = [sparse_key(n) for n in range(1, some.tables["orders"].rows + 1)]
        pair = refresh_pair(some, u)
        count = max(1, int(Decimal(scale) * 1500))
        deleted = [key for key in keys if pair.delete_lo <= key <= pair.delete_hi]
        assert deleted == keys[count * (u - 1) : count * u]
        inserted = [key + 8 for key in keys if pair.insert_lo <= key + 8 <= pair.insert_hi]
        assert len(inserted) == count == pair.orders
        assert not set(inserted) & set(keys)

    @pytest.mark.parametrize("scale", ["0.001", "0.01", "0.015"])
    def test_no_two_pairs_meet(self, scale: str) -> None:
        some = dataset(scale)
        most = some.tables["orders"].rows // (2 * refresh_pair(some, 1).orders)
        pairs = [refresh_pair(some, u) for u in range(1, most + 1)]
        assert most >= 500
        for one, other in itertools.pairwise(pairs):
            assert one.delete_hi < other.delete_lo
            assert one.insert_lo > other.insert_hi
        assert min(pair.insert_lo for pair in pairs) > max(pair.delete_hi for pair in pairs)

    @pytest.mark.parametrize("u", [0, -1, 501])
    def test_no_such_pair(self, u: int) -> None:
        with pytest.raises(UsageError, match=f"500 pairs of RF1 and RF2, and pair {u} "):
            refresh_pair(dataset("1"), u)

    def test_worked_out_by_hand_at_scale_factor_100(self) -> None:
        pair = refresh_pair(dataset("100"), 500)
        assert (pair.insert_lo, pair.insert_hi) == (300_000_009, 300_600_008)
        assert (pair.delete_lo, pair.delete_hi) == (299_400_001, 300_000_000)


def orders(numbers: range) -> pa.Table:
    fields = [("o_orderkey", pa.int64()), ("o_totalprice", MONEY), ("o_orderdate", pa.date32())]
    schema = pa.schema([*fields, ("o_comment", pa.string_view())])
    rows = {
        "o_orderkey": [sparse_key(n) for n in numbers],
        "o_totalprice": [Decimal(n) for n in numbers],
        "o_orderdate": [date(1995, 1, 1 + n % 28) for n in numbers],
        "o_comment": [f"the comment of order {n}" for n in numbers],
    }
    return pa.table(rows, schema)


def lineitem(numbers: range) -> pa.Table:
    """As many line items as the order's number says: 1 to 3."""
    lines = [(n, line) for n in numbers for line in range(1, 2 + n % 3)]
    schema = pa.schema(
        [
            ("l_orderkey", pa.int64()),
            ("l_linenumber", pa.int32()),
            ("l_extendedprice", MONEY),
            ("l_comment", pa.string_view()),
        ]
    )
    rows = {
        "l_orderkey": [sparse_key(n) for n, _ in lines],
        "l_linenumber": [line for _, line in lines],
        "l_extendedprice": [Decimal(line) for _, line in lines],
        "l_comment": [f"{n}/{line}" for n, line in lines],
    }
    return pa.table(rows, schema)


PARTS = [range(1, 401), range(401, 1001)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[Path]]:
    """1000 orders in two files of row groups that end anywhere."""
    made: dict[str, list[Path]] = {"orders": [], "lineitem": []}
    for number, part in enumerate(PARTS, start=1):
        for table, rows in (("orders", orders(part)), ("lineitem", lineitem(part))):
            path = tmp_path / f"{table}.{number}.parquet"
            pq.write_table(rows, path, row_group_size=37)
            made[table].append(path)
    return made


def inserted(files: dict[str, list[Path]], pair: Refresh, into: Path) -> tuple[Path, Path]:
    return write_insert(files["orders"], files["lineitem"], pair, into)


class TestInsert:
    @pytest.mark.parametrize(("count", "u"), [(15, 1), (100, 5), (450, 1), (1, 400)])
    def test_rows_under_free_keys(self, files: dict[str, list[Path]], tmp_path: Path, count: int, u: int) -> None:
        pair = refresh_pair(dataset(str(Decimal(count) / 1500), orders=1000), u)
        made = inserted(files, pair, tmp_path)
        numbers = range(1000 - count * u + 1, 1000 - count * (u - 1) + 1)
        for path, wanted, key, price in (
            (made[0], orders(numbers), "o_orderkey", "o_totalprice"),
            (made[1], lineitem(numbers), "l_orderkey", "l_extendedprice"),
        ):
            got, expected = pq.read_table(path).to_pylist(), wanted.to_pylist()
            for row in expected:
                row[key] += 8
                row[price] += Decimal("0.01")
            assert got == expected
        assert made[0].name == f"orders-{u:04d}.parquet"

    def test_the_files_are_of_the_same_types(self, files: dict[str, list[Path]], tmp_path: Path) -> None:
        made = inserted(files, refresh_pair(dataset("0.01", orders=1000), 1), tmp_path)
        for path, original in zip(made, (files["orders"][0], files["lineitem"][0]), strict=True):
            assert pq.read_schema(path).equals(pq.read_schema(original), check_metadata=True)

    def test_only_the_row_groups_that_are_needed_are_read(self, files: dict[str, list[Path]], tmp_path: Path) -> None:
        for path in files["orders"][:1] + files["lineitem"][:1]:  # the rows of pair 1 are in the second files
            whole = path.read_bytes()
            footer = int.from_bytes(whole[-8:-4], "little") + 8
            path.write_bytes(whole[:4] + bytes(len(whole) - footer - 4) + whole[-footer:])
        made = inserted(files, refresh_pair(dataset("0.01", orders=1000), 1), tmp_path)
        assert pq.read_metadata(made[0]).num_rows == 15

    def test_orders_that_are_not_there(self, files: dict[str, list[Path]], tmp_path: Path) -> None:
        with pytest.raises(HarnessFault, match="RF1 found 0 orders"):
            inserted(files, refresh_pair(dataset("0.01", orders=5000), 1), tmp_path)

    def test_rows_out_of_order(self, files: dict[str, list[Path]], tmp_path: Path) -> None:
        mixed = orders(range(600, 1001))
        pq.write_table(pa.concat_tables([mixed.slice(390), mixed.slice(0, 390)]), files["orders"][1])
        with pytest.raises(HarnessFault, match="not in the order of o_orderkey"):
            inserted(files, refresh_pair(dataset("0.02", orders=1000), 1), tmp_path)


class TestViews:
    def test_what_a_table_holds(self, files: dict[str, list[Path]], tmp_path: Path) -> None:
        (tmp_path / "it's").mkdir()
        pair, next_ = (refresh_pair(dataset("0.01", orders=1000), u) for u in (1, 2))
        made = inserted(files, pair, tmp_path / "it's")
        gone = [(one.delete_lo, one.delete_hi) for one in (pair, next_)]
        selects = views({**files, "nation": [files["orders"][0]]}, {"lineitem": [made[1]]}, {"orders": gone})
        keys = {n: sparse_key(n) for n in range(1, 1001)}
        assert sorted(duckdb.sql(f"SELECT o_orderkey FROM ({selects['orders']})").fetchall()) == [
            (key,) for n, key in keys.items() if n > 30
        ]
        items = duckdb.sql(f"SELECT l_orderkey, l_comment FROM ({selects['lineitem']})").fetchall()
        assert len(items) == lineitem(range(1, 1001)).num_rows + lineitem(range(986, 1001)).num_rows
        assert (keys[986] + 8, "986/1") in items
        assert duckdb.sql(f"SELECT count(*) FROM ({selects['nation']})").fetchall() == [(400,)]


# RF1 and RF2 of one pair, with a pause between them.
STEPS = [("orders", 10, 20), ("lineitem", 21, 30), ("lineitem", 40, 50), ("orders", 51, 60)]


class TestCandidates:
    @pytest.mark.parametrize(
        ("started", "ended", "states"),
        [
            (1, 9, [(0, 0)]),
            (31, 39, [(1, 1)]),
            (61, 99, [(2, 2)]),
            (1, 15, [(0, 0), (1, 0)]),
            (12, 18, [(0, 0), (1, 0)]),
            (31, 45, [(1, 1), (1, 2)]),
            # Orders may have been read before its commit, and line items after theirs.
            (12, 25, [(0, 0), (1, 0), (1, 1), (0, 1)]),
            (45, 55, [(1, 1), (1, 2), (2, 2), (2, 1)]),
            # At the same nanosecond both are possible.
            (20, 20, [(0, 0), (1, 0)]),
            (1, 10, [(0, 0), (1, 0)]),
        ],
    )
    def test_both_tables(self, started: int, ended: int, states: list[tuple[int, int]]) -> None:
        assert candidates(STEPS, started, ended, BOTH) == states

    def test_a_long_query_may_have_seen_anything(self) -> None:
        states = candidates(STEPS, 1, 99, BOTH)
        assert len(states) == len(set(states)) == 9
        assert states[:5] == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 2)]

    def test_tables_that_are_not_read_have_one_state(self) -> None:
        assert candidates(STEPS, 25, 99, frozenset({"lineitem", "part"})) == [(1, 0), (1, 1), (1, 2)]
        assert candidates(STEPS, 25, 99, frozenset({"orders"})) == [(1, 0), (2, 0)]
        assert candidates(STEPS, 25, 99, frozenset({"part"})) == [(1, 0)]

    def test_without_refreshes(self) -> None:
        assert candidates([], 1, 2, BOTH) == [(0, 0)]
