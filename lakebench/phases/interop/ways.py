"""What an engine is asked for, known without a run, and what it cannot be asked, as its adapter has no way to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lakebench import engines
from lakebench.datasets.interop.derived_reads import DerivedReads
from lakebench.datasets.interop.feature import Feature
from lakebench.iceberg.operations import Concurrent, Mark, Operation, Transaction
from lakebench.phases.interop.blame import REFERENCE


def lacking(feature: Feature, writer: str) -> str:
    """Why the engine ``writer`` cannot be asked to write ``feature``; empty where it can."""
    engine: Any = engines.find(writer)
    unknown = [one for one in _own(feature.program) if type(one) not in engine.operations]
    return f"{writer} has no way to ask for {type(unknown[0]).__name__}" if unknown else ""


def derived_reads(feature: Feature, writer: str, reader: str) -> DerivedReads:
    """What ``reader`` is asked of a table of ``writer``, beside the feature's own reads.

    Many show what readers do with a right table, and few what a writer did wrong. A server, to which each costs a sixth
    of a second, is asked fewer, and of another engine's table none.
    """
    is_server = bool(engines.find(reader).service)
    if writer == REFERENCE:
        return feature.derived.some() if is_server else feature.derived
    return DerivedReads() if is_server and reader != writer else feature.derived.few()


def _own(program: Sequence[Operation]) -> Iterator[Operation]:
    """The operations that the writer itself carries out, with the parts of each."""
    for one in program:
        if one.by or isinstance(one, Mark):
            continue
        yield one
        if isinstance(one, Concurrent | Transaction):
            yield from _own(one.operations)
