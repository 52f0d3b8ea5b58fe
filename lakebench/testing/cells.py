"""Cells of the interoperability matrix as tests of pytest. All cells of an address are one ``lakebench run``."""

from __future__ import annotations

import functools
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from lakebench import phases
from lakebench.commands.run import Arguments, request
from lakebench.errors import LakebenchError, UsageError
from lakebench.execution.request import Request
from lakebench.execution.settings import load
from lakebench.model import Record
from lakebench.outcomes import ExitCode, Outcome
from lakebench.phases.interop.phase import Interop
from lakebench.progress import Quiet
from lakebench.provisioning.environments import Releases
from lakebench.results import accepted, baseline, records
from lakebench.results.matrix_cells import address as anchor
from lakebench.results.records import Run

_PARTS = ("features", "writers", "readers")
_PAGE = "interop.html"
_CHOOSE_CELLS = {"--features", "--feature-file", "--writers", "--readers", "--engines", "--resume", "--json"}


class CellFailed(Exception):
    """What a cell's test says when it fails."""


def options_of(address: str) -> dict[str, str]:
    """The options of ``lakebench run interop`` that choose the cells of ``address``; a cell's id is an address too.

    Raises:
        UsageError: it is no address of cells.
    """
    phase, *parts = address.replace("→", "/").split("/")
    if phase != Interop.name or not parts or len(parts) > len(_PARTS) or not all(parts):
        raise UsageError(f"--lakebench {address}: write interop/FEATURES, or with /WRITERS and /READERS after it")
    return dict(zip(_PARTS, parts, strict=False))


@dataclass(frozen=True)
class CellRun:
    """One ``lakebench run`` for the cells of ``address``; it starts when the first test asks for its records."""

    address: str
    asked: Request
    options: tuple[str, ...]

    @classmethod
    def of(cls, address: str, options: Sequence[str], releases: Releases) -> Self:
        """The run of the cells of ``address``, with further ``options`` of ``lakebench run``.

        Raises:
            UsageError: no such address, feature or engine, or an option that chooses cells.
            ServiceUnavailable: the package index does not say what ``@latest`` is.
        """
        if choosing := _CHOOSE_CELLS & {one.partition("=")[0] for one in options}:
            raise UsageError(f"--lakebench-options {min(choosing)}: name features and engines in --lakebench")
        asked = request((Interop.name,), options_of(address), Arguments(), load(), releases)
        return cls(address, asked, tuple(options))

    @property
    def cases(self) -> tuple[str, ...]:
        """The ids of its cells, known before it starts."""
        return tuple(case.id for row in Interop().rows(self.asked) for case in row.cases)

    @property
    def command(self) -> tuple[str, ...]:
        """The arguments of the command, with a version in place of each ``@latest``."""
        chosen = {name: ",".join(getattr(self.asked.selection, name)) for name in _PARTS}
        named = [text for name, value in chosen.items() if value for text in (f"--{name}", value)]
        return ("run", Interop.name, *named, "--json", *self.options)

    @functools.cached_property
    def result(self) -> dict[str, Any]:
        """What the command printed.

        Raises:
            CellFailed: it printed nothing, because the command or the settings are not valid, or because of a fault.
        """
        command = [sys.executable, "-P", "-m", "lakebench", *self.command]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            shown = shlex.join(["lakebench", *self.command])
            raise CellFailed(f"{shown}\nended with exit code {done.returncode}:\n{done.stderr.strip()}") from None

    @functools.cached_property
    def recorded(self) -> Run:
        """The records."""
        return records.read(Path(self.result["folder"]))

    @functools.cached_property
    def baseline(self) -> baseline.Baseline:
        """What is accepted: by lakebench, and in the file beside ``lakebench.toml``."""
        return baseline.load(self.recorded.header.settings, phases.baselines([Interop.name]).values())

    def evidence(self, case: str) -> str:
        """The address of the cell with this id on the run's page."""
        return f"{Path(self.result['folder']) / _PAGE}{anchor(case)}"

    def gone(self) -> dict[str, str]:
        """Case → why it did not run, although it or its engine was to."""
        end = self.recorded.end
        lines = {one.case: one.change for one in (end.changes.get("gone", ()) if end else ())}
        engines = {one.name: one.reason for one in (end.gone if end else ()) if one.what == "engine"}
        absent = [one for one in self.recorded.cases if one.outcome is Outcome.UNAVAILABLE]
        return {one.case: engines[one.engine] for one in absent if one.engine in engines} | lines


@dataclass(frozen=True)
class CellVerdict:
    """What a cell's test says: ``kind`` is passed, failed, skipped, or known (a failure that is accepted)."""

    kind: str
    text: str = ""


def verdict(record: Record | None, accepted_outcomes: baseline.Baseline, gone: dict[str, str]) -> CellVerdict:
    """The verdict on the cell of ``record``, ``None`` where the run has none; ``gone`` is :meth:`CellRun.gone`."""
    if record is None:
        return CellVerdict("failed", "the run ended without it")
    said = f"{record.outcome}: {record.reason}" if record.reason else record.outcome.value
    if record.outcome is Outcome.UNAVAILABLE:
        why = gone.get(record.case)
        return CellVerdict("skipped", record.reason) if why is None else CellVerdict("failed", f"gone: {why}")
    if record.outcome is Outcome.PASS:
        return CellVerdict("passed")
    if accepted.is_accepted(record, accepted_outcomes):
        return CellVerdict("known", said)
    return CellVerdict("failed", said)


class Cells(pytest.Collector):
    """All cells that ``--lakebench`` names."""

    def collect(self) -> Iterable[pytest.Item]:
        """Nothing: :func:`collect` makes the items."""
        return ()


class _Item(pytest.Item):
    """A test that ends with a verdict."""

    def __init__(self, *, run: CellRun, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.run = run
        self.add_marker("lakebench")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The reason alone, without a traceback of ours."""
        return str(excinfo.value) if isinstance(excinfo.value, CellFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """The name of the cell: it stands in no file."""
        return self.path, None, self.name


class CellItem(_Item):
    """A cell: the writing of a feature, or a reading of what was written."""

    def runtest(self) -> None:
        """Fail, skip, or pass by the outcome of the cell.

        Raises:
            CellFailed: the cell failed, and nobody accepted that.
        """
        found = {one.case: one for one in self.run.recorded.cases}.get(self.name)
        said = verdict(found, self.run.baseline, self.run.gone())
        evidence = self.run.evidence(self.name)
        self.user_properties.append(("lakebench_evidence", evidence))
        if said.kind == "skipped":
            pytest.skip(said.text)
        stale = list(accepted.stale([found], self.run.baseline)) if found else []
        if said.kind == "known" or stale:
            self.add_marker(pytest.mark.xfail(reason=str(stale[0]) if stale else said.text))
        if said.kind in {"known", "failed"}:
            raise CellFailed(f"{self.name}: {said.text}\nevidence: {evidence}")


class RunItem(_Item):
    """The run itself: it fails where the exit code does, so that nothing that is missing is overlooked."""

    def runtest(self) -> None:
        """Fail on an exit code other than 0, and on cells that no test stands for.

        Raises:
            CellFailed: so it is.
        """
        result = self.run.result
        code = ExitCode(result["exit_code"])
        if code is not ExitCode.OK:
            gone = "".join(f"\ngone: {one['name']}: {one['reason']}" for one in result["gone"])
            error = f"\n{result['error']}" if result["error"] else ""
            raise CellFailed(f"exit code {int(code)} of lakebench {shlex.join(self.run.command)}{error}{gone}")
        if more := {one.case for one in self.run.recorded.cases} - set(self.run.cases):
            raise CellFailed(f"the run has {len(more)} cells that no test stands for, such as {min(more)}")


def collect(session: pytest.Session, addresses: Iterable[str], options: str) -> list[pytest.Item]:
    """A test for each cell of ``addresses``, and one for each run; ``options`` is text of a command line.

    Raises:
        pytest.UsageError: an address or an option is not valid.
    """
    cells = Cells.from_parent(session, name="lakebench", nodeid="lakebench")
    items = list(_items(cells, addresses, options))
    report = pytest.CollectReport(cells.nodeid, "passed", None, [*items])
    cells.ihook.pytest_collectreport(report=report)  # so that pytest counts them
    return items


def _items(cells: Cells, addresses: Iterable[str], options: str) -> Iterator[pytest.Item]:
    releases = Releases(Quiet())
    for address in addresses:
        try:
            run = CellRun.of(address, shlex.split(options), releases)
        except (LakebenchError, ValueError) as error:
            raise pytest.UsageError(str(error)) from None
        yield RunItem.from_parent(cells, name=f"{address} (the run)", run=run)
        for case in run.cases:
            yield CellItem.from_parent(cells, name=case, run=run)
