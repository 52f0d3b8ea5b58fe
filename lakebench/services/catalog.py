"""What a service is that is an Iceberg catalog: one file says how it starts, and how one logs in to it."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar
from urllib.parse import urlencode

from lakebench.errors import LakebenchError, ServiceUnavailable
from lakebench.http import http
from lakebench.iceberg.login import login_headers
from lakebench.model import (
    Authentication,
    Catalog,
    CatalogKind,
    Delegation,
    Endpoint,
    Lake,
    OAuth2,
    ObjectStore,
    bearer_token,
)
from lakebench.services.base import Command, Service
from lakebench.services.object_store import store


class CatalogService(Service):
    """A service that is an Iceberg catalog.

    ``choice`` is its name for ``--catalog``, empty where its tables are only read. ``observer`` names the REST catalog
    by which lakebench itself looks at the same tables; empty where the catalog is one. ``short_keys`` names the service
    that is the same program, whose keys of the store end within seconds; empty where there is none. One
    ``over_ducklake`` has its tables in a DuckLake, which others reach as such.
    """

    choice: ClassVar[str]
    observer: ClassVar[str] = ""
    short_keys: ClassVar[str] = ""
    over_ducklake: ClassVar[bool] = False

    @staticmethod
    @abstractmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """How engines reach the catalog behind ``endpoint``, and how they log in to it."""

    @staticmethod
    def scoped_login(endpoint: Endpoint, namespace: str, *, writes: bool) -> Authentication | None:  # noqa: ARG004
        """A login whose scope is one namespace, to read it or also to write; ``None`` where there is no such login."""
        return None

    @classmethod
    def ducklake(cls, look: Callable[[str], Endpoint], options: Mapping[str, str]) -> Lake | None:  # noqa: ARG003
        """Its tables as DuckLake's, with ``options`` (:class:`~lakebench.model.Lake`); ``None`` where it has none.

        Raises:
            ServiceUnavailable: it does not run.
        """
        return None

    @classmethod
    def store(cls, look: Callable[[str], Endpoint]) -> ObjectStore:
        """Where its tables lie, with keys; ``look`` gives the endpoint of a service.

        Raises:
            ServiceUnavailable: it does not run.
        """
        return store(look("object-store"))


class ExternalCatalog(CatalogService):
    """A REST catalog that lakebench does not start, because of ``why``; the settings name one of the user's.

    Its properties are ``warehouse``, ``prefix``, ``delegation``, ``token_uri`` and ``scope``; with ``user`` and
    ``password`` it gives a token for them (OAuth 2.0's client credentials), and a ``password`` alone is a token.
    """

    why: ClassVar[str]
    memory = 0

    def prepare(self) -> None:
        """Say what to do instead.

        Raises:
            ServiceUnavailable: always.
        """
        raise ServiceUnavailable(
            f'{self.title} is not started here, as {self.why}: name yours with runtime = "external" and uri under '
            f"[{self.settings_table}]"
        )

    def command(self, ports: Mapping[str, int]) -> Command:
        """There is none."""
        raise NotImplementedError

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """There is none."""
        raise NotImplementedError

    def external_endpoint(self) -> Endpoint:
        """The user's catalog; ``warehouse`` is empty where none is given."""
        return with_warehouse(super().external_endpoint())

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """As the properties say."""
        return rest_catalog(endpoint)

    def check(self, endpoint: Endpoint) -> None:
        """It lets us in, and knows the warehouse."""
        check_rest(self.catalog(endpoint))


def with_warehouse(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` with the property ``warehouse``, which is empty where the settings give none."""
    return dataclasses.replace(endpoint, properties={"warehouse": "", **endpoint.properties})


def rest_catalog(endpoint: Endpoint, scope: str = "catalog") -> Catalog:
    """A REST catalog by the properties of its ``endpoint`` (:class:`ExternalCatalog`); ``scope`` is the usual one."""
    properties = endpoint.properties
    login: Authentication | None = bearer_token(endpoint.password)
    if endpoint.user:
        tokens = properties.get("token_uri", f"{endpoint.uri}/v1/oauth/tokens")
        login = OAuth2(tokens, endpoint.user, endpoint.password, properties.get("scope", scope))
    return Catalog(
        CatalogKind.REST,
        endpoint.uri,
        properties["warehouse"],
        authentication=login,
        prefix=properties.get("prefix", ""),
        delegation=Delegation(properties.get("delegation", Delegation.NONE)),
    )


def check_rest(catalog: Catalog) -> None:
    """Ask a REST catalog for its configuration (*getConfig*).

    Raises:
        OSError: it does not answer yet, or does not let us in.
    """
    address = f"{catalog.uri}/v1/config?{urlencode({'warehouse': catalog.warehouse})}"
    try:
        headers = login_headers(catalog.authentication, "GET", address)
    except LakebenchError as error:
        raise OSError(str(error)) from error
    http(address, headers=headers, timeout=20)
