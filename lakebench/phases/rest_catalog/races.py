"""Checks of requests that are sent at once: one wins, the others are told that they lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

from lakebench.errors import WrongAnswer
from lakebench.phases.rest_catalog.checks import Subject
from lakebench.phases.rest_catalog.exchange import Exchange
from lakebench.phases.rest_catalog.sandbox import (
    CreatedTable,
    Json,
    Sandbox,
    assert_main,
    current_snapshot,
    set_properties,
)

RACES = Subject("Races")
_check = RACES.check
_RACERS = 8
_CONFLICT = 409


def _at_once(requests: Sequence[Callable[[], Exchange]]) -> list[Exchange]:
    """The answers to ``requests``, which are sent as nearly at once as threads can."""
    start = Barrier(len(requests))

    def send(request: Callable[[], Exchange]) -> Exchange:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, requests))


def _one_winner(answers: Sequence[Exchange]) -> int:
    """The number of the one request that succeeded, where all others are conflicts.

    Raises:
        WrongAnswer: none or several succeeded, or a loser has another answer than 409.
    """
    winners = [number for number, one in enumerate(answers) if one.succeeded]
    counted = ", ".join(f"{number} times {status}" for status, number in Counter(one.status for one in answers).items())
    if len(winners) != 1:
        raise WrongAnswer(f"of {len(answers)} requests at once one should succeed, and the answers are {counted}")
    if any(one.status != _CONFLICT for one in answers if not one.succeeded):
        raise WrongAnswer(f"whoever loses should get 409, and the answers are {counted}")
    return winners[0]


def _appends(
    catalog: Sandbox, table: CreatedTable, metadata: Json, snapshot_ids: Sequence[int]
) -> list[Callable[[], Exchange]]:
    """A commit of each snapshot on the current one of ``metadata``, with its manifest list in the store already."""
    requirements = [assert_main(current_snapshot(metadata))]
    made = [catalog.new_snapshot(metadata, one) for one in snapshot_ids]
    return [partial(catalog.commit, table, *updates, requirements=requirements) for updates in made]


@_check("commit.race_exactly_one_winner", "updateTable")
def one_first_snapshot(catalog: Sandbox) -> None:
    """Of eight commits of a first snapshot at once one wins, and its snapshot is the current one."""
    catalog.table_with_snapshots(100)  # a catalog that declines a snapshot without files has no race
    table = catalog.table()
    ids = range(101, 101 + _RACERS)
    answers = _at_once(_appends(catalog, table, table.metadata, ids))
    winner = ids[_one_winner(answers)]
    said = catalog.load(table)
    if current_snapshot(said) != winner or len(said.get("snapshots") or []) != 1:
        found = [one["snapshot-id"] for one in said.get("snapshots") or []]
        raise WrongAnswer(f"the commit of snapshot {winner} was acknowledged, and the table has {found}")


@_check("commit.race_second_snapshot", "updateTable")
def one_second_snapshot(catalog: Sandbox) -> None:
    """Of eight commits on one snapshot at once one wins, and its snapshot is the current one."""
    table = catalog.table_with_snapshots(100)
    before = catalog.load(table)
    ids = range(101, 101 + _RACERS)
    answers = _at_once(_appends(catalog, table, before, ids))
    winner = ids[_one_winner(answers)]
    if (found := current_snapshot(catalog.load(table))) != winner:
        raise WrongAnswer(f"the commit of snapshot {winner} was acknowledged, and the current one is {found}")


@_check("commit.race_none_lost", "updateTable")
def none_is_lost(catalog: Sandbox) -> None:
    """Of eight commits of a property each, at once, all that were acknowledged are there."""
    table = catalog.table()
    keys = [f"racer-{number}" for number in range(_RACERS)]
    answers = _at_once([lambda key=key: catalog.commit(table, set_properties(**{key: "1"})) for key in keys])  # type: ignore[misc]
    acknowledged = {key for key, answer in zip(keys, answers, strict=True) if answer.succeeded}
    there = (catalog.load(table).get("properties") or {}).keys()
    if lost := sorted(acknowledged - there):
        raise WrongAnswer(f"{len(acknowledged)} commits were acknowledged, and {len(lost)} are lost: {', '.join(lost)}")


@_check("tbl.race_one_create", "createTable")
def one_table(catalog: Sandbox) -> None:
    """Of eight creations of a table at once one wins, and its table is there."""
    namespace, name = catalog.namespace(), catalog.name()
    answers = _at_once([lambda: catalog.create_table(namespace, name)] * _RACERS)
    made = answers[_one_winner(answers)].json["metadata"]["table-uuid"]
    if catalog.call("loadTable", namespace, name).succeeds().json["metadata"]["table-uuid"] != made:
        raise WrongAnswer("the creation of a table was acknowledged, and the table has another uuid")


@_check("ns.race_one_create", "createNamespace")
def one_namespace(catalog: Sandbox) -> None:
    """Of eight creations of a namespace at once one wins."""
    names = (catalog.name(),)
    _one_winner(_at_once([lambda: catalog.create_namespace(names)] * _RACERS))
