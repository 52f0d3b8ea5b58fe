"""A page of a report as a parser sees it."""

from __future__ import annotations

import html.parser

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "wbr"}


class Page(html.parser.HTMLParser):
    """What a test asks of a page: its tags, its tables as rows of texts, its ids, and whether it nests.

    Cells have no versions of headings: ``versions`` has them by heading.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.scripts = ""
        self.styles = ""
        self.versions: list[dict[str, str]] = []
        self._in_version = False
        self._open: list[str] = []
        self._cell: list[str] | None = None
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        self._in_version = dict(attrs).get("class") == "version"
        if tag == "table":
            self.tables.append([])
            self.versions.append({})
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self._cell = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._in_version = False
        if tag in {"td", "th"} and self._cell is not None:
            self.tables[-1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts += data
            return
        if self._open and self._open[-1] == "style":
            self.styles += data
            return
        self.text += data
        if self._in_version and self._cell is not None:
            self.versions[-1][" ".join("".join(self._cell).split())] = data
        elif self._cell is not None:
            self._cell.append(data)

    @property
    def ids(self) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get("id"))]

    def table(self, *head: str) -> list[list[str]]:
        """The first table whose head begins so."""
        return next(one for one in self.tables if tuple(one[0][: len(head)]) == head)
