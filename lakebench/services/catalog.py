"""What a service is that is an Iceberg catalog: one file says how it starts, and how one logs in to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from lakebench.model import Catalog, Endpoint, ObjectStore
from lakebench.services.base import Service
from lakebench.services.object_store import store


class CatalogService(Service):
    """A service that is an Iceberg catalog.

    ``choice`` is its name for ``--catalog``, empty where its tables are only read. ``observer`` names the REST catalog
    by which lakebench itself looks at the same tables; empty where the catalog is one.
    """

    choice: ClassVar[str]
    observer: ClassVar[str] = ""

    @staticmethod
    @abstractmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """How engines reach the catalog behind ``endpoint``, and how they log in to it."""

    @classmethod
    def store(cls, look: Callable[[str], Endpoint]) -> ObjectStore:
        """Where its tables lie, with keys; ``look`` gives the endpoint of a service.

        Raises:
            ServiceUnavailable: it does not run.
        """
        return store(look("object-store"))
