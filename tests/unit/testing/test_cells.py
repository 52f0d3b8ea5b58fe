"""Cells as tests of pytest: their addresses, the run that they need, and what each outcome becomes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lakebench.errors import UsageError
from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.progress import Quiet
from lakebench.provisioning.environments import Releases
from lakebench.results.baseline import Acceptance, Baseline, Entry
from lakebench.testing.cells import CellRun, options_of, verdict

CASE = "interop/append/spark→duckdb"
COORDINATES = Coordinates(feature="append", writer="spark", reader="duckdb")
BY = Acceptance(1, "20261120T090000Z-interop-0001", "2026-11-20", "first look")


def _record(outcome: Outcome) -> Record:
    return Record(
        case=CASE, phase="interop", title="", engine="duckdb", outcome=outcome, reason="why", coordinates=COORDINATES
    )


def _accepted(*outcomes: Outcome) -> Baseline:
    return Baseline({CASE: Entry("interop", "duckdb", dict.fromkeys(outcomes, ""), BY, COORDINATES)})


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("interop/deletion-*", {"features": "deletion-*"}),
        ("interop/tag,append/spark", {"features": "tag,append", "writers": "spark"}),
        ("interop/tag/spark/trino", {"features": "tag", "writers": "spark", "readers": "trino"}),
        ("interop/tag/spark→trino", {"features": "tag", "writers": "spark", "readers": "trino"}),
    ],
)
def test_an_address_chooses_features_writers_and_readers(address: str, options: dict[str, str]) -> None:
    assert options_of(address) == options


@pytest.mark.parametrize("address", ["interop", "phase4/q01", "interop/", "interop/tag//trino", "interop/a/b/c/d"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(UsageError, match="write interop/FEATURES"):
        options_of(address)


def test_the_cells_and_the_command_are_known_before_anything_starts() -> None:
    run = CellRun.of("interop/tag,append/reference,duckdb@1.4.4/polars", ["--use-up"], Releases(Quiet()))
    expected = {f"interop/{one}/{writer}" for one in ("tag", "append") for writer in ("reference", "duckdb@1.4.4")}
    assert set(run.cases) == expected | {f"{one}→polars" for one in expected}
    chosen = ("--features", "tag,append", "--writers", "reference,duckdb@1.4.4", "--readers", "polars")
    assert run.command == ("run", "interop", *chosen, "--json", "--use-up")


@pytest.mark.parametrize("option", ["--features", "--engines=duckdb", "--resume"])
def test_an_option_that_chooses_cells_is_not_taken(option: str) -> None:
    with pytest.raises(UsageError, match=option.partition("=")[0]):
        CellRun.of("interop/tag/reference/duckdb", [option], Releases(Quiet()))


@pytest.mark.parametrize(
    ("outcome", "accepted", "kind"),
    [
        (Outcome.PASS, (), "passed"),
        (Outcome.WRONG, (), "failed"),
        (Outcome.WRONG, (Outcome.REFUSED,), "failed"),
        (Outcome.REFUSED, (Outcome.REFUSED,), "known"),
        (Outcome.REFUSED, (Outcome.WRONG,), "known"),
        (Outcome.HARNESS_FAULT, (Outcome.REFUSED,), "failed"),
        (Outcome.UNAVAILABLE, (), "skipped"),
    ],
)
def test_an_outcome_becomes_a_verdict(outcome: Outcome, accepted: tuple[Outcome, ...], kind: str) -> None:
    assert verdict(_record(outcome), _accepted(*accepted) if accepted else Baseline(), {}).kind == kind


def test_what_is_gone_is_not_skipped() -> None:
    said = verdict(_record(Outcome.UNAVAILABLE), _accepted(Outcome.PASS), {CASE: "PASS → UNAVAILABLE (no Java)"})
    assert (said.kind, said.text) == ("failed", "gone: PASS → UNAVAILABLE (no Java)")


def test_a_cell_without_a_record_fails() -> None:
    assert verdict(None, Baseline(), {}).kind == "failed"


def test_a_reason_that_is_empty_leaves_the_outcome() -> None:
    assert verdict(replace(_record(Outcome.CRASH), reason=""), Baseline(), {}).text == "CRASH"


def test_the_documented_addresses_are_taken() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ci.md").read_text(encoding="utf-8")
    addresses = re.findall(r"--lakebench '?(interop[^ '\n]+)", page) + re.findall(
        r"^ {8}(interop/\S+)$", page, re.MULTILINE
    )
    assert len(addresses) >= 5
    for address in addresses:
        assert CellRun.of(address.replace("@latest", "@1.4.4"), [], Releases(Quiet())).cases


def test_pytest_loads_nothing_of_lakebench_where_no_cells_are_asked_for() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import lakebench.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {one for one in loaded if one.startswith("lakebench")} == {"lakebench", "lakebench.pytest_plugin"}
    assert not {"pyarrow", "pydantic", "typer", "yaml", "lakebench.testing"} & set(loaded)
