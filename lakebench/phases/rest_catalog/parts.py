"""The parts of the phase that ``--checks`` names. A further part is a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, EngineRef
from lakebench.phases.rest_catalog import cases, data, load
from lakebench.phases.rest_catalog.protocol import SUBJECTS
from lakebench.phases.rest_catalog.targets import CheckedCatalog


@dataclass(frozen=True)
class CheckPart:
    """Cases of one kind: ``blocks`` gives those of one catalog; ``engines`` and ``services`` are what they need.

    ``short_keys`` says that some of them wait for the end of keys of the store, ``covers`` whether a run of these
    engines has a case, all of whose engines are among them.
    """

    blocks: Callable[[RunContext, CheckedCatalog], Iterator[Block]]
    engines: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    short_keys: bool = False
    covers: Callable[[Coordinates, tuple[EngineRef, ...]], bool] = lambda *_: True


def _waits(name: str) -> bool:
    return any(check.short_keys for subject in SUBJECTS[name] for check in subject.checks)


PARTS: Mapping[str, CheckPart] = {
    **{name: CheckPart(partial(cases.blocks, name), short_keys=_waits(name)) for name in SUBJECTS},
    load.PART: CheckPart(load.blocks),
    "data": CheckPart(data.blocks, data.ENGINES, short_keys=True, covers=data.covers),
}
"""Name → part, in the order of the report."""
