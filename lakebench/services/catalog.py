"""What a service is that is an Iceberg catalog: one file says how it starts, and how one logs in to it."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from lakebench.model import Catalog, Endpoint
from lakebench.services.base import Service


class CatalogService(Service):
    """A service that is an Iceberg catalog of tables in the object store.

    ``choice`` is its name for ``--catalog``, empty where its tables are only read.
    """

    choice: ClassVar[str]

    @staticmethod
    @abstractmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """How engines reach the catalog behind ``endpoint``, and how they log in to it."""
