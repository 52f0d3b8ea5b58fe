"""A case of phase 7: a check of a combination, whose record has the versions of its server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from lakebench.execution.cases import Case, Check, Evidence, Versioned
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates
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


def check_of(combination: Combination, case: Case, test: Test) -> Versioned:
    """The check of one case; its record has the versions of the server."""
    check = Check(case, lambda context: test(Both(context, combination)))
    return Versioned(check, combination.service, partial(_versions, combination))


def _versions(combination: Combination, context: RunContext) -> Mapping[str, str]:
    """What the server says of itself, in a database that has both extensions.

    Raises:
        CaseError: there is none.
    """
    both = Both(context, combination)
    return both.server.versions(both.database(), "made")
