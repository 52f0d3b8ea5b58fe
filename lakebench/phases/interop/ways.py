"""What an engine cannot be asked for, known without a run: its adapter has no way to express an operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lakebench import engines
from lakebench.datasets.interop.feature import Feature
from lakebench.iceberg.operations import Concurrent, Mark, Operation, Transaction


def lacking(feature: Feature, writer: str) -> str:
    """Why the engine ``writer`` cannot be asked to write ``feature``; empty where it can."""
    engine: Any = engines.find(writer)
    unknown = [one for one in _own(feature.program) if type(one) not in engine.operations]
    return f"{writer} has no way to ask for {type(unknown[0]).__name__}" if unknown else ""


def _own(program: Sequence[Operation]) -> Iterator[Operation]:
    """The operations that the writer itself carries out, with the parts of each."""
    for one in program:
        if one.by or isinstance(one, Mark):
            continue
        yield one
        if isinstance(one, Concurrent | Transaction):
            yield from _own(one.operations)
