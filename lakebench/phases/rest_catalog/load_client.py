"""Requests to a catalog at a concurrency or a rate, and how long they took: functions for the checker process.

A closed loop has a number of clients, each of which sends its next request when it has the answer to its last. An open
loop sends requests at fixed times, whether the catalog keeps up or not: a request's latency counts from the time at
which it was to be sent, so that the time that it waited behind others is not left out. The client is urllib3, on
threads.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lakebench.iceberg.login import login_headers
from lakebench.model import Authentication

if TYPE_CHECKING:
    import urllib3

_LIMIT_S = 30.0
_OPEN_CLIENTS = 64
_BEHIND_S = 10.0
BEHIND = f"not sent, {_BEHIND_S:g} s behind"
"""The error of a request of an open loop that had to wait so long for those before it."""
NUMBER = "{n}"
"""In the body of a request, and in what its answer must have, this stands for the request's number."""


@dataclass(frozen=True)
class LoadRequest:
    """A request; an answer that does not have the text ``expect`` is wrong."""

    method: str
    url: str
    body: str = field(default="", repr=False)
    expect: str = ""


@dataclass(frozen=True)
class Measured:
    """What came of requests: latencies in milliseconds of those that were answered right, their bytes, and the rest.

    ``errors`` are statuses other than those of success, or errors of the connection, with their number; ``wrong`` is
    how many answers of success were not right. ``last`` has the number of the last commit to each request of the list
    that was acknowledged, -1 where none was. ``seconds`` is the time from the first request to the last answer,
    ``client_cpu_s`` the CPU time of this side.
    """

    requests: int
    seconds: float
    client_cpu_s: float
    latency_ms: Mapping[str, float]
    answer_bytes: float
    errors: Mapping[str, int] = field(default_factory=dict)
    wrong: int = 0
    last: tuple[int, ...] = ()

    @property
    def right(self) -> int:
        """How many were answered right."""
        return self.requests - self.wrong - sum(self.errors.values())


class _Results:
    """What threads have found, under one lock."""

    def __init__(self, number: int) -> None:
        self.latencies: list[float] = []
        self.bytes, self.wrong, self.sent = 0, 0, 0
        self.errors: Counter[str] = Counter()
        self.last = [-1] * number
        self._lock = threading.Lock()

    def number(self) -> int:
        """The number of the next request."""
        with self._lock:
            self.sent += 1
            return self.sent - 1

    def add(self, place: int, number: int, seconds: float, answer: _TimedAnswer) -> None:
        """Keep one answer to the request at ``place``."""
        with self._lock:
            if answer.error:
                self.errors[answer.error] += 1
            elif not answer.right:
                self.wrong += 1
            else:
                self.latencies.append(seconds * 1000)
                self.bytes += answer.bytes
                self.last[place] = max(self.last[place], number)


@dataclass(frozen=True)
class _TimedAnswer:
    error: str = ""
    right: bool = True
    bytes: int = 0


def closed(
    login: Authentication | None, requests: list[LoadRequest], clients: int, seconds: float, most: int
) -> Measured:
    """``clients`` at once for ``seconds``, ``most`` requests at the most.

    A client takes those of its own, in turns, where there are as many as clients, and sends one at the least.
    """
    results, pool = _Results(len(requests)), _pool(requests, clients)
    ends = time.perf_counter() + seconds

    def work(client: int) -> None:
        own = list(range(len(requests)))[client % len(requests) :: clients]
        for turn in range(most):
            number = results.number()
            if number >= most or (turn and time.perf_counter() > ends):
                return
            place = own[turn % len(own)]
            began = time.perf_counter()
            answer = _send(pool, login, requests[place], number)
            results.add(place, number, time.perf_counter() - began, answer)

    return _measured(results, clients, work)


def opened(login: Authentication | None, requests: list[LoadRequest], rate: float, seconds: float) -> Measured:
    """``rate`` requests a second for ``seconds``, in turns; latencies count from the time they were to be sent at.

    A request that could not be sent ten seconds after its time is not sent any more, and an error.
    """
    most = max(1, int(rate * seconds))
    clients = min(_OPEN_CLIENTS, most)
    results, pool = _Results(len(requests)), _pool(requests, clients)
    start = time.perf_counter()

    def work(_: int) -> None:
        while (number := results.number()) < most:
            intended = start + number / rate
            time.sleep(max(0.0, intended - time.perf_counter()))
            place = number % len(requests)
            late = time.perf_counter() > intended + _BEHIND_S
            answer = _TimedAnswer(error=BEHIND) if late else _send(pool, login, requests[place], number)
            results.add(place, number, time.perf_counter() - intended, answer)

    return _measured(results, clients, work)


def _measured(results: _Results, clients: int, work: Callable[[int], None]) -> Measured:
    """What all clients found; an error of ours in one of them is raised."""
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(clients) as pool:
        for one in [pool.submit(work, number) for number in range(clients)]:
            one.result()
    taken, right = time.perf_counter() - began, len(results.latencies)
    return Measured(
        requests=right + results.wrong + sum(results.errors.values()),
        seconds=round(taken, 3),
        client_cpu_s=round(time.process_time() - cpu, 3),
        latency_ms=distribution(results.latencies),
        answer_bytes=round(results.bytes / right, 1) if right else 0.0,
        errors=dict(results.errors),
        wrong=results.wrong,
        last=tuple(results.last),
    )


def distribution(latencies: Sequence[float]) -> dict[str, float]:
    """The median, the 95th and 99th percentiles (nearest rank) and the greatest; nothing where there are none."""
    ordered = sorted(latencies)
    if not ordered:
        return {}
    ranks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[max(0, -int(-share * len(ordered) // 1) - 1)], 3) for name, share in ranks.items()}


def _pool(requests: Sequence[LoadRequest], clients: int) -> urllib3.HTTPConnectionPool:
    import urllib3

    address = urlsplit(requests[0].url)
    kind = urllib3.HTTPSConnectionPool if address.scheme == "https" else urllib3.HTTPConnectionPool
    return kind(address.hostname or "", address.port, maxsize=clients, retries=False, timeout=_LIMIT_S)


def _send(
    pool: urllib3.HTTPConnectionPool, login: Authentication | None, one: LoadRequest, number: int
) -> _TimedAnswer:
    """The answer to one request, read to its end."""
    import urllib3

    body = one.body.replace(NUMBER, str(number)).encode()
    headers: dict[str, str] = {"Content-Type": "application/json"} if body else {}
    headers |= login_headers(login, one.method, one.url, body)
    address = urlsplit(one.url)
    target = f"{address.path}?{address.query}" if address.query else address.path
    try:
        answer: Any = pool.urlopen(one.method, target, body=body or None, headers=headers)
    except urllib3.exceptions.HTTPError as error:
        return _TimedAnswer(error=type(error).__name__)
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's class of success
        return _TimedAnswer(error=str(answer.status))
    return _TimedAnswer(right=one.expect.replace(NUMBER, str(number)).encode() in answer.data, bytes=len(answer.data))
