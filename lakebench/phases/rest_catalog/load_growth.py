"""What a request costs as a table has more snapshots, a namespace more tables, and a catalog more namespaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lakebench.errors import EngineUnavailable
from lakebench.execution.cases import Evidence
from lakebench.execution.context import RunContext
from lakebench.phases.rest_catalog.load_client import LoadRequest
from lakebench.phases.rest_catalog.load_tables import (
    ServedTables,
    ask_closed,
    figures,
    is_quick,
    judge,
    served,
)
from lakebench.phases.rest_catalog.sandbox import CreatedTable
from lakebench.phases.rest_catalog.targets import CheckedCatalog

_SNAPSHOTS, _TABLES, _NAMESPACES = (10, 30, 100, 300), (10, 100, 1000, 10_000), (10, 100, 300)
_FEW = {"snapshots": 30, "namespaces": 30}
_ASKED = 40
_MAKERS = 8
_LONGEST_S = 60.0
"""No more is made when this time is over: the points that are there then are the curve."""


class _Curve:
    """The points of one growth; ``first`` is when it began."""

    def __init__(self, context: RunContext, tables: ServedTables, sizes: Sequence[int]) -> None:
        self.points: list[dict[str, Any]] = []
        self._context, self._tables, self._sizes = context, tables, sizes
        self._ends = time.monotonic() + _LONGEST_S

    def sizes(self) -> Iterator[int]:
        """The sizes one after another, as long as there is time."""
        for size in self._sizes:
            if time.monotonic() > self._ends:
                return
            yield size

    @property
    def in_time(self) -> bool:
        """Whether there is time to make more."""
        return time.monotonic() < self._ends

    def ask(self, size: int, **requests: list[LoadRequest]) -> None:
        """Add a point: each of ``requests`` (operation → requests), asked by one client.

        Raises:
            WrongAnswer: an answer was not right.
            Refused: a request was declined.
        """
        point: dict[str, Any] = {"size": size}
        for operation, some in requests.items():
            measured = ask_closed(self._context, self._tables, some, 1, _ASKED)
            judge(measured, point)
            kept = figures(measured)
            point[operation] = {key: kept[key] for key in ("p50_ms", "p95_ms", "answer_bytes", "requests")}
        self.points.append(point)
        self._tables.catalog.client.log.clear()  # nobody looks at the hundreds of requests that made what was asked

    def evidence(self, by: str) -> Evidence:
        """The curve.

        Raises:
            EngineUnavailable: it has no point.
        """
        if not self.points:
            raise EngineUnavailable(f"no {self._sizes[0]} {by} were made within {_LONGEST_S:g} s")
        cut = {} if len(self.points) == len(self._sizes) else {"stopped_after_s": _LONGEST_S}
        return {"growth": {"by": by, "points": self.points, **cut}}


def by_snapshots(context: RunContext, target: CheckedCatalog) -> Evidence:
    """LoadTable of a table with more and more snapshots."""
    tables = served(context, target)
    curve = _Curve(context, tables, _few("snapshots", _SNAPSHOTS, context))
    table = tables.catalog.table(tables.namespace)
    metadata, made = table.metadata, 0
    for size in curve.sizes():
        while made < size and curve.in_time:
            made += 1
            metadata = tables.catalog.append(table, metadata, 1000 + made).needed().json["metadata"]
        if made == size:
            curve.ask(size, loadTable=[tables.load(table)])
    return curve.evidence("snapshots")


def by_tables(context: RunContext, target: CheckedCatalog, most: int) -> Evidence:
    """LoadTable and listTables as a namespace has more and more tables."""
    tables = served(context, target)
    curve = _Curve(context, tables, [size for size in _TABLES if size <= most] or [most])
    namespace = tables.catalog.namespace()
    made: list[CreatedTable] = []
    for size in curve.sizes():
        made += _made(lambda: tables.catalog.table(namespace), size - len(made), curve)
        if len(made) == size:
            some = [tables.load(one) for one in made[:: max(1, size // _ASKED)]]
            curve.ask(size, loadTable=some, listTables=[tables.listing("listTables", namespace, made[0].name)])
    return curve.evidence("tables")


def by_namespaces(context: RunContext, target: CheckedCatalog) -> Evidence:
    """LoadTable and listNamespaces as the catalog has more and more namespaces."""
    tables = served(context, target)
    curve = _Curve(context, tables, _few("namespaces", _NAMESPACES, context))
    made: list[Sequence[str]] = []
    for size in curve.sizes():
        made += _made(tables.catalog.namespace, size - len(made), curve)
        if len(made) == size:
            listing = tables.listing("listNamespaces", (), tables.namespace[0])
            curve.ask(size, listNamespaces=[listing], loadTable=tables.requests("loadTable"))
    return curve.evidence("namespaces")


def _made(make: Callable[[], Any], number: int, curve: _Curve) -> list[Any]:
    """``number`` new things, or those that there was time for, made by a few clients."""
    with ThreadPoolExecutor(_MAKERS) as pool:
        found = pool.map(lambda _: make() if curve.in_time else None, range(number))
        return [one for one in found if one is not None]


def _few(what: str, sizes: Sequence[int], context: RunContext) -> Sequence[int]:
    return [size for size in sizes if size <= _FEW[what]] if is_quick(context) else sizes
