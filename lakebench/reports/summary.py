"""The run on a terminal, as wide as the terminal: failures first, the verdict last."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.reports import document, identity, latency
from lakebench.reports.alerts import alerts
from lakebench.reports.content import DASH, failed, is_misled, label, seconds, worst_first
from lakebench.results.claims import Verdict
from lakebench.results.records import Run

_SHOWN = 12
_STYLES = {"pass": "green", "fail": "bold red", "none": "dim"}


def show(run: Run, console: Console, reports: tuple[Path, ...] = ()) -> None:
    """Print what is gone, failures, overview, times, untested versions, where the ``reports`` are; last the verdict."""
    for alert in alerts(run):
        console.print(Text(alert, style="bold red"))
    for line in _failures([record for record in worst_first(run) if _worth_a_line(record)]):
        console.print(line, no_wrap=True, overflow="ellipsis")
    console.print(_overview(run))
    asked = latency.questions(run)
    wide = latency.grids(asked)
    for question in asked:
        if question.repeated and question.group not in wide:
            console.print(_times(question))
    for group in dict.fromkeys(one.group for one in asked if one.group in wide):
        console.print(Text(f"{group}: medians, seconds", style="bold"))
        console.print(_grid([one for one in asked if one.group == group]))
    if others := identity.untested(run):
        console.print(Text(others, style="yellow"), soft_wrap=True)
    for path in reports:
        console.print(Text(str(path)), soft_wrap=True)
    text, good = document.verdict(run)
    console.print(Text(text, style="bold green" if good else "bold red"), soft_wrap=True)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _overview(run: Run) -> Table:
    content = document.overview(run)
    table = _table(content.caption)
    for head in content.head:
        table.add_column(Text(head), overflow="fold")
    for row in content.rows:
        table.add_row(*(Text(cell.text, style=_STYLES.get(cell.mark, "")) for cell in row))
    return table


def _times(question: latency.QueryRow) -> Table:
    table = _table(f"Latency of {question.name}, seconds")
    for head in ("engine", "median", "95 % interval", "n", "asked of the store", "cold"):
        table.add_column(head, justify="left" if head == "engine" else "right")
    for one in question.engines:
        table.add_row(Text(one.record.engine), *_figures(one))
    return table


def _grid(asked: list[latency.QueryRow]) -> Table:
    """Medians by query and engine."""
    names = list(dict.fromkeys(one.record.engine for question in asked for one in question.engines))
    table = _table("")
    for head in ("", *names):
        table.add_column(head, justify="right" if head else "left", overflow="fold")
    for question in asked:
        by_name = {one.record.engine: one for one in question.engines}
        table.add_row(Text(question.query), *(_short(by_name.get(name)) for name in names))
    table.add_row(Text("requests a query", style="dim"), *(latency.requests_a_query(name, asked) for name in names))
    return table


def _short(one: latency.Timed | None) -> Text:
    if one is None:
        return Text(DASH, style="dim")
    if one.best is None:
        return Text(one.record.outcome.value, style="dim" if one.record.outcome.mark != "FAIL" else "bold red")
    return Text(seconds(one.best.median))


def _figures(one: latency.Timed) -> list[Text]:
    if one.best is None:
        return [Text(label(one.record.outcome), style="dim")]
    mark = " unstable" if one.best.unstable else ""
    cold = seconds(one.cold.median) if one.cold else DASH
    interval = latency.interval(one.best.interval, one.best.n) + mark
    texts = (seconds(one.best.median), interval, str(one.best.n), latency.asked_of_store(one), cold)
    return [Text(text) for text in texts]


def _worth_a_line(record: Record) -> bool:
    """Whether its own engine made the case fail, and the failure is new or breaks a claim."""
    if is_misled(record):
        return False
    if record.outcome in {Outcome.WRONG, Outcome.HARNESS_FAULT}:
        return True
    as_claimed = record.evidence.get("verdict") == Verdict.AS_CLAIMED
    return failed(record) and not (as_claimed and "known" in record.evidence)


def _verdict(record: Record) -> tuple[str, str]:
    accepted = "known" in record.evidence
    return (f"known {label(record.outcome)}", "yellow") if accepted else (label(record.outcome), "bold red")


def _failures(records: list[Record]) -> list[Text]:
    lines = [Text.assemble(_verdict(one), f"  {one.case}  {' '.join(one.reason.split())}") for one in records[:_SHOWN]]
    if len(records) > _SHOWN:
        lines.append(Text(f"… and {len(records) - _SHOWN} more: see the report"))
    return lines
