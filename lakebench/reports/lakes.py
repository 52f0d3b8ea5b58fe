"""The comparison of lakes (field report C16) and the recommendations (C27) in the report, with their cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.phases import lakes_compared, recommendations
from lakebench.phases.case_choice import CaseQuestion, CasesOfRuns, Grade, RunCase
from lakebench.phases.lake_cells import FilledCell
from lakebench.phases.lake_criteria import LAKES
from lakebench.phases.lakes_compared import FilledCells
from lakebench.phases.recommendations import Recommendation
from lakebench.reports import by_phase, matrix
from lakebench.reports.content import DASH, Cell, Section, Table, label
from lakebench.results.records import FieldReport, Run

_SHOWN = 8
_MARKS = {True: "pass", False: "fail", None: "none"}
_NOTE = (
    "A cell passes where every case of every question passed, is limited where some failed, and fails where all did. "
    "Green is as theirs, red is not; grey is open, because cases did not run or theirs does not have the lake."
)
_FROM = "Cases are of this run{others}; of a case that several runs have, the first one in which it ran counts."
_LINES = (
    "Each line names what the recommendation has to be good for. A case that passed supports it; one that failed "
    "contradicts it, an accepted failure too. What did not run says nothing."
)


def sections(run: Run, earlier: Sequence[Run] = ()) -> list[Section]:
    """The sections for which ``run`` or ``earlier`` have a case that ran."""
    return [
        Section("Lakes compared", "lakes", tuple(_lakes(run, earlier))),
        Section("Recommendations", "recommendations", tuple(_recommendations(run, earlier))),
    ]


def field_reports(run: Run, earlier: Sequence[Run] = ()) -> tuple[FieldReport, ...]:
    """Those of ``run``, and C16 and C27 by the cases of all runs."""
    runs = CasesOfRuns.of(run, earlier)
    every = [
        *run.field_reports,
        *lakes_compared.judged(lakes_compared.compared(runs)),
        *recommendations.judged(recommendations.recommended(runs)),
    ]
    return tuple({one.report: one for one in every}.values())


def _source(earlier: Sequence[Run]) -> str:
    names = ", ".join(one.header.run for one in earlier)
    return _FROM.format(others=f" and of {names}" if names else " (--with RUN adds those of others)")


# C16


def _lakes(run: Run, earlier: Sequence[Run]) -> Iterator[Table]:
    answers = lakes_compared.compared(CasesOfRuns.of(run, earlier))
    if not answers:
        return
    rows = tuple((Cell(name), *(_answer(row[lake]) for lake in LAKES)) for name, row in answers.items())
    yield Table("Lakes by criterion (C16), theirs in brackets", ("", *LAKES), rows, (_NOTE, _source(earlier)))
    head = ("criterion", "lake", "question", "outcome", "cases")
    yield Table("The cases of each cell", head, tuple(_cells(answers, _links(run))))


def _answer(answer: FilledCell) -> Cell:
    theirs = f" [{answer.theirs}]" if answer.theirs else ""
    return Cell(f"{answer.ours}{theirs}", _MARKS[answer.agrees])


def _cells(answers: FilledCells, links: Mapping[str, str]) -> Iterator[tuple[Cell, ...]]:
    for criterion, row in answers.items():
        for lake in LAKES:
            for one in row[lake].asked:
                yield (Cell(criterion), Cell(lake), *_question(one, links))


# C27


def _recommendations(run: Run, earlier: Sequence[Run]) -> Iterator[Table]:
    lines = recommendations.recommended(CasesOfRuns.of(run, earlier))
    if not lines:
        return
    rows = tuple((Cell(one.scenario), Cell(one.theirs), Cell(one.ours, _mark(one))) for one in lines)
    head = ("scenario", "they recommend", "our cases")
    yield Table("Recommendations (C27)", head, rows, (_LINES, _source(earlier)))
    links = _links(run)
    cases = tuple((Cell(line.scenario), *_question(one, links)) for line in lines for one in line.asked)
    yield Table("The cases of each line", ("scenario", "has to be good for", "outcome", "cases"), cases)


def _mark(line: Recommendation) -> str:
    return _MARKS[line.agrees]


# Questions


def _question(one: CaseQuestion, links: Mapping[str, str]) -> tuple[Cell, ...]:
    """What is asked, the outcomes in one cell, and the cases by name."""
    return Cell(one.title), _outcomes(one, links), Cell(_names(one))


def _outcomes(one: CaseQuestion, links: Mapping[str, str]) -> Cell:
    if one.grade is Grade.NOT_IN_RUN:
        return Cell(str(one.grade) if one.choices else DASH, "none")
    here = [case.record for case in (*one.failed, *one.cases) if not case.run]
    link = next((f"#{links[record.case]}" for record in here if record.case in links), "")
    return matrix.tally([case.record for case in one.cases], link)


def _names(one: CaseQuestion) -> str:
    """The cases by name, the gravest failures first; what would be asked where there is none."""
    if not one.choices:
        return "no case asks this"
    if not one.cases:
        return f"those of {'; '.join(map(str, one.choices))}"
    order = sorted(one.cases, key=lambda case: _gravity(case.record.outcome))
    shown = [f"{label(case.record.outcome)} {case.name}" for case in order[:_SHOWN]]
    return "; ".join([*shown, *_rest(order[_SHOWN:])])


def _gravity(outcome: Outcome) -> int:
    """The place of ``outcome``: failures, the gravest first, then what passed, then what did not run."""
    return -FROM_BEST.index(outcome) if outcome.ran else 1


def _rest(cases: Sequence[RunCase]) -> Iterable[str]:
    """The cases that are not named, counted by outcome."""
    if cases:
        passed = sum(case.record.outcome is Outcome.PASS for case in cases)
        yield f"and {len(cases)} more, of which {passed} passed"


def _links(run: Run) -> Mapping[str, str]:
    """Case → anchor of its evidence, where this report has it."""
    return matrix.anchors(by_phase.others(run))
