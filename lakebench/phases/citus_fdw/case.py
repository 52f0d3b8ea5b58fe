"""A case of phase 8: a check of a pair, whose record has the versions of both servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lakebench.execution.cases import Block, Case, Check, Evidence, Versioned
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates
from lakebench.phases.citus_fdw.ends import CLIENT, Link, Pair
from lakebench.phases.citus_fdw.tables import ready

Test = Callable[[Link], Evidence]


def case_of(pair: Pair, check: str, test: str, group: str, row: str) -> Case:
    """The case ``phase8/<pair>/<check>-<test>``."""
    return Case(
        id=f"phase8/{pair.name}/{check}-{test}",
        phase="phase8",
        title=f"{row}, {pair.title}",
        engine=CLIENT,
        group=group,
        row=row,
        column=pair.name,
        coordinates=replace(coordinates_of(pair, check, test), engine=CLIENT.name),
    )


def coordinates_of(pair: Pair, check: str, test: str) -> Coordinates:
    """Those of a case of ``pair``, but for its engines."""
    ends = {"local": pair.local.service, "remote": pair.remote.service}
    return Coordinates(test=test, check=check, more={**ends, "services": " ".join(ends.values())})


def with_versions(pair: Pair, block: Block, *, beside: bool = False) -> Versioned:
    """``block``, whose records have the versions of both servers, :attr:`~Versioned.beside` those of another engine."""
    return Versioned(block, pair.name, lambda context: Link(context, pair).versions(), beside)


def check_of(pair: Pair, case: Case, test: Test) -> Versioned:
    """The check of one case, which finds the tables of its pair made."""

    def tested(context: RunContext) -> Evidence:
        link = Link(context, pair)
        ready(link)
        return test(link)

    return with_versions(pair, Check(case, tested))
