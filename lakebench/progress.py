"""What long work tells the person who waits."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

_LEAST_SHARE = 0.05
"""Below it, what is left is not estimated."""
_LINE_S = 60.0  # between two lines of one thing, where there are no bars


class Progress(Protocol):
    """Where long work reports to; safe to call from several threads."""

    def download(self, what: str, total: int | None) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        """A transfer of ``total`` bytes (``None`` where nobody knows); the function takes the bytes so far."""

    def step(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Something that takes a while and cannot tell how long."""

    def count(
        self, what: str, total: int, share: Callable[[], float] | None = None
    ) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        """``total`` things to do; the function takes how many are done.

        ``share`` is how much of the work is done, from 0 to 1, where things take unlike long: then the time that is
        left is told.
        """

    def say(self, text: str) -> None:
        """One line."""


class Quiet:
    """Says nothing: for programs that read our output, and for tests."""

    @contextlib.contextmanager
    def download(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Yield a function that does nothing."""
        yield lambda _: None

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:  # noqa: ARG002
        """Do nothing."""
        yield

    @contextlib.contextmanager
    def count(
        self,
        what: str,  # noqa: ARG002
        total: int,  # noqa: ARG002
        share: Callable[[], float] | None = None,  # noqa: ARG002
    ) -> Iterator[Callable[[int], None]]:
        """Yield a function that does nothing."""
        yield lambda _: None

    def say(self, text: str) -> None:
        """Do nothing."""


def _left(passed_s: float, share: float) -> str:
    """How long the rest takes if it goes on as before; empty where too little is done to tell."""
    if not _LEAST_SHARE <= share < 1:
        return ""
    minutes = passed_s * (1 - share) / share / 60
    return f", about {minutes:.0f} min left" if minutes >= 1 else ", less than a minute left"


class Terminal:
    """Bars on a terminal; where there is none (CI), one line when something starts and one when it has ended.

    Between these two, what can be counted has at most a line a minute. ``clock`` gives seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._lock = threading.Lock()
        self._users = 0

    @contextlib.contextmanager
    def download(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """A bar in megabytes."""
        with self._bar(what, total, lambda done: f"{done / 1e6:,.0f} of {(total or done) / 1e6:,.0f} MB") as update:
            yield update

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A spinner with the time that has passed."""
        with self._bar(what, None, lambda _: ""):
            yield

    @contextlib.contextmanager
    def count(self, what: str, total: int, share: Callable[[], float] | None = None) -> Iterator[Callable[[int], None]]:
        """A bar that counts, with the time that is left where ``share`` tells how much of the work is done."""
        began = self._clock()

        def amount(done: int) -> str:
            return f"{done} of {total}{_left(self._clock() - began, share() if share else 0.0)}"

        with self._bar(what, total, amount) as update:
            yield update

    def say(self, text: str) -> None:
        """Print one line above the bars."""
        self.console.print(text, highlight=False, markup=False)

    @contextlib.contextmanager
    def _bar(self, what: str, total: int | None, amount: Callable[[int], str]) -> Iterator[Callable[[int], None]]:
        began = said = self._clock()
        self._enter(what)
        task = self._bars.add_task(escape(what), total=total, amount="")

        def update(done: int) -> None:
            nonlocal said
            self._bars.update(task, completed=done, amount=amount(done))
            with self._lock:
                due = not self.console.is_terminal and self._clock() - said >= _LINE_S
                said = self._clock() if due else said
            if due:
                self.say(f"{what}: {amount(done)}")

        try:
            yield update
        finally:
            self._bars.remove_task(task)
            self._leave(what, self._clock() - began)

    def _enter(self, what: str) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._bars.start()
        if not self.console.is_terminal:
            self.say(f"{what} …")

    def _leave(self, what: str, seconds: float) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._bars.stop()
        if not self.console.is_terminal:
            self.say(f"{what}: {seconds:.1f} s")
