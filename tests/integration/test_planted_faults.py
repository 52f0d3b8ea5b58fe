"""An exception of ours in any layer of a run blames no engine, and ``--resume`` goes on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from started import QUICK

from lakebench import engines, harness
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.model import Selection
from lakebench.outcomes import ExitCode
from lakebench.processes.child import Child
from lakebench.progress import Quiet
from lakebench.results.records import read
from lakebench.services.rest_catalog import RestCatalogService
from lakebench.services.trino import TrinoService

pytestmark = pytest.mark.integration

WRITES, READS = "interop/append/reference", "interop/append/reference→duckdb"


def request(*readers: str) -> Request:
    return Request(
        phases=("interop",),
        refs=tuple(engines.parse(one) for one in ("reference", *readers)),
        writer="",
        profile=PROFILES["quick"],
        seed=1,
        settings=QUICK,
        command="lakebench run",
        selection=Selection(features=("append",), writers=("reference",), readers=readers),
    )


def in_a_child(patch: pytest.MonkeyPatch, plant: str) -> None:
    """Let each process that calls functions for us run ``plant`` before it serves."""
    real, module = Child.__init__, "lakebench.processes.functions"

    def made(self: Child, *given: Any) -> None:
        real(self, *given)
        code = f"import runpy, sys\n{plant}\nrunpy.run_module('{module}', run_name='__main__')"
        self._command = [sys.executable, "-c", code, *self._command[4:]]

    patch.setattr(Child, "__init__", made)


def in_a_worker(patch: pytest.MonkeyPatch, folder: Path, plant: str) -> None:
    """Let each worker run ``plant`` before it serves."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(plant)
    patch.setenv("PYTHONPATH", str(folder))


FAIL = "def fail(*_, **__): raise KeyError('planted')\n"


def in_a_service(patch: pytest.MonkeyPatch, _: Path) -> None:
    def fail(_: Any) -> None:
        raise KeyError("planted")

    patch.setattr(RestCatalogService, "prepare", fail)


def in_the_checker(patch: pytest.MonkeyPatch, _: Path) -> None:
    plant = f"{FAIL}from lakebench.datasets import answers\nanswers.content_hash = fail"
    in_a_child(patch, plant)


def in_the_oracle(patch: pytest.MonkeyPatch, _: Path) -> None:
    plant = f"{FAIL}from lakebench.datasets.interop import oracle\noracle.Oracle.answer = fail"
    in_a_child(patch, plant)


def in_the_worker(patch: pytest.MonkeyPatch, folder: Path) -> None:
    in_a_worker(patch, folder, f"{FAIL}from lakebench.iceberg.scan import Scan\nScan.from_json = fail")


def in_an_adapter(patch: pytest.MonkeyPatch, folder: Path) -> None:
    plant = f"{FAIL}from lakebench.engines.duckdb.engine import DuckDB\nDuckDB._source = fail"
    in_a_worker(patch, folder, plant)


LAYERS = [
    (in_a_service, {}),
    (in_the_oracle, {WRITES: "HARNESS_FAULT", READS: "HARNESS_FAULT"}),
    (in_the_checker, {WRITES: "PASS", READS: "HARNESS_FAULT"}),
    (in_the_worker, {WRITES: "PASS", READS: "HARNESS_FAULT"}),
    (in_an_adapter, {WRITES: "PASS", READS: "HARNESS_FAULT"}),
]
"""Where code of ours fails, and what becomes of the cases; each run goes on with what the one before it left."""


def outcomes(folder: Path) -> dict[str, str]:
    return {one.case: one.outcome.value for one in read(folder).cases}


def test_a_fault_of_ours_blames_no_engine_and_resume_goes_on(tmp_path: Path, settings_up: Settings) -> None:
    folder = tmp_path / "run"
    for number, (plant, left) in enumerate(LAYERS, 1):
        with pytest.MonkeyPatch.context() as patch:
            plant(patch, tmp_path / plant.__name__)
            asked = harness.again(folder, settings_up) if number > 1 else request("duckdb")
            result = harness.run(asked, folder, Quiet(), resumed=number > 1)
        run, file = read(folder), f"faults/{number:03}.txt"
        assert (result.code, plant.__name__) == (ExitCode.HARNESS_FAULT, plant.__name__)
        assert (run.end.status, run.end.exit_code) == ("interrupted", 5)
        assert (outcomes(folder), plant.__name__) == (left, plant.__name__)
        assert file in run.end.reason
        assert {one.evidence["file"] for one in run.cases if one.outcome == "HARNESS_FAULT"} <= {file}
        assert "KeyError: 'planted'" in (folder / file).read_text()
    again = harness.run(harness.again(folder, settings_up), folder, Quiet(), resumed=True)
    assert again.code is ExitCode.OK
    assert outcomes(folder) == {WRITES: "PASS", READS: "PASS"}
    assert read(folder).complete


def test_a_service_that_code_of_ours_cannot_start_is_no_engine_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def fail(_: TrinoService) -> None:
        "archive".unpack()  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrinoService, "prepare", fail)
        result = harness.run(request("duckdb", "trino"), folder, Quiet())
    assert result.code is ExitCode.HARNESS_FAULT
    cases = {one.case: one for one in read(folder).cases}
    of_trino = cases.pop("interop/append/reference→trino")
    assert {one.outcome.value for one in cases.values()} == {"PASS"}
    assert of_trino.outcome.value == "HARNESS_FAULT"
    assert "Trino did not start: AttributeError" in of_trino.reason
    assert "in fail" in (folder / of_trino.evidence["file"]).read_text()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_the_run_and_resume_goes_on(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, filler = tmp_path / "run", small_disk / "filler"
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    real = harness._phase

    def on_a_full_disk(*given: Any) -> Any:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as sink:
            while sink.write(bytes(4096)):
                pass
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(harness, "_phase", on_a_full_disk)
        with pytest.raises(UsageError, match=r"the disk is full \(.*small.* has 0 MB left\): free some space there"):
            harness.run(request("duckdb"), folder, Quiet())
    run = read(folder)
    assert (run.end.status, run.end.exit_code) == ("interrupted", ExitCode.USAGE)
    assert not [one for one in run.cases if one.outcome != "PASS"]
    filler.unlink()
    assert harness.run(harness.again(folder, QUICK), folder, Quiet(), resumed=True).code is ExitCode.OK
    assert {one.outcome.value for one in read(folder).cases} == {"PASS"}
