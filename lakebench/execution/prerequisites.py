"""What every case of a run needs: services, and disks with free space."""

from __future__ import annotations

from pathlib import Path

from lakebench.errors import CaseError, ServiceLost, ServiceUnavailable, UsageError
from lakebench.provisioning import disk_space
from lakebench.services import Services


class Prerequisites:
    """The services ``names``, and the disks that hold ``folders``."""

    def __init__(self, services: Services, names: tuple[str, ...], folders: tuple[Path, ...]) -> None:
        self.names = names
        self._services, self._folders = services, folders

    def check(self, error: Exception) -> None:
        """Check that ``error`` does not come from a full disk or a lost service.

        Raises:
            UsageError: a disk is full; the message says which.
            ServiceLost: one of the services is gone.
        """
        if not isinstance(error, CaseError) or isinstance(error, ServiceUnavailable):
            self.check_services()
        if full := disk_space.full(self._folders, f"{error} {getattr(error, 'details', '')}"):
            raise UsageError(full) from error

    def check_services(self, when: str = "") -> None:
        """Check that the services are there; ``when`` says in the message what ran.

        Raises:
            ServiceLost: one of them is gone.
        """
        for name in self.names:
            if not self._services.died(name):
                continue
            if outage := self._services.outage(name):
                raise ServiceLost(f"{name} is gone{when}: {outage}") from None
            tail = self._services.log_tail(name)[-300:] or "it is empty"
            raise ServiceLost(f"{name} died{when}; the end of its log: {tail}") from None
