"""Running services as lakes: one storage plus one catalog, each lake below a prefix of its own in the bucket."""

from __future__ import annotations

from lakebench.model import Catalog, CatalogKind, Lake
from lakebench.services import Services
from lakebench.services.object_store import store


def nessie_lake(services: Services) -> Lake:
    """The object store with Nessie, at its branch ``main``.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    nessie = services.endpoint("nessie")
    catalog = Catalog(CatalogKind.REST, nessie.uri, nessie.properties["warehouse"], ref="main")
    return Lake("nessie", store(services.endpoint("object-store")), catalog)


def rest_lake(services: Services) -> Lake:
    """The object store with Apache's reference REST catalog.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    rest = services.endpoint("rest-catalog")
    catalog = Catalog(CatalogKind.REST, rest.uri, rest.properties["warehouse"])
    return Lake("rest", store(services.endpoint("object-store")), catalog)


def jdbc_lake(services: Services) -> Lake:
    """The object store with an Iceberg JDBC catalog in PostgreSQL.

    Raises:
        ServiceUnavailable: one of the two does not run.
    """
    postgres, objects = services.endpoint("postgres"), store(services.endpoint("object-store"))
    uri = f"jdbc:postgresql://{postgres.host}:{postgres.port}/{postgres.properties['database']}"
    warehouse = f"s3://{objects.bucket}/jdbc"
    return Lake("jdbc", objects, Catalog(CatalogKind.JDBC, uri, warehouse, None, postgres.user, postgres.password))
