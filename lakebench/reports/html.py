"""The report as one HTML file that loads nothing from the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakebench.reports.content import Document, Evidence, Paragraph, Plot, Table, Verbatim


def render(document: Document) -> str:
    """``document`` as a page."""
    page: str = template(Path(__file__).with_name("report.html.j2")).render(document=document)
    return page


def template(file: Path) -> Any:
    """The template in ``file``. Jinja2's autoescape escapes all text of engines."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(file.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["is"] = _is
    return environment.get_template(file.name)


def _is(part: object, kind: str) -> bool:
    kinds = {"table": Table, "paragraph": Paragraph, "plot": Plot, "evidence": Evidence, "block": Verbatim}
    return isinstance(part, kinds[kind])
