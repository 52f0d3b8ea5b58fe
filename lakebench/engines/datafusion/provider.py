"""A PyIceberg catalog as DataFusion sees it. Imported inside a worker only: it needs DataFusion."""

from __future__ import annotations

from typing import Any

from datafusion.catalog import CatalogProvider, SchemaProvider, Table

from lakebench.engines.boundary import called_back, engine_call
from lakebench.errors import Refused


class IcebergCatalog(CatalogProvider):  # type: ignore[misc]  # DataFusion has no types for mypy
    """A DataFusion catalog with the one schema ``namespace``."""

    def __init__(self, catalog: Any, namespace: str) -> None:
        self._namespace = namespace
        self._schema = _Namespace(catalog, namespace)

    @called_back
    def schema_names(self) -> set[str]:
        """The namespace."""
        return {self._namespace}

    @called_back
    def schema(self, name: str) -> Any:
        """The namespace, where it is asked for."""
        return self._schema if name == self._namespace else None


class _Namespace(SchemaProvider):  # type: ignore[misc]  # likewise
    """Tables as the catalog has them at the moment a query is planned."""

    def __init__(self, catalog: Any, namespace: str) -> None:
        self._catalog, self._namespace = catalog, namespace

    @called_back
    def table_names(self) -> set[str]:
        return {name for _, name in engine_call(self._catalog.list_tables, self._namespace)}

    @called_back
    def table_exist(self, name: str) -> bool:
        return bool(engine_call(self._catalog.table_exists, (self._namespace, name)))

    @called_back
    def table(self, name: str) -> Table | None:
        """The table at its current metadata file.

        PyIceberg's own ``__datafusion_table_provider__`` fails on a table of a REST catalog: it passes on properties
        that are objects. So the provider is made here, from the same parts without these.
        """
        from pyiceberg.exceptions import NoSuchTableError
        from pyiceberg_core.datafusion import IcebergDataFusionTable  # type: ignore[import-untyped]

        try:
            table = engine_call(self._catalog.load_table, (self._namespace, name))
        except Refused as error:
            if isinstance(error.__cause__, NoSuchTableError):
                return None
            raise
        properties = {key: value for key, value in table.io.properties.items() if isinstance(value, str)}
        provider = engine_call(IcebergDataFusionTable, engine_call(table.name), table.metadata_location, properties)
        return engine_call(Table, provider)
