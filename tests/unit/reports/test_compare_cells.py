"""``lakebench compare`` of two runs of the interop matrix: by cell, with links."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lakebench import cli
from lakebench.model import Record
from lakebench.outcomes import ExitCode, Outcome
from lakebench.reports import compare
from lakebench.results import comparison, records
from lakebench.results.cell_changes import ChangeKind

(RECORDED,) = (Path(__file__).parents[2] / "fixtures" / "interop-versions").iterdir()
CHANGED = {
    "interop/append/duckdb@1.5.5→pyiceberg": Outcome.WRONG,
    "interop/type-list/pyiceberg→duckdb@1.4.4": Outcome.PASS,
    "interop/equality-deletes/reference→duckdb@1.4.4": Outcome.WRONG,
    "interop/upgrade-v2-v3/duckdb@1.5.5": Outcome.REFUSED,
}
LEFT_OUT = "interop/append/pyiceberg→duckdb@1.5.5"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    shutil.copytree(RECORDED, tmp_path / RECORDED.name)
    return tmp_path / RECORDED.name


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The run of another day, with other outcomes; its page is written."""
    return _changed(tmp_path, lambda one: dataclasses.replace(one, outcome=CHANGED.get(one.case, one.outcome)))


def _changed(folder: Path, change: Callable[[Record], Record]) -> Path:
    run = records.read(RECORDED)
    made = folder / "20261201T000000Z-interop-later"
    with records.Writer(made / records.FILE) as writer:
        writer.write(dataclasses.replace(run.header, run=made.name, started="2026-12-01T00:00:00+00:00"))
        for line in (*run.engines, *run.features):
            writer.write(line)
        for case in run.cases:
            if case.case != LEFT_OUT:
                now = change(case)
                writer.write(now if now == case else dataclasses.replace(now, reason=f"now {now.outcome}"))
        writer.write(records.End("complete", 1.0, 0))
    (made / "interop.html").write_text("")
    return made


def between(base: Path, run: Path) -> comparison.Comparison:
    return comparison.between(records.read(base), records.read(run))


def test_every_cell_that_differs_has_its_kind(base: Path, later: Path) -> None:
    result = between(base, later)
    assert {one.case: one.change for one in result.cells} == {
        "interop/append/duckdb@1.5.5→pyiceberg": ChangeKind.BROKEN,
        "interop/equality-deletes/reference→duckdb@1.4.4": ChangeKind.WORSE,
        LEFT_OUT: ChangeKind.GONE,
        "interop/type-list/pyiceberg→duckdb@1.4.4": ChangeKind.MENDED,
        "interop/upgrade-v2-v3/duckdb@1.5.5": ChangeKind.LESSER,
    }
    assert [one.change for one in result.cells] == list(dict.fromkeys(one.change for one in result.cells))
    assert result.code is ExitCode.WORSE
    assert not {one.case for one in result.left} & {one.case for one in result.cells}
    backwards = between(later, base)
    assert {one.case for one in backwards.cells if one.change is ChangeKind.NEW} == {LEFT_OUT}


def test_the_page_leads_to_the_cells_of_the_run(base: Path, later: Path, tmp_path: Path) -> None:
    result = between(base, later)
    for folder, page in ((later, "interop.html"), (tmp_path / "there", f"../{later.name}/interop.html")):
        markdown, html = compare.write(result, folder)
        link = f"{page}#cell=interop%2Fappend%2Fduckdb%401.5.5%E2%86%92pyiceberg"
        assert f"]({link})" in markdown.read_text()
        assert f'href="{link}"' in html.read_text()
        assert markdown.read_text().count(LEFT_OUT) >= 1


def test_without_a_page_there_is_no_link(base: Path, later: Path) -> None:
    (later / "interop.html").unlink()
    assert "#cell=" not in compare.write(between(base, later), later)[0].read_text()


def test_the_terminal_has_the_kinds_and_links(base: Path, later: Path) -> None:
    shown = io.StringIO()
    compare.show(between(base, later), Console(file=shown, width=100, force_terminal=True), ())
    text = shown.getvalue()
    assert "REGRESSION: cells: 1 broken, 1 worse, 1 gone, 1 mended, 1 less bad" in text
    assert f"{(later / 'interop.html').as_uri()}#cell=" in text
    for caption in ("Broken: 1", "Worse: 1", "Gone: 1", "Mended: 1"):
        assert caption in text


def test_two_runs_that_say_the_same_are_no_regression(base: Path, tmp_path: Path) -> None:
    same = _changed(tmp_path, lambda one: one)
    done = CliRunner().invoke(cli.app, ["compare", str(same), str(base), "--json"])
    answer = json.loads(done.stdout)
    assert answer["verdict"].startswith("NO REGRESSION: cells: 1 new")
    assert [one["case"] for one in answer["cells"]] == [LEFT_OUT]
