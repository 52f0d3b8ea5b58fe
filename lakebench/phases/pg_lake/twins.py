"""The same statements for an Iceberg table and for its heap twin in the same server, and what differs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakebench.errors import Refused, WrongAnswer
from lakebench.execution.cases import Evidence
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.session import Reply, Session

_ORDERED = re.compile(r"\bORDER BY [^()]*$", re.IGNORECASE)
_QUERY = re.compile(r"\s*(SELECT|VALUES|TABLE|\()", re.IGNORECASE)
_ICEBERG = " USING iceberg"
_SHOWN = 12
_LONG = 300


@dataclass(frozen=True)
class Difference:
    """A statement to which the two tables answer differently, and both answers in lines."""

    sql: str
    heap: tuple[str, ...]
    lake: tuple[str, ...]
    refused: bool

    @property
    def message(self) -> str:
        """In one line."""
        answers = (f"a heap table: {_short(self.heap)}", f"pg_lake: {_short(self.lake)}")
        return f"{self.sql[:_LONG]} — {'; '.join(answers)}"

    def evidence(self) -> dict[str, Any]:
        """What a record keeps of it."""
        return {"sql": self.sql[:_LONG], "heap": list(self.heap[:_SHOWN]), "pg_lake": list(self.lake[:_SHOWN])}


@dataclass
class Twins:
    """A session with heap tables and one with Iceberg tables of the same names, and what has differed so far.

    ``states`` says that errors must have the same SQLSTATE, too.
    """

    heap: Session
    lake: Session
    states: bool = False
    differences: list[Difference] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def make(self, table: str, columns: str, *, key: str = "", options: str = "") -> None:
        """Make ``table`` on both sides; ``key`` is a primary key of the heap table, ``options`` those of the other.

        Raises:
            Refused: one of them cannot be made.
        """
        self.heap.must(f"CREATE TABLE {table} ({columns}{f', PRIMARY KEY ({key})' if key else ''})")
        with_ = f" WITH ({options})" if options else ""
        self.lake.must(f"CREATE TABLE {table} ({columns}) {_ICEBERG.strip()}{with_}")

    def must(self, *statements: str) -> None:
        """Run ``statements`` on both sides, which both have to accept.

        Raises:
            Refused: one of them does not.
        """
        for side in (self.heap, self.lake):
            side.must(*statements)

    def ask(self, sql: str, values: Sequence[Any] | None = None) -> Difference | None:
        """How the answers to ``sql`` differ, kept too; ``USING iceberg`` in it is for one side alone."""
        self.asked.append(sql)
        heap, lake = self.heap.run(sql.replace(_ICEBERG, ""), values), self.lake.run(sql, values)
        found = difference(sql, heap, lake, states=self.states)
        if found:
            self.differences.append(found)
        return found

    def run(self, statements: Sequence[str]) -> None:
        """Ask ``statements`` in turn, up to a write that one side alone refuses: what follows would differ."""
        for sql in statements:
            found = self.ask(sql)
            if found and found.refused and not _QUERY.match(sql):
                return

    def evidence(self, **more: Any) -> Evidence:
        """The evidence that nothing differed.

        Raises:
            WrongAnswer: pg_lake answered something else, or what PostgreSQL refuses.
            Refused: pg_lake refused what PostgreSQL answers.
        """
        asked = [sql if len(sql) <= _LONG else f"{sql[:_LONG]}…" for sql in self.asked]
        evidence = {"statements": asked, "checked_against": ["a heap table of the same server"], **more}
        if not self.differences:
            return evidence
        wrong = [one for one in self.differences if not one.refused]
        worst = (wrong or self.differences)[0]
        details = {**evidence, "differences": [one.evidence() for one in self.differences[:_SHOWN]]}
        if not wrong:
            raise Refused(worst.message, **details)
        raise WrongAnswer(worst.message, diff=_diff(worst), **details)


@contextlib.contextmanager
def twins(server: TwinServer, name: str, *, states: bool = False, **options: Any) -> Iterator[Twins]:
    """Both sides for the tables of ``name``; ``options`` are those of both sessions."""
    with (
        server.session(f"{name}_heap", **options) as heap,
        server.session(f"{name}_lake", **options) as lake,
    ):
        yield Twins(heap, lake, states)


def difference(sql: str, heap: Reply, lake: Reply, *, states: bool = False) -> Difference | None:
    """How the answers to ``sql`` differ: rows in any order, unless ``sql`` ends in an ORDER BY."""
    if heap.refused and lake.refused:
        same = not states or heap.state == lake.state
    else:
        same = heap.refused == lake.refused and heap.tag == lake.tag and _rows(sql, heap) == _rows(sql, lake)
    if same:
        return None
    return Difference(sql, _lines(sql, heap), _lines(sql, lake), lake.refused and not heap.refused)


def _rows(sql: str, reply: Reply) -> tuple[tuple[str | None, ...], ...]:
    if _ORDERED.search(sql):
        return reply.rows
    return tuple(sorted(reply.rows, key=lambda row: [(one is not None, one or "") for one in row]))


def _lines(sql: str, reply: Reply) -> tuple[str, ...]:
    if reply.refused:
        return tuple(reply.shown())
    return tuple(Reply(reply.tag, _rows(sql, reply)).shown())


def _short(lines: Sequence[str]) -> str:
    rows = lines[1:] or lines[:1]
    return ", ".join(rows[:_SHOWN])[:200]


def _diff(worst: Difference) -> dict[str, Any]:
    """As the report shows differences."""
    expected, actual = ([[line] for line in side[:_SHOWN]] for side in (worst.heap, worst.lake))
    return {
        "kind": "values",
        "message": worst.message,
        "expected": expected,
        "actual": actual,
        "text": worst.sql[:_LONG],
    }
