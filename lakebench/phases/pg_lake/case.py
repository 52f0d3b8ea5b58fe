"""A case of phase 4.5: a check of pg_lake, whose record has the versions of the server."""

from __future__ import annotations

from collections.abc import Callable

from lakebench.execution.cases import Case, Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates
from lakebench.phases.pg_lake.server import CLIENT, TwinServer

Test = Callable[[TwinServer], Evidence]


def case_of(check: str, test: str, group: str, row: str, column: str = "pg_lake") -> Case:
    """The case ``phase45/<check>/<test>``."""
    return Case(
        id=f"phase45/{check}/{test}",
        phase="phase45",
        title=row if column == "pg_lake" else f"{row}, {column}",
        engine=CLIENT,
        group=group,
        row=row,
        column=column,
        coordinates=Coordinates(engine=CLIENT.name, test=test, check=check),
    )


def check_of(case: Case, test: Test) -> Check:
    """The check of one case, once the server is there."""

    def tested(context: RunContext) -> Evidence:
        server = TwinServer(context)
        server.opened()
        return test(server)

    return Check(case, tested)
