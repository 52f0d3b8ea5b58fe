"""Phase 1: DuckLake with each catalog on each storage, feature by feature; and which other engines read it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets.choice import chosen
from lakebench.datasets.ducklake import catalog
from lakebench.datasets.ducklake.feature import DuckLakeFeature
from lakebench.datasets.ducklake.features import FEATURES
from lakebench.datasets.ducklake.rows import row_features
from lakebench.datasets.ducklake.states import CONNECTORS
from lakebench.engines import CanQuery
from lakebench.errors import CaseError
from lakebench.execution.cases import Block, Case, Check, Evidence, SideBySide
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request, Scope
from lakebench.model import Coordinates, EngineRef, Record, Selection, TableFormat
from lakebench.phases.base import Phase
from lakebench.phases.ducklake.field_reports import judge_field_reports
from lakebench.phases.ducklake.readers import reads, versions
from lakebench.phases.ducklake.rows import rows
from lakebench.phases.ducklake.sessions import CATALOG_STORAGES, CatalogStorage, StepRunner, writers
from lakebench.phases.options import FEATURES_OPTION, Option
from lakebench.results.records import FieldReport

_DIRECT = {TableFormat.DUCKLAKE, TableFormat.PARQUET}


class DuckLake(Phase):
    """What of DuckLake works, with which catalog and storage, at which version; and which other engines read it."""

    name: ClassVar[str] = "phase1"
    subject: ClassVar[str] = "ducklake"
    field_reports: ClassVar[tuple[str, ...]] = ("C1", "C2", "C3", "C31")
    options: ClassVar[tuple[Option, ...]] = (FEATURES_OPTION,)
    title: ClassVar[str] = "DuckLake: every documented feature on each catalog and storage, and who else reads it"

    def takes_times(self, request: Request) -> bool:  # noqa: ARG002
        """It has answers alone."""
        return False

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The object store, PostgreSQL for catalogs, and a REST catalog for engines that read files only as tables."""
        return ("object-store", "postgres", "rest-catalog")

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Those that open a DuckLake or read Parquet files, and those that are asked for a connector."""
        return tuple(
            name
            for name, one in engines.engines().items()
            if issubclass(one, CanQuery)
            and not one.optional
            and not one.variant_of
            and (name in CONNECTORS or _DIRECT.intersection(one.formats))
        )

    def features(self, options: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The ids of the features."""
        return _all_ids()

    def ready(self, context: RunContext) -> None:
        """The checker."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Each feature on every lake, by every engine that opens one; then the other readers; then other versions."""
        for ref in writers(context.request):
            yield SideBySide(
                tuple(
                    tuple(
                        Check(
                            _case(feature, catalog_storage, ref),
                            partial(_shows, feature=feature, catalog_storage=catalog_storage, ref=ref),
                        )
                        for feature in wanted(context.request)
                    )
                    for catalog_storage in CATALOG_STORAGES
                )
            )
        yield from rows(context.request, [one for one in row_features() if one.id in _ids(context.request)])
        if not context.request.selection.features:
            yield from reads(context.request)
            yield from versions(context.request)

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether the engines are asked, and the feature is chosen; readers and versions come where none is."""
        features = scope.selection.features
        if case.feature is None:
            return super().covers(case, scope) and not features
        chosen = any(fnmatch.fnmatchcase(case.feature, one) for one in features or ("*",))
        return super().covers(case, scope) and chosen

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C1, C2, C3 and C31."""
        yield from judge_field_reports(cases)


def wanted(request: Request) -> list[DuckLakeFeature]:
    """The features that were chosen."""
    return [one for one in FEATURES if one.id in _ids(request)]


def _ids(request: Request) -> tuple[str, ...]:
    return chosen(_all_ids(), request.selection.features)


def _all_ids() -> tuple[str, ...]:
    return (*(one.id for one in FEATURES), *(one.id for one in row_features()))


def _case(feature: DuckLakeFeature, catalog_storage: CatalogStorage, ref: EngineRef) -> Case:
    return Case(
        id=f"phase1/{catalog_storage.catalog}/{catalog_storage.storage}/{feature.id}/{ref}",
        phase="phase1",
        title=f"{feature.title}: {ref} on {catalog_storage.title}",
        engine=ref,
        group=f"DuckLake features by {ref}",
        row=feature.title,
        column=catalog_storage.title,
        coordinates=Coordinates(
            feature=feature.id,
            engine=ref.name,
            version=ref.version,
            storage=catalog_storage.storage,
            catalog=catalog_storage.catalog,
        ),
    )


def _shows(context: RunContext, feature: DuckLakeFeature, catalog_storage: CatalogStorage, ref: EngineRef) -> Evidence:
    """Run the steps of ``feature`` on a fresh lake; the error has what was done so far."""
    runner = StepRunner(
        context,
        ref,
        catalog_storage.lake(context.services, context.files, f"{feature.id}_{ref}", feature.options),
        feature.sessions,
    )
    try:
        for step in feature.steps:
            runner.run(step)
    except CaseError as error:
        error.details["steps"] = runner.log
        raise
    finally:
        runner.end()
        context.checker.call(catalog.forget, runner.lake)
    return {"source": feature.source, "steps": runner.log, "checked_against": ["rows written by hand"]}
