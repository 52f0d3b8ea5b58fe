"""A block whose records have versions of servers, and a block that something follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lakebench.errors import Refused
from lakebench.execution.cases import Block, Case, Followed, Versioned
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.prepared import PreparedData
from lakebench.model import Coordinates, EngineRef, Record
from lakebench.outcomes import Outcome

CASE = Case("phase8/a", "phase8", "", EngineRef("postgres"), "", "", "", Coordinates())
RAN = Record(CASE.id, "phase8", "", "postgres", Outcome.PASS, versions={"psycopg": "3"}, coordinates=Coordinates())


@dataclass(frozen=True)
class Made(Block):
    """The case with the record that it is given."""

    record: Record

    @property
    def cases(self) -> tuple[Case, ...]:
        return (CASE,)

    def run(self, context: Any, todo: frozenset[str]) -> Iterator[Record]:  # noqa: ARG002
        yield self.record


def context(tmp_path: Path) -> Any:
    prerequisites: Any = SimpleNamespace(check=lambda _error: None)
    return SimpleNamespace(prepared=PreparedData(prerequisites, FaultLog(tmp_path)))


def run(block: Block, run_context: Any) -> Record:
    (made,) = block.run(run_context, frozenset({CASE.id}))
    return made


def test_the_versions_of_the_servers_are_asked_once_and_stand_alone_or_beside(tmp_path: Path) -> None:
    asked = []

    def versions(_context: Any) -> Mapping[str, str]:
        asked.append(1)
        return {"citus postgresql": "17.2"}

    of_run = context(tmp_path)
    assert run(Versioned(Made(RAN), "citus", versions), of_run).versions == {"citus postgresql": "17.2"}
    beside = Versioned(Made(RAN), "citus", versions, beside=True)
    assert run(beside, of_run).versions == {"psycopg": "3", "citus postgresql": "17.2"}
    assert beside.cases == (CASE,)
    assert len(asked) == 1


def test_what_did_not_run_and_a_server_that_is_gone_have_no_versions(tmp_path: Path) -> None:
    def gone(_context: Any) -> Mapping[str, str]:
        raise Refused("no such server")

    assert run(Versioned(Made(RAN), "citus", gone), context(tmp_path)).versions == {}
    not_there = replace(RAN, outcome=Outcome.UNAVAILABLE)
    assert run(Versioned(Made(not_there), "citus", lambda _: {"a": "1"}), context(tmp_path)).versions == {}


def test_what_follows_a_block_follows_its_last_record(tmp_path: Path) -> None:
    order: list[str] = []
    block = Followed(Made(RAN), lambda _: order.append("then"))
    order.extend(made.case for made in block.run(context(tmp_path), frozenset({CASE.id})))
    assert order == [CASE.id, "then"]
    assert block.cases == (CASE,)
