"""``lakebench fuzz`` as a user runs it: a planted fault is found, made small, and known afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from started import lakebench

from lakebench.config import Settings
from lakebench.datasets.interop import feature_files

pytestmark = pytest.mark.integration

LIARS = Path(__file__).parent.parent / "liar"
LIAR = "liar-drops-after-evolution"
PLANTED = "112"
"""Its first program has the planted fault: the update of a promoted column after a change of the partition spec."""
REFUSED = "1259"
"""Its first program, by PyIceberg alone, merges at step 4, after a column was dropped, which PyIceberg refuses."""


def fuzz(folder: Path, variables: dict[str, str], code: int, seed: str, engines: str, time: str) -> dict[str, Any]:
    asked = ("--seed", seed, "--programs", "1", "--time", time, "--engines", engines, "--output", "found")
    done = lakebench("fuzz", "--json", "--use-up", *asked, cwd=folder, **variables, PYTHONPATH=str(LIARS))
    assert done.returncode == code, done.stderr
    assert {one.name for one in folder.iterdir()} == {"found"}
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_a_planted_fault_is_found_and_made_small(lake_up: dict[str, str], tmp_path: Path) -> None:
    found = fuzz(tmp_path, lake_up, 4, PLANTED, f"{LIAR},duckdb,pyiceberg", "45s")
    folders = {one["folder"]: one["operations"] for one in found["findings"] if LIAR in one["folder"]}
    ((name, operations),) = folders.items()
    assert operations <= 6
    folder = tmp_path / "found" / name
    failure = json.loads((folder / "failure.json").read_text(encoding="utf-8"))
    assert (failure["engine"], failure["operation"], failure["outcome"]) == (LIAR, "Update", "WRONG")
    (feature,) = feature_files.load(folder / "feature.toml")
    kinds = {type(one).__name__ for one in feature.program}
    assert kinds >= {"Create", "Append", "SetPartition", "ChangeType", "Update"}
    page = (folder / "finding.md").read_text(encoding="utf-8")
    assert "expected:" in page
    assert "table.append" in page or "INSERT INTO" in page or "POST" in page


def test_a_finding_runs_without_lakebench(lake_up: dict[str, str], settings_up: Settings, tmp_path: Path) -> None:
    (finding,) = fuzz(tmp_path, lake_up, 1, REFUSED, "pyiceberg", "45s")["findings"]
    script = tmp_path / "found" / finding["folder"] / "reproduce.py"
    assert "lakebench." not in script.read_text(encoding="utf-8")
    store, catalog = (settings_up.services[name] for name in ("object-store", "rest-catalog"))
    place = {
        "CATALOG": catalog.uri, "WAREHOUSE": "s3://lake/rest",
        "STORE": store.uri, "KEY": store.user, "SECRET": store.password,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **place},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ValueError: Target schema's field names are not matching")
    assert fuzz(tmp_path, lake_up, 0, REFUSED, "pyiceberg", "45s")["findings"] == []
