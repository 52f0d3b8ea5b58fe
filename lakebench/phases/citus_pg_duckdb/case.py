"""A case of phase 7: a check of a combination, whose record has the versions of its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from lakebench.errors import CaseError
from lakebench.execution.cases import Block, Case, Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, Record
from lakebench.phases.citus_pg_duckdb.server import CLIENT, Both, Combination

Test = Callable[[Both], Evidence]


def case_of(of: Combination, check: str, test: str, group: str, row: str, column: str = "", **more: str) -> Case:
    """The case ``phase7/<service>/<check>-<test>``; ``more`` are further coordinates, and end its id."""
    ending = "".join(f"-{value}" for value in more.values())
    return Case(
        id=f"phase7/{of.service}/{check}-{test}{ending}",
        phase="phase7",
        title=f"{row}, {of.title}",
        engine=CLIENT,
        group=f"{group}, {of.title}",
        row=row,
        column=column or of.title,
        coordinates=Coordinates(
            engine=CLIENT.name,
            test=test,
            check=check,
            more={"services": of.service, **{key.rstrip("_"): one for key, one in more.items()}},
        ),
    )


@dataclass(frozen=True)
class OfCombination(Block):
    """One check of ``combination``; its record has the versions of the server."""

    combination: Combination
    check: Check

    @property
    def cases(self) -> tuple[Case, ...]:
        """The one case."""
        return self.check.cases

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Run the check."""
        for one in self.check.run(context, todo):
            yield replace(one, versions=_versions(context, self.combination) if one.outcome.ran else {})


def check_of(combination: Combination, case: Case, test: Test) -> OfCombination:
    """The check of one case."""
    return OfCombination(combination, Check(case, lambda context: test(Both(context, combination))))


def _versions(context: RunContext, combination: Combination) -> Mapping[str, str]:
    """What the server says of itself, asked once a run; nothing where no database has both extensions."""
    both = Both(context, combination)
    try:
        return context.prepared.once(
            f"both/versions/{combination.service}", lambda: both.server.versions(both.database(), "made")
        )
    except CaseError:
        return {}
