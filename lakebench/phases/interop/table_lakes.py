"""The lake of the matrix's tables, as an engine and as the inspector reach it."""

from __future__ import annotations

from dataclasses import replace

from lakebench import engines
from lakebench.errors import EngineUnavailable
from lakebench.execution.request import Request
from lakebench.model import EngineRef, Lake
from lakebench.phases.interop.blame import REFERENCE
from lakebench.services import Services, lakes


def lake_of(request: Request, services: Services, ref: EngineRef) -> Lake:
    """The lake of the run's catalog as ``ref`` reaches it.

    Raises:
        EngineUnavailable: the engine does not speak to such a catalog.
    """
    chosen = lakes.catalog_choice(request.settings, request.selection.catalog)
    engine = engines.find(ref.name)
    if ref.name == REFERENCE:  # no engine, whose way to the catalog is in question
        return observed(request, services)
    lake = chosen.lake(services)
    if lake.catalog.kind not in engine.catalogs:
        raise EngineUnavailable(f"{ref} has no way to a {lake.catalog.kind} catalog here")
    return replace(lake, namespace="interop")


def observed(request: Request, services: Services) -> Lake:
    """The same tables through a REST catalog, for the inspector."""
    return replace(
        lakes.catalog_choice(request.settings, request.selection.catalog).observer(services), namespace="interop"
    )
