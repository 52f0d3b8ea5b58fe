"""What an upgrade changes: cells at two versions, and times."""

from __future__ import annotations

import random
from dataclasses import replace

import fixture_interop
import fixture_run
import pytest

from lakebench.model import Coordinates, EngineRef, Record
from lakebench.outcomes import Outcome
from lakebench.results.cell_changes import ChangeKind, change
from lakebench.results.matrix_cells import Key, MatrixCell, Origin
from lakebench.results.records import Dataset, Run
from lakebench.results.upgrade import CellSide, Place, upgrade

OLD, NEW = EngineRef("duckdb", "1.4.4"), EngineRef("duckdb", "1.5.5")
SPARK, TRINO = EngineRef("spark", "4.1.4"), EngineRef("trino", "476")


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        ("PASS", "PASS", None),
        ("REFUSED", "REFUSED", None),
        ("PASS", "REFUSED", ChangeKind.BROKEN),
        ("WRONG", "PASS", ChangeKind.MENDED),
        ("REFUSED", "WRONG", ChangeKind.WORSE),
        ("CRASH", "REFUSED", ChangeKind.LESSER),
        ("UNAVAILABLE", "WRONG", ChangeKind.NEW),
        ("HARNESS_FAULT", "PASS", ChangeKind.NEW),
        ("REFUSED", "UNAVAILABLE", ChangeKind.GONE),
        ("UNAVAILABLE", "HARNESS_FAULT", None),
    ],
)
def test_what_became_of_a_case(before: str, now: str, kind: ChangeKind | None) -> None:
    assert change(Outcome(before), Outcome(now)) is kind


def known(*cells: tuple[str, EngineRef, EngineRef | None, str], date: str = "2026-11-21") -> dict[Key, MatrixCell]:
    return {
        (feature, writer, reader): MatrixCell(
            f"interop/{feature}/{writer}", feature, writer, reader, Outcome(outcome), Origin("run", date)
        )
        for feature, writer, reader, outcome in cells
    }


def test_the_cells_of_both_versions_stand_side_by_side() -> None:
    cells = known(
        ("merge", OLD, None, "REFUSED"),
        ("merge", NEW, None, "PASS"),
        ("merge", OLD, SPARK, "UNAVAILABLE"),
        ("merge", NEW, SPARK, "WRONG"),
        ("update", SPARK, OLD, "PASS"),
        ("update", SPARK, NEW, "REFUSED"),
        ("delete", OLD, OLD, "PASS"),
        ("delete", NEW, NEW, "PASS"),
        ("type-int", TRINO, OLD, "PASS"),
        ("type-int", SPARK, TRINO, "WRONG"),
    )
    answer = upgrade(cells, OLD, NEW)
    assert [(one.change, one.place) for one in answer.changed] == [
        (ChangeKind.BROKEN, Place("update", CellSide.READ, "spark")),
        (ChangeKind.NEW, Place("merge", CellSide.READ_BY, "spark")),
        (ChangeKind.MENDED, Place("merge", CellSide.WRITE)),
    ]
    assert answer.same == 1
    assert [one.place for one in answer.unknown] == [Place("type-int", CellSide.READ, "trino")]
    assert answer.counts[ChangeKind.BROKEN] == 1
    assert not answer.old_tables


def test_cells_are_held_together_by_the_same_version_of_the_other_engine() -> None:
    older, newer = EngineRef("daft", "0.7.25"), EngineRef("daft", "0.7.26")
    read = known(("append", older, OLD, "REFUSED"), ("append", newer, OLD, "PASS"), ("append", newer, NEW, "PASS"))
    later = known(("append", older, NEW, "WRONG"), date="2026-11-30")
    answer = upgrade({**read, **later}, OLD, NEW)
    assert (answer.changed, answer.same, answer.unknown) == ((), 1, ())


def test_without_a_common_version_the_latest_cell_of_each_is_taken() -> None:
    older, newer = EngineRef("daft", "0.7.25"), EngineRef("daft", "0.7.26")
    cells = known(("append", older, OLD, "PASS"), ("append", newer, NEW, "WRONG"))
    (changed,) = upgrade(cells, OLD, NEW).changed
    assert changed.change is ChangeKind.BROKEN
    assert (changed.before, changed.now) == tuple(cells.values())


def test_tables_of_the_old_version_are_read_by_the_new_one() -> None:
    answer = upgrade(known(("update", OLD, OLD, "PASS"), ("update", OLD, NEW, "WRONG")), OLD, NEW)
    assert [(one.change, one.place.side) for one in answer.changed] == [(ChangeKind.BROKEN, CellSide.OLD_TABLES)]
    assert [one.place.side for one in answer.unknown] == [CellSide.ITSELF]
    assert answer.old_tables


def test_a_counterpart_of_another_version_still_counts_and_the_latest_wins() -> None:
    earlier = known(("update", EngineRef("spark", "3.5"), OLD, "REFUSED"), date="2026-01-01")
    later = known(("update", SPARK, OLD, "PASS"), ("update", SPARK, NEW, "PASS"))
    assert upgrade(earlier | later, OLD, NEW).same == 1
    assert [one.change for one in upgrade(earlier | known(("update", SPARK, NEW, "PASS")), OLD, NEW).changed] == [
        ChangeKind.MENDED
    ]


def test_a_version_that_nobody_has_leaves_all_unknown() -> None:
    answer = upgrade(known(("update", SPARK, NEW, "PASS")), OLD, NEW)
    assert (answer.changed, answer.same, len(answer.unknown)) == ((), 0, 1)


# Times.


def timed(*records: Record, content: str = "c") -> Run:
    return replace(fixture_interop.run(), cases=records, datasets=(Dataset("tpch", "1", content_hash=content),))


def query(ref: EngineRef, seconds: float, seed: int) -> Record:
    return Record(
        f"phase3/q01/{ref}", "phase3", "", str(ref), Outcome.PASS, versions={"duckdb": ref.version or ""}, row="Q1",
        samples=fixture_run.samples(random.Random(seed), seconds),  # noqa: S311
        coordinates=Coordinates(engine=ref.name, version=ref.version, query="q01", storage="local", format="iceberg"),
    )  # fmt: skip


def test_times_of_two_runs_have_ratios_with_intervals() -> None:
    answer = upgrade({}, OLD, NEW, [timed(query(OLD, 1.0, 1)), timed(query(NEW, 2.0, 2))])
    assert answer.times is not None
    (row,), (cold,) = answer.times.rows, answer.times.cold
    assert row.regression
    assert row.ratio.interval is not None
    assert row.ratio.ratio == pytest.approx(2, rel=0.1)
    assert cold.ratio.interval is None  # one sample each
    assert answer.times.means[-1].queries == 1


def test_samples_of_one_run_are_pairs() -> None:
    together = upgrade({}, OLD, NEW, [timed(query(OLD, 1.0, 1), query(NEW, 1.0, 2))]).times
    assert together is not None
    assert together.rows[0].verdict == "no difference shown"


def test_times_on_other_data_are_not_compared() -> None:
    runs = [timed(query(OLD, 1.0, 1)), timed(query(NEW, 2.0, 2), content="d")]
    assert upgrade({}, OLD, NEW, runs).times is None
    assert upgrade({}, OLD, NEW).times is None
