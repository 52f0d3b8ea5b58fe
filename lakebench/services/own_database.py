"""A server that keeps its state in a database of its own in PostgreSQL."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Callable

from lakebench.engines.postgresql import create_database
from lakebench.errors import ServiceUnavailable
from lakebench.model import Endpoint
from lakebench.services.base import Command, Context, Service
from lakebench.services.postgres import administer


class OwnDatabase(Service):
    """A server with a database of its own in the service ``postgres``, which may be the user's.

    The database is made before the server starts, stays while the server is restarted, and is dropped at its end.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.database = f"lakebench_{secrets.token_hex(4)}"
        self._made = self._restarts = False

    @property
    def postgres(self) -> Endpoint:
        """The server of the database."""
        return self.context.endpoint("postgres")

    def make_database(self, fill: Callable[[], None]) -> None:
        """Make the database where it is not there, and let ``fill`` make what is in it.

        Raises:
            ServiceUnavailable: PostgreSQL refuses.
        """
        if not self._made:
            self._made = True
            administer(self.postgres, create_database(self.database))
            fill()

    def run_once(self, command: Command, limit_s: float, failure: str) -> None:
        """Run a program of the server's to its end.

        Raises:
            ServiceUnavailable: it fails, or takes longer than ``limit_s``; the message is ``failure`` with its log.
        """
        process = self._spawned(command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit_s)
        code = process.poll()
        self.context.guard.stop(process)
        if code != 0:
            raise ServiceUnavailable(self._failed(failure))

    def left_in_postgres(self) -> list[str]:
        """The statements that remove what the server left in PostgreSQL."""
        return [f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)"]

    def restart(self) -> Endpoint:
        """With the same database."""
        self._restarts = True
        try:
            return super().restart()
        finally:
            self._restarts = False

    def stop(self) -> None:
        """End the server, and drop its database."""
        super().stop()
        if self._made and not self._restarts:
            self._made = False
            with contextlib.suppress(ServiceUnavailable):
                administer(self.postgres, *self.left_in_postgres())
