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


def _appends(catalog: Sandbox, table: CreatedTable, metadata: Json, snapshot_ids: Sequence[int]) -> list[Json]:
    """A change of ``table`` for each snapshot, on the current one of ``metadata``; the manifest lists are there."""
    same = {"identifier": table.identifier, "requirements": [assert_main(current_snapshot(metadata))]}
    return [{**same, "updates": catalog.new_snapshot(metadata, one)} for one in snapshot_ids]


def _commit(catalog: Sandbox, table: CreatedTable, change: Json) -> Exchange:
    return catalog.call("updateTable", table.namespace, table.name, body=change)


def _transaction(catalog: Sandbox, table: CreatedTable, change: Json) -> Exchange:  # noqa: ARG001 - as _commit
    return catalog.call("commitTransaction", body={"table-changes": [change]})


def _one_snapshot(catalog: Sandbox, table: CreatedTable, send: Callable[..., Exchange] = _commit) -> None:
    """Send commits of snapshots on the current one at once, and check who wins and what is there.

    Raises:
        WrongAnswer: none or several won, or a snapshot that was acknowledged is not there.
    """
    before, ids = catalog.load(table), range(101, 101 + _RACERS)
    changes = _appends(catalog, table, before, ids)
    answers = _at_once([partial(send, catalog, table, one) for one in changes])
    acknowledged = [one for one, answer in zip(ids, answers, strict=True) if answer.succeeded]
    said = catalog.load(table)
    there = {one["snapshot-id"] for one in said.get("snapshots") or []}
    if lost := [one for one in acknowledged if one not in there]:
        raise WrongAnswer(f"{len(acknowledged)} of {len(ids)} commits were acknowledged, and {len(lost)} are not there")
    winner = ids[_one_winner(answers)]
    if current_snapshot(said) != winner or there - {current_snapshot(before)} != {winner}:
        raise WrongAnswer(f"the commit of snapshot {winner} was acknowledged, and the table has {sorted(there)}")


@_check("commit.race_exactly_one_winner", "updateTable")
def one_first_snapshot(catalog: Sandbox) -> None:
    """Of eight commits of a first snapshot at once one wins, and its snapshot is the current one."""
    catalog.table_with_snapshots(100)  # a catalog that declines a snapshot without files has no race
    _one_snapshot(catalog, catalog.table())


@_check("commit.race_second_snapshot", "updateTable")
def one_second_snapshot(catalog: Sandbox) -> None:
    """Of eight commits on one snapshot at once one wins, and its snapshot is the current one."""
    _one_snapshot(catalog, catalog.table_with_snapshots(100))


@_check("tx.race_exactly_one_winner", "commitTransaction", requires=["updateTable"])
def one_transaction(catalog: Sandbox) -> None:
    """Of eight transactions on one snapshot at once one wins, and its snapshot is the current one."""
    _one_snapshot(catalog, catalog.table_with_snapshots(100), _transaction)


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
