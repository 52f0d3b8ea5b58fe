"""Each mistake of a user gets one line that says what to do, and exit code 2 or 3; none gets a traceback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from started import lakebench, quick_servers

QUICK = ["run", "phase4", "--profile", "quick", "--engines", "duckdb"]


def said_by(*argv: str, cwd: Path, **variables: str) -> tuple[int, str]:
    """Exit code, and what stands on standard error."""
    done = lakebench(*argv, cwd=cwd, **variables)
    return done.returncode, done.stderr


def assert_one_line(code: int, output: str, *parts: str) -> None:
    assert code in {2, 3}, output
    assert "Traceback" not in output
    errors = [line for line in output.splitlines() if line.startswith("lakebench: ")]
    assert len(errors) == 1, output
    for part in parts:
        assert part in errors[0]


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["run", "phase44"], ["unknown phase 'phase44'", "did you mean phase4"]),
        (["run"], ["name a phase", "phase4"]),
        (["run", "phase4", "--engines", "dukdb"], ["unknown engine 'dukdb'", "did you mean duckdb"]),
        (["run", "phase4", "--engines", "duckdb@"], ["names no version"]),
        (["run", "phase4", "--writer", "daft"], ["cannot write the dataset", "pyiceberg"]),
        (["run", "phase4", "--writer", "nobody"], ["unknown engine 'nobody'"]),
        (["run", "phase4", "--sf", "0"], ["'0'"]),
        (["run", "phase4", "--sf", "-1"], ["'-1'"]),
        (["run", "phase4", "--sf", "abc"], ["'abc'"]),
        (["data", "tpch", "--sf", "abc"], ["'abc'"]),
        (["run", "phase4", "--profile", "slow"], ["unknown profile 'slow'", "quick"]),
        (["run", "--resume", "nothing"], ["no run called 'nothing'"]),
        (["report", "nothing"], ["no run called 'nothing'"]),
    ],
)
def test_arguments(tmp_path: Path, argv: list[str], parts: list[str]) -> None:
    assert_one_line(*said_by(*argv, cwd=tmp_path), *parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[services", ["lakebench.toml is not valid TOML"]),
        ("runtimes = 'local'", ["unknown key runtimes", "did you mean runtime"]),
        ("runtime = 'cloud'", ["runtime:", "'local'"]),
        ("[engines.dukdb]\nthreads = 1", ["unknown key engines.dukdb", "did you mean duckdb"]),
        ("[engines.duckdb]\nthread = 1", ["unknown key engines.duckdb.thread", "did you mean threads"]),
        ("[services.nesie]\nruntime = 'local'", ["unknown key services.nesie", "did you mean nessie"]),
        ("[services.nessie]\nruntime = 'external'", ["needs uri"]),
    ],
)
def test_settings(tmp_path: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "lakebench.toml").write_text(text)
    assert_one_line(*said_by(*QUICK, cwd=tmp_path), *parts)


def test_another_lakebench_in_the_environment(tmp_path: Path) -> None:
    other = tmp_path / "site" / "lakebench-2.2.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: lakebench\nVersion: 2.2.0\n")
    output = said_by("list", "phases", cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert_one_line(*output, "lakebench 2.2.0", "pip uninstall lakebench")


def test_a_damaged_records_file(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "cut"
    folder.mkdir(parents=True)
    header = '{"kind":"run","schema":1,"run":"cut","phases":["phase4"],"command":"x","started":"x"}'
    (folder / "records.jsonl").write_text(f'{header}\n{{"kind":"case","case":"phase4/q')
    for argv in (["report", "cut"], ["run", "--resume", "cut"]):
        assert_one_line(*said_by(*argv, cwd=tmp_path), "line 2 is damaged", "sed -i '$d'")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_output_folder_that_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert_one_line(*said_by(*QUICK, "--output", "closed/runs", cwd=tmp_path), "closed")


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(*said_by(*QUICK, "--output", "file", cwd=tmp_path), "file", "--output")


@pytest.mark.integration
def test_an_endpoint_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "lakebench.toml").write_text(
        "[services.nessie]\nruntime = 'external'\nuri = 'http://127.0.0.1:9/iceberg'\n"
    )
    assert_one_line(*said_by(*QUICK, cwd=tmp_path), "127.0.0.1:9")


@pytest.mark.integration
def test_no_docker_engine(tmp_path: Path) -> None:
    code, output = said_by(*QUICK, "--runtime", "compose", cwd=tmp_path, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert_one_line(code, output, "Docker", "--runtime local")
    assert code == 3


@pytest.mark.integration
def test_an_unknown_version(tmp_path: Path) -> None:
    argv = ["run", "phase4", "--profile", "quick", "--engines", "duckdb@0.0.99"]
    assert_one_line(*said_by(*argv, cwd=tmp_path), "duckdb@0.0.99")


@pytest.mark.integration
def test_a_full_disk(tmp_path: Path) -> None:
    quick_servers(tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    mounted = subprocess.run(
        ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(full)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        code, output = said_by(*QUICK, "--output", str(full), cwd=tmp_path)
    finally:
        subprocess.run(["/usr/bin/umount", str(full)], check=True)
    assert_one_line(code, output, "No space left", "--resume")
