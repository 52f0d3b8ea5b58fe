from __future__ import annotations

import importlib.metadata
import zipfile
from pathlib import Path

import pytest

import lakebench
from lakebench.commands import doctor
from lakebench.provisioning import own_wheel, tested

ROOT = Path(__file__).parents[3]


def _pins(file: Path) -> set[str]:
    """Each package with its version, its marker and its hashes."""
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return set("\n".join(lines).replace(" \\\n    ", " ").splitlines())


def test_the_tested_versions_are_those_of_our_own_tests() -> None:
    assert _pins(tested.FILE) <= _pins(ROOT / "requirements.lock")


def test_they_are_what_the_package_asks_for_without_its_tools() -> None:
    versions = tested.versions()
    assert {"duckdb", "pyspark", "trino", "psycopg-binary", "uv"} <= set(versions)
    assert not {"pytest", "mypy", "ruff"} & set(versions)


@pytest.fixture
def _others(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with another version of an engine and of a dependency, and without a client library."""
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "boto3":
            raise importlib.metadata.PackageNotFoundError(name)
        return {"polars": "2.99", "urllib3": "9.9"}.get(name) or tested.versions().get(name) or real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.usefixtures("_others")
def test_other_versions_are_named_the_direct_ones_first() -> None:
    pins = tested.versions()
    boto3, polars, urllib3 = tested.untested()
    assert str(boto3) == f"boto3 none (tested: {pins['boto3']})"
    assert str(polars) == f"polars 2.99 (tested: {pins['polars']})"
    assert [one.direct for one in (boto3, polars, urllib3)] == [True, True, False]


@pytest.mark.usefixtures("_others")
def test_the_doctor_says_whose_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    others = doctor.untested()
    assert {one["package"]: one["part"] for one in others} == {
        "boto3": "direct",
        "polars": "polars",
        "urllib3": "dependency",
    }
    doctor.show([], others)
    printed = capsys.readouterr().out
    assert "2.99" in printed
    assert "lakebench install --locked" in printed
    doctor.show([], [])
    assert "tested" not in capsys.readouterr().out


def test_a_wheel_of_the_lakebench_that_runs(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    wheel, again = own_wheel.write(tmp_path), own_wheel.write(tmp_path / "again")
    assert wheel.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        record = opened.read(f"lakebench_harness-{lakebench.__version__}.dist-info/RECORD").decode()
    assert {line.partition(",")[0] for line in record.splitlines()} == names
    assert "lakebench/provisioning/tested.lock" in names
    assert not [name for name in names if name.endswith(".pyc")]
