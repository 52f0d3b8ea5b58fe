"""A run's report as content, the same for every format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lakebench.outcomes import ExitCode
from lakebench.reports import by_phase, compare, identity, lakes, latency, matrix, memory, storage_formats
from lakebench.reports.alerts import alerts
from lakebench.reports.content import Cell, Document, Paragraph, Part, Section, Table, show
from lakebench.results import comparison
from lakebench.results.records import Dataset, Run

PAGE = "report.html"
"""The file of the report as a page."""
_VERDICT_MARKS = {"reproduced": "pass", "direction only": "none", "not reproduced": "fail", "out of date": "fail"}


def build(run: Run, earlier: Sequence[Run] = ()) -> Document:
    """The report of ``run``; cases of ``earlier`` runs stand in the tables that compare lakes."""
    text, good = verdict(run)
    others = by_phase.others(run)
    return Document(
        title=f"lakebench {' '.join(run.header.phases)}",
        subtitle=_subtitle(run),
        verdict=text,
        good=good,
        alerts=alerts(run),
        overview=overview(run),
        first=latency.first(others),
        sections=tuple(one for one in _sections(run, earlier) if one.parts),
        pages=pages(run),
    )


def pages(run: Run) -> tuple[tuple[str, str], ...]:
    """Name and address of each page of ``run``; none where the report is the only one."""
    own = [(Path(page.PAGE).stem, page.PAGE) for page in by_phase.pages(run)]
    return (("report", PAGE), *own) if own else ()


def overview(run: Run) -> Table:
    """One line for each engine; if all cases have pages of their own, the table of the first page."""
    return matrix.overview(by_phase.others(run)) if _has_other_cases(run) else by_phase.pages(run)[0].overview(run)


def _has_other_cases(run: Run) -> bool:
    """Whether the run has cases without a page of their own, or no case at all."""
    return bool(by_phase.others(run).cases) or not by_phase.pages(run)


def verdict(run: Run) -> tuple[str, bool]:
    """The run in one sentence, and whether everything is as accepted."""
    verdicts = [identity.verdict(by_phase.others(run))] if _has_other_cases(run) else []
    for page in by_phase.pages(run):
        text, level = page.verdict(run)
        verdicts.append((text, level == "good"))
    if comparison.interleaved(run):
        against = comparison.within(run)
        verdicts.append((compare.verdict(against), not against.worse))
    ended_well = run.end is not None and run.end.exit_code == ExitCode.OK
    return ". ".join(text for text, _ in verdicts), all(good for _, good in verdicts) and ended_well and not alerts(run)


def _subtitle(run: Run) -> str:
    data = [_written(one) for one in run.datasets]
    return ". ".join([f"Run {run.header.run}, {run.header.started}", *data, *identity.derived(run)])


def _written(one: Dataset) -> str:
    size = "" if one.scale_factor == "none" else f" scale factor {one.scale_factor}"
    where = f" to {one.storage} as {one.format}" if one.storage else ""
    return f"{one.dataset}{size} written{where} by {one.writer or 'unknown'}"


def _sections(run: Run, earlier: Sequence[Run]) -> list[Section]:
    others = by_phase.others(run)
    return [
        *(section for page in by_phase.pages(run) for section in page.sections(run)),
        Section("What failed, what did not run", "failures", tuple(_failures(others)) if _has_other_cases(run) else ()),
        Section("Matrices", "matrices", tuple(matrix.matrices(others, latency.gridded(others)))),
        *compare.sections(run),
        Section("Latency", "latency", tuple(latency.parts(others))),
        Section("What storage and table format cost", "places", tuple(storage_formats.parts(others))),
        *by_phase.sections(others),
        *lakes.sections(run, earlier),
        Section("Field reports: theirs beside ours", "field-reports", tuple(_field_reports(run, earlier))),
        Section("Memory over time", "memory", tuple(memory.parts(run))),
        Section("How it was measured, and what this does not show", "method", tuple(identity.method(run))),
        Section("What ran, on what", "identity", tuple(identity.parts(run))),
        Section("Evidence", "evidence", tuple(matrix.evidence(others))),
    ]


def _failures(run: Run) -> list[Part]:
    tables = [one for one in (matrix.faults(run), matrix.failures(run), matrix.unavailable(run)) if one.rows]
    return [*tables] if tables else [Paragraph("Nothing failed, and nothing was left out.")]


def _field_reports(run: Run, earlier: Sequence[Run]) -> list[Part]:
    reports = lakes.field_reports(run, earlier)
    if not reports:
        return []
    rows = tuple(
        (
            Cell(one.report),
            Cell(one.statement),
            Cell(_figures(one.theirs)),
            Cell(_figures(one.ours)),
            Cell(one.verdict, _VERDICT_MARKS.get(one.verdict, "none")),
            Cell(one.detail),
        )
        for one in reports
    )
    note = (
        "Theirs were measured on another machine: times do not compare. Reproduced needs the direction and the ratio, "
        "within a factor of 2, or their error text; direction only has another."
    )
    return [Table("Field reports", ("report", "what it says", "theirs", "ours", "verdict", "detail"), rows, (note,))]


def _figures(values: object) -> str:
    if not isinstance(values, dict):
        return show("", values)
    return "; ".join(
        f"{name}: {one:.3g} s" if isinstance(one, float | int) else f"{name}: {one}" for name, one in values.items()
    )
