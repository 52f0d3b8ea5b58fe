"""The parent's end of a pipe: half lines, no line, and processes that end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lakebench.processes.guard import Guard
from lakebench.processes.pipe import Closed, Pipe

_ECHO = """
import os, sys
replies = os.fdopen(int(sys.argv[1]), "wb", 0)
for line in sys.stdin.buffer:
    print("printed", flush=True)
    replies.write(line[:5])
    replies.write(line[5:] + line)
"""
_DIES = "import sys; print('last words', flush=True); sys.stdin.readline(); sys.exit(3)"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], Pipe]]:
    with Guard("pipe") as guard:
        yield lambda code: Pipe(guard, [sys.executable, "-c", code], tmp_path / "own" / "log", {})


def test_a_line_at_a_time_and_nothing_that_was_printed(started: Callable[[str], Pipe]) -> None:
    pipe = started(_ECHO)
    pipe.send({"text": "a\nb" * 50_000})
    first, second = pipe.line(60.0), pipe.line(60.0)
    assert first == second
    assert first is not None
    assert first.startswith(b'{"text": "a\\nba')
    assert pipe.line(0.0) is None
    assert pipe.alive
    pipe.end()
    assert not pipe.alive
    assert "printed" in pipe.log_tail(100)


def test_a_process_that_ends_without_an_answer(started: Callable[[str], Pipe]) -> None:
    pipe = started(_DIES)
    pipe.send({})
    with pytest.raises(Closed):
        pipe.line(60.0)
    assert pipe.died() == 3
    assert pipe.log_tail(6) == "words\n"


def test_a_process_that_has_ended_reads_no_more(started: Callable[[str], Pipe]) -> None:
    pipe = started("")
    pipe.process.wait()
    with pytest.raises(Closed):
        pipe.send({})


def test_its_log_lies_in_a_folder_of_its_owners_alone(started: Callable[[str], Pipe], tmp_path: Path) -> None:
    started("")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700


def test_another_thread_ends_it_while_one_reads(started: Callable[[str], Pipe]) -> None:
    pipe = started(_ECHO)
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(pipe.line, 60.0)
        pipe.end()
        assert isinstance(reading.exception(10), Closed)
    with pytest.raises(Closed):
        pipe.line(60.0)
