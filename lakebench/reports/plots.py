"""Plots as SVG inside a page: the same input gives the same text; colours of text and axes are the page's own."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#010203"
"""A placeholder for the text colour, which the page sets."""
_FAINT = "#8a8f98"
_BLUE = "#2f7fc1"
_COLOURS = (
    "#2f7fc1",
    "#d9730d",
    "#1f9d6b",
    "#c2469a",
    "#8b6fd6",
    "#b58900",
    "#d64550",
    "#4a9aa8",
    "#7f8c3a",
    "#8a8f98",
)
_MARKERS = "osD^vPX<>*"
_SHORT = 20  # longest name, in characters, with which three fit side by side in a legend
_LEGEND = 60
"""Letters that fit beside each other above a plot."""
_LOG_FROM = 8
"""From this ratio of slowest to fastest on an axis is logarithmic."""


@dataclass(frozen=True)
class Strip:
    """One line of a latency plot, in seconds; without samples only its ``note`` is shown."""

    name: str
    samples: tuple[float, ...] = ()
    median: float = 0.0
    interval: tuple[float, float] | None = None
    note: str = ""


def strips(rows: Sequence[Strip]) -> str:
    """A dot for each sample, a bar for the median and a line for its interval; a row for each engine, from the top."""
    figure, axes = _figure(5.2, 0.7 + 0.27 * len(rows))
    every = [one for row in rows for one in row.samples]
    log = max(every) > _LOG_FROM * min(every)
    if log:
        axes.set_xscale("log")
    else:
        axes.set_xlim(0, max(every) * 1.08)
    for y, row in enumerate(rows):
        _strip(axes, y, row)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("seconds, logarithmic" if log else "seconds")
    _plain_ticks(axes)
    return _svg(figure, f"strips{_key(rows)}", 320)


def _strip(axes: Any, y: int, row: Strip) -> None:
    if not row.samples:
        axes.text(0.01, y, row.note, transform=axes.get_yaxis_transform(), va="center", color=_INK, style="italic")
        return
    axes.plot(row.samples, [y] * len(row.samples), "o", color=_BLUE, alpha=0.45, markersize=4, markeredgewidth=0)
    if row.interval:
        axes.plot(row.interval, [y, y], "-", color=_INK, linewidth=1.4, solid_capstyle="butt")
    axes.plot([row.median], [y], "|", color=_INK, markersize=11, markeredgewidth=2)
    if row.note:
        axes.annotate(row.note, (max(row.samples), y), (6, 0), textcoords="offset points", va="center", color=_INK,
                      fontsize=8, style="italic")  # fmt: skip


def dots(queries: Sequence[str], values: Mapping[str, Sequence[float | None]]) -> str:
    """A row for each query, a marker (shape and colour) for each engine, seconds on a logarithmic axis."""
    figure, axes = _figure(6.8, 1.5 + 0.26 * len(queries))
    for number, (engine, points) in enumerate(values.items()):
        had = [(one, y) for y, one in enumerate(points) if one]
        axes.plot(
            [x for x, _ in had],
            [y for _, y in had],
            linestyle="",
            marker=_MARKERS[number % len(_MARKERS)],
            color=_COLOURS[number % len(_COLOURS)],
            markersize=6,
            markeredgewidth=0,
            label=engine,
        )
    axes.set_xscale("log")
    axes.set_yticks(range(len(queries)), list(queries))
    axes.set_ylim(len(queries) - 0.4, -0.6)
    axes.grid(axis="y", color=_FAINT, alpha=0.25, linewidth=0.6)
    axes.set_xlabel("seconds, logarithmic")
    _plain_ticks(axes)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=5, frameon=False, fontsize=8, labelcolor=_INK,
                handletextpad=0.2, columnspacing=1.2, borderaxespad=0)  # fmt: skip
    return _svg(figure, f"dots{_key(values)}", 480)


@dataclass(frozen=True)
class RatioLine:
    """One line of a plot of ratios; ``strong`` lines are those whose difference is shown."""

    name: str
    ratio: float
    interval: tuple[float, float] | None = None
    strong: bool = False


def bars(names: Sequence[str], values: Mapping[str, Sequence[float | None]], axis: str) -> str:
    """A row for each of ``names``, a bar with its value for each series of ``values``; a line at 1."""
    figure, axes = _figure(6.8, 0.9 + 0.22 * len(names) * len(values))
    height = 0.8 / len(values)
    for number, (series, of_names) in enumerate(values.items()):
        had = [(y - 0.4 + height * (number + 0.5), value) for y, value in enumerate(of_names) if value is not None]
        drawn = axes.barh([y for y, _ in had], [value for _, value in had], height * 0.85,
                          color=_COLOURS[number % len(_COLOURS)], label=series)  # fmt: skip
        axes.bar_label(drawn, fmt="%.3g", padding=3, fontsize=8, color=_INK)
    axes.axvline(1, color=_INK, linewidth=1, zorder=0)
    axes.margins(x=0.12)
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(axis)
    columns = max(1, min(5, _LEGEND // (max(map(len, values)) + 6)))  # a patch is as wide as six letters
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns, frameon=False, fontsize=8, labelcolor=_INK,
                borderaxespad=0)  # fmt: skip
    return _svg(figure, f"bars{_key((names, values))}", 480)


def ratios(rows: Sequence[RatioLine], limit: float) -> str:
    """A row for each query: ratio and interval on a logarithmic axis, with lines at 1 and at ``limit``."""
    figure, axes = _figure(6.8, 0.8 + 0.26 * len(rows))
    axes.set_xscale("log")
    axes.axvline(1, color=_INK, linewidth=1)
    axes.axvline(limit, color=_COLOURS[6], linewidth=1, linestyle="--")
    for y, row in enumerate(rows):
        colour = _FAINT if not row.strong else _COLOURS[6] if row.ratio > 1 else _COLOURS[2]
        if row.interval:
            axes.plot(row.interval, [y, y], "-", color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot([row.ratio], [y], "o" if row.interval else "x", color=colour, markersize=5)
    ends = [one for row in rows for one in (row.ratio, *(row.interval or ()))]
    axes.set_xlim(min(0.8, *ends) / 1.03, max(1.25, *ends) * 1.03)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("time against the base, logarithmic: left of 1 is faster")
    _plain_ticks(axes)
    _near_one(axes)
    return _svg(figure, f"ratios{_key(rows)}", 480)


def _near_one(axes: Any) -> None:
    """Ticks that separate ratios close to 1."""
    from matplotlib.ticker import FixedLocator, NullLocator

    low, high = axes.get_xlim()
    if high < 2 * low:  # 1, 2, 5 and their tens would leave one tick or two
        axes.xaxis.set_major_locator(FixedLocator([number / 20 for number in range(10, 41)]))
        axes.xaxis.set_minor_locator(NullLocator())


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    x: str,
    y: str,
    *,
    log: bool = False,
    log_x: bool = False,
    points: bool = False,
) -> str:
    """One line a name, through points in the order of ``x``; with ``points`` they are shown, and are the ticks.

    ``log`` is about the vertical axis, ``log_x`` about the horizontal one.
    """
    figure, axes = _figure(6.8, 3.0)
    for number, (name, points_of_name) in enumerate(series.items()):
        marker = _MARKERS[number % len(_MARKERS)] if points else None
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(
            *zip(*points_of_name, strict=True), color=colour, linewidth=1.2, label=name, marker=marker, markersize=5
        )
    if log_x:
        axes.set_xscale("log")
    if points:
        ticks = sorted({x for points_of_name in series.values() for x, _ in points_of_name})
        axes.set_xticks(ticks, [f"{one:,g}" for one in ticks])
        axes.minorticks_off()
    if log:
        from matplotlib.ticker import FuncFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    columns = 3 if max(map(len, series)) <= _SHORT else 2
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns, frameon=False, fontsize=8, labelcolor=_INK,
                borderaxespad=0)  # fmt: skip
    return _svg(figure, f"lines{_key(series)}", 480)


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure (inches) without a window system, and its axes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9, "text.color": _INK, "axes.labelcolor": _INK, "xtick.color": _INK,
                     "ytick.color": _INK, "axes.edgecolor": _FAINT, "svg.fonttype": "none"}):  # fmt: skip
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_FAINT, alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _plain_ticks(axes: Any) -> None:
    """0.1, 1, 10 instead of powers, and enough of them where the axis spans less than two decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_major_formatter(plain)
    if axes.get_xscale() == "log":
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 1000 * low else (1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _svg(figure: Figure, key: str, least: int) -> str:
    """The SVG, never narrower than ``least`` pixels: below that its text cannot be read."""
    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context({"svg.hashsalt": key, "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(out.getvalue(), key, least)


def _key(what: object) -> str:
    """A short name, the same for the same input, that keeps the ids of two drawings on one page apart."""
    import hashlib

    return hashlib.sha256(repr(what).encode()).hexdigest()[:8]


def _inline(svg: str, key: str, least: int) -> str:
    """Only the ``<svg>`` element, with unique ids, and without fixed size, fonts and metadata."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{key}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{key}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    svg = re.sub(r'<svg ([^>]*?)\s?height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(
        r'<svg ([^>]*?)\s?width="[^"]*"', rf'<svg \1 aria-hidden="true" style="min-width:{least}px"', svg, count=1
    )
    return svg.replace(_INK, "currentColor").strip()
