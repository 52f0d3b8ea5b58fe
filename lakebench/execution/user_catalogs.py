"""A run's namespaces in catalogs of the user's: never one that is there already, and gone at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lakebench.config import FILE, ServiceThatIsUp, Settings
from lakebench.errors import CaseError, UsageError
from lakebench.iceberg import catalogs
from lakebench.model import Catalog, Runtime
from lakebench.services import SERVICES, Services, lakes
from lakebench.services.catalog import CatalogService


@dataclass(frozen=True)
class UserCatalogs:
    """The REST catalogs of the user's that a run writes to, by their names, and the namespaces of the run."""

    catalogs: Mapping[str, Catalog]
    namespaces: tuple[str, ...]

    def check_free(self) -> None:
        """Check that no namespace of the run is there: it would drop tables in it that are called as its own.

        Raises:
            UsageError: one is.
            LakebenchError: a catalog does not answer, or does not let us in.
        """
        for name, catalog in self.catalogs.items():
            if taken := self._there(catalog):
                raise UsageError(
                    f"the catalog {name} has the namespace {', '.join(taken)} already, where this run would write: "
                    f"drop it if a killed run left it, or give lakebench a catalog or warehouse of its own in {FILE}"
                )

    def clear(self) -> list[str]:
        """Drop the run's namespaces with all that is in them; what stays, each as one line with the reason."""
        stay = []
        for name, catalog in self.catalogs.items():
            try:
                there = self._there(catalog)
            except CaseError as error:
                stay.append(f"{name}: {error}")
                continue
            for namespace in there:
                try:
                    catalogs.drop_with_tables(catalog, namespace)
                except CaseError as error:
                    stay.append(f"the namespace {namespace} of {name} stays: {error}")
        return stay

    def _there(self, catalog: Catalog) -> list[str]:
        return sorted(set(self.namespaces).intersection(catalogs.namespace_names(catalog)))


def of_run(
    settings: Settings, services: Services, names: Iterable[str], catalog: str, namespaces: Sequence[str]
) -> UserCatalogs:
    """Those among the services ``names``, and ``catalog`` where the settings describe it.

    What ``lakebench up`` started is not the user's: its tables stay until ``lakebench down``.
    """
    found: dict[str, Catalog] = {}
    for name in names:
        service = SERVICES.get(name)
        named = settings.service(name)
        if service is None or not issubclass(service, CatalogService) or isinstance(named, ServiceThatIsUp):
            continue
        if named.runtime is Runtime.EXTERNAL and not service.observer and not service.over_ducklake:
            found[name] = lakes.catalog_lake(services, service).catalog
    if catalog not in lakes.CATALOGS:
        found[catalog] = lakes.catalog_choice(settings, catalog).observer(services).catalog
    return UserCatalogs(found, tuple(namespaces))
