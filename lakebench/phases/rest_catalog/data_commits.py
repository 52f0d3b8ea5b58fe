"""Commits of engines: several on one snapshot, one to a table that is replaced; and which snapshot is current."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from lakebench.errors import CaseError, CommitConflict, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef, Lake
from lakebench.phases.rest_catalog.catalog_proxies import CommitLog, Interrupted, Together, by_proxy
from lakebench.phases.rest_catalog.data_tables import (
    BASE,
    Engines,
    Row,
    another,
    append,
    check,
    create,
    created,
    lake,
    metadata,
    operate,
    read,
    reads,
    rest,
    rows,
    table_name,
    writers,
)
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Sandbox, current_snapshot
from lakebench.phases.rest_catalog.targets import CheckedCatalog

SUBJECT = "Commits of engines"
TOGETHER = "race-together"
_RACERS, _COMMITS = 3, 4
_CONFLICT = 409
_LOOK_S = 0.02


def blocks(refs: Sequence[EngineRef], target: CheckedCatalog) -> Iterator[Check]:
    """Each writer for itself, then all at once."""
    able = writers(refs)
    for ref in able:
        alone = Engines(writer=ref)
        yield _case(target, "head", "The current snapshot is the one that was committed last", alone, _head)
        yield _case(target, "race", f"Of {_RACERS} appends on one snapshot one wins", alone, _race)
        yield _case(target, "replaced-table", "A commit to a table that was replaced leaves nothing", alone, _replaced)
    if len(able) > 1:
        together = Engines(together=able)
        yield _case(target, TOGETHER, "Of an append by each engine on one snapshot one wins", together, _race)


def _case(target: CheckedCatalog, test: str, title: str, who: Engines, run: Any) -> Check:
    return check(target, test, SUBJECT, title, who, partial(run, target=target, who=who))


# Several commits on one snapshot


@dataclass(frozen=True)
class _Told:
    """What a writer of a race was told: ``error`` is ``None`` where its rows are committed."""

    ref: EngineRef
    rows: tuple[Row, ...]
    error: CaseError | None

    def line(self) -> str:
        """For the evidence."""
        said = "committed" if self.error is None else f"{type(self.error).__name__}: {str(self.error)[:200]}"
        return f"{self.ref}: {said}"


def _race(context: RunContext, target: CheckedCatalog, who: Engines) -> Evidence:
    """Writers whose commits reach the catalog together, all made on the same snapshot."""
    racers = who.together or (who.main,) * _RACERS
    at, name = lake(context, target), table_name("race", who)
    create(context, racers[0], at, name)
    log = Together(number=len(racers))
    with by_proxy(at, "race", log=log) as by_way:
        told = _append_at_once(context, racers, by_way, name)
    evidence = {"steps": [one.line() for one in told], "first_answers": log.first}
    try:
        _there(context, racers[0], at, name, told)
        one_winner(log)
    except CaseError as error:
        error.details.update(evidence)
        raise
    return evidence


def _append_at_once(context: RunContext, racers: Sequence[EngineRef], at: Lake, table: str) -> list[_Told]:
    """What each was told; each has a session of its own, the first of each engine the one that it has already."""
    sessions = ["" if ref not in racers[:number] else f"race-{number}" for number, ref in enumerate(racers)]

    def add(number: int) -> _Told:
        ref, some = racers[number], rows(1000 * (number + 1), 3)
        lake_of_one, session = _named(at, number), sessions[number]
        try:
            operate(context, ref, lake_of_one, append(table, some), session=session)
        except CaseError as error:
            return _Told(ref, some, error)
        return _Told(ref, some, None)

    try:
        with context.workers.keeping_all(), ThreadPoolExecutor(len(racers)) as pool:
            return list(pool.map(add, range(len(racers))))
    finally:
        for ref, session in zip(racers, sessions, strict=True):
            if session:
                context.workers.retire(ref, session)


def _named(at: Lake, number: int) -> Lake:
    return replace(at, name=f"{at.name}_{number}")


def one_winner(log: Together) -> None:
    """Check what the catalog answered to the commits that came together.

    Raises:
        EngineUnavailable: they did not come together.
        WrongAnswer: none or several succeeded, or a loser has another answer than 409.
    """
    if not log.met or len(log.first) < log.number:
        raise EngineUnavailable(f"{log.number} commits were to come together, and did not within some seconds")
    won = [one for one in log.first if one < 300]  # noqa: PLR2004 - HTTP's class of success
    counted = ", ".join(f"{times} times {status}" for status, times in Counter(log.first).items())
    if len(won) != 1:
        raise WrongAnswer(f"of {log.number} commits on one snapshot one should succeed, and the answers are {counted}")
    if any(one != _CONFLICT for one in log.first if one not in won):
        raise WrongAnswer(f"whoever loses should get 409, and the answers are {counted}")


def _there(context: RunContext, ref: EngineRef, at: Lake, table: str, told: Sequence[_Told]) -> None:
    """Check that the rows of acknowledged commits are there, each once, and none of a commit that was declined.

    Raises:
        WrongAnswer: it is not so.
    """
    sure = [row for one in told if one.error is None for row in one.rows]
    open_ones = [one for one in told if one.error is not None and not isinstance(one.error, CommitConflict)]
    reader = another(context.request.refs, ref)
    for chosen in range(2 ** len(open_ones)):  # whoever was told nothing certain: with and without its rows
        maybe = [row for number, one in enumerate(open_ones) if chosen >> number & 1 for row in one.rows]
        if reads(context, reader, at, table, [*BASE, *sure, *maybe]):
            return
    read(context, reader, at, Scan(table), [*BASE, *sure])


# The current snapshot


def _head(context: RunContext, target: CheckedCatalog, who: Engines) -> Evidence:
    """Commits one after another, while the catalog is asked for the current snapshot all the time."""
    ref, at, name = who.main, lake(context, target), table_name("head", who)
    catalog, log = rest(context, target), CommitLog()
    create(context, ref, at, name)
    first = current_snapshot(metadata(catalog, name))
    with by_proxy(at, "head", log=log) as by_way, _Looking(catalog, name) as looking:
        for number in range(_COMMITS):
            operate(context, ref, by_way, append(name, rows(1000 + number, 1)))
            _expect_head(catalog, name, log)
    order = [first, *(one.snapshot_id for one in log.commits if one.status < 300 and one.snapshot_id)]  # noqa: PLR2004
    never_back(looking.seen, order)
    return {"snapshots": order, "looks": len(looking.seen), "checked_against": ["the commits as they were sent"]}


def _expect_head(catalog: Sandbox, table: str, log: CommitLog) -> None:
    """Check that the snapshot of the last commit is what its writer was told, and what the catalog has.

    Raises:
        EngineUnavailable: no commit of a snapshot went by way of the proxy.
        WrongAnswer: it is not so.
    """
    made = [one for one in log.commits if one.snapshot_id is not None and one.status < 300]  # noqa: PLR2004
    if not made:
        raise EngineUnavailable("no commit of a snapshot went by way of the proxy")
    last = made[-1]
    if last.answered not in {None, last.snapshot_id}:
        raise WrongAnswer(f"snapshot {last.snapshot_id} was committed, and the answer has {last.answered} as current")
    if (found := current_snapshot(metadata(catalog, table))) != last.snapshot_id:
        raise WrongAnswer(f"the commit of snapshot {last.snapshot_id} was acknowledged, and the current one is {found}")


def never_back(seen: Sequence[int | None], order: Sequence[int | None]) -> None:
    """Check that the current snapshots that were ``seen`` follow each other as they were committed, in ``order``.

    Raises:
        WrongAnswer: one came again after a later one, or is none of them.
    """
    if strange := [one for one in seen if one not in order]:
        raise WrongAnswer(f"the catalog gave the current snapshot {strange[0]}, which nobody committed")
    places = [order.index(one) for one in seen]
    for before, after in itertools.pairwise(places):
        if after < before:
            raise WrongAnswer(f"the current snapshot went back from {order[before]} to {order[after]}")


class _Looking:
    """Asks for the current snapshot again and again; ``seen`` are the answers in order."""

    def __init__(self, catalog: Sandbox, table: str) -> None:
        self.seen: list[int | None] = []
        self._catalog, self._table = catalog, table
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        with contextlib.suppress(CaseError):  # a catalog that answers no more fails the commits, too
            while not self._stop.is_set():
                self.seen.append(current_snapshot(metadata(self._catalog, self._table)))
                time.sleep(_LOOK_S)


# A commit that fails


def _replaced(context: RunContext, target: CheckedCatalog, who: Engines) -> Evidence:
    """A commit is on the way when its table is dropped, and another of the same name is made."""
    ref, at, name, some = who.main, lake(context, target), table_name("replaced", who), rows(1000, 3)
    catalog = rest(context, target)
    create(context, ref, at, name)
    table = created(catalog, name)
    log = Interrupted(meanwhile=partial(_replace, catalog, table))
    said = "committed"
    with by_proxy(at, "replaced", log=log) as by_way:
        try:
            operate(context, ref, by_way, append(name, some))
        except CaseError as error:
            said = f"{type(error).__name__}: {str(error)[:300]}"
    if not log.happened:
        raise EngineUnavailable(f"{ref} sent no commit by way of the proxy")
    if log.failed:
        raise EngineUnavailable(f"the table could not be replaced: {log.failed}") from log.failed
    evidence = {"told": said, "answers": [one.status for one in log.commits]}
    try:
        if said == "committed":
            _readable(context, another(context.request.refs, ref), at, name, some)
        else:
            _untouched(catalog, table)
    except CaseError as error:
        error.details.update(evidence)
        raise
    return evidence


def _readable(context: RunContext, reader: EngineRef, at: Lake, table: str, wanted: Sequence[Row]) -> None:
    """Check that a table whose writer was told of success has its rows, and can be read at all.

    Raises:
        WrongAnswer: it is not so.
    """
    if not reads(context, reader, at, table, wanted):
        read(context, reader, at, Scan(table), wanted)


def _replace(catalog: Sandbox, table: CreatedTable) -> None:
    """Drop the table, and make another one with its name and columns."""
    catalog.call("dropTable", table.namespace, table.name).needed()
    schema = next(one for one in table.metadata["schemas"] if one["schema-id"] == table.metadata["current-schema-id"])
    catalog.create_table(table.namespace, table.name, schema=schema, properties={"made": "again"}).needed()


def _untouched(catalog: Sandbox, table: CreatedTable) -> None:
    """Check that the new table is as it was made.

    Raises:
        WrongAnswer: it has a snapshot, the uuid of the old one, or its properties.
    """
    now = metadata(catalog, table.name)
    if now["table-uuid"] == table.metadata["table-uuid"]:
        raise WrongAnswer("the table was dropped and made again, and has the uuid of the old one")
    if current_snapshot(now) is not None or now.get("snapshots"):
        raise WrongAnswer(f"a commit to another table failed, and the table has {len(now['snapshots'])} snapshots")
    if (now.get("properties") or {}).get("made") != "again":
        raise WrongAnswer("a commit to another table failed, and the table lost its property")
