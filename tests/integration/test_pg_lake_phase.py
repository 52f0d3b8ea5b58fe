"""Phase 4.5 as a user runs it: without pg_lake, and on the PostgreSQL that ``LAKEBENCH_PG_CONFIG_PG_LAKE`` names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakebench.config import Settings
from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.results import record_schema, records
from lakebench.services import Services

pytestmark = pytest.mark.integration
VARIABLE = "LAKEBENCH_PG_CONFIG_PG_LAKE"

# A few cases of each kind; of the heap tables one has other rows, and so its twin has to be seen as wrong.
FEW = """
from lakebench import cli
from lakebench.phases.pg_lake import expressions, latency, layouts, memory, objects, statements, transactions, values

statements.SCRIPTS = {name: statements.SCRIPTS[name] for name in ("merge", "not-null")}
expressions.QUERIES = {}
expressions.OF_TABLE = {}
expressions.OF_ROWS = {"division-by-zero": expressions.OF_ROWS["division-by-zero"]}
values.TYPES = {"bigint": values.TYPES["bigint"]}
layouts.LAYOUTS = {"one-file": layouts.LAYOUTS["one-file"]}
transactions._TRANSACTIONS = {"rolled-back": transactions._TRANSACTIONS["rolled-back"]}
transactions._DEATHS = {"session": transactions._DEATHS["session"]}
objects._TESTS = {"dropped": objects._TESTS["dropped"]}
memory.blocks = latency.blocks = lambda *_: ()
make = layouts._make

def damaged(server, name, layout):
    files = make(server, name, layout)
    with server.session(f"layout_{name}_heap") as heap:
        heap.must("UPDATE t SET n = 8 WHERE n = 7")
    return files

layouts._make = damaged
cli.main()
"""


def _run(
    folder: Path, settings: str, code: int, program: str = "from lakebench import cli; cli.main()"
) -> dict[str, Record]:
    (folder / "lakebench.toml").write_text(settings)
    command = [sys.executable, "-c", program, "run", "phase45", "--profile", "quick", "--engines", "pg_lake,postgres"]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert completed.returncode == code, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    return {case.case.removeprefix("phase45/"): case for case in records.read(made).cases}


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    """The address of a PostgreSQL without pg_lake, with its password."""
    with Guard("postgres") as guard:
        services = Services(Settings(), guard, Quiet())
        services.start(["postgres"])
        one = services.endpoint("postgres")
        yield f"postgresql://{one.user}:{one.password}@{one.host}:{one.port}/postgres"
        services.stop()


@pytest.mark.parametrize(
    ("password", "said"), [("", "does not load pg_extension_base"), ("not-this-one", "correct user and password")]
)
def test_a_server_that_cannot_be_used_is_one_line_in_each_case(
    plain: str, tmp_path: Path, password: str, said: str
) -> None:
    user, _, place = plain.rpartition("@")
    uri = f"{user.rpartition(':')[0]}:{password}@{place}" if password else plain
    cases = _run(tmp_path, f'[services.pg_lake]\nruntime = "external"\nuri = "{uri}"\n', 3)
    assert {case.outcome for case in cases.values()} == {Outcome.UNAVAILABLE}
    assert {said in case.reason and "\n" not in case.reason for case in cases.values()} == {True}
    (made,) = (tmp_path / "runs").iterdir()
    secret = password or user.rpartition(":")[2]
    assert not any(secret in file.read_text() for file in made.iterdir() if file.suffix in {".jsonl", ".md", ".html"})


def test_cases_pass_are_refused_and_are_wrong_as_they_should(tmp_path: Path) -> None:
    pg_config = os.environ.get(VARIABLE)
    if pg_config is None:
        pytest.skip(f"no PostgreSQL with pg_lake: name its pg_config with {VARIABLE}")
    folder = os.environ.get(f"{VARIABLE}_EXTENSIONS", "")
    properties = f'properties = {{ "pgduck.extensions_dir" = "{folder}" }}\n' if folder else ""
    cases = _run(tmp_path, f'[services.pg_lake]\npg_config = "{pg_config}"\n{properties}', 4, FEW)
    passed = {name for name, case in cases.items() if case.outcome is Outcome.PASS}
    assert {f"told/{name}" for name in ("create", "update", "rollback", "jsonb")} <= passed
    assert {"statement/not-null", "type/bigint-filter", "transaction/rolled-back", "death/session"} <= passed
    assert "objects/dropped" in passed
    assert cases["statement/merge"].outcome is Outcome.REFUSED
    assert cases["expression/division-by-zero"].outcome is Outcome.WRONG
    assert cases["layout/one-file-filter"].outcome is Outcome.WRONG
    assert cases["told/update"].versions["pg_lake"]
