"""Phase 12: tables that live. Many commits, maintenance by each engine that has it, and readers all along."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets import tpch
from lakebench.engines import CanOperate, CanQuery, CanScan
from lakebench.errors import CaseError, UsageError
from lakebench.execution.cases import Block, Case, failure, now, record
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import PROFILES, QUICK
from lakebench.execution.request import Request, Scope
from lakebench.model import CatalogKind, Coordinates, EngineRef, Record, Selection, TableFormat
from lakebench.phases import distance
from lakebench.phases.base import Phase
from lakebench.phases.living_tables.lives import KINDS, Life, lives, name_of
from lakebench.phases.living_tables.observations import EXPIRED, GROUP, READS, TAG, WRITES, Observations
from lakebench.phases.living_tables.running import lived
from lakebench.phases.living_tables.tables import namespace_of
from lakebench.phases.options import FEATURES_OPTION, READERS_OPTION, WRITERS_OPTION, Asked, Option
from lakebench.phases.table_loading import tpch_data
from lakebench.provisioning.disk_space import Need

_QUICK, _FULL = 12, 300
# Bytes of a life's files for each byte of the generator's: those of the table, of each compaction, and of old ones.
_GROWTH = 6.0
_TITLES = {
    WRITES: "{ref} commits to {life}",
    READS: "{ref} reads {life} all along",
    TAG: "{ref} reads a snapshot of {life} that a tag holds",
    EXPIRED: "{ref} reads a snapshot of {life} that expires",
}


def _number(text: str, _: Asked) -> int:
    if text and (not text.isdecimal() or int(text) == 0):
        raise UsageError(f"--commits {text}: it is a number from 1 on")
    return int(text or 0)


_COMMITS = Option(
    "commits",
    f"Commits of each life. Default: {_QUICK} by the profile quick, else {_FULL}.",
    metavar="N",
    read=_number,
)


class LivingTables(Phase):
    """When a table must be compacted, by whom, and what it costs not to; and whether maintenance keeps it whole."""

    name: ClassVar[str] = "phase12"
    subject: ClassVar[str] = "living_tables"
    title: ClassVar[str] = "Tables that live: many commits, maintenance and its cost, readers all along"
    options: ClassVar[tuple[Option, ...]] = (
        *(FEATURES_OPTION, WRITERS_OPTION, READERS_OPTION, _COMMITS),
        distance.CATALOG_LATENCY,
    )

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The object store, the REST catalog that keeps every snapshot, and PostgreSQL for the DuckLake's catalog."""
        return ("object-store", "rest-catalog", "postgres")

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Those that write or read tables of a REST catalog by themselves."""
        return tuple(
            name
            for name, one in engines.engines().items()
            if CatalogKind.REST in one.catalogs
            and issubclass(one, CanScan)
            and (issubclass(one, CanOperate) or issubclass(one, CanQuery))
            and not (one.optional or one.variant_of or one.own_catalog)
        )

    def features(self, options: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The lives."""
        return tuple(one.id for one in KINDS)

    def ready(self, context: RunContext) -> None:
        """The checker, and the generator's rows."""
        context.checker.start()
        tpch_data(context)

    def plan(self, context: RunContext) -> Iterator[Block]:
        """A block a life."""
        for life in self.lives(context.request):
            yield Living(life)

    def lives(self, request: Request) -> Iterator[Life]:
        """The lives of ``request``, each as long as it asks for."""
        usual = _QUICK if request.profile.name == QUICK else _FULL
        commits = self.option(request.selection, _COMMITS.name) or usual
        for catalog_ms in distance.latencies(self, request.selection):
            yield from lives(request.refs, request.selection, request.profile, commits, catalog_ms)

    def namespaces(self, request: Request) -> tuple[str, ...]:
        """One an Iceberg table."""
        return tuple(namespace_of(one) for one in self.lives(request) if one.kind.format is TableFormat.ICEBERG)

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether the case is one of those that the run's engines have; of an engine that is not here, that is gone."""
        if not super().covers(case, scope):
            return False
        chosen = scope.selection
        latencies = distance.latencies(self, chosen)
        if not distance.covered(case, latencies):
            return False
        planned = _planned(scope.registered, chosen.features, chosen.writers, chosen.readers, latencies)
        return case in planned or any(one.partition("@")[0] not in engines.engines() for one in case.participants)

    def disk_space(self, request: Request) -> Sequence[Need]:
        """The generator's files, and those of each life."""
        folder, made = tpch.to_make(request.profile.scale_factor)
        needs = [Need("the generator's files", folder, made)] if made else []
        # Orders are a sixth of the data.
        size = int(tpch.bytes_of(request.profile.scale_factor) / 6 * _GROWTH)
        lives_there = [one.title for one in self.lives(request)]
        return [*needs, *(Need(f"the life of {one}", request.settings.output, size) for one in lives_there)]


@functools.cache
def _planned(
    refs: tuple[EngineRef, ...],
    features: tuple[str, ...],
    writers: tuple[str, ...],
    readers: tuple[str, ...],
    latencies: tuple[int, ...],
) -> frozenset[Coordinates]:
    """What the cases of a run with these choices are about."""
    selection = Selection(features=features, writers=writers, readers=readers)
    planned = [life for far in latencies for life in lives(refs, selection, PROFILES[QUICK], _QUICK, far)]
    return frozenset(case.coordinates for life in planned for case in Living(life).cases)


@dataclass(frozen=True)
class Living(Block):
    """One life, and the cases of all who have a part in it."""

    life: Life

    @property
    def cases(self) -> tuple[Case, ...]:
        """Writers, maintainers step by step, readers, and readers that are pinned to a snapshot."""
        return tuple(self._case(check, ref) for check, ref in self._parts())

    def _parts(self) -> Iterator[tuple[str, EngineRef]]:
        life = self.life
        yield from ((WRITES, ref) for ref in life.writers)
        yield from ((name_of(step), ref) for ref in life.maintainers for step in life.steps(ref))
        yield from ((READS, ref) for ref in life.readers)
        pinned = (TAG, EXPIRED) if life.kind.has_tags else (EXPIRED,)
        yield from ((check, ref) for check in pinned for ref in life.readers)

    def _case(self, check: str, ref: EngineRef) -> Case:
        kind = self.life.kind
        title = _TITLES.get(check, f"{{ref}} maintains {{life}}: {check}")
        return Case(
            id=f"phase12/{self.life.id}/{check}/{ref}",
            phase="phase12",
            title=title.format(ref=ref, life=f"{kind.title}{distance.away(self.life.catalog_ms)}"),
            engine=ref,
            group=f"{GROUP}{self.life.title}",
            row=check,
            column=str(ref),
            coordinates=Coordinates(
                engine=ref.name,
                version=ref.version,
                format=kind.format,
                test=kind.id,
                check=check,
                more=distance.coordinate(self.life.catalog_ms),
            ),
        )

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Live once; then the record of each case."""
        if not todo:
            return
        began = now()
        seen = lived(context, self.life)
        for check, ref in self._parts():
            case = self._case(check, ref)
            if case.id in todo:
                yield _record(context, case, began, seen, (check, ref))


def _record(
    context: RunContext, case: Case, began: tuple[str, float], seen: Observations, part: tuple[str, EngineRef]
) -> Record:
    try:
        return record(context.history, case, began, seen.result(part))
    except CaseError as error:
        return failure(context.prerequisites, context.history, case, began, error, {})
