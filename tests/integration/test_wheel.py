"""The wheel alone, outside any clone: in an empty folder, with an empty home and the tested versions that it names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

import lakebench
from lakebench.provisioning import tested

pytestmark = pytest.mark.integration

PACKAGE = Path(lakebench.__file__).parent
_NETWORK = re.compile("proxy|ssl_cert|ca_bundle", re.IGNORECASE)
RUN = ("run", "phase3", "--profile", "once", "--sf", "0.01", "--storage", "local", "--formats", "parquet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--quiet", "--offline", "--wheel", "--out-dir", str(folder), str(PACKAGE.parent))
    (made,) = folder.glob("lakebench_harness-*.whl")
    return made


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), *arguments], check=True)


def test_it_has_every_file_of_the_package(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("lakebench/") and name[-1] != "/"}
    files = (one for one in PACKAGE.rglob("*") if one.is_file() and one.suffix != ".pyc")
    assert names == {one.relative_to(PACKAGE.parent).as_posix() for one in files}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that has the wheel and the versions that are named in it, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    environment = folder / "environment"
    locked = zipfile.ZipFile(wheel).extract("lakebench/provisioning/tested.lock", folder)
    _uv("venv", "--quiet", "--python", sys.executable, "--no-project", str(environment))
    install = ("pip", "install", "--quiet", "--python", str(environment / "bin" / "python"))
    packages = (*install, "--require-hashes", "--requirements", locked)
    try:
        _uv(*packages, "--offline")
    except subprocess.CalledProcessError:  # the cache has not all of them
        _uv(*packages)
    _uv(*install, "--offline", "--no-deps", str(wheel))
    return environment / "bin" / "lakebench"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but an empty home."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "home").mkdir()
    return folder


def _run(command: Path, empty: Path, *arguments: str) -> Any:
    """What it prints as JSON; of the variables of this process it has the way to the network and to uv's packages."""
    kept = subprocess.run([find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    network = {name: value for name, value in os.environ.items() if _NETWORK.search(name)}
    variables = {**network, "HOME": str(empty / "home"), "PATH": os.defpath, "UV_CACHE_DIR": kept, "UV_OFFLINE": "1"}
    done = subprocess.run(
        [str(command), *arguments, "--json"],
        cwd=empty,
        env={**variables, "UV_COMPILE_BYTECODE": "0"},  # all of it is more than the test imports
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_the_doctor_finds_the_tested_versions_and_its_engines(installed: Path, empty: Path) -> None:
    answer = _run(installed, empty, "doctor")
    ready = {one["name"] for one in answer["rows"] if one["kind"] == "engine" and one["ready"]}
    assert answer["untested"] == []
    assert {"duckdb", "polars", "pyiceberg", "spark", "trino"} <= ready


def test_the_environment_of_the_tested_versions_runs_by_itself(installed: Path, empty: Path) -> None:
    made = _run(installed, empty, "install", "--locked")
    command = Path(made["command"])
    assert command.is_relative_to(empty / "home")
    assert made["packages"] == tested.versions()
    assert _run(command, empty, "install", "--locked")["command"] == str(command), "it is made once, also by itself"
    run = _run(command, empty, *RUN, "--engines", "duckdb,polars")
    assert {name: number for name, number in run["outcomes"].items() if number} == {"PASS": 44}
    assert (empty / "runs" / run["run"] / "report.html").exists()
