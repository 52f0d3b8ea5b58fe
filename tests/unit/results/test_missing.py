"""Missing is not fine: the first line of each report, and what failed in the order that matters."""

from __future__ import annotations

import dataclasses
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import fixture_run
import pytest
from rich.console import Console

from lakebench import cli, harness, reports
from lakebench.commands.run import required
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.model import Coordinates, Record, Selection
from lakebench.outcomes import ExitCode, Outcome
from lakebench.reports import document, summary
from lakebench.results import accepted, comparison, record_schema, records
from lakebench.results.baseline import Acceptance, Baseline, Entry
from lakebench.results.records import ChangedCase, End, Gone, Header, Run

BY = Acceptance(1, "r", "2026-11-21", "first look")
TRINO = "GONE: 24 cases that ran before did not run: 24 of trino (no Java)"


def _cases(number: int, engine: str = "trino", outcome: Outcome = Outcome.PASS, reason: str = "") -> list[Record]:
    return [
        Record(f"phase4/q{one:03}/{engine}", "phase4", "", engine, outcome, reason,
               coordinates=Coordinates(engine=engine, query=f"q{one:03}"))
        for one in range(1, number + 1)
    ]  # fmt: skip


def _run(folder: Path, cases: Sequence[Record], end: End | None, **settings: object) -> Run:
    header = Header(folder.name, ("phase4",), "lakebench run phase4", "2026-11-21T10:00:00+00:00", settings)
    with records.Writer(folder / records.FILE) as writer:
        for line in (header, *cases, *([end] if end else [])):
            writer.write(line)
    return records.read(folder)


def _shown(run: Run) -> list[str]:
    into = io.StringIO()
    summary.show(run, Console(file=into, width=200, highlight=False))
    return into.getvalue().splitlines()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A command with arguments: its exit code and what it printed."""

    def run(*arguments: Path | str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lakebench", *map(str, arguments)])
        code = cli._run()
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_an_engine_whose_cases_all_became_unavailable_is_the_first_line(
    tmp_path: Path, command: Callable[..., tuple[int, str]]
) -> None:
    gone = _cases(24, outcome=Outcome.UNAVAILABLE, reason="no Java")
    cases = [*_cases(24, "duckdb"), *gone]
    known = {one.case: Entry("phase4", one.engine, {Outcome.PASS: ""}, BY, one.coordinates) for one in cases}
    baseline = Baseline(known)
    changed = accepted.changes(cases, baseline, lambda *_: True)
    missing = accepted.gone(changed.gone, cases, (), {})
    code = accepted.exit_code(cases, baseline, missing)
    assert code is ExitCode.WORSE
    run = _run(tmp_path / "r", cases, End("complete", 1.0, code, changes=changed.lines(), gone=missing))
    assert _shown(run)[0] == TRINO
    assert not any(word in "\n".join(_shown(run)) for word in ("PASS: ", "AS ACCEPTED"))
    assert command("report", tmp_path / "r")[1].startswith(TRINO[:90])
    markdown = (tmp_path / "r" / "report.md").read_text().splitlines()
    assert markdown[2].startswith("**GONE: 24 cases that ran before did not run: 24 of trino")
    html = (tmp_path / "r" / "report.html").read_text()
    assert html.index(TRINO) < html.index("all 24 cases that ran passed")
    assert "verdict good" not in html


def test_earlier_records_that_tell_what_is_gone_are_not_green(tmp_path: Path) -> None:
    run = _run(
        tmp_path / "r", _cases(3), End("complete", 1.0, 0, changes={"gone": (ChangedCase("phase4/q9/trino", "PASS"),)})
    )
    assert _shown(run)[0] == "GONE: 1 case that ran before did not run"


def test_a_comparison_with_a_run_that_lost_cases_is_worse_and_says_so_first(
    tmp_path: Path, command: Callable[..., tuple[int, str]]
) -> None:
    every = [*_cases(24, "duckdb"), *_cases(40)]
    end = End("complete", 1.0, 0)
    _run(tmp_path / "base", every, end)
    _run(tmp_path / "less", every[:24], end)
    _run(tmp_path / "none", [dataclasses.replace(one, outcome=Outcome.UNAVAILABLE) for one in every], end)
    _run(tmp_path / "narrow", every[:24], end, engines=["duckdb"], named=["duckdb"], profile="quick")
    code, said = command("compare", tmp_path / "base", tmp_path / "less")
    assert code == ExitCode.WORSE
    first = "GONE: 40 of 64 cases that ran in BASE did not run in RUN: 40 of trino (no case is called so)"
    assert " ".join(said.split()).startswith(first)
    assert "NO REGRESSION" not in said
    assert f"**{first[:24]}" in (tmp_path / "less" / "compare.md").read_text()
    assert command("compare", tmp_path / "base", tmp_path / "none")[0] == ExitCode.NOTHING_RAN
    assert command("compare", tmp_path / "less", tmp_path / "base")[0] == ExitCode.OK
    assert command("compare", tmp_path / "base", tmp_path / "narrow")[0] == ExitCode.OK


def test_of_an_error_of_ours_a_comparison_says_that_the_case_did_not_run(tmp_path: Path) -> None:
    base = _run(tmp_path / "base", _cases(2), None)
    faulty = [_cases(2)[0], dataclasses.replace(_cases(2)[1], outcome=Outcome.HARNESS_FAULT, reason="KeyError")]
    result = comparison.between(base, _run(tmp_path / "run", faulty, None))
    assert [one.reason for one in result.gone] == ["KeyError"]
    assert not result.broken
    assert result.code is ExitCode.WORSE


def test_an_interrupted_run_and_an_error_of_ours_stand_before_all(tmp_path: Path) -> None:
    cases = [*_cases(3), *_cases(2, "duckdb", Outcome.HARNESS_FAULT, "KeyError: 'x'")]
    run = _run(tmp_path / "r", cases, End("interrupted", 1.0, 130, reason="Ctrl-C"))
    shown = _shown(run)
    assert shown[0] == "INTERRUPTED (Ctrl-C): lakebench run --resume r goes on"
    assert shown[1].startswith("FAULT OF LAKEBENCH in 2 cases, which says nothing of an engine: phase4/q001/duckdb")
    assert shown[2].startswith("HARNESS_FAULT  phase4/q001/duckdb")
    assert shown[-1] == "all 3 cases that ran passed"
    reports.write(tmp_path / "r")
    assert (tmp_path / "r" / "report.md").read_text().splitlines()[2].startswith("**INTERRUPTED (Ctrl-C)")


def test_a_new_wrong_answer_among_known_failures_is_the_first_of_them(tmp_path: Path) -> None:
    known = {"known": {"reason": "seen", "versions": "", "link": ""}}
    cases = [dataclasses.replace(one, evidence=known) for one in _cases(248, outcome=Outcome.WRONG, reason="old")]
    refused, crash, wrong = (
        Record(
            f"phase4/q{outcome}/spark",
            "phase4",
            "",
            "spark",
            outcome,
            "new",
            coordinates=Coordinates(engine="spark", query=f"q{outcome}"),
        )
        for outcome in (Outcome.REFUSED, Outcome.CRASH, Outcome.WRONG)
    )
    run = _run(tmp_path / "r", [*cases, refused, crash, wrong], End("complete", 1.0, 4))
    failures = [line for line in _shown(run) if line.startswith(("FAIL ", "known FAIL"))]
    assert [line.split()[:3] for line in failures[:4]] == [
        ["FAIL", "WRONG", wrong.case],
        ["FAIL", "CRASH", crash.case],
        ["FAIL", "REFUSED", refused.case],
        ["known", "FAIL", "WRONG"],
    ]
    reports.write(tmp_path / "r")
    for report in ("report.md", "report.html"):
        text = (tmp_path / "r" / report).read_text()
        table = text[text.index("What failed, unaccepted") :]
        places = [table.index(one.case.replace("_", "\\_")) for one in (wrong, crash, refused, cases[0])]
        assert places == sorted(places)


def _request(**more: object) -> Request:
    settings = Settings.model_validate(more.pop("settings", {}))
    named = tuple(map(str, more.get("named", ())))  # type: ignore[call-overload]
    return Request(("phase4",), (), "pyiceberg", PROFILES["quick"], 1, settings, "lakebench run", Selection(), named)


@pytest.mark.parametrize(
    ("request_", "gone"),
    [
        (_request(), set()),
        (_request(named=["duckdb"]), set()),
        (_request(named=["duckdb", "spark"]), {"spark"}),
        (_request(named=["spark-jdbc"]), {"spark", "postgres"}),
        (_request(settings={"services": {"trino": {"memory": "1GiB"}}}), set()),
        (_request(settings={"services": {"trino": {"runtime": "local"}}}), {"trino"}),
        (_request(settings={"services": {"nessie": {"runtime": "external", "uri": "http://127.0.0.1:1"}}}), set()),
        (_request(settings={"pg_config": "/usr/bin/pg_config"}), {"postgres"}),
        (_request(settings={"runtime": "compose"}), {"spark", "postgres", "trino"}),
    ],
)
def test_a_service_is_asked_for_by_settings_and_by_who_needs_it(request_: Request, gone: set[str]) -> None:
    failures = dict.fromkeys(("spark", "postgres", "trino"), "no Java")
    assert set(harness._asked(request_, failures)) == gone


def test_what_must_run_has_to_be_asked(command: Callable[..., tuple[int, str]]) -> None:
    code, said = command("run", "phase4", "--engines", "duckdb", "--require", "trno")
    assert code == ExitCode.USAGE
    assert "did you mean trino" in said
    code, said = command("run", "phase4", "--engines", "duckdb", "--require", "trino")
    assert code == ExitCode.USAGE
    assert "name it with --engines too" in said


def test_what_must_run_is_kept_for_a_run_that_goes_on(tmp_path: Path) -> None:
    request = dataclasses.replace(_request(named=["spark"]), require=("trino",))
    folder = tmp_path / "r"
    _run(folder, _cases(1), None, **request.to_json())
    again = harness.again(folder, Settings())
    assert (again.named, again.require, again.asked) == (("spark",), ("trino",), ("spark", "trino"))


def test_a_run_without_a_single_outcome_is_told_as_such(tmp_path: Path) -> None:
    run = _run(tmp_path / "r", _cases(2, outcome=Outcome.UNAVAILABLE, reason="no Java"), End("complete", 1.0, 3))
    assert _shown(run)[-1].startswith("NOTHING RAN")


def test_gone_survives_the_records(tmp_path: Path) -> None:
    every = (Gone("service", "spark", "no Java"), Gone("engine", "spark", "no Java"), Gone("cases", "spark", "no", 3))
    run = _run(tmp_path / "r", _cases(1), End("complete", 1.0, 1, gone=every))
    assert run.end is not None
    assert run.end.gone == every
    assert record_schema.check(run.path) == 3
    assert " ".join(_shown(run)).startswith(
        "GONE: the service spark, which was asked for, did not come up (no Java); spark, which was asked for, did not "
        "run; 3 cases that ran before did not run: 3 of spark (no)"
    )


def test_the_whole_fixture_has_no_alert(tmp_path: Path) -> None:
    assert not any("GONE" in line for line in _shown(records.read(fixture_run.write(tmp_path))))


def test_nothing_named_twice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="this run does not ask it"):
        required(_request(), ("trino",))


def test_runs_that_did_not_end_are_not_accepted_unless_that_is_said(
    tmp_path: Path, command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _run(tmp_path / "whole", _cases(2), End("complete", 1.0, 0))
    _run(tmp_path / "race", _cases(2, outcome=Outcome.TIMEOUT), End("complete", 1.0, 1))
    _run(tmp_path / "cut", _cases(1), End("interrupted", 1.0, 130))
    code, said = command("accept", tmp_path / "cut", "--reason", "in a hurry")
    assert code == ExitCode.USAGE
    assert "cut was interrupted" in said
    assert command("accept", tmp_path / "cut", "--reason", "in a hurry", "--interrupted")[0] == ExitCode.OK
    code, said = command("accept", tmp_path / "whole", tmp_path / "race", "--reason", "a race")
    assert code == ExitCode.OK
    assert "accepted 2 cases in lakebench-accepted.json: 2 PASS, 2 TIMEOUT; 1 new, 1 changed, 0 gone" in said


def test_no_report_is_green_whose_run_ended_with_another_code_than_0(tmp_path: Path) -> None:
    for code in ExitCode:
        run = _run(tmp_path / str(code), _cases(2), End("complete", 1.0, code))
        assert document.verdict(run)[1] is (code is ExitCode.OK)
