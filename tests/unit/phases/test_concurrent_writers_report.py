"""What the report says of concurrent writers: a row a cell, times of cells that passed alone, a line a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.phases.concurrent_writers.report import sections
from lakebench.reports.content import Plot, Table
from lakebench.results.records import Header, Run

GROUP = "Appends by writers at once"


def cell(number: int, outcome: Outcome = Outcome.PASS, **more: Any) -> Record:
    concurrency = {
        "writers": number, "asked": 10, "succeeded": 9, "final_rows": 9, "reads": 4, "reads_behind": 0,
        "errors": {"CommitConflict: no": 1}, "operations_per_s": 5.5, "median_ms": 2.0, "p95_ms": "n too small (9)",
        "maximum_ms": 3.0, **more,
    }  # fmt: skip
    return Record(
        f"phase9/insert/x/{number}/duckdb", "phase9", "", "duckdb", outcome, evidence={"concurrency": concurrency},
        group=GROUP, row="x by duckdb", column=f"{number} writers",
        coordinates=Coordinates(engines=("duckdb",), test="insert", more={"store": "x", "writers": number}),
    )  # fmt: skip


def parts(*cells: Record) -> list[Any]:
    (section,) = sections(Run(Path(), Header("r", ("phase9",), "", ""), cases=cells))
    return list(section.parts)


def test_each_cell_is_a_row_with_what_it_came_to() -> None:
    (table,) = parts(cell(3))
    assert isinstance(table, Table)
    texts = [one.text for one in table.rows[0]]
    assert texts[:5] == ["x by duckdb", "3", "PASS", "9 of 10", "9"]
    assert texts[-1] == "1 times CommitConflict: no"
    assert len(texts) == len(table.head)


def test_a_wrong_cell_has_no_times_and_no_point() -> None:
    plot, table = parts(cell(1), cell(3), cell(8, Outcome.WRONG))
    assert isinstance(plot, Plot)
    assert "by 3" in plot.alt
    assert "by 8" not in plot.alt
    assert plot.draw().startswith("<svg")
    assert {one.text for one in table.rows[2][5:9]} == {"–"}  # noqa: RUF001 - the page's own dash


def test_a_cell_with_a_fault_has_no_times() -> None:
    (table,) = parts(cell(2, fault="the catalog answers two commits with 503"))
    assert table.rows[0][2].text == "PASS"
    assert {one.text for one in table.rows[0][5:9]} == {"–"}  # noqa: RUF001 - the page's own dash


def test_without_cells_there_is_nothing() -> None:
    assert parts() == []
