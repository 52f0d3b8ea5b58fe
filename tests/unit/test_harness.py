"""The order of a phase's steps, and how far a run says that it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from run_requests import request

from lakebench import harness
from lakebench.config import Settings
from lakebench.execution.cases import Block, Case, Check
from lakebench.execution.context import RunContext, run_context
from lakebench.model import Coordinates, EngineRef, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.phases.base import Phase
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.results.baseline import Baseline
from lakebench.results.records import Dataset, ServiceFacts, Writer
from lakebench.services import Services


class Counting(Quiet):
    """Keeps the numbers of finished cases that the harness reports."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.totals: list[int] = []

    @contextlib.contextmanager
    def count(
        self,
        what: str,  # noqa: ARG002
        total: int,
        share: Callable[[], float] | None = None,  # noqa: ARG002
    ) -> Iterator[Callable[[int], None]]:
        """Keep ``total``, and each count."""
        self.totals.append(total)
        yield self.counts.append


class Steps(Phase):
    """Four cases that pass; what is asked of it is kept in order."""

    name: ClassVar[str] = "steps"
    subject: ClassVar[str] = "steps"
    title: ClassVar[str] = "Steps"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def services(self, *_: Any) -> tuple[str, ...]:
        """None."""
        return ()

    def engines(self, _: Selection) -> tuple[str, ...]:
        """One."""
        return ("duckdb",)

    def load(self, _: RunContext) -> None:
        """Nothing."""
        self.asked.append("load")

    def facts(self, _: RunContext) -> Iterator[Dataset]:
        """Nothing."""
        self.asked.append("facts")
        return iter(())

    def plan(self, _: RunContext) -> Iterator[Block]:
        """A block a case."""
        self.asked.append("plan")
        for name in "abcd":
            case = Case(f"steps/{name}", "steps", name, EngineRef("duckdb"), "group", name, "duckdb",
                        Coordinates(engine="duckdb"))  # fmt: skip
            yield Check(case, lambda _: {})


def test_a_phase_loads_then_tells_then_plans_and_counts_what_is_done(tmp_path: Path) -> None:
    progress, phase = Counting(), Steps()
    with Guard("steps") as guard, Writer(tmp_path / "records.jsonl") as writer:
        services = Services(Settings(), guard, progress)
        with run_context(request(EngineRef("duckdb")), guard, services, progress) as context:
            new = harness._phase(phase, context, writer, {"steps/b", "steps/d", "other/a"}, Baseline())
    assert phase.asked == ["load", "facts", "plan"]
    assert [one.case for one in new] == ["steps/a", "steps/c"]
    assert (progress.totals, progress.counts) == ([4], [3, 4])


def test_field_reports_of_several_phases_are_of_all_cases_and_of_the_services() -> None:
    services: Any = SimpleNamespace(facts=lambda: [ServiceFacts("nessie", "local", "0.99.0")])
    trino = Coordinates(engine="trino", query="q01")
    case = Record("phase4/q01/trino", "phase4", "", "trino", Outcome.PASS, coordinates=trino)
    made = {one.report: one for one in harness._of_several_phases(services, [case])}
    assert made["C16"].ours["Iceberg + Nessie"] == "1 as theirs, 0 not, 9 open"
    assert made["C27"].ours["heavy Spark and Trino"] == "cases that support it: 1, that contradict it: 0"
    assert not list(harness._of_several_phases(services, []))
