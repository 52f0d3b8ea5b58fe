"""Reads records and baselines without coordinates (schema 1): makes the coordinates from the ids of that schema.

No other module parses ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakebench.model import Coordinates, Selection, TableFormat

_FORMATS = frozenset(one.value for one in TableFormat)
_LOAD = "load-"
_KINDS = ("read", "type", "pushed")  # of phase 2, with a test after the dash
_TESTS = frozenset({"load", "power", "throughput", "rf1", "rf2"})  # of TPC-H


def as_now(line: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """``line``, one line of a file whose run has ``settings``, in schema 2.

    A line of schema 2 (the run was resumed by a newer lakebench) is returned unchanged.
    """
    kind = line["kind"]
    case, changes = line.get("case"), line.get("changes")
    if kind == "claim":
        return {("report" if name == "claim" else name): value for name, value in line.items()} | {
            "kind": "field_report"
        }
    if kind == "case" and isinstance(case, str) and "coordinates" not in line:
        return {**line, "coordinates": coordinates(case, _catalog(settings)).present_fields()}
    if kind == "end" and isinstance(changes, dict):
        return {**line, "changes": {kind: _changed(lines) for kind, lines in changes.items()}}
    return line


def _catalog(settings: Mapping[str, Any]) -> str:
    selection = settings.get("selection")
    named = selection.get("catalog") if isinstance(selection, dict) else None
    return named if isinstance(named, str) and named else Selection().catalog


def _changed(lines: Any) -> Any:
    """``<case>: <change>`` as an object with two fields."""
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return lines
    parts = (line.partition(": ") for line in lines)
    return [{"case": case, "change": change} for case, _, change in parts]


def accepted_now(entry: Any) -> Any:
    """``[case, engine, {outcome: verdict}, number, [needs]]`` of a baseline of schema 2, in schema 3."""
    match entry:
        case [str(case), engine, outcomes, number, *needs]:
            named = (need.partition("=") for need in map(str, needs[0] if needs else ()))
            catalog = next((value for key, _, value in named if key == "catalog"), Selection().catalog)
            return [case, phase_of(case), engine, outcomes, number, coordinates(case, catalog).present_fields(), *needs]
    return entry


def needs_of(case: str) -> frozenset[str]:
    """The needs of an accepted outcome from a file without needs; such files are from runs with the default catalog."""
    catalog = {f"catalog={Selection().catalog}"} if phase_of(case) == "interop" else set()
    return frozenset(catalog | {name for name in coordinates(case).participants if "@" in name})


def phase_of(case: str) -> str:
    """The phase of the case with this id."""
    return case.partition("/")[0]


def coordinates(case: str, catalog: str = Selection().catalog) -> Coordinates:
    """The coordinates of the case with this id; ``catalog`` is that of the run, for cells of the interop matrix."""
    phase, *what, who = ("", *case.split("/")) if "/" not in case else case.split("/")
    if not what:
        return Coordinates()
    if what[-1].startswith(_LOAD):
        return _made(who, storage=what[0] if len(what) > 1 else None, check="load", more=_table(what[-1]))
    parsers: dict[str, Callable[[Sequence[str], str], Coordinates]] = {
        "phase1": _of_ducklake,
        "phase2": _of_jdbc,
        "phase4": _of_nessie,
        "phase9": _of_writers,
    }
    if phase == "interop":
        return _made(who, writes=True, feature="/".join(what), catalog=catalog)
    return parsers.get(phase, _of_queries)(what, who)


def _made(who: str, *, writes: bool = False, **fields: Any) -> Coordinates:
    """``who`` is ``trino``, ``spark→trino`` or ``duckdb+spark``; ``writes`` says that a single engine is a writer."""
    writer, arrow, reader = who.partition("→")
    if arrow or writes:
        return Coordinates(writer=writer, reader=reader or None, **fields)
    if "+" in who:
        return Coordinates(engines=tuple(who.split("+")), **fields)
    name, _, version = who.partition("@")
    return Coordinates(engine=name, version=version or None, **fields)


def _table(part: str) -> dict[str, str]:
    return {"table": part.removeprefix(_LOAD)}


def _of_queries(what: Sequence[str], who: str) -> Coordinates:
    """``<storage>/<format>/<query>``, for the base of a comparison after ``base/``; or ``<storage>/<test>``."""
    base = what[:1] == ["base"]
    storage, *rest = what[base:] or [""]
    if len(rest) > 1 and rest[0] in _FORMATS:
        return _made(who, storage=storage, format=rest[0], query="/".join(rest[1:]), base=base)
    if len(rest) == 1 and rest[0] in _TESTS:
        return _made(who, storage=storage, test=rest[0])
    return _made(who)


def _of_ducklake(what: Sequence[str], who: str) -> Coordinates:
    """``<catalog>/<storage>/<feature>``, or a read, a connector, another version."""
    match list(what):
        case ["read", state, way]:
            return _made(who, check="read", more={"state": state, "way": way})
        case ["versions", catalog]:
            return _made(who, check="versions", catalog=catalog)
        case [catalog, storage, feature]:
            return _made(who, catalog=catalog, storage=storage, feature=feature)
        case [check]:
            return _made(who, check=check)
    return _made(who)


def _of_jdbc(what: Sequence[str], who: str) -> Coordinates:
    """A query, or ``<check>``, ``<check>-<test>``, or ``nodes-<shape>-<partitionwise>-<test>``."""
    if len(what) != 1:
        return _of_queries(what, who)
    if nodes := re.fullmatch(r"nodes-(\w+)-(on|off)-(.+)", what[0]):
        return _made(who, check="nodes", test=nodes[3], more={"shape": nodes[1], "partitionwise": nodes[2]})
    check, _, test = what[0].partition("-")
    return _made(who, check=check, test=test) if check in _KINDS else _made(who, check=what[0])


def _of_nessie(what: Sequence[str], who: str) -> Coordinates:
    match list(what):
        case ["nessie", test]:
            return _made(who, check="reference", test=test)
        case ["append"]:
            return _made(who, check="append")
        case [query]:
            return _made(who, query=query)
    return _made(who)


def _of_writers(what: Sequence[str], who: str) -> Coordinates:
    """``<test>/<store>/<number of writers, or fault>``; a store begins with its format and catalog."""
    if len(what) != 3:  # noqa: PLR2004 - its three parts
        return _made(who)
    test, store, last = what
    form, _, catalog = store.partition("_")[0].partition("-")
    more: dict[str, str | int] = {"store": store}
    more |= {"writers": int(last)} if last.isdecimal() else {"fault": last}
    named = catalog if form != TableFormat.DUCKDB else None
    return Coordinates(engines=tuple(who.split("+")), format=form, catalog=named, test=test, more=more)
