"""The user's own folder on real engines: what one table or one engine cannot do takes nothing else down."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from started import lakebench, quick_servers

from lakebench.model import Record
from lakebench.outcomes import ExitCode, Outcome
from lakebench.results import records

pytestmark = pytest.mark.integration

ENGINES = ("duckdb", "daft", "datafusion", "polars", "pyiceberg")
SMALL = "iceberg_scan"
LATIN = pa.array([b"plain", b"\xe4\xf6\xfc"], pa.binary())
PAIRS = pa.map_(pa.string(), pa.int32())
TABLES = {
    "orders": pa.table({"id": pa.array([1, 2, 3], pa.int64()), "price": [1.5, 2.5, 2.5]}),
    "empty": pa.table({"id": pa.array([], pa.int64()), "what": pa.array([], pa.string())}),
    "odd": pa.table({"id": pa.array([1, 2], pa.int64()), "My Col": ["a", "b"], "a.b": pa.array([1, 2], pa.int64())}),
    # A map with a key twice is read by all; a string that is not UTF-8 is loaded neither by DuckDB nor by PyIceberg.
    "pairs": pa.table({"id": pa.array([1, 2], pa.int64()), "m": pa.array([[("k", 1), ("k", 2)], []], PAIRS)}),
    "latin": pa.table(
        {"id": pa.array([1, 2], pa.int64()), "s": pa.Array.from_buffers(pa.string(), 2, LATIN.buffers())}
    ),
}
QUERIES = {
    "plain": "SELECT id, price FROM orders",
    "none": "SELECT count(*) AS n FROM empty",
    "nothing": "SELECT o.id FROM orders o JOIN empty e ON o.id = e.id",
    "odd": 'SELECT id, "My Col", "a.b" FROM odd',
    "pairs": "SELECT id FROM pairs",
    "latin": "SELECT id FROM latin",
}


@pytest.fixture(scope="module")
def workload_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Record]]:
    """Exit code and cases of a run on a folder whose name and files have blanks; one engine has hardly any memory."""
    folder = tmp_path_factory.mktemp("own")
    mine = folder / "my tables [1]"
    for name, rows in TABLES.items():
        (mine / name).mkdir(parents=True)
        pq.write_table(rows, mine / name / f"part 1 of {name}.parquet")
    for name, sql in QUERIES.items():
        (mine / f"{name}.sql").write_text(sql)
    quick_servers(folder, f'[engines.{SMALL}]\nmemory = "32MiB"\n')
    argv = [
        "run",
        "workload",
        str(mine),
        "--engines",
        ",".join((*ENGINES, SMALL)),
        "--profile",
        "quick",
        "--repeat",
        "1",
    ]
    done = lakebench(*argv, cwd=folder)
    (run,) = (folder / "runs").iterdir()
    return done.returncode, {one.case: one for one in records.read(run).cases}


def test_every_case_that_should_pass_passes(workload_run: tuple[int, dict[str, Record]]) -> None:
    _, cases = workload_run
    targets = [("iceberg", one) for one in ENGINES] + [("parquet", one) for one in ENGINES if one != "pyiceberg"]
    for target, engine in [*targets, ("duckdb", "duckdb")]:
        for query in QUERIES:
            one = cases[f"workload/local/{target}/{query}/{engine}"]
            if query != "latin":
                assert one.outcome is Outcome.PASS, f"{one.case}: {one.reason}"


def test_a_table_that_an_engine_cannot_load_fails_that_engines_queries_of_it(
    workload_run: tuple[int, dict[str, Record]],
) -> None:
    one = workload_run[1]["workload/local/duckdb/latin/duckdb"]
    assert one.outcome is Outcome.REFUSED
    assert one.reason.startswith("loading latin: InvalidInputException: Invalid Input Error: Invalid string encoding")
    assert workload_run[0] == ExitCode.WORSE


def test_a_table_that_the_writer_cannot_load_is_its_failure_and_no_readers(
    workload_run: tuple[int, dict[str, Record]],
) -> None:
    _, cases = workload_run
    load = cases["workload/local/load-latin/pyiceberg"]
    assert (load.outcome, load.engine) == (Outcome.REFUSED, "pyiceberg")
    assert load.reason.startswith("loading latin: UnicodeDecodeError")
    for engine in ENGINES:
        one = cases[f"workload/local/iceberg/latin/{engine}"]
        assert one.outcome is Outcome.UNAVAILABLE
        assert one.reason == f"not loaded by pyiceberg: REFUSED: {load.reason}"


def test_a_worker_over_its_limit_fails_its_own_cases_and_says_what_raises_it(
    workload_run: tuple[int, dict[str, Record]],
) -> None:
    cases = [one for one in workload_run[1].values() if one.engine == SMALL and "/latin/" not in one.case]
    assert len(cases) == len(QUERIES) - 1
    for one in cases:
        assert one.outcome is Outcome.OUT_OF_MEMORY
        assert f"[engines.{SMALL}] memory in lakebench.toml raises it" in one.reason
