"""A case of phase 8: a check of a pair, whose record has the versions of both servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lakebench.errors import CaseError
from lakebench.execution.cases import Block, Case, Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, Record
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


@dataclass(frozen=True)
class OfPair(Block):
    """A block of ``pair``, whose records have the versions of both servers; after the ``last`` its tables are gone."""

    pair: Pair
    block: Block
    last: bool = False

    @property
    def cases(self) -> tuple[Case, ...]:
        """Those of the block."""
        return self.block.cases

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Run the block."""
        link = Link(context, self.pair)
        for one in self.block.run(context, todo):
            yield replace(one, versions=link_versions(link) if one.outcome.ran else {})
        if self.last:
            link.dropped()


def link_versions(link: Link) -> dict[str, str]:
    """The versions of both servers, asked once a run; none where one is gone."""
    try:
        return dict(link.context.prepared.once(f"citus_fdw/versions/{link.pair.name}", link.versions))
    except CaseError:
        return {}


def check_of(pair: Pair, case: Case, test: Test) -> OfPair:
    """The check of one case, which finds the tables of its pair made."""

    def tested(context: RunContext) -> Evidence:
        link = Link(context, pair)
        ready(link)
        return test(link)

    return OfPair(pair, Check(case, tested))
