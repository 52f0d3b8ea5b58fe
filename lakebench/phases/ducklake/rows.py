"""Rows of DuckLake's tables: programs of the interop matrix, with the reads that follow from their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lakebench.datasets.ducklake import catalog
from lakebench.datasets.interop import expected as oracles
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import Planned, planned, readable
from lakebench.engines import CanOperate, CanScan
from lakebench.engines.ducklake import unverified
from lakebench.execution.cases import Block, Case, Check, Evidence, SideBySide
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.iceberg.operations import Read, to_json
from lakebench.iceberg.scan import Scan
from lakebench.model import ZONE, CatalogKind, Coordinates, EngineRef, Lake
from lakebench.phases.derived_check import DerivedCheck
from lakebench.phases.ducklake.sessions import CatalogStorage, writers
from lakebench.phases.read_check import TableReader, worst

_LIMIT_S = 60.0


@dataclass(frozen=True)
class RowsIn:
    """Where the rows are: in the catalog where they are few (DuckLake's *data inlining*, its default), or in files."""

    place: CatalogStorage
    options: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """As a column of the report."""
        return f"{self.place.title}, {'files alone' if self.options else 'small changes in the catalog'}"

    def lake(self, context: RunContext, feature: Feature, ref: EngineRef) -> Lake:
        """A new DuckLake for ``feature``, with its time zone and namespace."""
        options = {**unverified(ref), **dict(self.options), ZONE: feature.zone}
        lake = self.place.lake(context.services, context.files, f"{feature.id}_{ref}", options)
        return replace(lake, namespace=feature.namespace)


LAKES = (
    RowsIn(CatalogStorage(CatalogKind.DUCKDB, "local"), (("DATA_INLINING_ROW_LIMIT", "0"),)),
    RowsIn(CatalogStorage(CatalogKind.POSTGRES, "s3")),
)


def rows(request: Request, features: Sequence[Feature]) -> Iterator[Block]:
    """Each of ``features`` on both lakes, by every engine that writes programs to a DuckLake and reads tables."""
    able = request.able(CanOperate, CanScan)
    for ref in (one for one in writers(request) if one in able):
        yield SideBySide(
            tuple(
                tuple(Check(_case(one, where, ref), partial(_reads, one, where, ref)) for one in features)
                for where in LAKES
            )
        )


def _case(feature: Feature, where: RowsIn, ref: EngineRef) -> Case:
    place = where.place
    return Case(
        id=f"phase1/{place.catalog}/{place.storage}/{feature.id}/{ref}",
        phase="phase1",
        title=f"{feature.title}: {ref} reads its own rows on {where.title}",
        engine=ref,
        group=f"Rows of the matrix's features by {ref}",
        row=feature.title,
        column=where.title,
        coordinates=Coordinates(
            feature=feature.id, engine=ref.name, version=ref.version, storage=place.storage, catalog=place.catalog
        ),
    )


def _reads(feature: Feature, where: RowsIn, ref: EngineRef, context: RunContext) -> Evidence:
    """Write the table by the operations of ``feature``, and hold every read against the oracle."""
    lake, session = where.lake(context, feature, ref), f"rows {where.place.catalog}"
    plan = planned(feature, feature.tables.format)
    statements: list[str] = []
    try:
        for operation in plan.operations:
            asked = [to_json(operation)]
            made = context.client.call(ref, lake, "operate", _LIMIT_S, session=session, operations=asked)
            statements += made["statements"]
        table = TableReader(context, ref, lake, _LIMIT_S, partial(_scan, feature, plan), session)
        return {"source": feature.source, "statements": statements, **_read(context, feature, table)}
    finally:
        context.workers.close(ref, session)
        context.checker.call(catalog.forget, lake)


def _read(context: RunContext, feature: Feature, table: TableReader) -> dict[str, Any]:
    """The evidence of the feature's own reads and of those that follow from its rows.

    Raises:
        CaseEnd: the worst of them, with this evidence.
    """
    own, derived = feature.all_reads, feature.derived
    expected = [context.files.new(f"expected-{n}") for n in range(len(own) + len(derived.shapes))]
    filtered = context.files.new("expected-filtered")
    program = [to_json(one) for one in feature.program]
    wanted = (*own, *derived.shapes)
    context.checker.call(oracles.write, program, wanted, (), {}, None, expected, derived.filters, filtered)
    results = table.results(own, expected[: len(own)])
    evidence: dict[str, Any] = {"reads": [one for one, _ in results]}
    errors = [error for _, error in results if error is not None]
    evidence["derived"], failures = DerivedCheck(table, derived, filtered, tuple(expected[len(own) :])).run()
    if error := worst([*errors, *failures]):
        error.details.update(evidence)
        raise error
    return evidence


def _scan(feature: Feature, plan: Planned, read: Read) -> Scan:
    return Scan(
        table=feature.tables.format(read.table),
        columns=read.columns,
        where=read.where,
        count=read.count,
        fields=readable(feature, read, plan),
    )
