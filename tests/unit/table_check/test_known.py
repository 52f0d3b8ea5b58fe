"""Features of the matrix that a table uses, and the cells that fail on them."""

from __future__ import annotations

from pathlib import Path

import own_tables

from lakebench.datasets.interop.features import all_features
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.results.matrix_cells import MatrixCell, Origin, merged
from lakebench.table_check import findings
from lakebench.table_check.known import features_in_use, known_failures

BASE = {
    "column-types": {"id": "long", "v": "string"},
    "partition-transforms": [],
    "refs": {"main": "branch"},
    "format-version": 2,
    "position-delete-files": 0,
    "equality-delete-files": 0,
    "deletion-vectors": 0,
    "file-formats": ["parquet"],
    "codecs": ["zstd"],
    "specs": 1,
}
READER, WRITER = EngineRef("duckdb", "1.5.5"), EngineRef("spark", "4.1.4")
REFERENCE = EngineRef("reference", "1")


def used(**facts: object) -> set[str]:
    return {one.id for one in features_in_use({**BASE, **facts}, all_features())}


def test_a_plain_table_uses_nothing_that_tells() -> None:
    assert not {one for one in used() if "delete" in one or "type" in one or "partition" in one}


def test_equality_deletes_are_seen_whatever_the_columns_names() -> None:
    assert any("equality" in one for one in used(**{"equality-delete-files": 3}))


def test_a_type_and_a_transform_are_seen_by_their_kind() -> None:
    assert "type-uuid" in used(**{"column-types": {"mine": "uuid"}})
    assert any("bucket" in one for one in used(**{"partition-transforms": ["bucket[77](mine)"]}))


def test_the_facts_of_a_real_table_are_those_that_are_asked_for(tmp_path: Path) -> None:
    facts = findings.of_iceberg(own_tables.content(own_tables.write(tmp_path)), None).facts
    assert BASE.keys() <= facts.keys()
    features_in_use(facts, all_features())


def cell(writer: EngineRef, outcome: Outcome, *, misled: bool = False) -> MatrixCell:
    case = f"interop/type-uuid/{writer.name}→duckdb"
    return MatrixCell(case, "type-uuid", writer, READER, outcome, Origin("r", "2026"), misled=misled)


def failures(*cells: MatrixCell) -> list[Outcome]:
    features = [one for one in all_features() if one.id == "type-uuid"]
    return [one.cell.outcome for one in known_failures(merged(cells), features, [READER])]


def test_a_reader_that_fails_on_the_references_table_is_named() -> None:
    others = [cell(EngineRef(name, "1"), Outcome.PASS) for name in ("a", "b")]
    assert failures(cell(REFERENCE, Outcome.WRONG), *others) == [Outcome.WRONG]


def test_what_one_writer_writes_is_no_failure_on_the_feature() -> None:
    others = [cell(EngineRef(name, "1"), Outcome.PASS) for name in ("a", "b")]
    assert failures(cell(WRITER, Outcome.REFUSED), cell(REFERENCE, Outcome.PASS), *others) == []


def test_a_reader_that_was_misled_is_not_named() -> None:
    assert failures(cell(WRITER, Outcome.WRONG, misled=True)) == []
