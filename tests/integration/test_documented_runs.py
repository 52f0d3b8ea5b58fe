"""Small runs of the guide, as it shows them, on one store and one catalog; the second has the first in its report."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from started import lakebench

from lakebench.outcomes import Outcome
from lakebench.results import records

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
TAG = "lakebench run interop --use-up --features tag --writers pyiceberg --readers duckdb"
OWN = (
    "lakebench run interop --feature-file mine.toml --features mine-null-after-rename "
    "--writers reference --readers duckdb"
)


def test_small_runs_of_the_guide_pass(tmp_path: Path, lake_up: dict[str, str]) -> None:
    feature = (DOCS / "adding-a-feature.md").read_text(encoding="utf-8")
    assert OWN in feature
    assert TAG in (DOCS / "interop.md").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(feature.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    _run(TAG, tmp_path, lake_up)
    (earlier,) = (tmp_path / "runs").iterdir()
    more = f"--use-up --require duckdb --time-limit 60 --with {earlier.name}"
    _run(f"{OWN} {more}", tmp_path, lake_up)
    (own,) = set((tmp_path / "runs").iterdir()) - {earlier}
    cases = [case for folder in (earlier, own) for case in records.read(folder).cases]
    assert {case.coordinates.feature for case in cases} == {"tag", "mine-null-after-rename"}
    outcomes = {str(case.coordinates.feature): case.outcome for case in cases if case.coordinates.reader}
    assert outcomes == {
        "tag": Outcome.REFUSED,
        "mine-null-after-rename": Outcome.PASS,
    }  # DuckDB asks for no tag by name


def _run(command: str, folder: Path, lake_up: dict[str, str]) -> None:
    done = lakebench(*shlex.split(command)[1:], cwd=folder, **lake_up)
    assert done.returncode == 0, done.stdout + done.stderr
