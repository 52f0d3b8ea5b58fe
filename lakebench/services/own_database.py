"""A server that keeps its state in a database of its own in PostgreSQL."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable

from lakebench.engines.postgresql import create_database
from lakebench.errors import ServiceUnavailable
from lakebench.model import Endpoint
from lakebench.services.base import Context, Service
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
