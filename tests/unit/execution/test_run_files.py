"""Files of a run have names of their own, whatever they are called and whoever asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lakebench.execution.run_files import RunFiles


def test_names_are_unique_and_lie_in_one_folder(tmp_path: Path) -> None:
    files = RunFiles(tmp_path, tmp_path / "kept")
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(files.new, ["phase4/q01/duckdb@1.4→trino"] * 100))
    assert len(set(paths)) == 100
    assert {one.parent for one in paths} == {tmp_path / "results"}
    assert paths[0].name.endswith("-phase4-q01-duckdb-1-4-trino.arrow")
    assert (tmp_path / "results").stat().st_mode & 0o777 == 0o700
