from __future__ import annotations

import dataclasses
import errno
import json
import os
from decimal import Decimal
from pathlib import Path

import fixture_run
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebench.errors import UsageError
from lakebench.model import Coordinates, Record, Sample
from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records

Q1 = Coordinates(engine="duckdb", query="q01")
ONE = Record("phase4/q01/duckdb", "phase4", "Q1", "duckdb", Outcome.PASS, coordinates=Q1)


def _lines(run: Path) -> list[str]:
    return (run / records.FILE).read_text().splitlines()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = fixture_run.lines()
    run = records.read(fixture_run.write(tmp_path))
    assert run.header == made[0]
    assert run.datasets == (made[1],)
    assert list(run.cases) == [line for line in made if isinstance(line, Record)]
    assert list(run.field_reports) == [line for line in made if isinstance(line, records.FieldReport)]
    assert run.complete


def test_each_line_fits_the_schema(tmp_path: Path) -> None:
    run = fixture_run.write(tmp_path)
    with records.Writer(run / records.FILE) as writer:
        writer.write(records.Resume("2026-11-21T13:00:00+00:00"))
    assert record_schema.check(run / records.FILE) == len(fixture_run.lines()) + 1


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"outcome": "GREAT"},
        {"outcome": "WRONG", "reason": "a row is missing"},  # and still has samples
        {"samples": [{"kind": "warm"}]},
        {"case": 1},
        {"coordinates": {"enigne": "duckdb"}},
    ],
)
def test_the_schema_refuses(tmp_path: Path, change: dict[str, object]) -> None:
    run = fixture_run.write(tmp_path)
    lines = [json.loads(line) for line in _lines(run)]
    timed = next(line for line in lines if line["kind"] == "case" and line["samples"])
    (run / records.FILE).write_text(json.dumps({**timed, **change}) + "\n")
    with pytest.raises(UsageError, match="line 1"):
        record_schema.check(run / records.FILE)


def test_the_schema_is_made_from_the_types() -> None:
    schema = record_schema.generated()
    assert record_schema.FILE.read_text(encoding="utf-8") == record_schema.text(), "make it again: make schema"
    for kind, made in records.KINDS.items():
        definition = schema["$defs"][made.__name__]
        fields = {one.name for one in dataclasses.fields(made)} | {"kind"}
        assert set(definition["properties"]) == set(definition["required"]) == fields
        assert definition["properties"]["kind"] == {"const": kind}


def test_a_cut_last_line_is_named_with_its_remedy(tmp_path: Path) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    count = len(whole.splitlines())
    with pytest.raises(UsageError) as caught:
        records.read(run)
    message = str(caught.value)
    assert f"line {count} " in message
    assert f"sed -i '$d' {file}" in message
    assert f"--resume {run} " in message
    assert "\n" not in message


def test_the_remedy_works(tmp_path: Path) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    file.write_bytes(file.read_bytes()[:-20])
    assert os.system(f"sed -i '$d' '{file}'") == 0  # noqa: S605 - the very command that users are told
    assert records.read(run).end is None


@pytest.mark.parametrize(
    "damage",
    [b"{}", b"[]", b"null", b'{"kind": "nonsense"}', b'{"kind": []}', b"\xff\xfe", b'{"kind": "end"}', b"[" * 100_000,
     b'{"kind": "end", "status": "complete", "seconds": "1", "exit_code": 0}',
     b'{"kind": "resume", "at": "x", "more": 1}', b""],
)  # fmt: skip
def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, damage: bytes) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    lines = file.read_bytes().splitlines()
    lines[4] = damage
    file.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(UsageError, match=r"line 5 is damaged .*sed -i '5d;\$d'"):
        records.read(run)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    run = fixture_run.write(tmp_path)
    file = run / records.FILE
    file.write_text(file.read_text().replace('"schema": 2', '"schema": 3', 1))
    with pytest.raises(UsageError, match="upgrade"):
        records.read(run)


@pytest.mark.parametrize("content", ["", '{"kind": "resume", "at": "now"}\n'])
def test_a_file_without_a_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / records.FILE).write_text(content)
    with pytest.raises(UsageError, match="start a new run"):
        records.read(tmp_path)


def test_a_missing_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        records.read(tmp_path / "none")


def test_the_later_line_stands_and_a_resume_takes_the_end_away(tmp_path: Path) -> None:
    run = fixture_run.write(tmp_path)
    with records.Writer(run / records.FILE) as writer:
        writer.write(records.Resume("2026-11-21T13:00:00+00:00"))
        writer.write(dataclasses.replace(ONE, title="again"))
    again = records.read(run)
    assert [one.title for one in again.cases if one.case == ONE.case] == ["again"]
    assert not again.complete
    assert len(again.resumes) == 1


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        (["trino", "daft", "duckdb"], ["trino", "duckdb", "spark"]),
        ("trino", ["duckdb", "spark", "trino"]),
        (None, None),
    ],
)
def test_engines_stand_as_they_were_asked_for(tmp_path: Path, asked: object, order: list[str] | None) -> None:
    opened = ["duckdb", "spark", "trino"]
    with records.Writer(tmp_path / records.FILE) as writer:
        writer.write(records.Header("r", ("phase4",), "", "2026-11-21T12:00:00+00:00", settings={"engines": asked}))
        for engine in opened:
            writer.write(records.EngineFacts(engine))
    assert [one.engine for one in records.read(tmp_path).engines] == (order or opened)


def test_secrets_are_masked_but_names_stay(tmp_path: Path) -> None:
    file = tmp_path / "run" / records.FILE
    with records.Writer(file) as writer:
        writer.hide("duckdb", "hunter22", "ab")
        writer.write(fixture_run.header())
        writer.write(dataclasses.replace(ONE, reason="ab: hunter22 refused", evidence={"log": ["hunter22"]}))
    case = records.read(file).cases[0]
    assert case.case == ONE.case
    assert case.reason == "ab: *** refused"
    assert case.evidence == {"log": ["***"]}


def test_what_json_cannot_say_becomes_text(tmp_path: Path) -> None:
    file = tmp_path / records.FILE
    odd = {
        "a": Decimal("1.50"),
        "b": float("nan"),
        "c": "\udc80 \x1b[31mred\x1b[0m\x07\r\n",
        "d": (1, None, True),
        5: b"x",
    }
    with records.Writer(file) as writer:
        writer.write(fixture_run.header())
        writer.write(dataclasses.replace(ONE, evidence=odd))
    assert records.read(file).cases[0].evidence == {
        "a": "1.50", "b": "nan", "c": "\\udc80 red\\x07\n", "d": [1, None, True], "5": "b'x'"
    }  # fmt: skip


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fixture_run.write(tmp_path)
    before = (run / records.FILE).read_bytes()
    real = os.write
    room = [100]

    def nearly_full(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    with records.Writer(run / records.FILE) as writer:
        monkeypatch.setattr(os, "write", nearly_full)
        with pytest.raises(UsageError, match=f"No space left on device; free space.*--resume {run}"):
            writer.write(fixture_run.dataset())
        monkeypatch.undo()
    assert (run / records.FILE).read_bytes() == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--output"):
        records.Writer(tmp_path / "file" / "run" / records.FILE)


_TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=9)
_NAME = st.text("abcü-→", min_size=1, max_size=6)
_COUNT = st.integers(1, 2**62)
_EVIDENCE = st.dictionaries(
    st.sampled_from(["one", "two"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**62), 2**62)
        | st.floats(-1e39, 1e39)  # beyond 1e40 nothing is believed
        | _TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
        max_leaves=5,
    ),
)
_SAMPLES = st.builds(
    Sample,
    kind=st.sampled_from(["cold", "warm-up", "warm"]),
    **dict.fromkeys(("ns", "offset_ns", "position", "round", "rows", "bytes"), _COUNT),
    **dict.fromkeys(("cpu_ns", "peak_bytes", "store_bytes"), st.none() | _COUNT),
    requests=st.none() | st.dictionaries(_NAME, _COUNT, max_size=2),
    cache=_TEXT,
)
_COORDINATES = st.builds(
    Coordinates,
    **dict.fromkeys(("feature", "writer", "reader", "engine", "version", "query", "check"), st.none() | _NAME),
    engines=st.lists(_NAME, max_size=2).map(tuple),
    base=st.booleans(),
    more=st.dictionaries(_NAME, _NAME | _COUNT, max_size=2),
)
_CASES = st.builds(
    Record,
    case=_NAME, phase=_NAME, title=_TEXT, engine=_NAME, outcome=st.sampled_from(Outcome), reason=_TEXT,
    evidence=_EVIDENCE, samples=st.lists(_SAMPLES, max_size=2).map(tuple), versions=st.dictionaries(_NAME, _TEXT),
    seconds=st.floats(0, 1e6), row=_TEXT, column=_TEXT, group=_TEXT, coordinates=_COORDINATES,
).map(lambda one: one if one.outcome is Outcome.PASS else dataclasses.replace(one, samples=()))  # fmt: skip


@given(case=_CASES)
def test_any_case_comes_back_from_json(case: Record) -> None:
    line = json.dumps(records.to_json(case), allow_nan=False).encode()
    assert records._parse(Path(records.FILE), 2, [b"", line], None) == case
