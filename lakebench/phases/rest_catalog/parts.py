"""The parts of the phase that ``--checks`` names. A further part is a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.phases.rest_catalog import cases
from lakebench.phases.rest_catalog.protocol import SUBJECTS
from lakebench.phases.rest_catalog.targets import CheckedCatalog


@dataclass(frozen=True)
class CheckPart:
    """Cases of one kind: ``blocks`` gives those of one catalog; ``engines`` and ``services`` are what they need."""

    blocks: Callable[[RunContext, CheckedCatalog], Iterator[Block]]
    engines: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


PARTS: Mapping[str, CheckPart] = {name: CheckPart(partial(cases.blocks, name)) for name in SUBJECTS}
"""Name → part, in the order of the report."""
