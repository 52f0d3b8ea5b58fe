"""The matrix on real services: every eighth feature, two writers, three readers, and what a user does around it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import interop_sums
import pytest
from started import lakebench, quick_servers

from lakebench import engines, harness, reports
from lakebench.config import Settings
from lakebench.datasets.interop import features
from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.iceberg.operations import Append, Create
from lakebench.iceberg.types import Field
from lakebench.model import Record, Selection
from lakebench.outcomes import ExitCode, Outcome
from lakebench.progress import Quiet
from lakebench.results import record_schema
from lakebench.results.claims import Verdict
from lakebench.results.records import FILE, Run, read

pytestmark = pytest.mark.integration

WRITERS = ("reference", "spark")
READERS = ("duckdb", "trino", "pyiceberg")
NAMED = ("default-values", "deletion-vectors", "statistics", "type-time")
FEATURES = [one for place, one in enumerate(features.FEATURES) if place % 8 == 0 or one.id in NAMED]
"""Every eighth one, and those that a test names: the whole matrix takes longer than all other tests."""


@pytest.fixture(scope="module")
def subset(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Run]:
    """What the nightly run does, on fewer engines and features."""
    folder = tmp_path_factory.mktemp("interop")
    quick_servers(folder)
    arguments = ["run", "interop", "--writers", ",".join(WRITERS), "--readers", ",".join(READERS), "--json"]
    arguments += ["--features", ",".join(one.id for one in FEATURES)]
    done = lakebench(*arguments, "--output", str(folder / "runs"), cwd=folder, timeout_s=2400)
    return done, read(Path(json.loads(done.stdout)["folder"]))


def cells(run: Run) -> dict[str, Record]:
    return {one.case: one for one in run.cases}


def test_every_feature_writer_and_reader_has_its_cell(subset: tuple[subprocess.CompletedProcess[str], Run]) -> None:
    _, run = subset
    pairs = [*WRITERS, *(f"{writer}→{reader}" for writer in WRITERS for reader in READERS)]
    assert set(cells(run)) == {f"interop/{one.id}/{pair}" for one in FEATURES for pair in pairs}
    assert {one.feature for one in run.features} == {one.id for one in FEATURES}
    record_schema.check(run.path)


def test_it_is_as_accepted(subset: tuple[subprocess.CompletedProcess[str], Run]) -> None:
    done, run = subset
    summary = json.loads(done.stdout)
    assert not summary["changes"].get("worse")
    assert not summary["changes"].get("gone")
    assert not summary["changes"].get("new")
    assert done.returncode == ExitCode.OK, done.stderr
    assert run.complete


def test_the_reference_writes_every_feature_that_needs_no_engine(
    subset: tuple[subprocess.CompletedProcess[str], Run],
) -> None:
    records = {one.row: one for one in subset[1].cases if one.column == "reference"}
    assert {row for row, one in records.items() if one.outcome is not Outcome.PASS} == {"statistics"}


def test_most_cells_pass_and_known_wrong_answers_are_seen(
    subset: tuple[subprocess.CompletedProcess[str], Run],
) -> None:
    records = cells(subset[1])
    assert Counter(one.outcome for one in records.values())[Outcome.PASS] > len(records) * 0.7
    wrong = records["interop/default-values/reference→trino"]
    assert wrong.outcome is Outcome.WRONG
    (all_rows, *_) = wrong.evidence["reads"]
    assert all_rows["diff"]["missing"] == 3
    assert records["interop/type-time/spark"].evidence["verdict"] == Verdict.AS_CLAIMED
    assert records["interop/deletion-vectors/spark→trino"].outcome is Outcome.REFUSED
    assert "PUFFIN" in records["interop/deletion-vectors/spark→trino"].reason


def test_the_numbers_of_its_reports_add_up(subset: tuple[subprocess.CompletedProcess[str], Run]) -> None:
    sums = interop_sums.adds_up(subset[1])
    assert sums["judged"] > sums["passed"] > 0


def test_the_page_holds_every_cell(subset: tuple[subprocess.CompletedProcess[str], Run]) -> None:
    page = (subset[1].path.parent / "interop.html").read_text(encoding="utf-8")
    assert len(page) < 6_000_000
    for one in FEATURES:
        assert one.id in page


def request(selection: Selection, settings: Settings) -> Request:
    refs = tuple(engines.parse(name) for name in dict.fromkeys((*selection.writers, *selection.readers)))
    return Request(("interop",), refs, "", PROFILES["quick"], 1, settings, "test", selection)


def test_a_feature_added_as_data_is_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_up: Settings
) -> None:
    added = Feature(
        "a-new-feature",
        "New things",
        "a table that nobody thought of before",
        (Create(columns=(Field("id", "int"), Field("n", "long"))), Append(rows=((1, 10), (2, None)))),
        "types-basic",
        "a test",
        proof=(Proof("rows", "=", 2),),
    )
    monkeypatch.setattr(features, "FEATURES", (*features.FEATURES, added))
    selection = Selection(("a-new-*",), ("reference", "duckdb"), ("duckdb", "pyiceberg"))
    result = harness.run(request(selection, settings_up), tmp_path / "run", Quiet())
    reports.write(tmp_path / "run")
    assert result.code is ExitCode.OK
    records = cells(read(tmp_path / "run"))
    assert len(records) == 6
    assert {one.outcome for one in records.values()} == {Outcome.PASS}
    for name in ("report.md", "report.html", "interop.html"):
        assert added.title in (tmp_path / "run" / name).read_text(encoding="utf-8")


def test_a_run_that_was_stopped_goes_on_where_it_stood(tmp_path: Path, settings_up: Settings) -> None:
    selection = Selection(("tag", "merge"), ("reference", "duckdb"), ("duckdb", "pyiceberg"))
    harness.run(request(selection, settings_up), tmp_path / "run", Quiet())
    file = tmp_path / "run" / FILE
    lines = file.read_text(encoding="utf-8").splitlines()
    case_lines = [line for line in lines if json.loads(line)["kind"] == "case"]
    assert len(case_lines) == 12
    kept = lines[: lines.index(case_lines[4]) + 1]  # in the middle of a table's readers
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    harness.run(harness.again(tmp_path / "run", settings_up), tmp_path / "run", Quiet(), resumed=True)
    again = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    cases = [line["case"] for line in again if line["kind"] == "case"]
    assert len(cases) == len(set(cases)) == 12
    assert read(file).complete


def test_a_database_that_was_invalidated_reads_the_next_table(tmp_path: Path, settings_up: Settings) -> None:
    reader = "duckdb@1.5.0"  # it raises an INTERNAL error at the first feature, and refuses whatever comes after it
    chosen = ("nested-drop-and-add-again", "append")
    selection = Selection(chosen, ("reference",), (reader,))
    harness.run(request(selection, settings_up), tmp_path / "run", Quiet())
    first, second = (
        cells(read(tmp_path / "run"))[f"interop/{feature}/reference→{reader}"]
        for feature in ("nested-drop-and-add-again", "append")
    )
    assert first.outcome is Outcome.REFUSED
    assert "INTERNAL Error" in first.reason
    assert [one["outcome"] for one in first.evidence["reads"]].count("REFUSED") >= 1
    assert not any("invalidated" in one.get("reason", "") for one in first.evidence["reads"])
    assert second.outcome is Outcome.PASS, second.reason
