"""Which lives a run has: the kinds of table, who writes, who reads, and who maintains."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench import engines
from lakebench.datasets.living import ducklake
from lakebench.engines import CanExecute, CanLoad, CanOperate, CanQuery, CanScan
from lakebench.execution.protocol import ONCE, QUICK, Profile
from lakebench.iceberg.operations import (
    Append,
    Compact,
    Create,
    Delete,
    ExpireSnapshots,
    Merge,
    Operation,
    RemoveOrphans,
    RewriteManifests,
)
from lakebench.model import CatalogKind, EngineRef, Selection, TableFormat
from lakebench.phases import distance

MERGE_ON_READ, COPY_ON_WRITE = "merge-on-read", "copy-on-write"
MAINTENANCE: tuple[type[Operation], ...] = (Compact, ExpireSnapshots, RemoveOrphans, RewriteManifests)
"""What a maintainer does in its turn, in this order: what one step leaves behind is for the next."""
_COMMITS = frozenset({Append, Merge, Delete})
_FEW, _MANY = 3, 12  # looks between the first commit and the last
_SAMPLES = 3


@dataclass(frozen=True)
class LifeKind:
    """A kind of table that lives; ``alone`` says that one engine writes it, and not several in turn."""

    id: str
    title: str
    format: TableFormat = TableFormat.ICEBERG
    version: int = 2
    mode: str = MERGE_ON_READ
    alone: bool = False

    @property
    def properties(self) -> dict[str, str]:
        """The table properties that ask for its mode."""
        return {f"write.{one}.mode": self.mode for one in ("delete", "update", "merge")}

    @property
    def has_tags(self) -> bool:
        """Whether a tag can hold a snapshot."""
        return self.format is TableFormat.ICEBERG


KINDS = (
    LifeKind("v2-merge-on-read", "Iceberg version 2, merge-on-read, several writers in turn"),
    LifeKind("v2-copy-on-write", "Iceberg version 2, copy-on-write, several writers in turn", mode=COPY_ON_WRITE),
    LifeKind("v3-merge-on-read", "Iceberg version 3, merge-on-read, several writers in turn", version=3),
    LifeKind("v2-one-writer", "Iceberg version 2, merge-on-read, one writer", alone=True),
    LifeKind("ducklake", "DuckLake, one writer", TableFormat.DUCKLAKE, alone=True),
)


@dataclass(frozen=True)
class Life:
    """A table's life: who has a part in it, and how long it is.

    ``writers`` take turns commit by commit, ``maintainers`` period by period. ``samples`` are the executions of each
    query at each look, ``every`` the commits between two looks. ``catalog_ms`` is the round trip of all of them to the
    catalog.
    """

    kind: LifeKind
    writers: tuple[EngineRef, ...]
    readers: tuple[EngineRef, ...]
    maintainers: tuple[EngineRef, ...]
    loaders: tuple[EngineRef, ...]
    commits: int
    every: int
    samples: int
    catalog_ms: int = 0

    @property
    def title(self) -> str:
        """Such as ``v2-merge-on-read, catalog 50 ms away``."""
        return f"{self.kind.id}{distance.away(self.catalog_ms)}"

    @property
    def id(self) -> str:
        """Such as ``v2-merge-on-read/catalog-50ms``."""
        return "/".join([self.kind.id, *distance.key(self.catalog_ms)])

    @property
    def periods(self) -> list[int]:
        """The number of commits after which each maintainer has its turn; the last is all of them."""
        count = max(1, len(self.maintainers))
        return [self.commits * one // count for one in range(1, count + 1)]

    def steps(self, ref: EngineRef) -> tuple[type[Operation], ...]:
        """The maintenance that ``ref`` can be asked for."""
        return maintenance(ref, self.kind.format)


def lives(
    refs: Sequence[EngineRef], selection: Selection, profile: Profile, commits: int, catalog_ms: int = 0
) -> Iterator[Life]:
    """The lives that are chosen of ``refs``; one that nobody can write or read is none."""
    for kind in KINDS:
        if not any(fnmatch.fnmatchcase(kind.id, one) for one in selection.features or ("*",)):
            continue
        writing, reading = writers(refs, kind, selection.writers), readers(refs, kind, selection.readers)
        if writing and reading:
            yield Life(
                kind,
                writing,
                reading,
                maintainers(refs, kind, writing),
                _loaders(refs, kind),
                commits,
                max(1, commits // (_FEW if profile.name == QUICK else _MANY)),
                _samples(profile),
                catalog_ms,
            )


def writers(refs: Sequence[EngineRef], kind: LifeKind, chosen: Sequence[str]) -> tuple[EngineRef, ...]:
    """Those of ``refs`` that carry out every commit of a life; of a table with one writer, that one.

    It is one that writes a DuckLake too where there is one, so that the two can be compared.
    """
    able = [
        ref
        for ref in refs
        if issubclass(engine := engines.find(ref.name), CanOperate)
        and engine.operations >= _COMMITS
        and opens(engine, kind.format)
        and (not chosen or str(ref) in chosen)
    ]
    if not kind.alone:
        return tuple(able)
    both = [ref for ref in able if TableFormat.DUCKLAKE in engines.find(ref.name).formats]
    return tuple([*both, *able][:1])


def opens(engine: type[engines.Engine], form: TableFormat) -> bool:
    """Whether ``engine`` changes tables of this format in the lake itself."""
    if form not in engine.formats or engine.own_catalog or engine.variant_of:
        return False
    if form is TableFormat.DUCKLAKE:
        return issubclass(engine, CanExecute)
    return CatalogKind.REST in engine.catalogs


def readers(refs: Sequence[EngineRef], kind: LifeKind, chosen: Sequence[str]) -> tuple[EngineRef, ...]:
    """Those that answer SQL on a table of this format."""
    return tuple(
        ref
        for ref in refs
        if issubclass(engine := engines.find(ref.name), CanQuery)
        and issubclass(engine, CanScan)
        and kind.format in engine.formats
        and (kind.format is TableFormat.DUCKLAKE or CatalogKind.REST in engine.catalogs)
        and (not chosen or str(ref) in chosen)
    )


def maintainers(refs: Sequence[EngineRef], kind: LifeKind, writing: Sequence[EngineRef]) -> tuple[EngineRef, ...]:
    """Those that have maintenance, the ones with most of it first; of a table with one writer all of these too."""
    candidates = writing if kind.format is TableFormat.DUCKLAKE else refs
    able = [ref for ref in candidates if maintenance(ref, kind.format) and opens(engines.find(ref.name), kind.format)]
    return tuple(sorted(able, key=lambda ref: -len(maintenance(ref, kind.format))))


def maintenance(ref: EngineRef, form: TableFormat) -> tuple[type[Operation], ...]:
    """The maintenance of tables of this format that an engine can be asked for."""
    engine: Any = engines.find(ref.name)
    able = ducklake.MAINTENANCE.keys() if form is TableFormat.DUCKLAKE else getattr(engine, "operations", ())
    return tuple(one for one in MAINTENANCE if one in able)


def _loaders(refs: Sequence[EngineRef], kind: LifeKind) -> tuple[EngineRef, ...]:
    """Those that can fill the table at first, the ones without a server first."""
    able = [
        ref
        for ref in refs
        if issubclass(engine := engines.find(ref.name), CanOperate)
        and issubclass(engine, CanLoad)
        and Create in engine.operations
        and opens(engine, kind.format)
    ]
    return tuple(sorted(able, key=lambda ref: engines.find(ref.name).service is not None))


def _samples(profile: Profile) -> int:
    if "repeat" in profile.chosen:
        return profile.protocol.samples
    return 1 if profile.name in {QUICK, ONCE} else _SAMPLES


def name_of(step: type[Operation]) -> str:
    """``expire-snapshots`` of :class:`~lakebench.iceberg.operations.ExpireSnapshots`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", step.__name__).lower()
