"""The section of the report, made from the phase's records alone."""

from __future__ import annotations

from lakebench.reports.content import Section, Table, cells
from lakebench.results.records import Run


def sections(run: Run) -> list[Section]:
    """How many rows of how many commits each engine read; ``run`` has the cases of this phase only."""
    rows = tuple(
        cells(one.engine, one.outcome, *(one.evidence.get(name, "not had") for name in ("commits", "rows")))
        for one in run.cases
    )
    table = Table("Rows of a table of several commits", ("engine", "outcome", "commits", "rows"), rows)
    return [Section("Round trip", "round-trip", (table,))]
