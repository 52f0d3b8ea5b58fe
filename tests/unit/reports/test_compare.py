from __future__ import annotations

import dataclasses
import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import fixture_run
import pytest
from rich.console import Console

from lakebench import cli
from lakebench.model import Record
from lakebench.outcomes import ExitCode, Outcome
from lakebench.reports import compare, plots
from lakebench.results import comparison, records

Command = Callable[..., tuple[int, str]]
HOSTILE = "<script>alert(1)</script>"


def _lines(seed: int = 7) -> list[records.Line]:
    """Phase 4 with three engines: each has two drawings, and drawing takes time."""
    return [
        one
        for one in fixture_run.lines(seed)
        if not isinstance(one, Record) or one.engine in {"duckdb", "trino", "polars"}
    ]


def _write(folder: Path, change: Callable[[Record], Record]) -> Path:
    """The run of another day, with ``change`` made to each case."""
    made = folder / "20261122-120000-phase4"
    with records.Writer(made / records.FILE) as writer:
        for line in _lines(8):
            if isinstance(line, records.Header):
                writer.write(dataclasses.replace(line, run=made.name))
            else:
                writer.write(change(line) if isinstance(line, Record) else line)
    return made


def _worse(record: Record) -> Record:
    """Trino is slower by half, and an answer of Polars is wrong."""
    if record.case == "phase4/q10/polars":
        return dataclasses.replace(record, outcome=Outcome.WRONG, reason=HOSTILE, samples=())
    if record.engine != "trino":
        return record
    return dataclasses.replace(record, samples=tuple(dataclasses.replace(s, ns=s.ns * 3 // 2) for s in record.samples))


def _interleaved(folder: Path) -> Path:
    """One run with a base for each case, which is slower."""
    made = folder / "20261123-120000-phase4"
    with records.Writer(made / records.FILE) as writer:
        for line in _lines():
            writer.write(line)
            if isinstance(line, Record):
                samples = tuple(dataclasses.replace(one, ns=one.ns * 3 // 2) for one in line.samples)
                evidence = {**line.evidence, "base_of": line.case}
                writer.write(dataclasses.replace(line, case=f"base/{line.case}", samples=samples, evidence=evidence))
    return made


@pytest.fixture
def base(tmp_path: Path) -> Path:
    made = tmp_path / "20261121-120000-phase4"
    with records.Writer(made / records.FILE) as writer:
        for line in _lines():
            writer.write(line)
    return made


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``lakebench compare`` with arguments: its exit code and what it printed."""

    def run(*arguments: Path | str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lakebench", "compare", *map(str, arguments)])
        code = cli._run()
        return code, capsys.readouterr().out

    return run


def _compared(base: Path, run: Path) -> comparison.Comparison:
    return comparison.between(records.read(base), records.read(run))


def test_a_regression_is_said_everywhere(base: Path, tmp_path: Path) -> None:
    result = _compared(base, _write(tmp_path, _worse))
    markdown, html = compare.write(result, tmp_path / "out")
    shown = io.StringIO()
    compare.show(result, Console(file=shown, width=100), (markdown, html))
    page = html.read_text().replace("<wbr>", "")  # where an id may be broken
    for text in (markdown.read_text(), page, shown.getvalue()):
        assert "REGRESSION" in text
        assert "phase4/latency/q01/trino" in text
        assert "phase4/q10/polars" in text
        assert "not interleaved" in text
    assert HOSTILE not in html.read_text()
    assert str(html) in shown.getvalue().replace("\n", "")


def test_the_page_draws_every_engine_and_names_each_thing_once(base: Path, tmp_path: Path) -> None:
    result = _compared(base, _write(tmp_path, _worse))
    page = compare.write(result, tmp_path)[1].read_text()
    groups = {(row.engine, row.group) for row in result.rows}
    assert page.count("<svg") == len(groups)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_same_comparison_is_the_same_page(base: Path, tmp_path: Path) -> None:
    run = _write(tmp_path, _worse)
    pages = [compare.write(_compared(base, run), tmp_path / name)[1].read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


def test_a_run_with_a_base_has_a_section(base: Path, tmp_path: Path) -> None:
    assert compare.sections(records.read(base)) == []
    (section,) = compare.sections(records.read(_interleaved(tmp_path)))
    assert section.anchor == "against"
    assert "took turns" in repr(section)
    assert "not interleaved" not in repr(section)
    anchors = {"failures", "matrices", "latency", "field-reports", "method", "identity", "evidence", "against"}
    assert {section.anchor} <= anchors


def test_ratios_are_drawn_with_lines_at_one_and_the_threshold() -> None:
    rows = [plots.RatioLine("Q1", 1.2, (1.1, 1.3), strong=True), plots.RatioLine("Q2", 0.9, None)]
    drawn = plots.ratios(rows, 1.1)
    assert "Q1" in drawn
    assert "Q2" in drawn
    assert drawn == plots.ratios(rows, 1.1)
    assert plots.ratios([plots.RatioLine("Q1", 40.0, (30.0, 50.0))], 1.1) != drawn


def test_the_command_fails_on_a_regression(base: Path, tmp_path: Path, command: Command) -> None:
    run = _write(tmp_path, _worse)
    code, text = command(base, run)
    assert code == ExitCode.WORSE
    assert "REGRESSION" in text
    assert (run / "compare.html").exists()
    assert not (base / "compare.html").exists()


def test_the_command_speaks_json(base: Path, tmp_path: Path, command: Command) -> None:
    run = _write(tmp_path, lambda record: record)
    code, text = command(base, run, "--json", "--output", tmp_path / "there")
    document = json.loads(text)
    assert code == ExitCode.OK
    assert not document["worse"]
    assert document["html"] == str(tmp_path / "there" / "compare.html")
    assert {row["verdict"] for row in document["rows"]} <= {"no difference shown", "slower", "faster", "n too small"}
    rows = [row for row in document["rows"] if row["kind"] == "warm"]
    assert len(rows) + len(document["left"]) == len(records.read(base).cases)


def test_the_command_compares_within_a_run(tmp_path: Path, command: Command) -> None:
    code, text = command(_interleaved(tmp_path), "--json")
    document = json.loads(text)
    assert code == ExitCode.OK
    assert document["interleaved"]
    assert {row["verdict"] for row in document["rows"] if row["interval"] and row["kind"] == "warm"} == {"faster"}


def test_one_run_without_a_base_is_a_mistake(base: Path, command: Command) -> None:
    assert command(base)[0] == ExitCode.USAGE
