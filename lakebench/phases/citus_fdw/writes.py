"""Writes through a foreign table: once or not at all, seen alike by everybody; and what a death leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lakebench.errors import CaseError, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Block, Evidence, Followed
from lakebench.phases.citus_fdw import iceberg
from lakebench.phases.citus_fdw.case import Test, case_of, check_of
from lakebench.phases.citus_fdw.ends import Cells, Link, Pair

GROUP, DEATH = "Writes through a foreign table", "The other end dies in a transaction over both"
_SHOWN = 300
_WAIT_S = 15.0
_LOOK_S = 0.1
_NEXT_WRITER_S = 20.0
_STANDBY = "lakebench_nobody"
_OTHER = "second"  # the name of a session beside the usual one


def blocks(pair: Pair) -> Iterator[Block]:
    """Every check of writes of ``pair``, each with rows of its own."""
    for number, (name, (title, test)) in enumerate(_WRITES.items()):
        case = case_of(pair, "write", name, GROUP, title)
        yield check_of(pair, case, partial(_alone, test=partial(test, key=1_000 + 10 * number)))
    for number, (name, (title, dies)) in enumerate(_DEATHS.items()):
        case = case_of(pair, "death", name, DEATH, title)
        test = partial(_alone, test=partial(_death, key=2_000 + 10 * number, dies=dies))
        check = check_of(pair, case, test)
        yield check if number + 1 < len(_DEATHS) else Followed(check, lambda context: Link(context, pair).dropped())


def _alone(link: Link, test: Test) -> Evidence:
    """``test``, whose transaction and session end with it."""
    try:
        return test(link)
    finally:
        link.new_session(link.pair.local)


def row(key: int, amount: str = "1.25") -> str:
    """The values of the row ``key`` of the table ``written``."""
    return f"({key}, 'new', {amount})"


def readers(link: Link, key: int) -> dict[str, Cells]:
    """What everybody who reads the table has of row ``key``: the other end itself, this one, and who else there is."""
    sql = f"SELECT id, region, amount FROM written WHERE id = {key}"
    both = {end.service: link.cells(end, sql) for end in (link.pair.remote, link.pair.local)}
    return {**both, **iceberg.readers(link, key)}


def seen(link: Link, key: int, amount: str | None) -> dict[str, Cells]:
    """The evidence that every reader has row ``key`` once with ``amount``, or not at all.

    Raises:
        WrongAnswer: one of them has something else.
    """
    expected: Cells = [] if amount is None else [[str(key), "new", amount]]
    found = readers(link, key)
    if wrong := {name: rows for name, rows in found.items() if rows != expected}:
        raise WrongAnswer(f"row {key} is to be {expected}, and is for {wrong}", readers=found)
    return found


# Transactions.


def _committed(link: Link, key: int) -> Evidence:
    """One transaction of INSERT and UPDATE: the row is there once, and that is one snapshot."""
    before = iceberg.snapshots(link)
    insert, update = f"INSERT INTO written VALUES {row(key)}", f"UPDATE written SET amount = 2.50 WHERE id = {key}"
    statements = ("BEGIN", insert, update, "COMMIT")
    link.execute(link.pair.local, *statements)
    return {"statements": statements, "readers": seen(link, key, "2.50"), **iceberg.made(link, before, 1)}


def _rolled_back(link: Link, key: int) -> Evidence:
    """A transaction that is rolled back leaves no row, and no snapshot."""
    before = iceberg.snapshots(link)
    statements = ("BEGIN", f"INSERT INTO written VALUES {row(key)}", "ROLLBACK")
    link.execute(link.pair.local, *statements)
    return {"statements": statements, "readers": seen(link, key, None), **iceberg.made(link, before, 0)}


def _savepoint(link: Link, key: int) -> Evidence:
    """What is behind a savepoint goes, and the rest stays."""
    before = iceberg.snapshots(link)
    statements = ("BEGIN", f"INSERT INTO written VALUES {row(key)}", "SAVEPOINT s",
                  f"INSERT INTO written VALUES {row(key + 1)}", "ROLLBACK TO SAVEPOINT s", "COMMIT")  # fmt: skip
    link.execute(link.pair.local, *statements)
    evidence = {"statements": statements, "readers": seen(link, key, "1.25"), "gone": seen(link, key + 1, None)}
    return {**evidence, **iceberg.made(link, before, 1)}


def _both(link: Link, key: int) -> Evidence:
    """One transaction over a table here and one there."""
    before = iceberg.snapshots(link)
    statements = [*_over_both(key), "ROLLBACK", *_over_both(key + 1), "COMMIT"]
    link.execute(link.pair.local, *statements)
    evidence = {"statements": statements, "gone": seen(link, key, None), "readers": seen(link, key + 1, "1.25")}
    both = [_all_or_nothing(link, key + offset) for offset in (0, 1)]
    return {**evidence, "both": both, **iceberg.made(link, before, 1)}


def _by_row(link: Link, key: int) -> Evidence:
    """An UPDATE and a DELETE that cannot be sent whole: rows are fetched, and found again by their place."""
    local, here = link.pair.local, "current_setting('server_version_num')::int > 0"
    link.execute(local, f"INSERT INTO written VALUES {row(key)}")
    update = f"UPDATE written SET amount = 3.75 WHERE id = {key} AND {here}"
    plan = link.plan(update)
    link.execute(local, update)
    evidence = {"statements": [update], "readers": seen(link, key, "3.75"), "plan": "\n".join(plan)}
    link.execute(local, f"DELETE FROM written WHERE id = {key} AND {here}")
    seen(link, key, None)
    return evidence


_Written = Callable[..., Evidence]
_WRITES: Mapping[str, tuple[str, _Written]] = {
    "committed": ("INSERT and UPDATE in one transaction, committed", _committed),
    "rolled-back": ("INSERT, rolled back", _rolled_back),
    "savepoint": ("INSERT behind a savepoint, rolled back", _savepoint),
    "both": ("one transaction over tables of both ends", _both),
    "by-row": ("UPDATE and DELETE that cannot be sent whole", _by_row),
}


# The other end dies.


def _over_both(key: int) -> tuple[str, ...]:
    return ("BEGIN", f"INSERT INTO marks VALUES {row(key)}", f"INSERT INTO written VALUES {row(key)}")


def _counts(link: Link, key: int) -> dict[str, int]:
    """How many rows ``key`` each end has in its own table, asked of that end; and the files that pg_lake keeps."""
    asked = {link.pair.local: "marks", link.pair.remote: "written"}
    rows = {
        end.service: link.cells(end, f"SELECT id FROM {table} WHERE id = {key}", _OTHER) for end, table in asked.items()
    }
    return {name: len(found) for name, found in {**rows, **iceberg.readers(link, key, _OTHER)}.items()}


def _all_or_nothing(link: Link, key: int, said: str = "") -> dict[str, int]:
    """How many rows everybody sees: all of them one, or all of them none.

    Raises:
        WrongAnswer: they differ, or one has the row twice.
    """
    counts = _counts(link, key)
    if set(counts.values()) not in ({0}, {1}):
        here, there, *_ = counts.values()
        raise WrongAnswer(
            f"the transaction over both ends left {here} rows here and {there} there", rows=counts, said=said
        )
    return counts


def _death(link: Link, key: int, dies: Callable[[Link], str]) -> Evidence:
    """All or nothing, exactly once; and who writes next is not blocked. ``said`` is what the client was told."""
    statements = _over_both(key)
    link.execute(link.pair.local, *statements)
    said = dies(link)
    link.new_session(link.pair.local)
    after = _next_writer(link, key + 1)
    evidence = {"statements": [*statements, "COMMIT"], "said": said, "next_writer_s": after}
    try:
        return {**evidence, "rows": _all_or_nothing(link, key, said)}
    except WrongAnswer as error:
        error.details.update({**evidence, "after_a_retry": _retried(link, key)})
        raise


def _retried(link: Link, key: int) -> dict[str, int]:
    """How many rows each end has when the client does again what it was told has failed."""
    link.execute(link.pair.local, *_over_both(key), "COMMIT")
    return _counts(link, key)


def _next_writer(link: Link, key: int) -> float:
    """Seconds that the next transaction over both ends takes.

    Raises:
        WrongAnswer: it is not at both ends once.
        Timeout: it is blocked.
    """
    began = time.monotonic()
    link.execute(link.pair.local, f"SET statement_timeout = '{_NEXT_WRITER_S:g}s'", *_over_both(key), "COMMIT")
    took = time.monotonic() - began
    if set(_all_or_nothing(link, key).values()) != {1}:
        raise WrongAnswer("the next transaction was committed, and is not at both ends")
    return round(took, 3)


def _commit(link: Link) -> str:
    """What the client is told of its COMMIT; empty where that succeeds."""
    try:
        link.execute(link.pair.local, "COMMIT")
    except CaseError as error:
        return str(error)[:_SHOWN]
    return ""


_BACKENDS = "FROM pg_stat_activity WHERE application_name = 'postgres_fdw' AND datname = current_database()"


def _session_before(link: Link) -> str:
    """The session of the other end is ended before the COMMIT."""
    ended = link.cells(link.pair.remote, f"SELECT pid, pg_terminate_backend(pid) AS a {_BACKENDS}", _OTHER)
    if not ended:
        raise EngineUnavailable("the other end shows no session of postgres_fdw that could be ended")
    return _commit(link)


def _server_before(link: Link) -> str:
    """The server of the other end stops before the COMMIT, and starts again."""
    _must_be_ours(link)
    link.context.services.restart(link.pair.remote.service)
    for session in ("", _OTHER):
        link.new_session(link.pair.remote, session)
    return _commit(link)


def _session_committed(link: Link) -> str:
    """The other end has committed, and its session is ended before it can say so.

    A COMMIT that waits for a standby is on the disk already; a standby of that name does not exist.
    """
    _must_be_ours(link)
    with ThreadPoolExecutor(1) as pool:
        try:
            _have_commits_wait(link)
            said = pool.submit(_commit, link)
            _end_waiting(link)
        finally:
            _set(link, "RESET synchronous_commit", "RESET synchronous_standby_names")
        return said.result()


def _must_be_ours(link: Link) -> None:
    """Check that the other end may be stopped and set.

    Raises:
        EngineUnavailable: it is a server of the user's.
    """
    if link.is_users(link.pair.remote):
        raise EngineUnavailable(
            "the other end is a server of yours: it is not stopped, and its settings stay as they are"
        )


def _have_commits_wait(link: Link) -> None:
    """Have each COMMIT of postgres_fdw at the other end wait for a standby, and no other COMMIT there.

    Those of its own processes, as of pg_lake's workers and of Citus's sessions, would wait before it.
    """
    _set(link, f"SET synchronous_standby_names = '{_STANDBY}'", "SET synchronous_commit = 'local'")
    asked, until = "SELECT current_setting('synchronous_standby_names') AS s", time.monotonic() + _WAIT_S
    while link.cells(link.pair.remote, asked, _OTHER) != [[_STANDBY]] and time.monotonic() < until:
        time.sleep(_LOOK_S)
    # A COMMIT waits once the checkpointer has seen the setting, as it has when it has made a checkpoint.
    link.execute(link.pair.remote, "CHECKPOINT", session=_OTHER)


def _set(link: Link, *settings: str) -> None:
    """Change settings of the other end's server."""
    statements = [f"ALTER SYSTEM {one}" for one in settings]
    link.execute(link.pair.remote, *statements, "SELECT pg_reload_conf()", session=_OTHER)


def _end_waiting(link: Link) -> None:
    """End the session of postgres_fdw whose COMMIT waits for a standby.

    Raises:
        EngineUnavailable: none does.
    """
    end = f"SELECT pid, pg_terminate_backend(pid) AS a {_BACKENDS} AND wait_event = 'SyncRep'"
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        if link.cells(link.pair.remote, end, _OTHER):
            return
        time.sleep(_LOOK_S)
    raise EngineUnavailable("no COMMIT of the other end waits for a standby: it could not be made to die there")


_DEATHS: Mapping[str, tuple[str, Callable[[Link], str]]] = {
    "session-before-commit": ("its session ends before the COMMIT", _session_before),
    "session-after-commit": ("its session ends after its COMMIT, before the one here", _session_committed),
    "server-before-commit": ("its server stops before the COMMIT", _server_before),
}
