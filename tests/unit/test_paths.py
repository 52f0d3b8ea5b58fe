from __future__ import annotations

from pathlib import Path

import pytest

from lakebench.datasets import cache
from lakebench.datasets.tpch import data
from lakebench.paths import cache_dir
from lakebench.progress import Quiet
from lakebench.provisioning import artifacts


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        ("", "", "HOME/.cache/lakebench"),
        ("", "/elsewhere", "/elsewhere/lakebench"),
        ("", "relative/cache", "HOME/.cache/lakebench"),
        ("relative", "/elsewhere", "HERE/relative"),
        ("/own", "relative", "/own"),
    ],
)
def test_the_cache_is_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, xdg: str, expected: str
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name, value in {"HOME": str(home), "LAKEBENCH_CACHE": own, "XDG_CACHE_HOME": xdg}.items():
        monkeypatch.setenv(name, value)
    assert str(cache_dir()) == expected.replace("HOME", str(home)).replace("HERE", str(here))


def test_a_relative_maven_repository_is_that_of_the_folder_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("M2_REPO", "m2")
    assert artifacts.repository() == tmp_path / "m2"


def test_data_that_is_there_needs_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path))
    scale = data.scale_factor("0.001")
    version = data.generator_version()
    data._folder(scale, version).mkdir(parents=True)
    monkeypatch.setattr(cache, "locked", None)
    monkeypatch.setattr(data, "_verified", lambda folder, *_: folder)
    monkeypatch.setattr(cache, "_verified", lambda folder, *_: folder)
    assert data.generate(scale, Quiet()) == data._folder(scale, version)
    assert cache.table(tmp_path, "hits", 0, lambda _: [], Quiet()) == tmp_path
