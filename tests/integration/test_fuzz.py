"""``lakebench fuzz`` as a user runs it: a planted fault is found, made small, and known afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from started import lakebench

from lakebench.datasets.interop import feature_files

pytestmark = pytest.mark.integration

LIARS = Path(__file__).parent.parent / "liar"
LIAR = "liar-drops-after-evolution"
SEED = "112"
"""Its first program has the planted fault: the update of a promoted column after a change of the partition spec."""


def fuzz(folder: Path, variables: dict[str, str], code: int) -> dict[str, Any]:
    asked = ("--seed", SEED, "--programs", "1", "--engines", f"{LIAR},duckdb,pyiceberg", "--output", "found")
    done = lakebench("fuzz", "--json", "--use-up", *asked, cwd=folder, **variables, PYTHONPATH=str(LIARS))
    assert done.returncode == code, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_a_planted_fault_is_found_and_made_small(lake_up: dict[str, str], tmp_path: Path) -> None:
    found = fuzz(tmp_path, lake_up, 4)
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
    assert fuzz(tmp_path, lake_up, 0)["findings"] == []
