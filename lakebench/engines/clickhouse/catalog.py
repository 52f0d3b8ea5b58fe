"""A REST catalog as ClickHouse's database ``DataLakeCatalog`` (its documentation: *DataLakeCatalog*)."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.errors import EngineUnavailable
from lakebench.model import BearerToken, Catalog, Delegation, Lake, OAuth2


def settings(lake: Lake) -> dict[str, str]:
    """The settings of the database.

    Raises:
        EngineUnavailable: it has none for what the catalog needs.
    """
    catalog = lake.catalog
    if catalog.prefix:
        raise EngineUnavailable("ClickHouse takes a catalog's prefix from the catalog alone")
    if catalog.delegation is Delegation.REMOTE_SIGNING:
        raise EngineUnavailable("ClickHouse has no way to let a catalog sign its requests to the object store")
    store = {} if lake.store is None else {"storage_endpoint": f"{lake.store.endpoint}/{lake.store.bucket}"}
    vended = {"vended_credentials": "true" if catalog.delegation is Delegation.VENDED_CREDENTIALS else "false"}
    return {"catalog_type": "rest", "warehouse": catalog.warehouse, **store, **vended, **_login(catalog)}


def _login(catalog: Catalog) -> Mapping[str, str]:
    login = catalog.authentication
    if login is None:
        return {}
    if isinstance(login, BearerToken):
        return {"auth_header": f"Authorization: Bearer {login.token}"}
    if isinstance(login, OAuth2):
        return {"catalog_credential": login.credential, "oauth_server_uri": login.token_uri, "auth_scope": login.scope}
    raise EngineUnavailable("ClickHouse has no way to sign its requests to a REST catalog by SigV4")
