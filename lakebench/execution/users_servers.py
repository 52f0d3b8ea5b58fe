"""A run's namespaces and schemas in servers of the user's: never one that is there already, and gone at the end."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakebench.config import FILE, POSTGRES, ServiceThatIsUp, Settings
from lakebench.errors import LakebenchError, UsageError
from lakebench.iceberg import catalogs
from lakebench.model import Catalog, Endpoint, Runtime
from lakebench.services import SERVICES, Services, lakes
from lakebench.services.catalog import CatalogService
from lakebench.services.postgres import administer, schema_names


@dataclass(frozen=True)
class _Server(ABC):
    """A server of the user's, by its name in the settings, and what of the run's is to be in it."""

    name: str
    runs_own: tuple[str, ...]

    def there(self) -> list[str]:
        """Which of these there are.

        Raises:
            LakebenchError: the server does not answer, or does not let us in.
        """
        return sorted(set(self.runs_own).intersection(self._names()))

    @abstractmethod
    def _names(self) -> Iterable[str]:
        """All that there are."""

    @abstractmethod
    def drop(self, one: str) -> None:
        """Drop ``one`` with all that is in it."""


@dataclass(frozen=True)
class _RestCatalog(_Server):
    catalog: Catalog

    def _names(self) -> Iterable[str]:
        return catalogs.namespace_names(self.catalog)

    def drop(self, one: str) -> None:
        catalogs.drop_with_tables(self.catalog, one)


@dataclass(frozen=True)
class _Database(_Server):
    endpoint: Endpoint

    def _names(self) -> Iterable[str]:
        return schema_names(self.endpoint)

    def drop(self, one: str) -> None:
        administer(self.endpoint, f'DROP SCHEMA "{one}" CASCADE')


@dataclass(frozen=True)
class UsersServers:
    """The user's own servers in which a run makes namespaces or schemas."""

    servers: tuple[_Server, ...]

    def check_free(self) -> None:
        """Check that no namespace or schema of the run is there: tables in it that are called as its own would be lost.

        Raises:
            UsageError: one is.
            LakebenchError: a server does not answer, or does not let us in.
        """
        for server in self.servers:
            if taken := server.there():
                raise UsageError(
                    f"{server.name} has {', '.join(taken)} already, where this run would make its tables: drop it if a "
                    f"killed run left it, else give lakebench a warehouse or database of its own in {FILE}"
                )

    def clear(self) -> list[str]:
        """Drop what the run made; what stays, each as one line with the reason."""
        stay = []
        for server in self.servers:
            try:
                there = server.there()
            except LakebenchError as error:
                stay.append(f"what this run made in {server.name} may stay: {error}")
                continue
            for one in there:
                try:
                    server.drop(one)
                except LakebenchError as error:
                    stay.append(f"{one} of {server.name} stays: {error}")
        return stay


def of_run(
    settings: Settings,
    services: Services,
    names: Iterable[str],
    catalog: str,
    namespaces: Sequence[str],
    schemas: Sequence[str] = (),
) -> UsersServers:
    """Those among the services ``names``, and ``catalog`` where the settings describe it.

    ``namespaces`` are the run's in catalogs, ``schemas`` those in PostgreSQL. What ``lakebench up`` started is not the
    user's: its tables stay until ``lakebench down``.
    """
    servers: list[_Server] = []
    for name in names:
        service = SERVICES.get(name)
        named = settings.service(name)
        if service is None or named.runtime is not Runtime.EXTERNAL or isinstance(named, ServiceThatIsUp):
            continue
        with contextlib.suppress(LakebenchError):  # one that is not there gets nothing
            if name == POSTGRES:
                servers.append(_Database(name, tuple(schemas), services.endpoint(name)))
            elif issubclass(service, CatalogService) and not service.observer and not service.over_ducklake:
                servers.append(_RestCatalog(name, tuple(namespaces), lakes.catalog_lake(services, service).catalog))
    if catalog not in lakes.CATALOGS:
        mine = lakes.catalog_choice(settings, catalog).observer(services).catalog
        servers.append(_RestCatalog(f"the catalog {catalog}", tuple(namespaces), mine))
    return UsersServers(tuple(servers))
