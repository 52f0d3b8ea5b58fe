"""The lake of the matrix's tables, as an engine and as the inspector reach it."""

from __future__ import annotations

from dataclasses import replace

from lakebench import engines
from lakebench.datasets.interop.feature import NAMESPACE, Feature
from lakebench.errors import EngineUnavailable
from lakebench.execution.request import Request
from lakebench.model import UTC, ZONE, EngineRef, Lake
from lakebench.phases.interop.blame import REFERENCE
from lakebench.services import Services, lakes


def lake_of(request: Request, services: Services, ref: EngineRef, feature: Feature | None = None) -> Lake:
    """The lake of the run's catalog as ``ref`` reaches it, with the namespace and the time zone of ``feature``.

    Raises:
        EngineUnavailable: the engine does not speak to such a catalog.
    """
    chosen = lakes.catalog_choice(request.settings, request.selection.catalog)
    engine = engines.find(ref.name)
    if ref.name == REFERENCE:  # no engine, whose way to the catalog is in question
        return observed(request, services, feature)
    lake = chosen.lake(services)
    if lake.catalog.kind not in engine.catalogs:
        raise EngineUnavailable(f"{ref} has no way to a {lake.catalog.kind} catalog here")
    return _placed(lake, feature)


def observed(request: Request, services: Services, feature: Feature | None = None) -> Lake:
    """The same tables through a REST catalog, for the inspector."""
    return _placed(lakes.catalog_choice(request.settings, request.selection.catalog).observer(services), feature)


def _placed(lake: Lake, feature: Feature | None) -> Lake:
    if feature is None:
        return replace(lake, namespace=NAMESPACE)
    zone = {} if feature.zone == UTC else {ZONE: feature.zone}
    return replace(lake, namespace=feature.namespace, options={**lake.options, **zone})
