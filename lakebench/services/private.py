"""A server that takes what anybody sends: nobody but this account reaches it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

from lakebench import private_network
from lakebench.errors import ServiceUnavailable
from lakebench.http import HOST
from lakebench.model import Runtime
from lakebench.services.base import Command, Service


class PrivateService(Service):
    """A server without authentication, or with open ports beside those that ask for one, in a network of its own.

    ``offered`` are the names of the ports that clients reach; the others are reached by the server alone.
    """

    offered: ClassVar[tuple[str, ...]]

    def require_private_network(self) -> None:
        """Check that it can be kept from other accounts.

        Raises:
            ServiceUnavailable: its runtime is ``compose``, or this machine lets us have no network of its own.
        """
        if self.runtime is Runtime.COMPOSE:
            raise ServiceUnavailable(
                f"{self.title} has no compose file: in a container every user of this machine would reach it; use "
                "runtime local, or external with a uri"
            )
        if private_network.unshared() is None:
            raise ServiceUnavailable(
                f"{self.title} takes what anybody sends, and a network of its own cannot be had here: run as root, or "
                "allow user namespaces"
            )

    def in_private_network(self, command: Command, ports: Mapping[str, int], reaches: Sequence[int] = ()) -> Command:
        """``command`` in a network of its own, from which it reaches the ports ``reaches`` of this machine."""
        offered = [ports[name] for name in self.offered]
        return dataclasses.replace(command, argv=private_network.command(HOST, offered, reaches, command.argv))
