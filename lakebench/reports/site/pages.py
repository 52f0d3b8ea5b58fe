"""The pages of the site: one template, whose script draws the state that the address names."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebench.outcomes import Outcome
from lakebench.reports import html
from lakebench.reports.site import catalogs, speed
from lakebench.reports.site.answers import upgrade_pairs
from lakebench.reports.site.data import Content, is_cell
from lakebench.reports.site.observations import Observation

HERE = Path(__file__).parent
SCRIPTS = (
    "store.js", "elements.js", "router.js", "views.js", "engines.js", "plot.js", "speed.js", "catalogs.js", "facts.js",
    "app.js",
)  # fmt: skip
STYLE = HERE / "static" / "site.css"
GRID = "regular-table-0.9.2.js"
GRID_SHA256 = "1ba52b6eb23cfa1ee203216fcaf0ef71dae033701c1122eb32f73361c5513f06"
NAVIGATION = (
    ("stack", "My stack"),
    ("upgrade", "My upgrade"),
    ("speed", "Speed"),
    ("cells", "Cells"),
    ("feature", "Features"),
    ("engine", "Engines"),
    ("catalogs", "Catalogs"),
    ("reports", "Field reports"),
    ("runs", "Runs"),
    ("data", "Data"),
    ("method", "Method"),
)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)
_SINGLE = (
    "default-src 'none'; script-src {scripts}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'"
)
_COLOURS = {"PASS": "#0a6b3d", "WRONG": "#b3121f", "REFUSED": "#8a5a00", "CRASH": "#6b2fa0", "TIMEOUT": "#0f4c81"}
_OTHER_COLOUR = "#5b6470"
_SEGMENT = 100


@dataclass(frozen=True)
class SitePage:
    """A page at ``route`` below the root; ``lines`` are what it says without a script."""

    route: str
    title: str
    lines: tuple[str, ...] = ()


def segment(name: str) -> str:
    """The part of an address, and name of a folder, that stands for ``name``; ``store.js`` makes the same."""
    safe = re.sub(r"[^A-Za-z0-9._@+-]", "_", name)
    return re.sub(r"^\.+", "_", safe)[:_SEGMENT] or "_"


def all_pages(content: Content) -> Iterator[SitePage]:
    """Every page: of the navigation, features, engines, upgrades, catalogs, runs and cells."""
    yield SitePage("", "Which lakehouse engine reads and writes what another wrote, at these versions, and how fast")
    yield SitePage("changes", "Changes")
    yield from (SitePage(route, title) for route, title in NAVIGATION)
    yield from (
        SitePage(f"feature/{segment(one.feature)}", one.title, (one.group, one.source)) for one in content.features
    )
    yield from _engines(content)
    yield from _catalogs(content)
    yield from (SitePage(f"runs/{segment(run.header.run)}", f"Run {run.header.run}") for run in content.runs)
    yield from (_cell(one) for one in newest(content).values())


def _engines(content: Content) -> Iterator[SitePage]:
    """A page for each version of an engine, and for each two versions of one."""
    versions = dict.fromkeys(version for one in content.observations for version in (one.engine, *one.participants))
    for one in versions:
        yield SitePage(f"engine/{segment(one.name)}@{segment(one.version)}", f"{one.name} {one.version}")
    for before, now in upgrade_pairs(content.cells, speed.engines(content.runs)):
        route = f"upgrade/{segment(before.name)}/{segment(before.version or '')}...{segment(now.version or '')}"
        yield SitePage(route, f"{before.name} {before.version} to {now.version}")


def _catalogs(content: Content) -> Iterator[SitePage]:
    """A page for each catalog that was checked."""
    found: dict[str, list[Observation]] = {}
    for one in catalogs.checks(content.observations):
        found.setdefault(one.coordinates.catalog or "", []).append(one)
    for name, checks in found.items():
        ran = [one for one in checks if one.outcome.ran]
        passed = sum(one.outcome is Outcome.PASS for one in ran)
        yield SitePage(f"catalogs/{segment(name)}", f"Catalog {name}", (f"{passed} of {len(ran)} checks passed.",))


def newest(content: Content) -> dict[str, Observation]:
    """Address → the newest observation of the cell, whatever the versions: a later source replaces an earlier one."""
    return {route_of(one): one for one in content.cells}


def route_of(one: Observation) -> str:
    """The address of a cell, which has no versions in it, and so never changes."""
    names = [one.coordinates.feature or "", *(engine.name for engine in one.participants[:2])]
    return "/".join(["cell", *map(segment, names)])


def _cell(one: Observation) -> SitePage:
    case = one.coordinates
    who = f"{case.writer} writes, {case.reader} reads" if case.reader else f"{case.writer} writes"
    versions = ", ".join(f"{engine.name} {engine.version}" for engine in one.participants)
    return SitePage(
        route_of(one), f"{case.feature}: {who}", (f"{one.state} on {one.source.date[:10]}: {versions}", one.reason)
    )


def render(page: SitePage, made: str) -> str:
    """``page`` in the folder of the site."""
    root = "../" * len([part for part in page.route.split("/") if part])
    store, *others = SCRIPTS
    scripts = ("regular-table.js", store, "data.js", *others)
    return _rendered(page, made, root=root or "./", single=False, policy=_POLICY, scripts=scripts)


def single(data: str, made: str) -> str:
    """The whole site in one file; ``data`` is the JSON of :func:`.data.to_text`."""
    scripts = [grid_script(), *((HERE / "static" / name).read_text("utf-8") for name in SCRIPTS)]
    style = html.style(STYLE)
    policy = _SINGLE.format(scripts=" ".join(map(_hash, scripts)), style=_hash(style))
    first = SitePage("", "Which lakehouse engine reads and writes what another wrote, at these versions, and how fast")
    return _rendered(first, made, root="./", single=True, policy=policy, scripts=scripts, style=style, data=data)


def _hash(text: str) -> str:
    """The source expression that allows an inline script or style (CSP level 3)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _rendered(
    page: SitePage, made: str, *, root: str, single: bool, policy: str, scripts: Sequence[str], **more: str
) -> str:
    text: str = _template("page.html.j2").render(
        route=page.route,
        title=page.title,
        lines=[one for one in page.lines if one],
        made=made[:16].replace("T", " "),
        navigation=NAVIGATION,
        root=root,
        single=single,
        policy=policy,
        scripts=scripts,
        **more,
    )
    return text


@functools.cache
def _template(name: str) -> Any:
    return html.template(HERE / name)


@functools.cache
def grid_script() -> str:
    """regular-table as a script that is no module: a browser loads no module from a file on disk.

    Raises:
        ValueError: the vendored file is not the published one.
    """
    published = (HERE / "vendor" / GRID).read_bytes()
    if hashlib.sha256(published).hexdigest() != GRID_SHA256:
        raise ValueError(f"{GRID} is not the file that was published")
    code, exports, _ = published.decode().partition("export{")
    if not exports:
        raise ValueError(f"{GRID} has no export to take away")
    return f'/* regular-table, Apache-2.0, github.com/finos/regular-table */\n"use strict";(()=>{{{code}}})();\n'


@functools.cache
def badge(state: str) -> str:
    """An image that says ``lakebench`` and ``state``."""
    text, name = state.lower().replace("_", " "), "lakebench"
    widths = {"left": 7 * len(name) + 12, "right": 7 * len(text) + 14}
    made: str = _template("badge.svg.j2").render(
        name=name, text=text, colour=_COLOURS.get(state, _OTHER_COLOUR), **widths
    )
    return made


def feed(content: Content, limit: int = 100) -> str:
    """The newest changes as Atom (RFC 4287)."""
    entries = [
        {
            "title": f"{change.kind}: {change.case.case}",
            "id": f"urn:lakebench:{hashlib.sha256(f'{change.case.source.id} {change.case.case}'.encode()).hexdigest()}",
            "updated": _instant(change.case.source.date),
            "link": f"{route_of(change.case) if is_cell(change.case) else 'changes'}/",
            "summary": f"{change.before} before, {change.case.state} with {change.case.engine}. {change.case.reason}",
        }
        for change in content.changes[:limit]
    ]  # fmt: skip
    text: str = _template("feed.xml.j2").render(made=content.made, entries=entries)
    return text


def _instant(date: str) -> str:
    """``date`` as RFC 3339: a day alone is its midnight."""
    return f"{date}T00:00:00Z" if len(date) == len("2026-11-21") else date


def by_feature(cells: Iterable[Observation]) -> dict[str, list[Observation]]:
    """Feature → its cells."""
    found: dict[str, list[Observation]] = {}
    for one in cells:
        found.setdefault(one.coordinates.feature or "", []).append(one)
    return found
