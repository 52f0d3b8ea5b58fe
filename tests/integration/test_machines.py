"""Machines that are not ours: homes and folders with blanks, quotes, backslashes and any letters in their names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from started import lakebench, link_cache, quick_servers

from lakebench.provisioning import artifacts

ROOT = Path(__file__).parent.parent.parent
ODD = "ü b\\c'd\"e$f%20g#h" + "-long" * 20
"""More than the 107 bytes that the path of a socket has, too."""
SERVICES = ("nessie", "rest-bridge", "rest-catalog", "trino", "spark")
ENGINES = "duckdb,pyiceberg,trino,spark"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account passes through, where the tests are root; pytest's own is closed."""
    made = Path(tempfile.mkdtemp(prefix="machines-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def odd(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home, a folder for temporary files and a cache with an odd name; what the user's caches have is there."""
    home = folder / ODD / "home"
    maven = artifacts.repository()
    maven.mkdir(parents=True, exist_ok=True)
    (home / ".m2").mkdir(parents=True)
    (home / ".m2" / "repository").symlink_to(maven)
    cache = home / ".cache" / "lakebench"
    cache.mkdir(parents=True)
    link_cache(cache)
    temporary = folder / ODD / "temporary"
    temporary.mkdir()
    changed = {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": "not/absolute"}
    monkeypatch.delenv("LAKEBENCH_CACHE", raising=False)
    monkeypatch.delenv("M2_REPO", raising=False)
    return {**os.environ, **changed}


def test_make_finds_uv_below_any_home(odd: dict[str, str]) -> None:
    script = (ROOT / "scripts" / "uv.sh").read_text()
    version = next(line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.startswith("uv=="))
    uv = Path(odd["HOME"], ".cache", "lakebench", f"uv-{version.split()[0].removeprefix('uv==')}", "bin", "uv")
    if uv.parents[1].is_symlink():
        uv.parents[1].unlink()
    uv.parent.mkdir(parents=True)
    uv.write_text("#!/bin/sh\necho uv 1\n")
    uv.chmod(0o755)
    command = ["/bin/sh", "-c", script, "uv.sh"]
    result = subprocess.run(command, cwd=ROOT, env=odd, capture_output=True, text=True, check=True)
    assert result.stdout == f"{uv}\n"
    uv.write_text("damaged")
    result = subprocess.run(command, cwd=ROOT, env=odd, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "lakebench needs Python 3.11, 3.12 or 3.13" in result.stderr


@pytest.mark.integration
def test_servers_and_engines_run_in_folders_with_any_name(odd: dict[str, str]) -> None:
    def run_lakebench(*argv: str) -> subprocess.CompletedProcess[str]:
        return lakebench(*argv, "--json", cwd=Path(odd["TMPDIR"]).parent, timeout_s=1200, **odd)

    quick_servers(Path(odd["TMPDIR"]).parent)
    try:
        up = run_lakebench("up", *SERVICES)
        assert up.returncode == 0, up.stderr
        assert set(SERVICES) <= set(json.loads(up.stdout)["services"])
        engines = ["--writers", ENGINES, "--readers", ENGINES]
        run = run_lakebench("run", "interop", "--features", "append", *engines, "--use-up")
        assert run.returncode == 0, (run.stdout, run.stderr)
    finally:
        down = run_lakebench("down")
    assert json.loads(down.stdout)["ended"] is True
    assert list(Path(odd["TMPDIR"]).glob("lakebench-*")) == []
