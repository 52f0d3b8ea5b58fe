"""Lakekeeper: a REST catalog of the user's."""

from __future__ import annotations

from lakebench.services.catalog import ExternalCatalog


class LakekeeperService(ExternalCatalog):
    """Lakekeeper at its address ``…/catalog``; property ``token_uri`` is the address of its identity provider."""

    name = "lakekeeper"
    choice = "lakekeeper"
    title = "Lakekeeper"
    version = "the user's"
    needs = ("object-store",)
    why = "no package index has it, and without an identity provider it takes what anybody sends"
