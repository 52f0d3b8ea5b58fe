"""The part ``data``: what engines read and write through a catalog, by themselves and one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from lakebench.errors import CaseError
from lakebench.execution.cases import Block, Case, Check, Evidence, Followed, Versioned
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, EngineRef
from lakebench.phases.rest_catalog import (
    data_commits,
    data_ducklake,
    data_faults,
    data_identity,
    data_lakesh,
    data_states,
    data_v3,
)
from lakebench.phases.rest_catalog.cases import PHASE, clean, diagnosed, versions
from lakebench.phases.rest_catalog.data_tables import LEVEL, PART, lake, rest, writers
from lakebench.phases.rest_catalog.targets import CheckedCatalog

ENGINES = ("pyiceberg", "duckdb", "spark", "trino")
"""The engines that are asked unless the user names others."""


def blocks(context: RunContext, target: CheckedCatalog) -> Iterator[Block]:
    """All data checks of one catalog; one of the user's is cleaned after them.

    A catalog that is only an address has one case, which says why engines are not asked.
    """
    if not target.services:
        yield _without_a_store(target)
        return
    checks = [
        *data_states.blocks(context.request.refs, target),
        *data_v3.blocks(context.request.refs, target),
        *data_identity.blocks(context.request.refs, target, vends=data_identity.vends(context, target)),
        *data_commits.blocks(context.request.refs, target),
        *data_faults.blocks(context.request.refs, target),
        *data_ducklake.blocks(context.request.refs, target),
        *data_lakesh.blocks(context.request.refs, target),
    ]
    for number, one in enumerate(checks, 1):
        block = _versioned(one, target)
        yield Followed(block, partial(_clean, target=target)) if number == len(checks) else block


def _without_a_store(target: CheckedCatalog) -> Check:
    coordinates = Coordinates(catalog=target.name, check=PART, test=PART, more={"level": LEVEL, "subject": PART})
    case = Case(
        id=f"{PHASE}/{target.name}/{PART}",
        phase=PHASE,
        title="Rows that engines write and read",
        engine=EngineRef(target.name),
        group=f"Rows by several engines, {target.name}",
        row=PART,
        column=target.name,
        coordinates=coordinates,
    )
    return Check(case, lambda context: {"lake": lake(context, target).name})


def covers(case: Coordinates, refs: Sequence[EngineRef]) -> bool:
    """Whether a run of ``refs`` has the case: all that write race together, and no fewer."""
    return case.test != data_commits.TOGETHER or case.engines == tuple(map(str, writers(refs)))


def _versioned(one: Check, target: CheckedCatalog) -> Block:
    watched = replace(one, test=partial(_watched, one.test, target))
    return Versioned(watched, target.name, partial(versions, target), beside=True)


def _watched(test: Callable[[RunContext], Evidence], target: CheckedCatalog, context: RunContext) -> Evidence:
    """``test``; where the catalog dies of it, the catalog is started again for the next one."""
    try:
        return test(context)
    except CaseError as error:
        raise diagnosed(context, target, error) from error


def _clean(context: RunContext, target: CheckedCatalog) -> None:
    """Leave a catalog of the user's as it was."""
    try:
        if target.is_users(context.services):
            clean(rest(context, target))
    except CaseError:
        return
