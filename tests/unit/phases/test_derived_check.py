"""Derived reads of a table: in one batch, and those that fail once more alone; a failure ends no other read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakebench.datasets import table_files
from lakebench.datasets.interop import expected as oracles
from lakebench.datasets.interop.derived_reads import DerivedReads, derived
from lakebench.datasets.interop.oracle import Oracle
from lakebench.engines.filtered import numbered
from lakebench.errors import EngineCrash, Refused
from lakebench.iceberg.operations import Append, Create, Read, to_json
from lakebench.iceberg.scan import Scan
from lakebench.iceberg.types import Field
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, ObjectStore
from lakebench.outcomes import Outcome
from lakebench.phases.derived_check import DerivedCheck
from lakebench.phases.read_check import TableReader

PROGRAM = (
    Create(columns=(Field("id", "int"), Field("v", "double"))),
    Append(rows=((1, 5.0), (2, None), (3, "NaN"))),
)
LAKE = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "w"), "ns")
STORE = ObjectStore("http://127.0.0.1:1", "b", "k", "s")
Fault = Callable[[Scan], Any]


class LyingClient:
    """An engine client that answers as the oracle does, but for what ``fault`` does to a scan."""

    def __init__(self, fault: Fault) -> None:
        self.fault, self.asked = fault, list[Scan]()

    def scans(
        self,
        _ref: EngineRef,
        _lake: Lake,
        scans: Sequence[Mapping[str, Any]],
        into: Sequence[Path],
        _limit_s: float,
        *,
        session: str,
    ) -> list[dict[str, Any]]:
        assert session == ""
        return [self._reply(Scan.from_json(one), path) for one, path in zip(scans, into, strict=True)]

    def _reply(self, scan: Scan, path: Path) -> dict[str, Any]:
        self.asked.append(scan)
        calls = [f"a batch of {len(scan.filters)}" if scan.filters else "alone"]
        try:
            answers = [self._answer(one) for one in scan.by_filter or (scan,)]
        except Refused as error:
            failure = {"kind": "Refused", "message": str(error), "details": {}, "traceback": ""}
            return {"ok": False, "error": failure, "calls": calls}
        rows = numbered(answers, lambda rows: (rows.to_batches(), rows.schema)) if scan.filters else answers[0]
        table_files.write(rows, path)
        return {"ok": True, "calls": calls}

    def _answer(self, scan: Scan) -> Any:
        wrong = self.fault(scan)
        return _right(scan) if wrong is None else wrong

    @staticmethod
    def case_end(error: Exception) -> Exception:
        return error


def _right(scan: Scan) -> Any:
    return Oracle(PROGRAM).answer(Read("asked", columns=scan.columns, where=scan.where, count=scan.count))


def nothing(_: Scan) -> None:
    return None


class Checked:
    """What a check with a client that lies comes to."""

    def __init__(self, folder: Path, fault: Fault, reads: DerivedReads) -> None:
        numbers = iter(range(1000))
        self.client = LyingClient(fault)
        context: Any = SimpleNamespace(
            client=self.client,
            checker=SimpleNamespace(call=lambda function, *arguments: function(*arguments)),
            files=SimpleNamespace(new=lambda name: folder / f"{next(numbers)}-{name}"),
        )
        shapes = tuple(folder / f"shape-{n}" for n in range(len(reads.shapes)))
        program = [to_json(one) for one in PROGRAM]
        oracles.write(program, reads.shapes, (), {}, STORE, shapes, reads.filters, folder / "filtered")
        table = TableReader(context, EngineRef("duckdb"), LAKE, 1.0, _scan)
        evidence, self.errors = DerivedCheck(table, reads, folder / "filtered", shapes).run()
        self.reads = evidence.pop("reads")
        self.counts = evidence


def _scan(read: Read) -> Scan:
    return Scan("t", columns=read.columns, where=read.where, count=read.count)


@pytest.fixture
def check(tmp_path: Path) -> Callable[[Fault], Checked]:
    return lambda fault: Checked(tmp_path, fault, derived(PROGRAM))


READS = derived(PROGRAM)
ALL = len(READS.filters) + len(READS.shapes)


def test_filters_are_one_call_and_leave_no_evidence_where_they_pass(check: Callable[[Fault], Checked]) -> None:
    done = check(nothing)
    assert (done.counts, done.reads, done.errors) == ({"asked": ALL, "passed": ALL}, [], [])
    assert len(done.client.asked) == 1 + len(READS.shapes)


def loses_nan(scan: Scan) -> Any:
    """As the reader of FIELD's first kind: ``v != 5`` without the row of NaN."""
    tests = {(one.column, one.test) for one in scan.where}
    return _right(scan).slice(0, 0) if ("v", "!=") in tests and not scan.count else None


def test_a_wrong_answer_is_asked_for_again_alone_and_shown(check: Callable[[Fault], Checked]) -> None:
    done = check(loses_nan)
    first = done.reads[0]
    assert (first["read"], first["outcome"], first["calls"]) == ("v != 5.0", Outcome.WRONG, ["alone"])
    assert first["diff"]["expected"] == (("3",),)
    assert first["kind"] == "v !="
    assert first["asked"] == "v != 5.0: id of t where (v != 5.0)"
    assert done.counts["passed"] + len(done.errors) == done.counts["asked"] == ALL
    assert {type(one).__name__ for one in done.errors} == {"WrongAnswer"}


def test_what_is_wrong_in_a_batch_only_keeps_the_statement_of_the_batch(check: Callable[[Fault], Checked]) -> None:
    seen: list[Scan] = []

    def fault(scan: Scan) -> Any:
        seen.append(scan)
        return loses_nan(scan) if len(seen) <= len(READS.filters) else None

    done = check(fault)
    assert done.reads[0]["calls"] == [f"a batch of {len(READS.filters)}"]
    assert done.reads[0]["outcome"] == Outcome.WRONG


def test_a_batch_that_is_refused_is_asked_one_by_one(check: Callable[[Fault], Checked]) -> None:
    refused = iter([True])

    def fault(_: Scan) -> None:
        if next(refused, False):
            raise Refused("no UNION today")

    done = check(fault)
    assert (done.counts, done.errors) == ({"asked": ALL, "passed": ALL}, [])


def test_after_some_refusals_no_more_is_asked_and_that_is_said(check: Callable[[Fault], Checked]) -> None:
    def fault(scan: Scan) -> None:
        if any(one.column == "v" for one in scan.where) and not scan.count:
            raise Refused("no doubles")

    done = check(fault)
    assert [one["outcome"] for one in done.reads] == [Outcome.REFUSED] * 3
    assert done.counts["not_asked"] == ALL - done.counts["asked"] > 0


def test_a_crash_ends_one_read_and_is_told(check: Callable[[Fault], Checked]) -> None:
    def fault(scan: Scan) -> None:
        if any(one.test == "is-null" for one in scan.where):
            raise EngineCrash("the process died")

    done = check(fault)
    assert [one["read"] for one in done.reads] == ["v is-null", "id is-null"]
    assert {one.outcome for one in done.errors} == {Outcome.CRASH}
