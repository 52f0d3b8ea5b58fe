"""The report as one HTML file that loads nothing from the network."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from lakebench.reports.content import Document, Evidence, Paragraph, Plot, Table, Verbatim

_HERE = Path(__file__).parent
_ADDRESS = re.compile(r"(?<![\w/.-])(?:https?://|github\.com/)[^\s<>\"'`|\\^{}]*[^\s<>\"'`|\\^{}.,;:!?()\[\]]")
_OF_THE_RUN = re.compile(r"https?://(?:127\.|localhost|\[|0\.0\.0\.0|[^/]*@)")
"""An address of a server that is gone, or with a login in it: no link."""
_LONG = 22
"""From this length on a word is an id, a path or a hash, which may be broken across lines."""
_PARTS = re.compile(r"(\s+)")


def render(document: Document) -> str:
    """``document`` as a page."""
    page: str = template(_HERE / "report.html.j2").render(document=document, style=style(_HERE / "report.css"))
    return page


@functools.cache
def style(*own: Path) -> str:
    """The style that every page has, with the ``own`` parts of one."""
    return "".join(path.read_text("utf-8") for path in (_HERE / "style.css", *own))


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
    environment.filters.update({"is": _is, "words": words, "unlinked": unlinked, "heading": heading})
    return environment.get_template(file.name)


def _is(part: object, kind: str) -> bool:
    kinds = {"table": Table, "paragraph": Paragraph, "plot": Plot, "evidence": Evidence, "block": Verbatim}
    return isinstance(part, kinds[kind])


def words(text: str) -> Markup:
    """``text`` with its addresses as links; it may be broken across lines between words and parts of ids alone."""
    return Markup("").join(_address(part) if number % 2 else unlinked(part) for number, part in enumerate(_split(text)))


def _split(text: str) -> list[str]:
    """The parts of ``text``: what is no address and an address, in turns."""
    parts, at = [], 0
    for found in _ADDRESS.finditer(text):
        if not _OF_THE_RUN.match(found[0]):
            parts += [text[at : found.start()], found[0]]
            at = found.end()
    return [*parts, text[at:]]


def _address(text: str) -> Markup:
    target = text if text.startswith("http") else f"https://{text}"
    return Markup('<a rel="noopener noreferrer" href="{}">{}</a>').format(target, unlinked(text))


def unlinked(text: str) -> Markup:
    """``text`` as :func:`words` has it, with no link."""
    return Markup("").join(_breakable(part) if len(part) >= _LONG else escape(part) for part in _PARTS.split(text))


def _breakable(token: str) -> Markup:
    """An id, a path or a hash: it may be broken after what separates its parts, and a long part anywhere."""
    parts = re.findall(r"[\w@]+|[^\w@]+", token)
    return Markup("").join(map(_part, parts))


def _part(part: str) -> Markup:
    if len(part) >= _LONG:
        return Markup('<span class="long">{}</span>').format(part)
    return escape(part) if part[0].isalnum() else escape(part) + Markup("<wbr>")


def heading(text: str) -> Markup:
    """The heading of a column or row; what stands on a line of its own, the version, is smaller."""
    name, _, version = text.partition("\n")
    return words(name) + (Markup(' <span class="version">{}</span>').format(version) if version else Markup(""))
