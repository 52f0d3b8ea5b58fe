"""The catalogs that a run checks: those of our services, the user's of ``lakebench.toml``, or an address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from lakebench.config import Settings
from lakebench.errors import UsageError, unknown
from lakebench.model import Catalog, CatalogKind, Endpoint, Lake, ObjectStore, Runtime
from lakebench.phases.options import Asked, listed
from lakebench.phases.rest_catalog.sandbox import ScopedLogin, no_scopes
from lakebench.services import SERVICES, Services, lakes
from lakebench.services.catalog import CatalogService, ExternalCatalog

EXPIRED_TOKEN = "expired-token"  # noqa: S105 - the name of an endpoint's property
_STORE = "object-store"


class ReachableCatalog(NamedTuple):
    """A catalog that runs: how it is asked, its store where lakebench has keys of it, and logins that are limited.

    ``expired_token`` has expired; ``scoped`` gives a login for one namespace.
    """

    catalog: Catalog
    store: ObjectStore | None
    expired_token: str = ""
    scoped: ScopedLogin = no_scopes


@dataclass(frozen=True)
class CheckedCatalog:
    """A catalog to check, by the name that ``--catalog`` gives it.

    ``service`` is the one that it is, empty for the user's; ``services`` are all that it needs.
    """

    name: str
    service: str
    services: tuple[str, ...]
    uri: str = ""

    def reached(self, services: Services, settings: Settings) -> ReachableCatalog:
        """The running catalog.

        Raises:
            ServiceUnavailable: it does not run.
        """
        if self.uri:
            return ReachableCatalog(_described(self.uri), None)
        if self.service:
            lake, endpoint = lakes.catalog_lake(services, self.kind), services.endpoint(self.service)
            expired = endpoint.properties.get(EXPIRED_TOKEN, "")
            return ReachableCatalog(lake.catalog, lake.store, expired, partial(self.kind.scoped_login, endpoint))
        catalog = settings.catalogs[self.name].described()
        return ReachableCatalog(catalog, self._lake(services, settings).store if self.services else None)

    @property
    def named_service(self) -> dict[str, str]:
        """Its service, for the coordinates of a case: outcomes are accepted only with what it needs."""
        return {"services": self.service} if self.service else {}

    @property
    def kind(self) -> type[CatalogService]:
        """The class of its service."""
        return _catalog_service(self.service)

    def engines_lake(self, services: Services, settings: Settings) -> Lake:
        """The catalog and its store as engines reach them.

        Raises:
            ServiceUnavailable: it does not run.
        """
        if self.service:
            return lakes.engines_lake(services, self.kind)
        return lakes.catalog_choice(settings, self.name).lake(services)

    def short_keys(self, settings: Settings) -> str:
        """The service that is the same program with keys of the store that end soon; empty where there is none.

        There is none beside a server of the user's, which is another one.
        """
        ours = self.service and not settings.service(self.service).uri
        return self.kind.short_keys if ours else ""

    def with_short_keys(self, settings: Settings) -> CheckedCatalog:
        """The catalog with keys that end soon, where it has such a service; else itself."""
        return replace(self, service=self.short_keys(settings) or self.service)

    def _lake(self, services: Services, settings: Settings) -> Lake:
        return lakes.catalog_choice(settings, self.name).observer(services)

    def is_users(self, services: Services) -> bool:
        """Whether it is a catalog of the user's, which is left as it was.

        Raises:
            ServiceUnavailable: its service does not run.
        """
        endpoint = self.endpoint(services)
        return endpoint is None or endpoint.runtime is Runtime.EXTERNAL

    def endpoint(self, services: Services) -> Endpoint | None:
        """The endpoint of its service, ``None`` for the user's.

        Raises:
            ServiceUnavailable: the service does not run.
        """
        return services.endpoint(self.service) if self.service else None


def _catalog_service(name: str) -> type[CatalogService]:
    service = SERVICES[name]
    if not issubclass(service, CatalogService):
        raise TypeError(f"the service {name} is no catalog")
    return service


def local_catalogs() -> dict[str, str]:
    """Each REST catalog of our services: its name for ``--catalog`` → its service.

    A catalog of another protocol is looked at by one of REST, which the last of its services is.
    """
    last = (SERVICES[one.services[-1]] for one in lakes.CATALOGS.values())
    return {one.choice: one.name for one in last if issubclass(one, CatalogService)}


def usual_catalogs(settings: Settings) -> tuple[str, ...]:
    """Those that start here by themselves, and those that the settings say how to reach."""
    found = local_catalogs()
    return tuple(name for name, one in found.items() if not _is_brought(one) or one in settings.services)


def _is_brought(service: str) -> bool:
    """Whether a service is there only where the user brings the program, or an endpoint."""
    return SERVICES[service].has_home or issubclass(SERVICES[service], ExternalCatalog)


def read_names(text: str, asked: Asked) -> tuple[str, ...]:
    """The value of ``--catalog``: names and addresses, separated by commas; where it is empty, the usual ones.

    Raises:
        UsageError: there is no such catalog, or it is none of REST.
    """
    names = listed(text) or usual_catalogs(asked.settings)
    for name in names:
        target(name, asked.settings)
    return names


def target(name: str, settings: Settings) -> CheckedCatalog:
    """The catalog called ``name``, which may be an address.

    Raises:
        UsageError: there is no such catalog, or it is none of REST.
    """
    if "://" in name:
        address = urlsplit(name)
        if address.scheme not in {"http", "https"} or not address.hostname or address.username or address.password:
            raise UsageError(
                "--catalog takes an address such as http://127.0.0.1:8181/catalog?warehouse=lake; a login stands "
                "under [catalog.NAME] in lakebench.toml"
            )
        return CheckedCatalog(f"{address.netloc}{address.path.rstrip('/').replace('/', '-')}", "", (), name)
    local = local_catalogs()
    if name in local:
        return CheckedCatalog(name, local[name], lakes.CATALOGS[name].services)
    if name in lakes.CATALOGS:
        by = SERVICES[lakes.CATALOGS[name].services[-1]]
        raise UsageError(f"--catalog {name}: it is no REST catalog; {getattr(by, 'choice', by.name)} has its tables")
    if name not in settings.catalogs:
        raise unknown("catalog", name, [*local, *settings.catalogs])
    return _users(name, settings)


def _users(name: str, settings: Settings) -> CheckedCatalog:
    catalog = settings.catalogs[name]
    if catalog.kind != CatalogKind.REST.value:
        raise UsageError(f"--catalog {name}: it is of kind {catalog.kind}, and phase11 checks those of kind rest")
    if missing := catalog.missing():
        raise UsageError(f"the catalog {name} needs {', '.join(missing)} under [catalog.{name}] in lakebench.toml")
    has_store = bool(catalog.storage) or bool(settings.service(_STORE).uri)
    return CheckedCatalog(name, "", lakes.catalog_choice(settings, name).services if has_store else ())


def _described(address: str) -> Catalog:
    """The catalog at an address, whose query may name the ``warehouse``."""
    parts = urlsplit(address)
    warehouse = parse_qs(parts.query).get("warehouse", [""])[0]
    return Catalog(CatalogKind.REST, f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"), warehouse)
