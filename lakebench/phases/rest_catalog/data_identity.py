"""Tables that engines have read before: renamed, dropped and made again, or read once the keys have expired."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from lakebench.errors import CaseError, EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import SetProperties
from lakebench.iceberg.scan import Scan
from lakebench.model import Delegation, EngineRef
from lakebench.phases.rest_catalog.data_tables import (
    BASE,
    NAMESPACE,
    Engines,
    check,
    create,
    created,
    lake,
    metadata,
    operate,
    read,
    readers,
    rest,
    rows,
    writers,
)
from lakebench.phases.rest_catalog.sandbox import Json
from lakebench.phases.rest_catalog.targets import CheckedCatalog

SUBJECT = "Tables that readers know already"
_OTHER = rows(500, 7)
_OLD, _NEW, _AGAIN, _KEYS = "before_rename", "after_rename", "made_again", "keys"
_LOST = "lakebench.old"
_DELEGATION = {"X-Iceberg-Access-Delegation": Delegation.VENDED_CREDENTIALS.value}
_EXPIRES = "s3.session-token-expires-at-ms"
_LONGEST_WAIT_S, _GRACE_S = 150.0, 0.5


def blocks(refs: Sequence[EngineRef], target: CheckedCatalog, *, vends: bool) -> Iterator[Check]:
    """Each reader; ``vends`` says that the catalog gives keys of the store, or that this is not known."""
    tests: dict[str, tuple[str, Callable[..., Evidence]]] = {
        "renamed-table": ("A renamed table has its uuid and rows, and no other name", _reads_renamed),
        "recreated-table": ("A table that is made again has a new uuid, and no old row or property", _reads_again),
    }
    tests |= {"expired-keys": ("A scan after the end of the keys that the catalog gave", _reads_late)} if vends else {}
    for test, (title, run) in tests.items():
        for ref in readers(refs) if writers(refs) else ():
            yield check(target, test, SUBJECT, title, Engines(writer=ref), partial(run, target=target, ref=ref))


def vends(context: RunContext, target: CheckedCatalog) -> bool:
    """Whether engines get their keys of the store from the catalog; where it does not run this is not known."""
    try:
        return lake(context, target).catalog.delegation is Delegation.VENDED_CREDENTIALS
    except CaseError:
        return True


def _prepared(
    context: RunContext, target: CheckedCatalog, name: str, change: Callable[[RunContext, CheckedCatalog], None]
) -> None:
    """``change``, made once a run, after each reader of the run has read the table as it was.

    Raises:
        EngineUnavailable: there was nothing to read, or the catalog does not do it.
        WrongAnswer: what the catalog did is not right.
    """

    def make() -> None:
        at = lake(context, target)
        create(context, _writer(context), at, name)
        operate(context, _writer(context), at, SetProperties(table=name, properties={_LOST: "1"}))
        for ref in readers(context.request.refs):
            _glance(context, ref, target, name)
        change(context, target)

    try:
        context.prepared.once(f"rest_catalog/{target.name}/{name}", make)
    except WrongAnswer:
        raise
    except CaseError as error:
        raise EngineUnavailable(f"there was nothing to read: {error}") from error


def _writer(context: RunContext) -> EngineRef:
    return writers(context.request.refs, SetProperties)[0]


def _glance(context: RunContext, ref: EngineRef, target: CheckedCatalog, name: str) -> None:
    """Have ``ref`` read a table, so that it knows it; whether it can is what other cases are about."""
    try:
        context.client.scan(ref, lake(context, target), Scan(name))
    except CaseError:
        return


# Renamed


def _rename(context: RunContext, target: CheckedCatalog) -> None:
    catalog = rest(context, target)
    table = created(catalog, _OLD)
    catalog.rename("renameTable", table, (NAMESPACE,), _NEW).needed()
    if metadata(catalog, _NEW)["table-uuid"] != table.metadata["table-uuid"]:
        raise WrongAnswer("a renamed table has another uuid")


def _reads_renamed(context: RunContext, target: CheckedCatalog, ref: EngineRef) -> Evidence:
    _prepared(context, target, _OLD, _rename)
    at = lake(context, target)
    evidence = read(context, ref, at, Scan(_NEW), BASE)
    try:
        context.client.scan(ref, at, Scan(_OLD))
    except Refused as error:
        return {**evidence, "old_name": str(error)[:300]}
    raise WrongAnswer("the table is read by its old name, too")


# Dropped and made again


def _make_again(context: RunContext, target: CheckedCatalog) -> None:
    catalog = rest(context, target)
    before = created(catalog, _AGAIN)
    catalog.call("dropTable", before.namespace, before.name).needed()
    create(context, _writer(context), lake(context, target), _AGAIN, _OTHER)
    now: Json = metadata(catalog, _AGAIN)
    if now["table-uuid"] == before.metadata["table-uuid"]:
        raise WrongAnswer("a table that was dropped and made again has the uuid of before")
    if _LOST in (now.get("properties") or {}):
        raise WrongAnswer("a table that was dropped and made again has a property of before")


def _reads_again(context: RunContext, target: CheckedCatalog, ref: EngineRef) -> Evidence:
    _prepared(context, target, _AGAIN, _make_again)
    return read(context, ref, lake(context, target), Scan(_AGAIN), _OTHER)


# Keys of the store


def _wait(context: RunContext, target: CheckedCatalog) -> None:
    """Wait until the keys that the readers were given have expired.

    Raises:
        EngineUnavailable: it is not known when, or too late.
    """
    answer = rest(context, target).call("loadTable", (NAMESPACE,), _KEYS, headers=_DELEGATION).needed()
    left = expires_at(answer.json) - time.time()
    if left > _LONGEST_WAIT_S:
        raise EngineUnavailable(f"the keys last another {left:.0f} s, and this check waits {_LONGEST_WAIT_S:.0f} s")
    time.sleep(max(0.0, left) + _GRACE_S)


def expires_at(said: Json) -> float:
    """When the last of the keys in an answer to *loadTable* expires, in seconds since 1970.

    Raises:
        EngineUnavailable: the answer does not say it.
    """
    given = [said.get("config") or {}, *(one["config"] for one in said.get("storage-credentials") or [])]
    if ends := [int(one[_EXPIRES]) / 1000 for one in given if one.get(_EXPIRES)]:
        return max(ends)
    raise EngineUnavailable("the catalog does not say when its keys expire")


def _reads_late(context: RunContext, target: CheckedCatalog, ref: EngineRef) -> Evidence:
    """A scan over the connection that the reader had before, with keys that were good then."""
    short = target.with_short_keys(context.request.settings)
    _prepared(context, short, _KEYS, _wait)
    return read(context, ref, lake(context, short), Scan(_KEYS), BASE)
