"""Process trees are what the kernel says they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from lakebench.processes import resources

_PARENT = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A process and the one that it started."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    yield parent.pid, child
    psutil.Process(child).kill()
    parent.wait()
    parent.stdout.close()


def test_trees_have_what_was_started_and_nothing_else(family: tuple[int, int]) -> None:
    parent, child = family
    assert resources.trees({"both": [parent], "child": [child]}) == {"both": [parent, child], "child": [child]}
    tree = resources.tree([os.getpid()])
    assert {os.getpid(), parent, child} <= set(tree)
    assert set(tree) == {os.getpid(), *(one.pid for one in psutil.Process().children(recursive=True))}


def test_a_process_that_is_a_root_and_below_another_counts_once(family: tuple[int, int]) -> None:
    parent, child = family
    assert resources.tree([parent, child]) == [parent, child]


def test_a_process_that_is_gone_has_no_tree() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert resources.tree([gone.pid]) == []
