"""Running services as lakes: one storage plus one catalog, each lake below a prefix of its own in the bucket."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakebench.config import FILE, Settings, StorageKind
from lakebench.errors import ServiceUnavailable, UsageError, unknown
from lakebench.model import Catalog, CatalogKind, Delegation, Endpoint, Lake, ObjectStore, TableFormat
from lakebench.services import SERVICES, Services, with_needs
from lakebench.services.catalog import CatalogService
from lakebench.services.nessie import NessieService
from lakebench.services.object_store import store
from lakebench.services.rest_catalog import PgLakeBridge, RestBridge, RestCatalogService

Lookup = Services | Callable[[str], Endpoint]
"""Where endpoints come from: the services of a run, or any function from name to endpoint."""


def catalog_lake(services: Lookup, service: type[CatalogService]) -> Lake:
    """The catalog that ``service`` is, with the store of its tables and the store's keys.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    look = _look(services)
    return Lake(_identifier(service.choice), service.store(look), service.catalog(look(service.name)))


def engines_lake(services: Lookup, service: type[CatalogService]) -> Lake:
    """:func:`catalog_lake` as engines reach it: without keys of the store, where the catalog gives them.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    return _delegated(catalog_lake(services, service))


def nessie_lake(services: Lookup) -> Lake:
    """The object store with Nessie, at its branch ``main``.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    return catalog_lake(services, NessieService)


def rest_lake(services: Lookup) -> Lake:
    """The object store with Apache's reference REST catalog.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    return catalog_lake(services, RestCatalogService)


def jdbc_lake(services: Lookup) -> Lake:
    """The object store with an Iceberg JDBC catalog in PostgreSQL.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    look = _look(services)
    postgres, objects = look("postgres"), store(look("object-store"))
    uri = f"jdbc:postgresql://{postgres.host}:{postgres.port}/{postgres.properties['database']}"
    warehouse = f"s3://{objects.bucket}/jdbc"
    return Lake("jdbc", objects, Catalog(CatalogKind.JDBC, uri, warehouse, None, postgres.user, postgres.password))


def bridge_lake(services: Lookup) -> Lake:
    """The tables of :func:`jdbc_lake`, through the REST catalog bridge.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    return catalog_lake(services, RestBridge)


def pg_lake_lake(services: Lookup) -> Lake:
    """The tables of pg_lake, through its own catalog in the database, as clients of a JDBC catalog read it.

    Raises:
        ServiceUnavailable: it does not run, or its tables lie in another object store than the run's.
    """
    look = _look(services)
    server, objects = look("pg_lake"), store(look("object-store"))
    location, database = server.properties["location"], server.properties["database"]
    if not location.startswith(f"s3://{objects.bucket}/"):
        raise ServiceUnavailable(
            f"the tables of pg_lake are at {location}, and the object store of the run is another one: name it with "
            f"[services.object-store] in {FILE}"
        )
    uri = f"jdbc:postgresql://{server.host}:{server.port}/{database}"
    catalog = Catalog(CatalogKind.JDBC, uri, location, None, server.user, server.password, fixed_tables=True)
    return Lake(database, objects, catalog)


def pg_lake_bridge_lake(services: Lookup) -> Lake:
    """The tables of :func:`pg_lake_lake`, through the REST catalog bridge.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    return dataclasses.replace(catalog_lake(services, PgLakeBridge), name="pg_lake_bridge")


def storage_services(settings: Settings, name: str) -> tuple[str, ...]:
    """The services that the storage ``name`` is made of, the object store first where there is one.

    Raises:
        UsageError: there is no such storage, or it lacks keys; the message says which.
    """
    services = tuple(with_needs([f"rest-catalog@{name}"], settings))
    for service in services:
        settings.service(service)
    return services


def storage_lake(services: Lookup, settings: Settings, name: str) -> Lake:
    """The storage ``name`` with a REST catalog of its own; a local storage has no object store.

    Raises:
        UsageError: there is no such storage.
        ServiceUnavailable: one of its services does not run.
    """
    look = _look(services)
    local = settings.storage(name).kind is StorageKind.LOCAL
    rest = look(f"rest-catalog@{name}")
    catalog = Catalog(CatalogKind.REST, rest.uri, rest.properties["warehouse"])
    objects = None if local else store(look(f"object-store@{name}"))
    return Lake(_identifier(name), objects, catalog)


def postgresql_lake(
    services: Lookup,
    namespace: str,
    database: str = "",
    options: Mapping[str, str] | None = None,
    service: str = "postgres",
) -> Lake:
    """The schema ``namespace`` in the database of a PostgreSQL ``service``, or in another ``database`` of its server.

    ``options`` are those of :class:`~lakebench.model.Lake`.

    Raises:
        ServiceUnavailable: it does not run.
    """
    postgres = _look(services)(service)
    uri = f"jdbc:postgresql://{postgres.host}:{postgres.port}/{database or postgres.properties['database']}"
    catalog = Catalog(CatalogKind.JDBC, uri, "", None, postgres.user, postgres.password)
    return Lake("heap", None, catalog, namespace, TableFormat.POSTGRESQL, options=dict(options or {}))


DUCKLAKE_CATALOGS = (CatalogKind.DUCKDB, CatalogKind.SQLITE, CatalogKind.POSTGRES)
"""The databases that a DuckLake's catalog can be in here; MySQL, which it knows too, has no server of ours."""


def ducklake(
    kind: CatalogKind,
    name: str,
    folder: Path,
    store: ObjectStore | None,
    postgres: Endpoint | None = None,
    options: Mapping[str, str] | None = None,
) -> Lake:
    """The DuckLake ``name``, which the first engine that opens it makes.

    Its catalog is a file in ``folder``, or a schema of its own in the database of ``postgres``; its data lies in
    ``store``, or below ``folder``. ``options`` are those of :class:`~lakebench.model.Lake`.
    """
    lake_options = dict(options or {})
    data = f"{folder}/{name}/" if store is None else f"s3://{store.bucket}/ducklake/{name}/"
    if kind is CatalogKind.POSTGRES:
        if postgres is None:
            raise ServiceUnavailable("a DuckLake with its catalog in PostgreSQL needs the service postgres")
        catalog = Catalog(kind, postgres.uri, data, None, postgres.user, postgres.password)
        lake_options = {"METADATA_SCHEMA": name, **lake_options}
    else:
        catalog = Catalog(kind, f"{folder}/{name}.{'sqlite' if kind is CatalogKind.SQLITE else 'ducklake'}", data)
    return Lake("lake", store, catalog, format=TableFormat.DUCKLAKE, options=lake_options)


@dataclass(frozen=True)
class CatalogChoice:
    """A catalog that a run may use: its services, the lake of the engines, and the same tables by REST."""

    services: tuple[str, ...]
    lake: Callable[[Lookup], Lake]
    observer: Callable[[Lookup], Lake]


def _choice(service: type[CatalogService]) -> CatalogChoice:
    observer = _CATALOG_SERVICES[service.observer or service.name]

    lake = functools.partial(engines_lake, service=service)
    return CatalogChoice(tuple(with_needs([observer.name])), lake, functools.partial(catalog_lake, service=observer))


def _delegated(lake: Lake) -> Lake:
    """``lake`` without keys of the store, where the catalog gives engines access to it."""
    if lake.catalog.delegation is Delegation.NONE:
        return lake
    return dataclasses.replace(lake, store=dataclasses.replace(lake.objects, access_key="", secret_key=""))


_CATALOG_SERVICES = {name: one for name, one in SERVICES.items() if issubclass(one, CatalogService)}
CATALOGS: Mapping[str, CatalogChoice] = {
    **{one.choice: _choice(one) for one in _CATALOG_SERVICES.values() if one.choice},
    # The same tables as those of the bridge, which engines reach in the database.
    "jdbc": CatalogChoice(tuple(with_needs([RestBridge.name])), jdbc_lake, bridge_lake),
}


def catalog_choice(settings: Settings, name: str) -> CatalogChoice:
    """The catalog called ``name``: one of :data:`CATALOGS`, or the user's own.

    Raises:
        UsageError: there is none; the message has the nearest name.
    """
    if name in CATALOGS:
        return CATALOGS[name]
    if name not in settings.catalogs:
        raise unknown("catalog", name, [*CATALOGS, *settings.catalogs])
    catalog = settings.catalogs[name]
    objects = f"object-store@{catalog.storage}" if catalog.storage else "object-store"

    def observer(services: Lookup) -> Lake:
        return Lake(
            _identifier(name), store(_look(services)(objects)), settings.catalogs[catalog.observer or name].described()
        )

    def lake(services: Lookup) -> Lake:
        return _delegated(dataclasses.replace(observer(services), catalog=catalog.described()))

    return CatalogChoice((objects,), lake, observer)


def check_catalog(settings: Settings, name: str) -> None:
    """Check that the catalog called ``name`` has all that a run needs.

    Raises:
        UsageError: it lacks keys, its storage or observer does not exist, or there is no such catalog.
    """
    chosen = catalog_choice(settings, name)
    if name in CATALOGS:
        return
    for service in chosen.services:
        settings.service(service)
    catalog = settings.catalogs[name]
    table = f"[catalog.{name}] in {FILE}"
    if missing := catalog.missing():
        raise UsageError(f"the catalog {name} needs {', '.join(missing)} under {table}")
    observer = catalog.observer or name
    if observer not in settings.catalogs or settings.catalogs[observer].kind != "rest":
        raise UsageError(
            f"lakebench looks at the tables of {name} by a REST catalog, which {observer} is not: name one of the same "
            f"tables of yours with observer under {table}"
        )
    if missing := settings.catalogs[observer].missing():
        raise UsageError(f"the catalog {observer} needs {', '.join(missing)} under [catalog.{observer}] in {FILE}")


def _identifier(name: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in name)


def _look(services: Lookup) -> Callable[[str], Endpoint]:
    return services.endpoint if isinstance(services, Services) else services
