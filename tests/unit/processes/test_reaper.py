"""What is left of killed commands, and what only looks so."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from lakebench.processes import process_table, reaper


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a command whose process is not here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "lakebench-run-left"
    folder.mkdir()
    return folder


def _written(folder: Path, **of: object) -> None:
    gone = {"pid": 2**22 + 1, "started": 1, "boot": process_table.boot(), "namespace": process_table.namespace(), **of}
    (folder / reaper.FILE).write_text(json.dumps({"folder": str(folder), **gone}) + "\n")


def test_the_folder_of_a_command_that_was_killed_is_removed(left: Path) -> None:
    _written(left)
    assert reaper.end_left_behind() == [
        "lakebench-run-left, which a killed command left, is gone now, with 0 processes"
    ]
    assert not left.exists()


def test_a_command_in_a_container_that_shares_the_folder_is_left_alone(left: Path) -> None:
    _written(left, namespace=process_table.namespace() + 1)
    assert reaper.end_left_behind() == []
    assert left.exists()


def test_of_an_earlier_boot_nothing_lives_in_whatever_namespace(left: Path) -> None:
    _written(left, boot="another", namespace=process_table.namespace() + 1)
    assert len(reaper.end_left_behind()) == 1
