from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from lakebench.datasets import answer_files, tpch
from lakebench.datasets.rules import Rules
from lakebench.datasets.tpch import data
from lakebench.errors import HarnessFault, UsageError
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.verification.checker import Checker

pytestmark = pytest.mark.integration
TINY = Decimal("0.001")
SMALL = Decimal("0.01")
# Rows that the specification fixes for each scale factor of 1 (clause 4.2.5); lineitem's number is not proportional.
ROWS = {"supplier": 10_000, "customer": 150_000, "part": 200_000, "partsupp": 800_000, "orders": 1_500_000}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets" / "tpch"


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard("test") as one:
        yield one


def test_data_is_made_once_and_is_always_the_same(cache: Path) -> None:
    made = tpch.generate(SMALL, Quiet())
    again = tpch.generate(SMALL, Quiet())
    assert again == made
    assert {name: made.tables[name].rows for name in ROWS} == {name: rows // 100 for name, rows in ROWS.items()}
    assert (made.tables["region"].rows, made.tables["nation"].rows, made.tables["lineitem"].rows) == (5, 25, 60_175)
    shutil.rmtree(cache)
    assert tpch.generate(SMALL, Quiet()).content_hash == made.content_hash


def test_parts_hold_what_one_file_holds(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    whole = tpch.generate(TINY, Quiet())
    rows = {name: pq.read_table(list(table.files)) for name, table in whole.tables.items()}
    shutil.rmtree(cache)
    monkeypatch.setattr(data.math, "ceil", lambda _: 3)
    parts = tpch.generate(TINY, Quiet())
    assert len(parts.tables["lineitem"].files) == 3
    assert len(parts.tables["nation"].files) == 1
    assert all(pq.read_table(list(table.files)).equals(rows[name]) for name, table in parts.tables.items())


def test_types_are_plain(cache: Path) -> None:
    made = tpch.generate(TINY, Quiet())
    kinds = {str(field.type) for table in made.tables.values() for field in table.schema()}
    assert kinds == {"int64", "int32", "string", "date32[day]", "decimal128(15, 2)"}
    assert cache.exists()


def test_damage_is_mended_by_the_command_in_the_message(cache: Path) -> None:
    made = tpch.generate(TINY, Quiet())
    with made.tables["orders"].files[0].open("r+b") as file:
        file.write(b"XXXX")
    with pytest.raises(UsageError, match="damaged data") as error:
        tpch.generate(TINY, Quiet())
    command = str(error.value).partition("run: ")[2].partition(" (")[0]
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - the very command that users are given
    assert tpch.generate(TINY, Quiet()).content_hash == made.content_hash
    assert cache.exists()


def generators_below(pid: int) -> list[psutil.Process]:
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return [one for one in children if "tpchgen" in " ".join(one.cmdline())]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_leaves_no_process_and_starts_again(cache: Path, how: signal.Signals) -> None:
    # The command, which takes SIGINT where a shell has it ignored in the background too.
    command = [sys.executable, "-m", "lakebench", "data", "tpch", "--sf", "0.5"]
    parent = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (generators := generators_below(parent.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert generators
    parent.send_signal(how)
    assert parent.wait(10) != 0
    _, alive = psutil.wait_procs(generators, timeout=5)
    assert not alive
    assert not list(cache.glob("sf0.5*/manifest.json"))
    (cache / f"sf0.001-{data.generator_version()}.partial").mkdir()
    assert tpch.generate(TINY, Quiet()).tables["region"].rows == 5
    assert not list(cache.glob("sf0.001*.partial"))


def test_two_at_once_make_it_once(cache: Path) -> None:
    datasets: list[tpch.TpchData] = []
    threads = [threading.Thread(target=lambda: datasets.append(tpch.generate(TINY, Quiet()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert datasets[0] == datasets[1]
    assert not list(cache.glob("*.partial"))


def test_whole_parts_of_an_interrupted_run_are_not_made_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tpch.generate(TINY, Quiet())
    (first.folder / "manifest.json").unlink()
    first.folder.rename(first.folder.with_name(f"{first.folder.name}.partial"))
    monkeypatch.setattr(data, "_command", lambda *_: ["false"])
    assert tpch.generate(TINY, Quiet()).content_hash == first.content_hash
    assert not list(cache.glob("*.partial"))


def test_a_generator_that_fails(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "fails"
    program.write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(data, "_command", lambda *_: [str(program)])
    with pytest.raises(
        UsageError, match=r"ended with code 3: No space left on device; free some disk space, or name another folder"
    ):
        tpch.generate(TINY, Quiet())
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_the_parent_reads_no_engine() -> None:
    code = (
        "import sys, lakebench.datasets.tpch, lakebench.datasets.rows, lakebench.datasets.answers\n"
        "import lakebench.verification.checker\n"
        "print([m for m in ('pyarrow', 'duckdb', 'sqlglot', 'datafusion', 'pyspark', 'polars') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


# Two engines on the generator's own files, without a lake: text, translation, references and rules fit together.


def in_duckdb(made: tpch.TpchData) -> Any:
    import duckdb

    connection = duckdb.connect()
    for name, table in made.tables.items():
        connection.execute(f"CREATE VIEW {name} AS FROM read_parquet({[str(file) for file in table.files]})")
    return lambda sql: connection.execute(sql).to_arrow_table()


def in_datafusion(made: tpch.TpchData) -> Any:
    import datafusion

    context = datafusion.SessionContext()
    for name, table in made.tables.items():
        context.register_parquet(name, str(table.files[0].parent))
    return lambda sql: pa.Table.from_batches(context.sql(sql).collect())


@pytest.mark.parametrize("scale", [SMALL, Decimal("0.1")])
@pytest.mark.parametrize(("dialect", "make"), [("duckdb", in_duckdb), ("postgres", in_datafusion)])
def test_all_answers_are_right(guard: Guard, tmp_path: Path, scale: Decimal, dialect: str, make: Any) -> None:
    made = tpch.generate(scale, Quiet())
    run, checker, wrong = make(made), Checker(guard), {}
    engine: Any = type("Some", (), {"dialect": dialect, "__module__": __name__})
    for query in tpch.queries(scale):
        answer = write(tmp_path / f"{query.name}.arrow", run(tpch.sql_for(query, engine)))
        checked = checker.call(answer_files.compare, answer, tpch.reference(scale, query.number), query.rules)
        if not checked.ok:
            wrong[query.name] = checked.message
    checker.close()
    assert wrong == {}


def write(path: Path, table: pa.Table) -> Path:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def test_the_checker_process(guard: Guard, tmp_path: Path) -> None:
    one = write(tmp_path / "one", pa.table({"n": [1, 2]}))
    two = write(tmp_path / "two", pa.table({"n": pa.array([2, 1], pa.int32())}))
    other = write(tmp_path / "other", pa.table({"n": [1, 3]}))
    checker = Checker(guard)
    same = checker.call(answer_files.compare_rows, two, one)
    assert (same.ok, same.rows, same.type_differences) == (True, 2, ("n: int32 instead of int64",))
    assert checker.call(answer_files.compare_rows, other, one).message == "1 of 2 rows differ in n"
    held = checker.call(answer_files.compare, one, {"a": one, "b": other}, Rules())
    assert held.message == "1 of 2 rows differ in n (against b)"
    agreed = checker.call(answer_files.agree, {"x": one, "y": two, "z": other}, Rules())
    assert (agreed.verified, agreed.groups) == (("x", "y"), (("x", "y"), ("z",)))
    with pytest.raises(HarnessFault, match="cannot be read"):
        checker.call(answer_files.compare_rows, one, tmp_path / "none")
    assert checker.call(answer_files.compare_rows, one, one).ok
    checker.close()


def test_a_checker_that_was_killed_is_started_again_and_asked_again(guard: Guard, tmp_path: Path) -> None:
    one = write(tmp_path / "one", pa.table({"n": [1]}))
    checker = Checker(guard)
    assert checker.call(answer_files.compare_rows, one, one).ok
    (process,) = checker.processes()
    os.kill(process, signal.SIGKILL)
    assert checker.call(answer_files.compare_rows, one, one).ok
    assert checker.processes() != [process]
    checker.close()
