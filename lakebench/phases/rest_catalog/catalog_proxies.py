"""What the data checks do on the way to a catalog: commits that wait for each other, and what each was answered."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lakebench.errors import CaseError, EngineUnavailable
from lakebench.model import Lake
from lakebench.services.fault_proxies import Fault, HttpProxy, Passed

_COMMITS = re.compile(r"/tables/[^/?]+$|/transactions/commit$")
_WAIT_S = 20.0


def is_commit(method: str, path: str) -> bool:
    """Whether a request is *updateTable* or *commitTransaction*."""
    return method == "POST" and bool(_COMMITS.search(path.partition("?")[0]))


@dataclass(frozen=True)
class SeenCommit:
    """A commit that a client sent: the snapshot that it makes the current one, and what it was answered.

    ``answered`` is the current snapshot in the answer, ``None`` where it has none (*commitTransaction*).
    """

    snapshot_id: int | None
    status: int
    answered: int | None = None


@dataclass
class CommitLog:
    """Every commit that a proxy passed on, in the order of the answers."""

    commits: list[SeenCommit] = field(default_factory=list)

    def before(self, method: str, path: str) -> None:
        """Nothing: each request goes on at once."""

    def after(self, passed: Passed) -> None:
        """Keep a commit."""
        if is_commit(passed.method, passed.path):
            sent, said = _json(passed.body), _json(_plain(passed))
            current = said.get("metadata", {}).get("current-snapshot-id")
            self.commits.append(SeenCommit(_set_main(sent), passed.status, current))


@dataclass
class Together(CommitLog):
    """Lets the first ``number`` commits go on only when all are there, and keeps what these were answered.

    None waits longer than some seconds: a client that sends no commit keeps no other. ``met``: all came in time.
    """

    number: int = 2
    first: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make what threads share."""
        self._there = threading.Barrier(self.number)
        self._lock = threading.Lock()
        self._threads: set[int] = set()
        self._come = 0
        self.met = False

    def before(self, method: str, path: str) -> None:
        """Wait for the others."""
        if not is_commit(method, path):
            return
        with self._lock:
            self._come += 1
            early = self._come <= self.number
            self._threads |= {threading.get_ident()} if early else set()
        if early:
            with contextlib.suppress(threading.BrokenBarrierError):
                self._there.wait(_WAIT_S)
                self.met = True

    def after(self, passed: Passed) -> None:
        """Keep the status of a commit, and of one that waited."""
        super().after(passed)
        if is_commit(passed.method, passed.path):
            with self._lock:
                if threading.get_ident() in self._threads:
                    self._threads.remove(threading.get_ident())
                    self.first.append(passed.status)


@dataclass
class Interrupted(CommitLog):
    """Calls ``meanwhile`` once, when the first commit is on the way; ``failed`` is why that could not be done."""

    meanwhile: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self._lock = threading.Lock()
        self.happened = False
        self.failed: CaseError | None = None

    def before(self, method: str, path: str) -> None:
        """Do it before the first commit."""
        with self._lock:
            if is_commit(method, path) and not self.happened:
                self.happened = True
                try:
                    self.meanwhile()
                except CaseError as error:
                    self.failed = error


@contextlib.contextmanager
def by_proxy(lake: Lake, name: str, fault: Fault | None = None, log: CommitLog | None = None) -> Iterator[Lake]:
    """``lake`` by way of a proxy before its catalog, called ``name``: a server that is an engine knows it by that.

    Raises:
        EngineUnavailable: the catalog speaks TLS, so that nobody can look into its requests.
    """
    address = urlsplit(lake.catalog.uri)
    if address.scheme != "http":
        raise EngineUnavailable("a proxy of ours is not in the way of a catalog with https")
    with HttpProxy(address.hostname or "", address.port or 80, fault, log) as proxy:
        uri = urlunsplit(address._replace(netloc=f"{address.hostname}:{proxy.port}"))
        yield replace(lake, name=f"{lake.name}_{name}", catalog=replace(lake.catalog, uri=uri))


def _plain(passed: Passed) -> bytes:
    compressed = any(key.lower() == "content-encoding" and value == "gzip" for key, value in passed.headers)
    return gzip.decompress(passed.answer) if compressed else passed.answer


def _json(data: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(data)
        return found if isinstance(found, dict) else {}
    return {}


def _set_main(body: dict[str, Any]) -> int | None:
    """The snapshot that a commit makes the current one of ``main``."""
    changes = body.get("table-changes") or [body]
    updates = [one for change in changes for one in change.get("updates") or []]
    moved = [
        one["snapshot-id"]
        for one in updates
        if one.get("action") == "set-snapshot-ref" and one.get("ref-name") == "main"
    ]
    return moved[-1] if moved else None
