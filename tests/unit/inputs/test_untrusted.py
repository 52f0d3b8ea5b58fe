"""Records of others: an impossible value is refused and its line named; everything else is shown without harm."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fixture_interop
import fixture_run
import pytest
from rich.console import Console

from lakebench import cli, harness, paths
from lakebench.commands.accept import accept
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.execution.request import Request
from lakebench.inputs import untrusted
from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.processes import memory_trace
from lakebench.reports import compare, document, markdown, summary
from lakebench.results import baseline, comparison, records

NASTY = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2066\x9b31m\r\x00"
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
ODD: tuple[Any, ...] = (
    None,
    True,
    "abc",
    NASTY,
    -5,
    10**30,
    10**50,
    1e300,
    [],
    {"a": None},
    {NASTY: NASTY},
    {"writers": "x"},
)
DEEP = json.loads("[" * 200 + "]" * 200)


def writers_line() -> Record:
    summary = {
        "writers": 3, "asked": 10, "succeeded": 9, "final_rows": 9, "reads": 4, "reads_behind": 0, "errors": {"x": 1},
        "operations_per_s": 5.5, "median_ms": 2.0, "p95_ms": "n too small (9)", "maximum_ms": 3.0,
    }  # fmt: skip
    return Record(
        "phase9/insert/x/3/duckdb", "phase9", "", "duckdb", Outcome.PASS, evidence={"concurrency": summary},
        group="Appends by writers at once", row="x by duckdb", column="3 writers",
        coordinates=Coordinates(engines=("duckdb",), test="insert", more={"store": "x", "writers": 3}),
    )  # fmt: skip


def tpch_test_lines() -> list[Record]:
    load = {"load_seconds": 1.5, "peak_bytes": 10, "bytes": 20, "files": 2}
    power = {"power_at_size": 12.5, "seconds": {"Q01": 0.5, "RF1": 1.0}}
    evidence = {"load": load, "power": power, "throughput": {"streams": 2, "throughput_at_size": 3.5}}
    return [
        Record(f"phase3/local/trials/{row}/duckdb", "phase3", row, "duckdb", Outcome.PASS, evidence=content, row=row,
               group="TPC-H tests on local", column="duckdb",
               coordinates=Coordinates(engine="duckdb", storage="local", test=row))
        for row, content in evidence.items()
    ]  # fmt: skip


def lines() -> list[dict[str, Any]]:
    """A line of each kind, and cases with each shape of evidence that reports look into."""
    accepted = {"known": {"reason": "r", "versions": "1", "link": "l"}, "base_of": "x", "verdict": "as claimed"}
    rest = [one for one in fixture_run.lines() if not isinstance(one, Record)]
    cases = [one for one in fixture_run.lines() if isinstance(one, Record)]
    timed = [one for one in cases if one.samples and one.row == "Q1"][:1]
    short = [replace(one, samples=one.samples[:6]) for one in timed]
    failed = next(one for one in cases if one.outcome is Outcome.WRONG)
    interop = [one for one in fixture_interop.lines() if not isinstance(one, records.Header | records.End)][:6]
    ours = [
        *rest[:-1],
        *short,
        replace(failed, evidence={**failed.evidence, **accepted}),
        writers_line(),
        *tpch_test_lines(),
    ]
    rows = [records.to_json(one) for one in [*ours, *interop, rest[-1]]]
    return [{**rows[0], "settings": settings_of(["phase4", "interop"])}, *rows[1:]]


def settings_of(phases: list[str]) -> dict[str, Any]:
    """The settings that a run of ``phases`` writes down."""
    request = Request(tuple(phases), (), "pyiceberg", harness.PROFILES["quick"], 1, Settings(), "lakebench run")
    settings: dict[str, Any] = json.loads(json.dumps(request.to_json(), default=str))
    return settings


def within(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in ``value``; of a list, only its first."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, nested in inner:
        yield from within(nested, (*at, key))


def changed(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], new)
    return copy


def shown(run: records.Run) -> str:
    """All that people see of the run, except drawings."""
    out = io.StringIO()
    console = Console(file=out, width=100)
    contents = document.build(run)
    summary.show(run, console)
    again = comparison.within(run) if comparison.interleaved(run) else None
    more = []
    if again is not None:
        more = [markdown.render(compare.document(again, run.path.parent)), json.dumps(compare.to_json(again))]
    return "".join([markdown.render(contents), out.getvalue(), *more])


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


LINES = lines()
_TIMED = next(at for at, one in enumerate(LINES) if one.get("samples"))


def reaction(file: Path, number: int, line: Any) -> str:
    """What people see of a run with ``line`` instead of line ``number`` of :data:`LINES`, or why it is refused."""
    kept = [LINES[at] for at in sorted({0, number, _TIMED, len(LINES) - 1})]
    write(file, [line if one is LINES[number] else one for one in kept])
    try:
        run = records.read(file)
    except UsageError as error:
        return str(error)
    return shown(run)


@pytest.mark.parametrize("number", range(len(LINES)))
def test_whatever_stands_in_a_field_is_refused_or_shown_without_harm(tmp_path: Path, number: int) -> None:
    file = tmp_path / records.FILE
    for at in within(LINES[number]):
        for odd in (*ODD, DEEP):
            text = reaction(file, number, changed(LINES[number], at, odd))
            assert not HARMFUL.search(text), (at, odd)


def test_the_lines_themselves_are_shown(tmp_path: Path) -> None:
    write(tmp_path / records.FILE, LINES)
    text = shown(records.read(tmp_path))
    assert "TPC-H tests on local" in text
    assert "9 of 10" in text


@pytest.mark.parametrize(
    "token", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "-5", "0", "9223372036854775808"]
)
def test_a_time_that_cannot_be_is_refused(tmp_path: Path, token: str) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    file.write_text(re.sub(r'"ns": \d+', f'"ns": {token}', file.read_text(), count=1))
    with pytest.raises(UsageError, match=r"line \d+ is damaged .*sed -i"):
        records.read(run)


@pytest.mark.parametrize("schema", ["-1", "0", "true", '"1"', "null", "1.0"])
def test_a_schema_that_never_was_is_refused(tmp_path: Path, schema: str) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    file.write_text(file.read_text().replace('"schema": 2', f'"schema": {schema}', 1))
    with pytest.raises(UsageError, match="start a new run"):
        records.read(run)


def test_a_case_that_failed_has_no_times(tmp_path: Path) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    number, line = next((n, one) for n, one in enumerate(file.read_text().splitlines(), 1) if '"ns"' in one)
    file.write_text(file.read_text().replace(line, line.replace('"outcome": "PASS"', '"outcome": "WRONG"')))
    with pytest.raises(UsageError, match=f"line {number} is damaged .it has times, and its outcome is WRONG"):
        records.read(run)


def test_what_cannot_be_shown_is_made_harmless_once() -> None:
    text = untrusted.printable(NASTY)
    assert text == "\\x1b]0;owned\\x07\\x1b[2J\\u202egnp.exe\\u2066\\x9b31m\\x0d\\x00"
    assert untrusted.printable(text) == text
    assert untrusted.printable("übel\tund\ngut") == "übel\tund\ngut"
    assert untrusted.printable("\x1b[31mred\x1b[0m") == "red"


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"a": -Infinity}', "1e999", "[" * 100_000, "[" * 60 + "]" * 60, "1" * 60]
)
def test_json_that_nothing_of_ours_writes_is_not_believed(text: str) -> None:
    with pytest.raises(untrusted.NotBelieved):
        untrusted.parse(text)


# Advice that works


def run_advice(error: UsageError) -> None:
    """Run the very command that the message names."""
    (command,) = re.findall(r"(sed -i .*?), then", str(error))
    subprocess.run(shlex.split(command), check=True)


@pytest.mark.parametrize("index", [5, -2, -1])
def test_a_damaged_line_of_a_complete_run_goes_as_its_message_says_and_the_run_is_resumed(
    tmp_path: Path, index: int
) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    settings = Settings()
    kept = file.read_bytes().splitlines()
    header = json.loads(kept[0])
    kept[0] = json.dumps({**header, "settings": settings_of(["phase4"])}).encode()
    kept[index] = kept[index][:-9]
    file.write_bytes(b"\n".join(kept) + b"\n")
    with pytest.raises(UsageError) as caught:
        records.read(run)
    run_advice(caught.value)
    assert not records.read(run).complete
    assert f"--resume {run}" in str(caught.value)
    assert harness.again(run, settings).phases == ("phase4",)


@pytest.mark.parametrize("settings", [{}, {"profile": "quick"}, {"profile": 7}, {"phases": 5, "profile": "quick"}])
def test_a_run_whose_settings_are_none_is_not_resumed(tmp_path: Path, settings: dict[str, Any]) -> None:
    header = replace(fixture_run.header(), settings=settings)
    write(tmp_path / records.FILE, [records.to_json(header)])
    with pytest.raises(UsageError, match="cannot be resumed"):
        harness.again(tmp_path, Settings())


# Files beside the records


@pytest.mark.parametrize("line", ["nan,p,1", "inf,p,1", "-1,p,1", "1,p,-1", f"1,p,{10**30}", "x,p,1", "1,p"])
def test_a_trace_that_cannot_be_is_left_out(tmp_path: Path, line: str) -> None:
    file = tmp_path / memory_trace.FILE
    file.write_text(f"seconds,process,bytes\n1,harness,5\n{line}\n")
    assert memory_trace.series(file) == {}


def test_names_in_a_trace_are_harmless(tmp_path: Path) -> None:
    (tmp_path / memory_trace.FILE).write_text("seconds,process,bytes\n1,\x1b]0;x\x07,5\n")
    assert memory_trace.series(tmp_path / memory_trace.FILE) == {"\\x1b]0;x\\x07": [(1.0, 5)]}


def test_records_of_others_can_be_accepted(tmp_path: Path) -> None:
    rows = [records.to_json(one) for one in fixture_run.lines()[:20]]
    rows[-1]["case"] = f"phase4/{NASTY}"
    write(tmp_path / records.FILE, rows)
    accept([records.read(tmp_path)], "because", {}, tmp_path / baseline.FILE, interrupted=True)
    assert not HARMFUL.search((tmp_path / baseline.FILE).read_text(encoding="utf-8"))


def test_a_run_is_called_by_what_the_command_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (paths.RUNS / "one", Path("else where") / "one", tmp_path / "one"):
        folder.mkdir(parents=True)
        write(folder / records.FILE, LINES[:1])
        (name,) = shlex.split(paths.run_name(folder))
        assert cli.folder_of(Settings(), name).resolve() == folder.resolve()
