"""Unity Catalog: a REST catalog of the user's, whose tables are only read."""

from __future__ import annotations

from lakebench.services.catalog import ExternalCatalog


class UnityService(ExternalCatalog):
    """Unity Catalog at ``…/api/2.1/unity-catalog/iceberg``, whose Iceberg interface changes no table.

    Property ``warehouse`` is the name of a catalog in it.
    """

    name = "unity"
    choice = ""
    title = "Unity Catalog"
    version = "the user's"
    needs = ("object-store",)
    why = "no package index has it"
