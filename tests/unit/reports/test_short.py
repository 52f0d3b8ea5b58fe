"""``summary.md``: short, whole, and safe to paste."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import fixture_interop
import fixture_run
import pytest
from rich.console import Console

from lakebench import reports
from lakebench.reports import document, markdown, short, summary
from lakebench.results import records

(RECORDED,) = (Path(__file__).parents[2] / "fixtures" / "interop-versions").iterdir()
FILES = ("report.html", "records.jsonl")


def test_it_has_the_verdict_the_changes_what_is_missing_and_links() -> None:
    run = fixture_interop.run()
    text = short.render(run, FILES)
    assert document.verdict(run)[0].split(":")[0].split(",")[0] in text
    for title in ("**Worse than accepted: 1**", "**Gone: 1**", "**New failures: 1**", "**Better than accepted: 1**"):
        assert title in text
    assert "- `trino`: 2 cases: no Java 17" in text
    assert "not written, so that nobody could read it" in text
    assert "[report.html](report.html), [records.jsonl](records.jsonl)" in text
    assert "<script>" not in text


@pytest.mark.parametrize("size", [1, 60, 3000])
def test_it_is_under_ten_kilobytes_whatever_the_run(size: int) -> None:
    run = fixture_interop.run()
    assert run.end
    lines = tuple(
        records.ChangedCase(f"interop/{'é' * 40}-{n}/a→b", f"PASS → WRONG ({'…' * 400})") for n in range(size)
    )
    end = dataclasses.replace(run.end, changes={"worse": lines, "gone": lines, "better": lines})
    text = short.render(dataclasses.replace(run, end=end), FILES)
    assert len(text.encode()) < short.LIMIT
    assert f"**Worse than accepted: {size:,}**" in text
    assert ("more: see the report" in text) == (size > 1)
    assert text.rstrip().endswith("[records.jsonl](records.jsonl)")


def test_packages_at_other_versions_are_named_and_are_no_failure(tmp_path: Path) -> None:
    run = records.read(fixture_run.write(tmp_path))
    before = document.verdict(run)
    assert "tested versions" not in short.render(run, FILES)
    packages = [f"package{n} 2.{n} (tested: 1.0)" for n in range(50)]
    header = dataclasses.replace(run.header, harness={**run.header.harness, "untested": ", ".join(packages)})
    run = dataclasses.replace(run, header=header)
    text, console = short.render(run, FILES), Console(record=True, width=100)
    summary.show(run, console)
    for shown in (text, console.export_text()):
        assert "package0 2.0 (tested: 1.0), package1 2.1 (tested: 1.0)" in " ".join(shown.split())
        assert "package49" not in shown
        assert "lakebench install --locked" in " ".join(shown.split())
    assert "package49 2.49 (tested: 1.0)" in markdown.render(document.build(run))
    assert document.verdict(run) == before


def test_recorded_runs_have_one_beside_the_report(tmp_path: Path) -> None:
    folder = tmp_path / RECORDED.name
    shutil.copytree(RECORDED, folder)
    reports.write(folder)
    text = (folder / "summary.md").read_text()
    assert len(text.encode()) < short.LIMIT
    assert "`interop/type-list/reference→duckdb@1.4.4`: WRONG" in text
    assert "[interop.html](interop.html)" in text
    assert all((folder / name).exists() for name in ("report.html", "interop.html", "report.md", "records.jsonl"))


def test_it_names_no_fastest_that_the_samples_do_not_show(tmp_path: Path) -> None:
    run = records.read(fixture_run.write(tmp_path))
    text = short.render(run, FILES)
    assert "- `TPC-H answers`: No engine is shown to be the fastest." in text.replace("\\", "")
    assert "fewer than 5 samples of a query do not tell it from" in text
    assert "`Q1 latency`" in text
    assert "**Times of verified answers: " not in short.render(fixture_interop.run(), FILES)


def test_what_nobody_accepted_is_there_without_any_baseline(tmp_path: Path) -> None:
    run = records.read(fixture_run.write(tmp_path))
    text = short.render(run, FILES)
    assert "**Other failures that nobody accepted: 5**" in text
    assert text.index("FAIL WRONG: 1 of 4 rows") < text.index("FAIL REFUSED")
