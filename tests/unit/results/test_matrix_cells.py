"""Cells of the matrix at the versions that ran, from records and from the shipped baseline."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import fixture_interop

from lakebench import phases
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.results import baseline, matrix_cells, records

SHIPPED = baseline.read(phases.baselines(["interop"])["interop"])
FIXTURES = Path(__file__).parents[2] / "fixtures"


def test_a_cell_of_a_run_has_the_versions_that_its_engines_reported() -> None:
    cells = {one.case: one for one in matrix_cells.of_run(fixture_interop.run())}
    cell = cells["interop/decimal-38/duckdb→polars"]
    assert (cell.writer, cell.reader) == (EngineRef("duckdb", "1.5.5"), EngineRef("polars", "1.35.2"))
    assert (cell.outcome, cell.link) == (Outcome.WRONG, fixture_interop.KNOWN["link"])
    assert cell.address == "#cell=interop%2Fdecimal-38%2Fduckdb%E2%86%92polars"


def test_the_name_with_a_version_and_the_plain_name_are_one_engine() -> None:
    run = fixture_interop.run(writers=7)
    cells = matrix_cells.merged(matrix_cells.of_run(run))
    assert {writer for _, writer, _ in cells if writer.name == "duckdb"} == {
        EngineRef("duckdb", "1.5.5"),
        EngineRef("duckdb", "1.4.4"),
    }
    assert matrix_cells.versions(cells, "duckdb") == ["1.5.5", "1.4.4"]
    assert matrix_cells.resolved(cells, EngineRef("duckdb")) == EngineRef("duckdb", "1.5.5")
    assert matrix_cells.resolved(cells, EngineRef("duckdb", "0.9")) == EngineRef("duckdb", "0.9")
    assert matrix_cells.resolved(cells, EngineRef("smallpond")) == EngineRef("smallpond")


def test_versions_sort_as_versions() -> None:
    cells = matrix_cells.of_run(fixture_interop.run())
    known = {
        ("f", EngineRef("duckdb", one), None): cell
        for one, cell in zip(("1.9.0", "1.10.0", "nightly"), cells, strict=False)
    }
    assert matrix_cells.versions(known, "duckdb") == ["1.10.0", "1.9.0", "nightly"]


def test_a_recorded_run_of_the_first_schema_is_read() -> None:
    (folder,) = (FIXTURES / "schema1").glob("*-interop-539f")
    cells = list(matrix_cells.of_run(records.read(folder)))
    assert {one.outcome for one in cells} >= {Outcome.PASS, Outcome.WRONG, Outcome.REFUSED}
    assert all(one.writer.version for one in cells)


def test_the_shipped_baseline_has_a_version_for_each_engine_of_a_cell() -> None:
    catalogs = Counter(entry.coordinates.catalog for entry in SHIPPED.values())
    assert set(catalogs) == {"rest", "seaweedfs", "hive"}
    cells = [cell for catalog in catalogs for cell in matrix_cells.of_baseline(SHIPPED, str(catalog))]
    assert len(cells) == len(SHIPPED)
    without = {ref for one in cells for ref in (one.writer, one.reader) if ref is not None and not ref.version}
    assert without == set()
    assert all(one.origin.accepted and one.origin.date for one in cells)
    assert list(matrix_cells.of_baseline(SHIPPED, "nessie")) == []


def test_a_read_of_a_wrong_table_is_no_fault_of_the_reader() -> None:
    of_run = {one.case for one in matrix_cells.of_run(fixture_interop.blamed()) if one.misled}
    assert of_run == {"interop/decimal-38/trino→duckdb", "interop/decimal-38/trino→polars"}
    shipped = matrix_cells.merged(matrix_cells.of_baseline(SHIPPED, "rest"))
    misled = [one for one in shipped.values() if one.misled]
    assert misled
    assert all(shipped[one.feature, one.writer, None].outcome is Outcome.WRONG for one in misled)


def test_a_later_source_wins_unless_only_the_earlier_one_ran() -> None:
    cell = next(iter(matrix_cells.of_run(fixture_interop.run())))
    wrong, absent = replace(cell, outcome=Outcome.WRONG), replace(cell, outcome=Outcome.UNAVAILABLE)
    assert list(matrix_cells.merged([cell], [wrong]).values()) == [wrong]
    assert list(matrix_cells.merged([wrong], [absent]).values()) == [wrong]
    assert list(matrix_cells.merged([absent], [wrong]).values()) == [wrong]
