"""A PyIceberg catalog as DataFusion sees it. Imported inside a worker only: it needs DataFusion."""

from __future__ import annotations

from typing import Any

from datafusion.catalog import CatalogProvider, SchemaProvider, Table


class IcebergCatalog(CatalogProvider):  # type: ignore[misc]  # DataFusion has no types for mypy
    """A DataFusion catalog with the one schema ``namespace``."""

    def __init__(self, catalog: Any, namespace: str) -> None:
        self._namespace = namespace
        self._schema = _Namespace(catalog, namespace)

    def schema_names(self) -> set[str]:
        """The namespace."""
        return {self._namespace}

    def schema(self, name: str) -> Any:
        """The namespace, where it is asked for."""
        return self._schema if name == self._namespace else None


class _Namespace(SchemaProvider):  # type: ignore[misc]  # likewise
    """Tables as the catalog has them at the moment a query is planned."""

    def __init__(self, catalog: Any, namespace: str) -> None:
        self._catalog, self._namespace = catalog, namespace

    def table_names(self) -> set[str]:
        return {name for _, name in self._catalog.list_tables(self._namespace)}

    def table_exist(self, name: str) -> bool:
        return bool(self._catalog.table_exists((self._namespace, name)))

    def table(self, name: str) -> Table | None:
        """The table at its current metadata file.

        PyIceberg's own ``__datafusion_table_provider__`` fails on a table of a REST catalog: it passes on properties
        that are objects. So the provider is made here, from the same parts without these.
        """
        from pyiceberg.exceptions import NoSuchTableError
        from pyiceberg_core.datafusion import IcebergDataFusionTable  # type: ignore[import-untyped]

        try:
            table = self._catalog.load_table((self._namespace, name))
        except NoSuchTableError:
            return None
        properties = {key: value for key, value in table.io.properties.items() if isinstance(value, str)}
        return Table(IcebergDataFusionTable(table.name(), table.metadata_location, properties))
