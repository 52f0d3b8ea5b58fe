"""Sessions of a PostgreSQL server, whose answers are kept as the server writes them: command tag, text or error."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench.engines.postgresql import calls, connect, login
from lakebench.errors import EngineCrash, Refused, Timeout
from lakebench.model import Endpoint

LIMIT_S = 60.0
"""How long the server may work on a statement; it ends the statement itself."""
_MORE_S = 10.0  # how much longer we wait before the connection is cut
_CANCELED = "57014"
_NUMERIC = 1700  # the object identifier of the type, in PostgreSQL's pg_type.dat


@dataclass(frozen=True)
class Reply:
    """What the server answers a statement: its command ``tag`` and ``rows``, or the ``error`` with its ``state``.

    A numeric is without zeros at its end, which say nothing of its value.
    """

    tag: str = ""
    rows: tuple[tuple[str | None, ...], ...] = ()
    state: str = ""
    error: str = ""

    @property
    def refused(self) -> bool:
        """Whether it is an error."""
        return bool(self.state)

    def shown(self) -> list[str]:
        """In lines for people: the tag and each row, or the error."""
        if self.refused:
            return [f"{self.state} {self.error}"]
        return [self.tag, *(" | ".join("NULL" if one is None else one for one in row) for row in self.rows)]


class Session:
    """A session of the server at ``endpoint``, with its own time ``zone``, ``protocol`` and search ``path``.

    ``protocol`` is one of :data:`lakebench.engines.postgresql.PROTOCOLS`. Each statement is a transaction of its own
    unless it begins one.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        path: str = "",
        *,
        zone: str = "UTC",
        protocol: str = "simple",
        limit_s: float = LIMIT_S,
    ) -> None:
        self._limit_s = limit_s
        self._connection = connect(login(endpoint), zone=zone, protocol=protocol)
        self.run(f"SET statement_timeout = {int(limit_s * 1000)}")
        if path:
            self.must(f"SET search_path = {path}, public")

    @property
    def pid(self) -> int:
        """The process of the server that serves this session."""
        return int(self._connection.info.backend_pid)

    def close(self) -> None:
        """End the session; it may be lost already."""
        calls(self._connection)(self._connection.close)

    def run(self, sql: str, values: Sequence[Any] | None = None) -> Reply:
        """What the server answers to ``sql`` with its ``values``, an error too.

        Raises:
            EngineCrash: the connection is lost.
            Timeout: no answer came within the limit.
        """
        import psycopg

        with self._cut_off() as cut:
            try:
                cursor = self._connection.execute(sql, values)
            except psycopg.Error as error:
                return self._failed(error, cut)
        return Reply(cursor.statusmessage or "", _text(cursor.pgresult))

    def must(self, *statements: str) -> Reply:
        """The answer to the last of ``statements``.

        Raises:
            Refused: the server refuses one.
            EngineCrash: the connection is lost.
            Timeout: no answer came within the limit.
        """
        reply = Reply()
        for sql in statements:
            reply = self.run(sql)
            if reply.refused:
                raise Refused(reply.error, state=reply.state, sql=sql)
        return reply

    def value(self, sql: str) -> str:
        """The one value of an answer.

        Raises:
            CaseError: as :meth:`must`.
        """
        ((value,),) = self.must(sql).rows
        return str(value)

    def _failed(self, error: Any, cut: threading.Event) -> Reply:
        message = " ".join(str(error.diag.message_primary or error).split())[:500]
        if cut.is_set() or error.sqlstate == _CANCELED:
            raise Timeout(f"no answer within {self._limit_s:g} s", limit_s=self._limit_s) from None
        if self._connection.closed:
            raise EngineCrash(f"PostgreSQL's server process ended: {message}") from None
        return Reply(state=error.sqlstate or "?", error=message)

    @contextlib.contextmanager
    def _cut_off(self) -> Iterator[threading.Event]:
        """Cut the connection where the server does not even end the statement; the event says that it was so."""
        cut = threading.Event()
        timer = threading.Timer(self._limit_s + _MORE_S, self._cut, (cut,))
        timer.daemon = True
        timer.start()
        try:
            yield cut
        finally:
            timer.cancel()

    def _cut(self, cut: threading.Event) -> None:
        cut.set()
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)


def _text(result: Any) -> tuple[tuple[str | None, ...], ...]:
    """Every value as the server wrote it, but for the zeros of a numeric."""
    if result is None or not result.nfields:
        return ()
    readers = [_number if result.ftype(column) == _NUMERIC else _string for column in range(result.nfields)]
    return tuple(
        tuple(
            None if (one := result.get_value(row, column)) is None else read(one) for column, read in enumerate(readers)
        )
        for row in range(result.ntuples)
    )


def _string(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _number(value: bytes) -> str:
    text = _string(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
