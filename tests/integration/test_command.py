"""The command as a user meets it, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from started import eventually, lakebench, link_cache

ENGINES = {"duckdb", "pyspark", "trino", "pyiceberg", "daft", "polars", "datafusion", "psycopg"}
LIARS = Path(__file__).parent.parent / "liar"


def test_help_teaches(tmp_path: Path) -> None:
    completed = lakebench("--help", cwd=tmp_path)
    assert completed.returncode == 0
    for word in (
        "run",
        "list",
        "doctor",
        "install",
        "data",
        "up",
        "down",
        "report",
        "Exit codes",
        "--install-completion",
    ):
        assert word in completed.stdout


def test_the_parent_imports_no_engine(tmp_path: Path) -> None:
    script = (
        "import sys; from lakebench import cli, harness, reports, engines, phases; "
        "from lakebench.commands import doctor, listing, snippets, up; "
        "listing.engines(); listing.services(); phases.phases(); print(sorted(sys.modules))"
    )
    completed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {name.strip(" '[]\n").partition(".")[0] for name in completed.stdout.split(",")}
    assert "lakebench" in loaded
    assert not loaded & ENGINES


@pytest.mark.parametrize(
    ("what", "name"), [("phases", "phase4"), ("engines", "spark-jdbc"), ("services", "nessie"), ("datasets", "tpch")]
)
def test_lists_for_people_and_programs(tmp_path: Path, what: str, name: str) -> None:
    assert name in lakebench("list", what, cwd=tmp_path).stdout
    rows = json.loads(lakebench("list", what, "--json", cwd=tmp_path).stdout)["rows"]
    assert name in {next(iter(row.values())) for row in rows}


def test_doctor_names_what_is_missing_and_what_mends_it(tmp_path: Path) -> None:
    checks = {one["name"]: one for one in json.loads(lakebench("doctor", "--json", cwd=tmp_path).stdout)["rows"]}
    assert checks["duckdb"]["ready"]
    assert checks["nessie"]["version"] == "0.99.0"
    assert not checks["pg_duckdb"]["ready"]
    assert "pg_config" in checks["pg_duckdb"]["mend"]
    assert "pg_config" in lakebench("doctor", cwd=tmp_path).stdout


@pytest.fixture
def keep(tmp_path: Path) -> dict[str, str]:
    """A cache of the test's own, with what the user's has; and a folder for temporary files, to find processes by."""
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    cache.mkdir()
    temporary.mkdir()
    link_cache(cache)
    return {"LAKEBENCH_CACHE": str(cache), "TMPDIR": str(temporary)}


@pytest.mark.integration
def test_up_prints_what_to_paste_and_down_ends_it(tmp_path: Path, keep: dict[str, str]) -> None:
    completed = lakebench("up", "rest-catalog", "--json", cwd=tmp_path, **keep)
    try:
        assert completed.returncode == 0, completed.stderr
        up = json.loads(completed.stdout)
        again = lakebench("up", "rest-catalog", cwd=tmp_path, **keep)
        assert again.returncode == 2
        assert "lakebench down" in again.stderr
        script = up["snippets"]["PyIceberg"] + "\ncatalog.create_namespace('by_hand')\nprint(catalog.list_namespaces())"
        pasted = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "by_hand" in pasted.stdout, pasted.stderr
        script = up["snippets"]["DuckDB"] + "\nprint(con.sql('SELECT schema_name FROM duckdb_schemas()').fetchall())"
        pasted = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "by_hand" in pasted.stdout, pasted.stderr
    finally:
        assert lakebench("down", cwd=tmp_path, **keep).stdout.strip() == "ended"
    assert lakebench("down", cwd=tmp_path, **keep).stdout.strip() == "nothing was up"


def starting(cwd: Path, keep: dict[str, str], service: str = "object-store") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lakebench", "up", service],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **keep},
    )


def left(keep: dict[str, str]) -> list[psutil.Process]:
    """The processes that have the test's folder for temporary files, or a guard's folder in it."""
    processes = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = one.environ()
            if keep["TMPDIR"] in {environment.get("TMPDIR"), str(Path(environment.get("LAKEBENCH_GUARD", "/")).parent)}:
                processes.append(one)
    return processes


def gone(keep: dict[str, str]) -> bool:
    return eventually(lambda: not left(keep) and not list(Path(keep["TMPDIR"]).iterdir()))


@pytest.mark.integration
def test_of_two_ups_at_once_one_starts_a_lake_that_down_ends(tmp_path: Path, keep: dict[str, str]) -> None:
    two = [starting(tmp_path, keep) for _ in range(2)]
    outputs = {one.wait(120): one.communicate()[0] for one in two}
    assert sorted(outputs) == [0, 2], outputs
    assert "up already, or is being started: lakebench down ends it" in outputs[2]
    assert lakebench("down", cwd=tmp_path, **keep).stdout.strip() == "ended"
    assert gone(keep), left(keep)
    assert lakebench("down", cwd=tmp_path, **keep).stdout.strip() == "nothing was up"


@pytest.mark.integration
def test_down_ends_a_lake_that_is_being_started(tmp_path: Path, keep: dict[str, str]) -> None:
    up = starting(tmp_path, keep, "trino")  # it takes longest
    state = Path(keep["LAKEBENCH_CACHE"], "up", "state.json")
    while not state.exists():
        assert up.poll() is None
        time.sleep(0.05)
    assert lakebench("down", cwd=tmp_path, **keep).stdout.strip() == "ended"
    assert up.wait(30) == 3
    assert "was ended" in up.communicate()[0]
    assert gone(keep), left(keep)


@pytest.mark.integration
@pytest.mark.parametrize(("liar", "code"), [("liar-reads-less", 4), ("liar-exits", 1)])
def test_a_failure_that_nobody_accepted_fails_the_run(
    tmp_path: Path, lake_up: dict[str, str], liar: str, code: int
) -> None:
    argv = ["run", "interop", "--features", "append", "--writers", "reference", "--readers", liar, "--use-up", "--json"]
    completed = lakebench(*argv, cwd=tmp_path, PYTHONPATH=str(LIARS), **lake_up)
    assert completed.returncode == code, completed.stderr
    assert json.loads(completed.stdout)["exit_code"] == code
