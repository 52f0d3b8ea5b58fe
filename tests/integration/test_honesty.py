"""A liar among the engines: each lie gets its outcome, the run goes on, and no lie has a latency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from run_requests import request
from started import QUICK

from lakebench import engines, phases
from lakebench.config import EngineLimits, Settings
from lakebench.execution.context import run_context
from lakebench.execution.protocol import PROFILES, Protocol
from lakebench.model import EngineRef, Record
from lakebench.outcomes import Outcome
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.reports import write
from lakebench.results import record_schema
from lakebench.results.records import FILE, Header, Writer, read
from lakebench.services import Services

pytestmark = pytest.mark.integration

LIARS = Path(__file__).parent.parent / "liar"
LIES = {
    "liar-drops-a-row": Outcome.WRONG,
    "liar-swaps-columns": Outcome.WRONG,
    "liar-rounds-a-decimal": Outcome.WRONG,
    "liar-returns-unread": Outcome.WRONG,
    "liar-prints": Outcome.WRONG,
    "liar-hangs": Outcome.TIMEOUT,
    "liar-exits": Outcome.CRASH,
    "liar-segfaults": Outcome.CRASH,
    "liar-eats-memory": Outcome.OUT_OF_MEMORY,
}
MEMORY = 1 << 30


@pytest.fixture(scope="module")
def honesty_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Record], Path]]:
    """Query 1 on an honest engine and on all the liars; the records, and the folder of the run."""
    folder = tmp_path_factory.mktemp("liars")
    refs = tuple(EngineRef(name) for name in ("duckdb", *LIES, "slow-reader"))
    limits = {ref.name: EngineLimits(memory=MEMORY) for ref in refs}
    settings = Settings(engines=limits, services=QUICK.services)
    profile = replace(
        PROFILES["quick"],
        scale_factor=Decimal("0.01"),
        protocol=Protocol(cold=1, warm_ups=1, samples=4, block=2, limit_s=10),
        chosen=("repeat",),  # else quick takes no times
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LIARS))
        patch.setenv("PYTHONPATH", str(LIARS))
        engines.engines.cache_clear()
        with Guard("liars") as guard, Writer(folder / FILE) as writer:
            writer.write(
                Header(run=folder.name, phases=("phase4",), command="test", started="2026-01-01T00:00:00+00:00")
            )
            services = Services(settings, guard, Quiet())
            services.start(required := ("object-store", "nessie"))
            asked = request(*refs, settings=settings, writer="pyiceberg", profile=profile)
            with run_context(asked, guard, services, Quiet(), required) as context:
                block = next(iter(phases.find("nessie").plan(context)))
                records = {}
                for record in block.run(context, frozenset(case.id for case in block.cases)):
                    writer.write(record)
                    records[record.engine] = record
        yield records, folder
    engines.engines.cache_clear()


def test_the_honest_engine_has_all_its_samples(honesty_run: tuple[dict[str, Record], Path]) -> None:
    record = honesty_run[0]["duckdb"]
    assert record.outcome is Outcome.PASS, record.reason
    assert [sample.kind for sample in record.samples] == ["cold", "warm-up", *["warm"] * 4]
    assert all(sample.ns > 0 and sample.rows == 4 for sample in record.samples)


@pytest.mark.parametrize("liar", LIES)
def test_each_lie_gets_its_outcome_and_no_latency(honesty_run: tuple[dict[str, Record], Path], liar: str) -> None:
    record = honesty_run[0][liar]
    assert record.outcome is LIES[liar], record.reason
    assert record.reason
    assert record.samples == ()


def test_wrong_rows_are_shown(honesty_run: tuple[dict[str, Record], Path]) -> None:
    for liar in ("liar-drops-a-row", "liar-swaps-columns", "liar-rounds-a-decimal"):
        assert honesty_run[0][liar].evidence["diff"]["text"]


def test_a_crash_names_its_signal(honesty_run: tuple[dict[str, Record], Path]) -> None:
    assert "SIGSEGV" in honesty_run[0]["liar-segfaults"].reason
    assert "exit code 0" in honesty_run[0]["liar-exits"].reason


def test_rows_that_come_late_are_inside_the_clock(honesty_run: tuple[dict[str, Record], Path]) -> None:
    record = honesty_run[0]["slow-reader"]
    assert record.outcome is Outcome.PASS, record.reason
    assert min(sample.ns for sample in record.samples) >= 300_000_000


def test_the_report_shows_no_time_for_a_lie(honesty_run: tuple[dict[str, Record], Path]) -> None:
    _, folder = honesty_run
    assert record_schema.check(folder / FILE) > len(LIES)
    lies = [case for case in read(folder).cases if case.engine in LIES]
    assert len(lies) == len(LIES)
    assert not any(case.samples for case in lies)
    markdown, html = write(folder)
    for liar in LIES:
        assert liar in markdown.read_text(encoding="utf-8")
        assert liar in html.read_text(encoding="utf-8")
