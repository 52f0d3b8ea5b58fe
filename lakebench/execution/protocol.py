"""Protocols, and one sample: what is done around the engine's own clock, and outside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from lakebench.processes import resources

QUICK = "quick"
"""The profile whose verdict is correctness."""
ONCE = "once"
"""The profile of one sample without an interval."""


@dataclass(frozen=True)
class Protocol:
    """How often a query runs: ``cold`` executions by a new engine process, warm-ups kept apart, then samples.

    Samples are taken in blocks of ``block``: within a round each engine takes one block, in an order that is shuffled
    by round. ``limit_s`` is the time limit of one execution in seconds. Where two are compared, they take samples in
    turns, up to ``most`` while their ratio is undecided.
    """

    cold: int
    warm_ups: int
    samples: int
    block: int
    limit_s: float
    most: int = 0

    def once(self) -> Protocol:
        """One execution: for an answer, with a time that has no interval."""
        return replace(self, cold=0, warm_ups=0, samples=1, block=1, most=0)


@dataclass(frozen=True)
class Profile:
    """A named default protocol with its scale factor; ``chosen`` are the flags that changed it: ``sf``, ``repeat``."""

    name: str
    scale_factor: Decimal
    protocol: Protocol
    about: str
    chosen: tuple[str, ...] = ()

    @property
    def correctness_alone(self) -> bool:
        """Whether a question may be asked once, with no time taken: so in ``quick``, unless samples are chosen."""
        return self.name == QUICK and "repeat" not in self.chosen


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            QUICK,
            Decimal("0.01"),
            Protocol(cold=0, warm_ups=1, samples=5, block=5, limit_s=60),
            "SF 0.01, 1 warm-up and 5 samples: correctness is the verdict, times are for information",
        ),
        Profile(
            "standard",
            Decimal(1),
            Protocol(cold=1, warm_ups=1, samples=10, block=5, limit_s=300),
            "SF 1, 1 cold run, 1 warm-up and 10 samples in blocks of 5",
        ),
        Profile(
            ONCE,
            Decimal(1),
            Protocol(cold=0, warm_ups=0, samples=1, block=1, limit_s=3600),
            "SF 1, each query once, with an hour each: for large scale factors; no interval",
        ),
        Profile(
            "regression",
            Decimal(1),
            Protocol(cold=0, warm_ups=1, samples=10, block=1, limit_s=300, most=30),
            "SF 1, for --against: 1 warm-up and 10 samples in turns, up to 30 while the ratio is undecided",
        ),
    )
}


@dataclass
class Meter:
    """What the process tree of an engine used between :meth:`start` and :meth:`stop`.

    ``worker`` is the process whose CPU time the worker itself reports, more exactly; ``servers`` are the processes of
    the engine's server.
    """

    worker: int
    servers: list[int]
    _cpu_ns: int = 0

    def start(self) -> None:
        """Begin."""
        self.servers = resources.tree(self.servers)
        resources.reset_peak([self.worker, *self.servers])
        self._cpu_ns = resources.cpu_ns(self.servers)

    def stop(self, worker_cpu_ns: int) -> tuple[int | None, int]:
        """CPU time in nanoseconds and peak resident memory in bytes, of worker and servers together.

        The CPU time is not known where a process of the server ended meanwhile: its own went with it.
        """
        used, peak = resources.cpu_ns(self.servers), resources.peak_bytes([self.worker, *self.servers])
        all_alive = all(Path(f"/proc/{pid}").exists() for pid in self.servers)
        return worker_cpu_ns + used - self._cpu_ns if all_alive else None, peak
