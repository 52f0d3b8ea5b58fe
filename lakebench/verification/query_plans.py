"""Which server computed what, and when, by PostgreSQL's plans and logs and the times of its sessions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*?)(?=\n\S+ \S+ \S+ \[\d+\] |\Z)", re.DOTALL)
_TECHNICAL = re.compile(r"(?:BEGIN|COMMIT|ROLLBACK|START|SET|SHOW|DISCARD|SELECT (?:pg_|1$))", re.IGNORECASE)
_PASSWORD = re.compile(r"(password\s+)'(?:[^']|'')*'", re.IGNORECASE)


@dataclass(frozen=True)
class Distributed:
    """How a plan over nodes is made (PostgreSQL's EXPLAIN VERBOSE).

    ``appended`` says that the nodes' rows are concatenated (UNION ALL), ``pushed`` are the aggregates that the nodes
    compute, ``remote`` the queries that they get, and ``asynchronous`` says that they get them at once.
    """

    appended: bool
    pushed: tuple[str, ...]
    remote: tuple[str, ...]
    asynchronous: bool


def distributed(plan: Sequence[str]) -> Distributed:
    """What the lines of ``plan`` say."""
    lines = [line.strip().removeprefix("->").strip() for line in plan]
    remote = tuple(line.partition(": ")[2] for line in lines if line.startswith("Remote SQL: "))
    return Distributed(
        appended=any(re.match(r"(?:Parallel |Merge )?Append\b", line) for line in lines),
        pushed=tuple(dict.fromkeys(one for sql in remote for one in aggregates(sql))),
        remote=remote,
        asynchronous=any(line.startswith("Async ") for line in lines),
    )


def aggregates(sql: str) -> list[str]:
    """The aggregate functions that ``sql`` calls, in order."""
    return [one.lower() for one in re.findall(r"\b(count|sum|avg|min|max)\(", sql, re.IGNORECASE)]


def statements(log: str, marker: str) -> tuple[str, ...]:
    """The statements in PostgreSQL's ``log`` (``log_statement = all``) after the one that holds ``marker``.

    Each appears once; those that only begin, end or prepare are left out.
    """
    _, _, behind = log.rpartition(marker)
    texts = (" ".join(one.split()) for one in _STATEMENT.findall(behind))
    return tuple(dict.fromkeys(_PASSWORD.sub(r"\1'…'", one) for one in texts if not _TECHNICAL.match(one)))


def side_by_side(spans: Sequence[tuple[float, float]]) -> int:
    """The largest number of ``spans`` (begin, end) that run at once."""
    moments = sorted(
        [(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans], key=lambda moment: (moment[0], -moment[1])
    )
    running = most = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    return most
