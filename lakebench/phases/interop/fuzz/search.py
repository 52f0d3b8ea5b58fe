"""The search for failures: programs one after the other, and of each new failure the smallest program that has it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import Phase, find
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import NoSuchExample

from lakebench.datasets.interop import random_programs
from lakebench.datasets.interop.random_programs import Program, Writers
from lakebench.errors import HarnessFault
from lakebench.execution.context import RunContext
from lakebench.model import EngineRef
from lakebench.outcomes import ExitCode, Outcome
from lakebench.phases.interop.fuzz.failures import Failure
from lakebench.phases.interop.fuzz.finding import FuzzFinding, earlier, masked
from lakebench.phases.interop.fuzz.known import KnownFailures, is_refused_step
from lakebench.phases.interop.fuzz.program_run import ProgramResult, ProgramRun

_SHRINK_S = 60.0
_LINE_S = 30.0
DATABASE = ".programs"
"""The folder of Hypothesis's database below the output: a search that was stopped goes on with what it had."""


@dataclass(frozen=True)
class Limits:
    """The search ends after ``seconds``, or ``programs``, whatever comes first; zero is no limit."""

    seconds: float = 0.0
    programs: int = 0


@dataclass
class SearchSummary:
    """What a search did and found; ``known`` are the names of failures with how often each was met, and why known."""

    programs: int = 0
    steps: int = 0
    executions: int = 0
    seconds: float = 0.0
    findings: list[FuzzFinding] = field(default_factory=list)
    known: dict[Failure, tuple[int, str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """What was done so far, in one line."""
        minutes = max(self.seconds, 1.0) / 60
        return (
            f"{self.programs} programs, {self.steps} steps ({self.executions / minutes:.0f} executions a minute "
            f"with those of shrinking), {len(self.findings)} new failures, {len(self.known)} known"
        )

    @property
    def code(self) -> ExitCode:
        """0 nothing new; 4 a new wrong answer; 1 another new failure; 5 a fault of ours."""
        outcomes = {one.failure.outcome for one in self.findings}
        return ExitCode.first(
            *([ExitCode.HARNESS_FAULT] if self.faults else []),
            *([ExitCode.WRONG_ANSWER] if Outcome.WRONG in outcomes else []),
            *([ExitCode.WORSE] if outcomes else []),
        )


class Search:
    """Runs the programs of the request's seed, one after the other, on the engines of ``context``.

    ``output`` is the folder that findings are written to; what an earlier search wrote there is known.
    """

    def __init__(
        self,
        context: RunContext,
        writers: Writers,
        readers: Sequence[EngineRef],
        limits: Limits,
        output: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context, self._writers, self._readers = context, writers, readers
        self._seed = context.request.seed
        self._limits, self._output, self._clock = limits, output, clock
        self._known = KnownFailures(context.request.selection.catalog)
        self._found = earlier(output)
        self._names = {one.name for one in self._found}
        self._database = DirectoryBasedExampleDatabase(output / DATABASE)
        self._began = self._said = clock()
        self._secrets = (*context.request.settings.secrets(), *context.services.secrets())
        self.summary = SearchSummary()

    def run(self) -> SearchSummary:
        """Search until the limits are reached.

        Raises:
            LakebenchError: the run cannot go on, such as without its catalog.
        """
        while not self._is_over():
            number, self.summary.programs = self.summary.programs, self.summary.programs + 1
            try:
                self._program(number)
            except Exception as error:  # noqa: BLE001 - a fault of ours in one program; the others go on
                self._context.prerequisites.check(error)
                self.summary.faults.append(f"program {number}: {self._context.faults.fault(error)}")
            self.summary.seconds = self._clock() - self._began
            self._tell()
        return self.summary

    def _is_over(self) -> bool:
        limits = self._limits
        return bool(limits.programs and self.summary.programs >= limits.programs) or self._is_late()

    def _is_late(self) -> bool:
        return bool(self._limits.seconds) and self._clock() - self._began >= self._limits.seconds

    def _tell(self) -> None:
        if self._clock() - self._said >= _LINE_S:
            self._said = self._clock()
            self._context.progress.say(self.summary.line)

    # One program.

    def _program(self, number: int) -> None:
        """Run program ``number``, and shrink each new failure of it."""
        program = random_programs.program(self._writers, self._seed, number)
        result = self._execute(program)
        self.summary.steps += len(result.program)
        for failure in result.failures:
            if not self._is_known(failure, result):
                self._context.progress.say(f"program {number}: {failure.title}")
                self._shrink(number, program, failure, result)

    def _execute(self, program: Program, target: Failure | None = None) -> ProgramResult:
        self.summary.executions += 1
        table = f"fuzz_{self.summary.executions}"
        run = ProgramRun(self._context, self._writers, self._readers, table, target, self._is_late)
        result = run.run(program)
        result.failures = [replace(one, reason=masked(one.reason, self._secrets)) for one in result.failures]
        return result

    def _is_known(self, failure: Failure, result: ProgramResult, *, shrunk: bool = False) -> bool:
        """Whether ``failure`` is known, or was met already; a refused step is judged before it is shrunk."""
        if failure.name in self._names:
            for one, (times, like) in self.summary.known.items():
                if one.name == failure.name:
                    self.summary.known[one] = times + 1, like
            return True
        like = self._like(failure, result, shrunk=shrunk)
        if like:
            self._names.add(failure.name)
            self.summary.known[failure] = 1, like
        return bool(like)

    def _like(self, failure: Failure, result: ProgramResult, *, shrunk: bool) -> str:
        """The accepted cell or the finding that explains ``failure``, empty where there is none.

        A wrong answer is shrunk first: it says less of its cause than the words of an error.
        """
        if shrunk or failure.outcome is not Outcome.WRONG:
            for one in self._found:
                if one.explains(failure, result.program):
                    return f"finding: {' '.join(one.name[:4])}"
        return self._known.like(failure, result.program) if shrunk or is_refused_step(failure) else ""

    def _shrink(self, number: int, program: Program, failure: Failure, result: ProgramResult) -> None:
        """Find the smallest program with ``failure``, and write it unless a known failure explains it."""
        smallest = self._smallest(number, program, failure)
        if smallest != program:
            again = self._execute(smallest)
            same = [one for one in again.failures if one.name == failure.name]
            if same:
                failure, result = same[0], again
        if not self._is_known(failure, result, shrunk=True):
            finding = FuzzFinding.of(failure, result, self._context.request, number)
            self._names.add(failure.name)
            self._found.append(finding.found)
            folder = finding.write(self._output, self._secrets)
            self.summary.findings.append(finding)
            self._context.progress.say(f"new: {failure.title} ({len(finding.program)} operations): {folder}")

    def _smallest(self, number: int, program: Program, failure: Failure) -> Program:
        """The smallest program that Hypothesis finds to fail in the same way, within the time that is left."""
        tried, smallest = _Tried(), program
        tried.add(program, failure.step)
        until = self._clock() + _SHRINK_S

        def fails(one: Program) -> bool:
            nonlocal smallest
            known = tried.of(one)
            if known is None:
                if self._is_late() or self._clock() > until:
                    raise _TimeIsOver
                known = tried.add(one, self._step_of(one, failure))
            if known:
                smallest = min(smallest, one, key=lambda each: (len(each), len(repr(each))))
            return known

        settings = random_programs.quiet(2, Phase.reuse, Phase.generate, Phase.shrink, database=self._database)
        with contextlib.suppress(NoSuchExample, _TimeIsOver):
            find(
                random_programs.programs(self._writers), fails, settings=settings,
                random=random_programs.source(self._seed, number),
                database_key="/".join([str(self._seed), str(number), *failure.name]).encode(),
            )  # fmt: skip
        return smallest

    def _step_of(self, program: Program, failure: Failure) -> int:
        """The step at which ``program`` has ``failure`` too; zero where it has not."""
        try:
            failures = self._execute(program, failure).failures
        except HarnessFault:
            return 0  # another fault than the one that is looked for
        return next((one.step for one in failures if one.name == failure.name), 0)


class _TimeIsOver(BaseException):
    """Ends Hypothesis's search, which takes an ``Exception`` for a failure of the test."""


class _Tried:
    """Programs that were executed: one that begins like one that failed fails as well, and is not executed."""

    def __init__(self) -> None:
        self._failed: list[Program] = []
        self._passed: list[Program] = []

    def add(self, program: Program, step: int) -> bool:
        """Keep that ``program`` failed at ``step``, or did not where that is zero; whether it failed."""
        if step:
            self._failed.append(program[:step])
        else:
            self._passed.append(program)
        return bool(step)

    def of(self, program: Program) -> bool | None:
        """Whether ``program`` fails; ``None`` where it has to be executed."""
        if any(program[: len(one)] == one for one in self._failed):
            return True
        return False if any(one[: len(program)] == program for one in self._passed) else None
