"""What long work tells where there is no terminal."""

from __future__ import annotations

import io

from rich.console import Console

from lakebench.progress import Terminal


class Clock:
    """Seconds that the test chooses."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_what_counts_has_at_most_a_line_a_minute_where_there_is_no_terminal() -> None:
    clock, out = Clock(), io.StringIO()
    progress = Terminal(Console(file=out, width=200), clock)
    with progress.count("phase3: 22 cases", 22) as advance:
        for done, clock.now in enumerate((10.0, 59.0, 61.0, 62.0, 120.0, 125.0), start=1):
            advance(done)
        clock.now = 130.0
    assert out.getvalue().splitlines() == [
        "phase3: 22 cases …",
        "phase3: 22 cases: 3 of 22",
        "phase3: 22 cases: 6 of 22",
        "phase3: 22 cases: 130.0 s",
    ]


def test_a_terminal_has_bars_and_no_such_lines() -> None:
    clock, out = Clock(), io.StringIO()
    progress = Terminal(Console(file=out, width=200, force_terminal=True), clock)
    with progress.count("phase3: 22 cases", 22) as advance:
        clock.now = 300.0
        advance(3)
    assert "22 cases: 3 of 22" not in out.getvalue()


def test_the_time_left_is_told_by_the_share_of_the_work() -> None:
    clock, out, share = Clock(), io.StringIO(), [0.0]
    progress = Terminal(Console(file=out, width=200), clock)
    with progress.count("phase3: 4 cases", 4, lambda: share[0]) as advance:
        for clock.now, done, part in ((70.0, 1, 0.01), (140.0, 2, 0.2), (600.0, 3, 0.95), (700.0, 4, 1.0)):
            share[0] = part
            advance(done)
    assert out.getvalue().splitlines()[1:5] == [
        "phase3: 4 cases: 1 of 4",  # too early to tell
        "phase3: 4 cases: 2 of 4, about 9 min left",
        "phase3: 4 cases: 3 of 4, less than a minute left",
        "phase3: 4 cases: 4 of 4",
    ]
