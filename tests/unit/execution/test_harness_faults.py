"""A fault of ours is ours: it blames no engine, its traceback lies in the run's folder, and other cases go on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from run_requests import request

from lakebench.config import Settings
from lakebench.datasets import rows
from lakebench.datasets.ducklake import expected as written_by_hand
from lakebench.errors import (
    CheckerLost,
    EngineCrash,
    HarnessFault,
    LakebenchError,
    Refused,
    ServiceLost,
    ServiceUnavailable,
    UsageError,
)
from lakebench.execution import cases
from lakebench.execution.cases import Block, Case, Check, SideBySide
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.fault_log import FaultLog
from lakebench.model import Coordinates, EngineRef, Record
from lakebench.outcomes import Outcome
from lakebench.processes import replies
from lakebench.processes.child import Child
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.provisioning import disk_space
from lakebench.services import Services
from lakebench.verification.checker import Checker

ENDS = [UsageError("no"), ServiceLost("gone"), CheckerLost("gone")]


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard("faults") as made:
        yield made


@pytest.fixture
def context(tmp_path: Path, guard: Guard) -> Iterator[RunContext]:
    services = Services(Settings(), guard, Quiet())
    faults = FaultLog(tmp_path, lambda text: text.replace("secret", "***"))
    with run_context(request(EngineRef("duckdb")), guard, services, Quiet(), faults=faults) as made:
        yield made


def case(name: str) -> Case:
    return Case(name, "phase", name, EngineRef("duckdb"), "group", name, "duckdb", Coordinates(engine="duckdb"))


def check(name: str, test: Callable[[], Any]) -> Check:
    return Check(case(name), lambda _: test())


def raising(error: Exception) -> Callable[[], Any]:
    def test() -> Any:
        raise error

    return test


def run_block(context: RunContext, block: Block, *todo: str) -> dict[str, Record]:
    wanted = frozenset(todo or [one.id for one in block.cases])
    return {one.case: one for one in cases.records(block, context, wanted)}


def test_any_other_exception_of_a_check_is_a_fault_of_ours_with_its_traceback(
    context: RunContext, tmp_path: Path
) -> None:
    record = run_block(context, check("a", raising(KeyError("the secret"))))["a"]
    assert (record.outcome, record.engine) == (Outcome.HARNESS_FAULT, "duckdb")
    assert "a fault of lakebench itself, please report it with faults/001.txt" in record.reason
    assert record.evidence["file"] == "faults/001.txt"
    kept = (tmp_path / "faults" / "001.txt").read_text()
    assert "KeyError: 'the ***'" in kept
    assert f'{Path(__file__).name}", line' in kept


def test_an_engines_failure_stays_the_engines(context: RunContext, tmp_path: Path) -> None:
    assert run_block(context, check("a", raising(Refused("no"))))["a"].outcome is Outcome.REFUSED
    assert not (tmp_path / "faults").exists()


@pytest.mark.parametrize("error", [*ENDS, ServiceUnavailable("the store is not there")])
def test_what_ends_a_run_is_no_outcome(context: RunContext, error: LakebenchError) -> None:
    @dataclass(frozen=True)
    class Broken(Pair):
        fails: Exception = field(default_factory=lambda: error)

    with pytest.raises(type(error)):
        run_block(context, Broken())
    if not isinstance(error, ServiceUnavailable):
        with pytest.raises(type(error)):
            run_block(context, check("a", raising(error)))


@dataclass(frozen=True)
class Pair(Block):
    """Two cases, of which the first passes; then something fails."""

    fails: Exception | None = None

    @property
    def cases(self) -> tuple[Case, ...]:
        return case("one"), case("two"), case("three")

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        if "one" in todo:
            yield cases.record(context.history, case("one"), cases.now(), {})
        if self.fails:
            raise self.fails


def test_the_cases_of_a_block_that_have_no_record_yet_are_faults_of_ours(context: RunContext) -> None:
    records = run_block(context, Pair(TypeError("ours")), "one", "two")
    assert {name: one.outcome.value for name, one in records.items()} == {"one": "PASS", "two": "HARNESS_FAULT"}


def test_a_case_without_a_record_is_a_fault_of_ours(context: RunContext) -> None:
    records = run_block(context, Pair())
    assert [one.outcome.value for one in records.values()] == ["PASS", "HARNESS_FAULT", "HARNESS_FAULT"]
    assert "no record came of three, two" in records["two"].reason


def test_an_engines_error_that_nobody_expected_there_blames_no_engine(context: RunContext) -> None:
    assert run_block(context, Pair(EngineCrash("of whom?")))["two"].outcome is Outcome.HARNESS_FAULT


def test_sequences_go_on_beside_a_fault(context: RunContext) -> None:
    sequences = ((check("a", raising(ValueError("ours"))), check("b", dict)), (check("c", dict),))
    records = run_block(context, SideBySide(sequences))
    assert {name: one.outcome.value for name, one in records.items()} == {
        "a": "HARNESS_FAULT",
        "b": "PASS",
        "c": "PASS",
    }


def test_one_traceback_has_one_file(context: RunContext, tmp_path: Path) -> None:
    of_worker = {"kind": "HarnessFault", "message": "KeyError: 'x'", "details": {}, "traceback": "in the worker"}
    for _ in range(2):
        assert context.client.case_end(replies.error_from(of_worker)).details == {"file": "faults/001.txt"}
    assert (
        context.client.case_end(replies.error_from({**of_worker, "traceback": "elsewhere"})).details["file"]
        == "faults/002.txt"
    )
    assert (tmp_path / "faults" / "001.txt").read_text() == "in the worker"


def test_a_resumed_run_adds_files(context: RunContext, tmp_path: Path) -> None:
    context.faults.fault(KeyError("first"))
    assert FaultLog(tmp_path).fault(KeyError("second")).details["file"] == "faults/002.txt"


def test_a_fault_in_what_is_prepared_is_one_for_all_who_need_it(context: RunContext) -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return int({}["ours"])

    records = [run_block(context, check(name, lambda: context.prepared.once("key", make)))[name] for name in ("a", "b")]
    assert [one.outcome.value for one in records] == ["HARNESS_FAULT"] * 2
    assert records[0].evidence["file"] == records[1].evidence["file"]
    assert made == [1]


@pytest.mark.parametrize("error", ENDS)
def test_what_ends_a_run_is_not_remembered_of_what_is_prepared(context: RunContext, error: LakebenchError) -> None:
    with pytest.raises(type(error)):
        context.prepared.once("key", raising(error))
    assert context.prepared.once("key", lambda: "made now") == "made now"


@pytest.mark.parametrize("error", [ServiceUnavailable("no answer"), KeyError("ours")])
def test_what_a_dead_store_brought_about_is_neither_ours_nor_an_engines(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    context.prerequisites.names = ("object-store",)
    monkeypatch.setattr(context.services, "died", lambda name: name == "object-store")
    with pytest.raises(ServiceLost, match="object-store died"):
        run_block(context, check("a", raising(error)))
    with pytest.raises(ServiceLost, match="object-store died"):
        context.prepared.once("key", raising(error))


class TestFullDisk:
    def test_a_failure_on_a_full_disk_is_no_outcome(self, context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk_space, "_free", lambda _: 1000)
        for error in (Refused("no"), EngineCrash("died"), KeyError("ours")):
            with pytest.raises(UsageError, match=r"the disk is full \(.* has 0 MB left"):
                run_block(context, check("a", raising(error)))

    @pytest.mark.parametrize(
        "text",
        ["IO Error: No space left on device", "java.io.IOException: Disk quota exceeded", "database or disk is full"],
    )
    def test_nor_is_one_that_says_so(self, context: RunContext, text: str) -> None:
        with pytest.raises(UsageError, match=r"the disk is full .* free some space"):
            run_block(context, check("a", raising(Refused("cannot write", log=text))))
        with pytest.raises(UsageError, match="the disk is full"):
            context.prepared.once("key", raising(Refused(text)))

    def test_our_own_write(self, context: RunContext) -> None:
        def write() -> None:
            with Path("/dev/full").open("w") as full:
                full.write("x")

        with pytest.raises(UsageError, match="the disk is full"):
            run_block(context, check("a", write))

    def test_where_no_file_can_be_made_any_more(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = disk_space.os.statvfs(tmp_path)
        left = type("Left", (), {**{n: getattr(real, n) for n in ("f_bavail", "f_frsize", "f_files")}, "f_favail": 0})
        monkeypatch.setattr(disk_space.os, "statvfs", lambda _: left)
        assert "has 0 MB left" in disk_space.full([tmp_path], "")

    def test_room_is_room(self, tmp_path: Path) -> None:
        assert disk_space.full([tmp_path, tmp_path / "none"], "a sharp refusal") == ""


def planted(monkeypatch: pytest.MonkeyPatch, plant: str) -> None:
    """Let the checker run ``plant`` before it serves."""
    real, module = Child.__init__, "lakebench.processes.functions"

    def made(self: Child, *given: Any) -> None:
        real(self, *given)
        code = f"import os, runpy, sys; {plant}; runpy.run_module('{module}', run_name='__main__')"
        self._command = [sys.executable, "-c", code, *self._command[4:]]

    monkeypatch.setattr(Child, "__init__", made)


class TestChecker:
    def test_its_own_exception_is_a_fault_of_ours_with_its_traceback(
        self, context: RunContext, guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planted(monkeypatch, "from lakebench.datasets import rows; rows.rows = lambda *_: {}['planted']")
        checker = Checker(guard)
        record = run_block(context, check("a", lambda: checker.call(rows.write, 1, [1], tmp_path / "rows")))["a"]
        assert record.outcome is Outcome.HARNESS_FAULT
        kept = (tmp_path / record.evidence["file"]).read_text()
        assert "KeyError: 'planted'" in kept
        assert "rows.py" in kept
        checker.call(written_by_hand.write, {"n": "int32"}, [(1,)], tmp_path / "table")  # others go on
        checker.close()

    def test_what_it_finds_of_an_engine_stays_the_engines(
        self, context: RunContext, guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        says = "from lakebench import errors; from lakebench.datasets import rows"
        raises = "rows.rows = lambda *_: (_ for _ in ()).throw(errors.WrongAnswer('no table'))"
        planted(monkeypatch, f"{says}; {raises}")
        checker = Checker(guard)
        record = run_block(context, check("a", lambda: checker.call(rows.write, 1, [1], tmp_path / "rows")))["a"]
        assert (record.outcome, record.reason) == (Outcome.WRONG, "no table")
        checker.close()

    def test_a_checker_that_dies_twice_of_a_question_ends_the_run(
        self, context: RunContext, guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted = tmp_path / "deaths"
        dies = f"rows.rows = lambda *_: (open({str(counted)!r}, 'a').write('x'), os._exit(7))"
        planted(monkeypatch, f"from lakebench.datasets import rows; {dies}")
        checker = Checker(guard)
        with pytest.raises(CheckerLost, match=r"has died with code 7.*twice at the same call, write"):
            run_block(context, check("a", lambda: checker.call(rows.write, 1, [1], tmp_path / "rows")))
        checker.close()

    def test_one_that_dies_once_is_asked_again(
        self, guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        once = tmp_path / "once"
        dies = f"real = rows.rows; rows.rows = lambda *a: real(*a) if os.path.exists({str(once)!r}) else "
        dies += f"(os.mkdir({str(once)!r}), os._exit(7))"
        planted(monkeypatch, f"from lakebench.datasets import rows; {dies}")
        checker = Checker(guard)
        checker.call(rows.write, 1, [1], tmp_path / "rows")
        assert (tmp_path / "rows").exists()
        checker.close()


def test_a_worker_that_names_an_unknown_kind_told_of_a_fault_of_ours() -> None:
    error = replies.error_from({"kind": "UsageError", "message": "m", "details": {}, "traceback": "t"})
    assert isinstance(error, HarnessFault)
