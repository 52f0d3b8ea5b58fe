"""The type of an interop feature, and of a proof that it is in the table."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from lakebench.datasets.interop.derived_reads import DerivedReads, derived
from lakebench.iceberg.operations import Append, Create, Operation, Read
from lakebench.model import UTC

NAMESPACE = "interop"


@dataclass(frozen=True)
class Proof:
    """A fact that the inspector must find in the table's metadata and files: ``fact test value``.

    ``fact`` is a key of :func:`lakebench.datasets.interop.inspector.facts_of`; ``test`` is ``=``, ``>=`` or
    ``contains``.
    """

    fact: str
    test: str
    value: Any


@dataclass(frozen=True)
class Feature:
    """A small program that makes a table with one feature, the reads that check it, and the proof that it is there.

    ``claim`` names its topic in ``claims.toml``, where that is not the feature's own ``id``.
    Every feature is read whole and counted, and by the reads that follow from its rows (``derived``); ``reads`` are in
    addition. ``source`` is the section of the Iceberg
    specification, or the thread of the defect that it is about. ``by_reference`` says that no operation of an engine
    makes it, so that the reference writer alone does. ``zone`` is the time zone of every engine's session, and of its
    process if it runs in one of ours; ``tables`` is what tables are called, around the usual name.
    """

    id: str
    group: str
    title: str
    program: tuple[Operation, ...]
    claim: str
    source: str
    reads: tuple[Read, ...] = ()
    proof: tuple[Proof, ...] = ()
    by_reference: bool = False
    zone: str = UTC
    namespace: str = NAMESPACE
    tables: str = "{}"
    basic: tuple[Read, ...] = field(default=(Read("all rows"), Read("count(*)", count=True)))

    @property
    def format_version(self) -> int:
        """The format version that the table is created with."""
        return next(one.format_version for one in self.program if isinstance(one, Create))

    @property
    def all_reads(self) -> tuple[Read, ...]:
        """Those that every feature has, and its own."""
        return (*self.basic, *self.reads)

    @functools.cached_property
    def derived(self) -> DerivedReads:
        """The reads that follow from its rows and types: few where the rows are many."""
        reads = derived(self.program)
        return reads.few() if any(isinstance(one, Append) and one.times > 1 for one in self.program) else reads
