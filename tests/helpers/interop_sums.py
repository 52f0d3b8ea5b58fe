"""Whether the numbers that a run's reports show add up: one definition each, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lakebench.phases.interop import report as interop
from lakebench.phases.interop.report_squares import VERDICTS
from lakebench.reports import document, markdown
from lakebench.reports.content import MISLED, NOT_WRITTEN, STATES, Table
from lakebench.results.records import Run

NOBODY = {MISLED, NOT_WRITTEN, "UNAVAILABLE", "HARNESS_FAULT"}


def _number(text: str) -> int:
    return int(text.replace(",", "") or 0)


def _column(table: Table, head: str) -> list[str]:
    at = table.head.index(head)
    return [row[at].text for row in table.rows]


def _shares(texts: Iterable[str]) -> tuple[int, int]:
    """The sums of ``k`` and ``n`` in texts such as ``1,234 of 2,345``; what did not run has neither."""
    matches = [re.fullmatch(r"([\d,]+) of ([\d,]+)", one) for one in texts]
    shares = [(_number(one[1]), _number(one[2])) for one in matches if one]
    return sum(k for k, _ in shares), sum(n for _, n in shares)


def _tiles(page: str) -> dict[str, int]:
    tiles = re.findall(r'data-value="([^"]+)".*?<b>([\d,]+)</b>', page)
    return {name: _number(count) for name, count in tiles}


def _headline(text: str, pattern: str) -> int:
    match = re.search(pattern, text)
    return _number(match[1]) if match else 0


def _section(page: str, anchor: str) -> int:
    """How many cells the page says that a section of its findings is about."""
    match = re.search(rf'id="{anchor}".*?class="count">([\d,]+)<', page, re.DOTALL)
    return _number(match[1]) if match else 0


def adds_up(run: Run) -> dict[str, int]:
    """Hold all places against each other; the numbers that they agree on."""
    page, contents = interop.render(run), document.build(run)
    tiles, engines = _tiles(page), interop.overview(run)
    tables = {part.caption: part for one in contents.sections for part in one.parts if isinstance(part, Table)}
    tally, headline = tables["Cells by outcome and verdict"], interop.verdict(run)[0]
    rows = {row[0].text.partition(" ")[2]: _number(row[-1].text) for row in tally.rows}
    passed, judged = _shares(_column(engines, "writes that pass") + _column(engines, "reads that pass"))
    wrong, broken = (sum(map(int, _column(engines, head))) for head in ("wrong", "broken claim"))

    assert sum(tiles[state] for state in STATES) == len(run.cases) == sum(tiles[verdict] for verdict in VERDICTS)
    assert rows == {state: tiles[state] for state in STATES if tiles[state]}
    assert {name: sum(map(_number, _column(tally, name))) for name in tally.head[1:-1]} == {
        name: tiles[name] for name in tally.head[1:-1]
    }
    assert passed == tiles["PASS"] == _headline(headline, r"([\d,]+) of [\d,]+ judged")
    assert judged == sum(tiles[state] for state in STATES if state not in NOBODY)
    assert judged == _headline(headline, r"of ([\d,]+) judged")
    assert wrong == tiles["WRONG"] == _headline(headline, r"([\d,]+) silent wrong") == _section(page, "wrong")
    assert broken == tiles["broken claim"] == _headline(headline, r"([\d,]+) broken claim")
    assert broken == _section(page, "broken") + _headline(headline, r"([\d,]+) of them by wrong answers")
    assert sum(map(int, _column(engines, "better than claimed"))) == tiles["better than claimed"]
    assert tiles["better than claimed"] == _section(page, "better")
    assert tiles["not judged"] == sum(tiles[state] for state in NOBODY)
    assert _headline(headline, r"([\d,]+) reads? of wrong tables") == tiles[MISLED]
    if "What did not run here" in tables:
        absent = sum(map(_number, _column(tables["What did not run here"], "cells")))
        assert absent == tiles["UNAVAILABLE"] + tiles[NOT_WRITTEN]
    assert headline in markdown.render(contents).replace("\\", "")
    return {"passed": passed, "judged": judged, "wrong": wrong, "broken": broken, **tiles}
