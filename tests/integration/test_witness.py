from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from lakebench import engines
from lakebench.datasets import answers, tpch
from lakebench.datasets.tpch.refresh import refresh_pair, write_insert
from lakebench.datasets.tpch.states import views
from lakebench.errors import OutOfMemory, Refused, Timeout
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.verification.witness import Witness

pytestmark = pytest.mark.integration

SMALL = Decimal("0.01")
SEED = 42
NOTHING: dict[str, Sequence[Path]] = {}
LITTLE = 80 << 20
# A list is held whole: it cannot be spilled. A sort can.
HELD = "SELECT list(md5(range::VARCHAR)) AS held FROM range(2_000_000)"
SORTED = "SELECT last(b) FROM (SELECT md5(range::VARCHAR) AS a, md5(a) AS b FROM range(1_000_000) ORDER BY a)"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tpch.TpchData]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield tpch.generate(SMALL, Quiet())


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard("test") as one:
        yield one


@pytest.fixture
def witness(guard: Guard) -> Iterator[Witness]:
    one = Witness(guard, guard.folder / "witness", 1 << 30, 2)
    yield one
    one.close()


def witnessed(witness: Witness, sql: str, of: Mapping[str, str], into: Path) -> pa.Table:
    witness.answer(sql, of, into, 60)
    with pa.OSFile(str(into), "rb") as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()


def plain(data: tpch.TpchData) -> dict[str, Sequence[Path]]:
    return {name: table.files for name, table in data.tables.items()}


def test_the_validation_queries_have_their_reference_answers(
    witness: Witness, data: tpch.TpchData, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    of = views(plain(data), NOTHING, {})
    for query in tpch.queries(SMALL):
        answer = witnessed(witness, query.sql, of, tmp_path / query.name)
        for path in tpch.reference(SMALL, query.number).values():
            assert answers.compare(answer, pq.read_table(path), query.rules) is None, query.name


def test_three_streams_and_the_variants_of_daft(witness: Witness, data: tpch.TpchData, tmp_path: Path) -> None:
    of, daft = views(plain(data), NOTHING, {}), engines.find("daft")
    compared = 0
    for stream in (0, 1, 2):
        for query in tpch.stream_queries(SMALL, SEED, stream):
            answer = witnessed(witness, query.sql, of, tmp_path / query.name)
            assert answer.num_rows or query.number in {2, 11, 18, 20, 21}, query
            if tpch.is_variant(query, daft):
                variant = witnessed(witness, tpch.sql_for(query, daft), of, tmp_path / f"daft-{query.name}")
                assert answers.compare(variant, answer, query.rules) is None, query
                compared += 1
    assert compared == 15


def test_the_data_evolve(witness: Witness, data: tpch.TpchData, tmp_path: Path) -> None:
    files = plain(data)
    count = (
        "SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM lineitem) AS lines, (SELECT count(*) "
    )
    count += "FROM lineitem ANTI JOIN orders ON o_orderkey = l_orderkey) AS orphans, (SELECT count(*) FROM (SELECT "
    count += "o_orderkey FROM orders GROUP BY ALL HAVING count(*) > 1)) AS doubled"
    before = witnessed(witness, count, views(files, NOTHING, {}), tmp_path / "before").to_pylist()[0]
    inserted: dict[str, list[Path]] = {"orders": [], "lineitem": []}
    deleted: list[tuple[int, int]] = []
    lines = before["lines"]
    for u in (1, 2, 500):
        pair = refresh_pair(data, u)
        orders, items = write_insert(files["orders"], files["lineitem"], pair, tmp_path)
        inserted["orders"].append(orders)
        inserted["lineitem"].append(items)
        new = witnessed(witness, f"SELECT count(*) AS n FROM '{items}'", {}, tmp_path / "new").to_pylist()[0]["n"]
        key = f"BETWEEN {pair.delete_lo} AND {pair.delete_hi}"
        base = views(files, NOTHING, {})
        old = f"SELECT (SELECT count(*) FROM orders WHERE o_orderkey {key}) AS orders, count(*) AS n FROM lineitem "
        gone = witnessed(witness, f"{old} WHERE l_orderkey {key}", base, tmp_path / "old").to_pylist()[0]
        assert gone["orders"] == pair.orders == 15
        deleted.append((pair.delete_lo, pair.delete_hi))
        lines += new - gone["n"]
    of = views(files, inserted, dict.fromkeys(inserted, deleted))
    after = witnessed(witness, count, of, tmp_path / "after").to_pylist()[0]
    assert after == {"orders": 15_000, "lines": lines, "orphans": 0, "doubled": 0}
    halfway = views(files, {"orders": inserted["orders"]}, {"lineitem": deleted})
    assert witnessed(witness, count, halfway, tmp_path / "halfway").to_pylist()[0]["orders"] == 15_045


class TestErrors:
    def test_what_it_cannot_answer(self, witness: Witness, tmp_path: Path) -> None:
        for sql, of in (
            ("SELECT * FROM orders", {}),
            ("SELEC 1", {}),
            ("SELECT * FROM t", {"t": "SELECT * FROM read_parquet(['/nowhere.parquet'])"}),
            ("SELECT CAST(s AS INTEGER) FROM t", {"t": "SELECT 'text' AS s FROM range(3000)"}),
        ):
            with pytest.raises(Refused, match="the witness cannot answer: ") as error:
                witness.answer(sql, of, tmp_path / "into", 60)
            assert "\n" not in str(error.value)
            assert not list(tmp_path.iterdir())
        assert witnessed(witness, "SELECT 1 AS one", {}, tmp_path / "into").to_pylist() == [{"one": 1}]

    def test_tables_are_forgotten_and_names_are_quoted(self, witness: Witness, tmp_path: Path) -> None:
        assert witnessed(witness, 'SELECT * FROM "a ""b"', {'a "b': "SELECT 1 AS n"}, tmp_path / "one").num_rows == 1
        with pytest.raises(Refused):
            witness.answer('SELECT * FROM "a ""b"', {}, tmp_path / "two", 60)

    def test_more_memory_than_it_has(self, guard: Guard, tmp_path: Path) -> None:
        small = Witness(guard, tmp_path / "small", LITTLE, 2)
        with pytest.raises(OutOfMemory) as error:
            small.answer(HELD, {}, tmp_path / "into", 60)
        assert error.value.details["limit_bytes"] == LITTLE
        assert not (tmp_path / "into").exists()
        assert witnessed(small, "SELECT 1 AS one", {}, tmp_path / "into").num_rows == 1
        small.close()

    def test_it_spills_into_its_folder_and_leaves_nothing(self, guard: Guard, tmp_path: Path) -> None:
        small = Witness(guard, tmp_path / "small", LITTLE, 2)
        spilled: set[str] = set()
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.01):
                spilled.update(path.name for path in (tmp_path / "small" / "spilled").glob("*"))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            rows = witnessed(small, SORTED, {}, tmp_path / "into")
        finally:
            over.set()
            looking.join()
        assert rows.num_rows == 1
        assert spilled
        small.close()
        assert not (tmp_path / "small" / "spilled").exists()

    def test_too_slow(self, witness: Witness, tmp_path: Path) -> None:
        forever = "SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(10_000_000) b"
        with pytest.raises(Timeout) as error:
            witness.answer(forever, {}, tmp_path / "into", 0.5)
        assert error.value.details == {"limit_s": 0.5}
        assert witness.processes() == []
        assert witnessed(witness, "SELECT 1 AS one", {}, tmp_path / "into").num_rows == 1

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
    def test_it_dies_and_is_started_again(self, witness: Witness, tmp_path: Path, how: signal.Signals) -> None:
        witnessed(witness, "SELECT 1 AS one", {}, tmp_path / "into")
        [pid] = witness.processes()
        os.kill(pid, how)
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        if how is signal.SIGKILL:  # the kernel does that where memory runs out: not again
            with pytest.raises(OutOfMemory, match="the witness was killed"):
                witness.answer("SELECT 1 AS one", {}, tmp_path / "into", 60)
        else:
            assert witnessed(witness, "SELECT 1 AS one", {}, tmp_path / "into").num_rows == 1
        assert witnessed(witness, "SELECT 2 AS two", {}, tmp_path / "again").to_pylist() == [{"two": 2}]


def test_threads_take_turns(witness: Witness, tmp_path: Path) -> None:
    answers: dict[int, object] = {}

    def ask(n: int) -> None:
        answers[n] = witnessed(witness, f"SELECT {n} AS n", {}, tmp_path / str(n)).to_pylist()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers == {n: [{"n": n}] for n in range(8)}
    assert len(witness.processes()) == 1
