"""The search of ``lakebench fuzz``: what is new, what is known, how small it gets, and what a finding has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from lakebench import cli, engines
from lakebench.config import Settings
from lakebench.datasets.interop import feature_files
from lakebench.datasets.interop.random_programs import Program
from lakebench.errors import UsageError
from lakebench.execution.fault_log import FaultLog
from lakebench.iceberg.operations import ChangeType, Create, Delete, Read, SetPartition
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField
from lakebench.model import EngineRef
from lakebench.outcomes import ExitCode, Outcome
from lakebench.phases.interop.fuzz import search
from lakebench.phases.interop.fuzz.failures import Failure, words_of
from lakebench.phases.interop.fuzz.known import KnownFailures
from lakebench.phases.interop.fuzz.program_run import ProgramResult
from lakebench.phases.interop.fuzz.search import Limits, Search
from lakebench.progress import Quiet

WRITERS = {name: engines.find(name).operations for name in ("duckdb", "pyiceberg")}  # type: ignore[attr-defined]
READERS = (EngineRef("duckdb"), EngineRef("pyiceberg"))
DIFF = {"calls": ["SELECT 1"], "diff": {"expected": [["1", "a"]], "actual": [["2", "b"]]}}
Fails = Callable[[Program], Iterator[Failure]]


@cache
def known_failures(catalog: str) -> KnownFailures:
    """Read once: thousands of cells."""
    return KnownFailures(catalog)


def after_promotion(program: Program) -> Iterator[Failure]:
    """A wrong answer after a delete that follows a promotion."""
    promoted = False
    for number, step in enumerate(program, 1):
        promoted |= isinstance(step, ChangeType)
        if promoted and isinstance(step, Delete):
            yield Failure(
                "pyiceberg", "read", "Delete", Outcome.WRONG, "rows", number, "2 rows instead of 1",
                read=Read("all rows"), evidence=DIFF,
            )  # fmt: skip
            return


def searched(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    fails: Fails,
    limits: Limits,
    clock: Callable[[], float] = lambda: 0.0,
) -> search.SearchSummary:
    class Run:
        def __init__(self, *_: Any) -> None: ...

        def run(self, program: Program) -> ProgramResult:
            return ProgramResult(list(program), [("SELECT 'hidden'",)] * len(program), list(fails(program)))

    monkeypatch.setattr(search, "ProgramRun", Run)
    monkeypatch.setattr(search, "KnownFailures", known_failures)
    context: Any = SimpleNamespace(
        request=SimpleNamespace(selection=SimpleNamespace(catalog="rest"), settings=Settings(), refs=READERS, seed=1),
        services=SimpleNamespace(secrets=lambda: ("hidden",)),
        prerequisites=SimpleNamespace(check=lambda _: None),
        faults=FaultLog(folder),
        progress=Quiet(),
    )
    return Search(context, WRITERS, READERS, limits, folder, clock).run()


def test_a_new_failure_is_made_small_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = searched(monkeypatch, tmp_path, after_promotion, Limits(programs=4))
    (finding,) = found.findings
    assert found.code is ExitCode.WRONG_ANSWER
    assert [type(one).__name__ for one in finding.program] == ["Create", "Append", "ChangeType", "Delete"]
    folder = tmp_path / finding.id
    page = (folder / "finding.md").read_text(encoding="utf-8")
    assert "2 | b" in page
    assert f"--features {finding.id} --writers " in page
    assert "lakebench fuzz --seed 1 --engines duckdb,pyiceberg, program 2" in page
    assert "hidden" not in page
    (feature,) = feature_files.load(folder / "feature.toml")
    assert len(feature.program) == 4
    again = searched(monkeypatch, tmp_path, after_promotion, Limits(programs=4))
    assert (again.code, again.findings) == (ExitCode.OK, [])


def test_a_fault_of_ours_does_not_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(program: Program) -> Iterator[Failure]:
        raise KeyError(len(program))

    found = searched(monkeypatch, tmp_path, fails, Limits(programs=3))
    assert (found.code, found.programs, len(found.faults)) == (ExitCode.HARNESS_FAULT, 3, 3)
    assert "KeyError" in (tmp_path / "faults" / "001.txt").read_text(encoding="utf-8")


def test_the_time_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))
    found = searched(monkeypatch, tmp_path, lambda _: iter(()), Limits(seconds=30), lambda: float(next(ticks)))
    assert 0 < found.programs < 30
    assert found.code is ExitCode.OK


def test_the_time_ends_the_shrinking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[Program] = []

    def fails(program: Program) -> Iterator[Failure]:
        executed.append(program)
        yield from after_promotion(program)

    ticks = iter(range(1000))
    clock = lambda: float(next(ticks) if executed and list(after_promotion(executed[-1])) else 0)  # noqa: E731
    found = searched(monkeypatch, tmp_path, fails, Limits(seconds=5, programs=40), clock)
    assert len(found.findings) == 1
    assert found.programs < 40


def test_a_crash_is_no_wrong_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Program) -> Iterator[Failure]:
        yield Failure("duckdb", "read", "Create", Outcome.CRASH, "died", 1, "died by SIGSEGV", read=Read("all rows"))

    found = searched(monkeypatch, tmp_path, fails, Limits(programs=2))
    assert found.code is ExitCode.WORSE
    assert len(found.findings[0].program) == 1
    assert json.loads((tmp_path / found.findings[0].id / "failure.json").read_text())["outcome"] == "CRASH"


def test_a_crash_that_a_finding_explains_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(program: Program) -> Iterator[Failure]:
        for number, step in enumerate(program, 1):
            if number > 1:  # whatever comes after the table
                yield Failure("duckdb", "read", type(step).__name__, Outcome.CRASH, "died", number, "died")

    found = searched(monkeypatch, tmp_path, fails, Limits(programs=20))
    assert len(found.findings) == 1
    assert {like for _, like in found.known.values()} == {"finding: duckdb read Append CRASH"}


def test_a_failure_at_a_step_with_properties_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(program: Program) -> Iterator[Failure]:
        yield Failure(
            "duckdb", "write", "Create", Outcome.REFUSED, "no", 1, "no", attempted=program[0],
            evidence={"statements": ["CREATE"]},
        )  # fmt: skip

    found = searched(monkeypatch, tmp_path, fails, Limits(programs=3))
    assert (found.faults, found.programs) == ([], 3)


def test_a_damaged_finding_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "failure.json").write_text("[]")
    with pytest.raises(UsageError, match="is no finding: remove its folder"):
        searched(monkeypatch, tmp_path, lambda _: iter(()), Limits(programs=1))


def failed(engine: str, side: Any, operation: str, outcome: Outcome = Outcome.WRONG) -> Failure:
    return Failure(engine, side, operation, outcome, "", 1, "no")


def test_a_failure_is_known_by_an_accepted_cell_of_its_engine_outcome_and_operations() -> None:
    known = known_failures("rest")
    create = Create(columns=(Field("id", "int"), Field("v", "boolean")))
    evolved = (create, SetPartition(partition=(PartitionField("id"),)), Delete(where=(Condition("id", "=", 1),)))
    partitioned = (replace(create, partition=(PartitionField("v"),)),)
    assert known.like(failed("duckdb", "table", "Delete"), evolved) in {
        "interop/delete-after-partition-evolution/duckdb",
        "interop/combined-truncate-respec-delete-after-nulls-beside/duckdb",
    }
    assert known.like(failed("duckdb", "table", "Append"), partitioned) == "interop/partition-identity-boolean/duckdb"
    assert not known.like(failed("duckdb", "table", "Delete"), (create, evolved[2]))
    assert not known.like(failed("duckdb", "table", "Delete", Outcome.CRASH), evolved)
    assert not known.like(failed("pyiceberg", "table", "Delete"), evolved)


def test_a_refused_step_is_known_by_a_refused_feature_with_its_operation() -> None:
    known, program = known_failures("rest"), (Create(columns=(Field("id", "int"),)),)
    assert known.like(failed("duckdb", "write", "SetDoc", Outcome.REFUSED), program)
    assert not known.like(failed("duckdb", "write", "Append", Outcome.REFUSED), program)


def test_messages_of_one_cause_have_the_same_words() -> None:
    one, other = 'Binder Error: column "v" of fuzz_12 has 3 rows', 'Binder Error: column "w" of fuzz_7 has 41 rows'
    assert words_of(one) == words_of(other) == "Binder Error: column of has rows"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--time", "5"], "write a number with its unit"), (["--engines", "datafusion"], "none of them writes"),
     (["--engines", "reference"], "none of them reads")],
)  # fmt: skip
def test_what_cannot_be_searched_is_said(arguments: list[str], message: str) -> None:
    error = CliRunner().invoke(cli.app, ["fuzz", *arguments]).exception
    assert isinstance(error, UsageError)
    assert message in str(error)
