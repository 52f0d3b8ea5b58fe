"""The command as a user meets it, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ENGINES = {"duckdb", "pyspark", "trino", "pyiceberg", "daft", "polars", "datafusion", "psycopg"}
LIARS = Path(__file__).parent.parent / "liar"


def lakebench(*argv: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lakebench", *argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, **variables},
    )


def test_help_teaches(tmp_path: Path) -> None:
    told = lakebench("--help", cwd=tmp_path)
    assert told.returncode == 0
    for word in ("run", "list", "doctor", "data", "up", "down", "report", "Exit codes", "--install-completion"):
        assert word in told.stdout


def test_the_parent_imports_no_engine(tmp_path: Path) -> None:
    script = (
        "import sys; from lakebench import cli, harness, reports, explore, doctor, catalogue, engines, phases; "
        "catalogue.engines(); catalogue.services(); phases.phases(); print(sorted(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {name.strip(" '[]\n").partition(".")[0] for name in told.stdout.split(",")}
    assert "lakebench" in loaded
    assert not loaded & ENGINES


@pytest.mark.parametrize(
    ("what", "name"), [("phases", "phase4"), ("engines", "spark-jdbc"), ("services", "nessie"), ("datasets", "tpch")]
)
def test_lists_for_people_and_programs(tmp_path: Path, what: str, name: str) -> None:
    assert name in lakebench("list", what, cwd=tmp_path).stdout
    rows = json.loads(lakebench("list", what, "--json", cwd=tmp_path).stdout)
    assert name in {next(iter(row.values())) for row in rows}


def test_doctor_names_what_is_missing_and_what_mends_it(tmp_path: Path) -> None:
    found = {one["name"]: one for one in json.loads(lakebench("doctor", "--json", cwd=tmp_path).stdout)}
    assert found["duckdb"]["ready"]
    assert found["nessie"]["version"] == "0.99.0"
    assert not found["pg_duckdb"]["ready"]
    assert "pg_config" in found["pg_duckdb"]["mend"]
    assert "pg_config" in lakebench("doctor", cwd=tmp_path).stdout


@pytest.mark.integration
def test_up_prints_what_to_paste_and_down_ends_it(tmp_path: Path) -> None:
    keep = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", ""), "LAKEBENCH_CACHE": ""}
    told = lakebench("up", "rest-catalog", "--json", cwd=tmp_path, **keep)
    try:
        assert told.returncode == 0, told.stderr
        up = json.loads(told.stdout)
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


@pytest.mark.integration
@pytest.mark.parametrize(("liar", "code"), [("liar-drops-a-row", 4), ("liar-exits", 1)])
def test_a_failure_that_nobody_accepted_fails_the_run(tmp_path: Path, liar: str, code: int) -> None:
    argv = ["run", "phase4", "--profile", "quick", "--repeat", "1", "--engines", liar, "--json"]
    told = lakebench(*argv, cwd=tmp_path, PYTHONPATH=str(LIARS))
    assert told.returncode == code, told.stderr
    assert json.loads(told.stdout)["exit_code"] == code
