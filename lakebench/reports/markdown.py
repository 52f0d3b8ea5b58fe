"""The report as Markdown: all numbers of the HTML page, without its plots."""

from __future__ import annotations

import re

from lakebench.reports.content import Cell, Document, Evidence, Paragraph, Part, Plot, Table, Verbatim

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")


def render(document: Document) -> str:
    """``document`` as GitHub-flavoured Markdown."""
    lines = [f"# {escape(document.title)}", "", *_first(document), escape(document.subtitle), ""]
    lines += _table(document.overview)
    for section in document.sections:
        lines += [f"## {escape(section.title)}", ""]
        for part in section.parts:
            lines += _part(part)
    return "\n".join(lines).rstrip() + "\n"


def _first(document: Document) -> list[str]:
    """The alerts, right below the title."""
    return [line for text in (*document.alerts, document.verdict) for line in (f"**{escape(text)}**", "")]


def escape(text: str) -> str:
    """``text`` on one line, with Markdown's special characters escaped."""
    one_line = " ".join(text.split())
    safe = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(https?):", r"\1&#58;", _SPECIAL.sub(r"\\\1", safe))


def _part(part: Part) -> list[str]:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Paragraph):
        return [_cell(Cell(part.text, link=part.link)), ""]
    if isinstance(part, Plot):
        return [f"*{escape(part.title)}: the drawing is in the HTML page.*", ""]
    return _evidence(part)


def _table(table: Table) -> list[str]:
    lines = [] if not table.anchor else [f'<a id="{table.anchor}"></a>', ""]
    lines += [f"**{escape(table.caption)}**", ""]
    lines += [_row([escape(one) for one in table.head]), _row(_rule(table))]
    lines += [_row([_cell(one) for one in row]) for row in table.rows]
    lines += ["", *(f"{escape(note)}\n" for note in table.notes)]
    return lines


def _rule(table: Table) -> list[str]:
    rest = {"figures": "---:", "matrix": ":---:"}.get(table.layout, "---")
    return ["---", *[rest] * (len(table.head) - 1)]


def _row(texts: list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    return f"[{text}]({cell.link})" if cell.link else text


def _evidence(evidence: Evidence) -> list[str]:
    lines = [f'<a id="{evidence.anchor}"></a>', "", f"### {escape(evidence.summary)}", ""]
    for part in evidence.parts:
        lines += _block(part) if isinstance(part, Verbatim) else _table(part)
    return lines


def _block(block: Verbatim) -> list[str]:
    """A fenced block; the fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall("`+", block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{escape(block.title)}:", "", f"{fence}{block.language}", block.text, fence, ""]
