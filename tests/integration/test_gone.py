"""An engine that was there and is not: whatever broke it, no run, report or comparison is green."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from started import lakebench, link_cache, quick_servers

from lakebench.outcomes import ExitCode
from lakebench.progress import Quiet
from lakebench.provisioning import artifacts
from lakebench.results.records import read

pytestmark = pytest.mark.integration

ASKED = ("interop", "--features", "append", "--writers", "reference")
BROKEN = {
    "uninstalled": 'raise ModuleNotFoundError("No module named \'polars\'", name="polars")',
    "raises at its import": 'raise RuntimeError("this build was made for another CPU")',
    "is killed at its start": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
}


def _run(cwd: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code and the run's name."""
    done = lakebench("run", *ASKED, *arguments, "--use-up", "--json", cwd=cwd, **variables)
    return done.returncode, json.loads(done.stdout)["run"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, lake_up: dict[str, str]) -> Iterator[Path]:
    """A folder to run in; all runs but one use what is up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEBENCH_CACHE", lake_up["LAKEBENCH_CACHE"])
        yield tmp_path_factory.mktemp("gone")


@pytest.fixture(scope="module")
def base(folder: Path) -> str:
    """A run of DuckDB and Polars in which both ran."""
    code, name = _run(folder, "--readers", "duckdb,polars")
    assert code == ExitCode.OK
    return name


@pytest.mark.parametrize("how", BROKEN)
def test_an_engine_that_breaks_is_missed(folder: Path, base: str, how: str) -> None:
    shim = folder / how.replace(" ", "-")
    (shim / "polars").mkdir(parents=True)
    (shim / "polars" / "__init__.py").write_text(BROKEN[how], encoding="utf-8")
    code, name = _run(folder, "--readers", "duckdb,polars", PYTHONPATH=str(shim))
    assert code == ExitCode.WORSE
    outcomes = {one.engine: one.outcome.value for one in read(folder / "runs" / name).cases}
    assert outcomes["duckdb"] == "PASS"
    assert outcomes["polars"] == ("CRASH" if "killed" in how else "UNAVAILABLE")
    report = lakebench("report", name, cwd=folder)
    compared = lakebench("compare", base, name, cwd=folder)
    assert compared.returncode == ExitCode.WORSE
    for output in (report.stdout, compared.stdout):
        assert not any(word in output for word in ("PASS: ", "AS ACCEPTED", "NO REGRESSION", "NOTHING COMPARED"))
        assert output.startswith("GONE: ") or "killed" in how
    assert "verdict good" not in (folder / "runs" / name / "report.html").read_text(encoding="utf-8")


def test_a_service_that_was_named_and_an_engine_that_needs_it_are_missed(folder: Path) -> None:
    """Spark is asked for at an address where nobody listens."""
    (folder / "lakebench.toml").write_text('[services.spark]\nruntime = "external"\nuri = "sc://127.0.0.1:1"\n')
    try:
        code, name = _run(folder, "--readers", "duckdb,spark")
    finally:
        (folder / "lakebench.toml").unlink()
    assert code == ExitCode.WORSE
    end = read(folder / "runs" / name).end
    assert end is not None
    assert [(one.what, one.name) for one in end.gone[:2]] == [("service", "spark"), ("engine", "spark")]
    output = " ".join(lakebench("report", name, cwd=folder).stdout.split())
    assert output.startswith("GONE: the service spark, which was asked for, did not come up (")


def test_a_server_whose_files_are_damaged_ends_the_run(tmp_path: Path) -> None:
    """A file in the cache is not what the archive holds: no run goes on with it, and none counts as whole."""
    quick_servers(tmp_path)
    cache = tmp_path / "cache"
    cache.mkdir()
    home = artifacts.trino_home(Quiet())
    link_cache(cache, {home.name})
    (cache / home.name).mkdir()
    for one in home.iterdir():
        (cache / home.name / one.name).symlink_to(one)
    script = cache / home.name / "README.txt"
    script.unlink()
    script.write_text("damaged", encoding="utf-8")
    done = lakebench("run", *ASKED, "--readers", "duckdb,trino", cwd=tmp_path, LAKEBENCH_CACHE=str(cache))
    assert done.returncode == ExitCode.USAGE
    assert f"{script} is not what was unpacked" in done.stderr
    assert f"rm -r {cache / home.name}" in done.stderr
    name = max((tmp_path / "runs").iterdir()).name
    assert not read(tmp_path / "runs" / name).complete
    report = lakebench("report", name, cwd=tmp_path)
    assert "interrupted" in report.stdout.splitlines()[0].lower()
    assert not any(word in report.stdout for word in ("PASS: ", "AS ACCEPTED"))
    shutil.rmtree(cache / home.name)
    again = lakebench("run", "--resume", name, cwd=tmp_path, LAKEBENCH_CACHE=str(cache))
    assert again.returncode == ExitCode.OK, again.stderr
