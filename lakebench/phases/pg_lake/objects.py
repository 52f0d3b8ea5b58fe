"""What lies in the object store before and after DROP and VACUUM, and where an object of the metadata is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from lakebench.errors import WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.session import Session

GROUP = "Objects in the store"
AT_ONCE = (
    "SET pg_lake_engine.orphaned_file_retention_period = 0",
    "SET pg_lake_iceberg.max_snapshot_age = 0",
    "SET pg_lake_engine.vacuum_file_remove_retry_interval = 0",
)
"""VACUUM waits for nothing: neither for the ten days that files are kept, nor for the age of snapshots."""
_TABLE, _TWIN = "t", "t2"
_ROUNDS = 3


def blocks() -> Iterator[Check]:
    """Every check of objects."""
    for name, (title, test) in _TESTS.items():
        yield check_of(case_of("objects", name, GROUP, title), partial(_beside, name=f"objects_{name}", test=test))


def _beside(server: TwinServer, name: str, test: Callable[..., Evidence]) -> Evidence:
    """``test`` of a table beside one whose name begins alike, of which no object may go and no row."""
    server.must_be_ours()
    with server.session(name) as session:
        session.must(*AT_ONCE)
        for table in (_TABLE, _TWIN):
            session.must(f"CREATE TABLE {table} (id integer, v text) USING iceberg WITH (autovacuum_enabled = 'false')")
            session.must(*(f"INSERT INTO {table} VALUES ({at}, 'row {at}')" for at in range(_ROUNDS)))
        session.must(f"VACUUM {_TWIN}")
        twin = server.files(name, _TWIN)
        evidence = test(server, session, name)
        lost = sorted(twin.keys() - server.files(name, _TWIN).keys())
        count = session.value(f"SELECT count(*) FROM {_TWIN}")
    if lost or count != str(_ROUNDS):
        raise WrongAnswer(
            f"{_TWIN}, which nobody touched, has lost {len(lost)} objects", lost=lost, rows=count, **evidence
        )
    return {**evidence, "untouched": f"{_TWIN}: {len(twin)} objects and {count} rows as before"}


def _counts(stages: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Stage → how many objects there are, and their bytes."""
    return {
        "objects": {stage: len(files) for stage, files in stages.items()},
        "bytes": {stage: sum(files.values()) for stage, files in stages.items()},
    }


def _empty(stages: Mapping[str, Mapping[str, int]], **more: Any) -> Evidence:
    """The evidence that after the last stage no object is left.

    Raises:
        WrongAnswer: some are.
    """
    last = list(stages)[-1]
    if left := sorted(stages[last]):
        raise WrongAnswer(f"{len(left)} objects are still there after {last}", left=left, **_counts(stages), **more)
    return {**_counts(stages), **more}


def _dropped(server: TwinServer, session: Session, name: str) -> Evidence:
    """DROP leaves the objects, and VACUUM (ICEBERG) removes them."""
    stages = {"before": server.files(name, _TABLE)}
    session.must(f"DROP TABLE {_TABLE}")
    stages["DROP"] = server.files(name, _TABLE)
    session.must("VACUUM (ICEBERG)")
    stages["VACUUM"] = server.files(name, _TABLE)
    return _empty(stages)


def _retained(server: TwinServer, session: Session, name: str) -> Evidence:
    """By default VACUUM keeps the files of a dropped table for ten days."""
    session.must("RESET pg_lake_engine.orphaned_file_retention_period")
    stages = {"before": server.files(name, _TABLE)}
    session.must(f"DROP TABLE {_TABLE}", "VACUUM (ICEBERG)")
    stages["VACUUM"] = server.files(name, _TABLE)
    retention = session.value("SHOW pg_lake_engine.orphaned_file_retention_period")
    if gone := sorted(stages["before"].keys() - stages["VACUUM"].keys()):
        raise WrongAnswer(f"{len(gone)} objects went before {retention} were over", **_counts(stages))
    return {**_counts(stages), "retention": retention}


def _not_dropped(server: TwinServer, session: Session, name: str) -> Evidence:
    """A DROP that is rolled back: VACUUM removes nothing that the table needs."""
    stages = {"before": server.files(name, _TABLE)}
    session.must("BEGIN", f"DROP TABLE {_TABLE}", "ROLLBACK", "VACUUM (ICEBERG)")
    stages["VACUUM"] = server.files(name, _TABLE)
    return {**_counts(stages), **_read(session, [(str(at), f"row {at}") for at in range(_ROUNDS)])}


def _read(session: Session, rows: list[tuple[str, str]], table: str = _TABLE) -> dict[str, Any]:
    """The evidence that a table has ``rows``.

    Raises:
        WrongAnswer: it has others.
    """
    found = [tuple(row) for row in session.must(f"SELECT id, v FROM {table} ORDER BY id").rows]
    if found != rows:
        raise WrongAnswer(f"{table} has {found}, and not {rows}")
    return {"rows": found}


def _vacuumed(server: TwinServer, session: Session, name: str) -> Evidence:
    """VACUUM removes what no snapshot needs any more; the rows stay, and the data files become fewer."""
    session.must(f"UPDATE {_TABLE} SET v = 'new' WHERE id = 0", f"DELETE FROM {_TABLE} WHERE id = 1")
    stages = {"before": server.files(name, _TABLE)}
    session.must(f"VACUUM FULL {_TABLE}", f"VACUUM {_TABLE}")
    stages["VACUUM"] = server.files(name, _TABLE)
    data = {stage: sum("/data/" in path for path in files) for stage, files in stages.items()}
    read = _read(session, [("0", "new"), ("2", "row 2")])
    if data["VACUUM"] >= data["before"]:
        raise WrongAnswer("VACUUM has left all data files", data_files=data, **_counts(stages), **read)
    return {**_counts(stages), "data_files": data, **read}


def _truncated(server: TwinServer, session: Session, name: str) -> Evidence:
    """TRUNCATE, then VACUUM: no data file is left, and the table can be written."""
    stages = {"before": server.files(name, _TABLE)}
    session.must(f"TRUNCATE {_TABLE}", f"VACUUM {_TABLE}")
    stages["VACUUM"] = server.files(name, _TABLE)
    if data := sorted(path for path in stages["VACUUM"] if "/data/" in path):
        raise WrongAnswer(f"{len(data)} data files are still there after VACUUM", left=data, **_counts(stages))
    session.must(f"INSERT INTO {_TABLE} VALUES (9, 'new')")
    return {**_counts(stages), **_read(session, [("9", "new")])}


def _renamed(server: TwinServer, session: Session, name: str) -> Evidence:
    """Another name and another schema for a table: the objects stay where they are, and the rows can be read."""
    other = server.schema(f"{name}_other")
    before = server.files(name, _TABLE)
    session.must(f"CREATE SCHEMA {other}", f"ALTER TABLE {_TABLE} RENAME TO renamed")
    session.must(f"ALTER TABLE renamed SET SCHEMA {other}", "VACUUM (ICEBERG)")
    after = server.files(name, _TABLE)
    stages = {"before": before, "VACUUM": after}
    return {**_counts(stages), **_read(session, [(str(at), f"row {at}") for at in range(_ROUNDS)], f"{other}.renamed")}


def _missing(server: TwinServer, session: Session, name: str, *, deferred: bool) -> Evidence:
    """Without the manifest list of the current snapshot, the table and its siblings can still be cleaned up."""
    manifest_list = server.metadata(session, _TABLE).manifest_list
    server.remove(manifest_list)
    session.must(f"SELECT lake_file_cache.remove('{manifest_list}')")  # pgduck_server has its own copy of it
    stages = {"before": server.files(name, _TABLE)}
    session.must(f"SET pg_lake_table.defer_drop_file_cleanup = {'on' if deferred else 'off'}")
    dropped = session.run(f"DROP TABLE {_TABLE}")
    vacuumed = session.run("VACUUM (ICEBERG)")
    stages["DROP and VACUUM"] = server.files(name, _TABLE)
    evidence = {"drop": dropped.shown(), "vacuum": vacuumed.shown(), **_sibling(server, session, name)}
    if dropped.refused:
        raise WrongAnswer(f"the table cannot be dropped any more: {dropped.error}", **_counts(stages), **evidence)
    return _empty(stages, **evidence)


def _sibling(server: TwinServer, session: Session, name: str) -> dict[str, Any]:
    """What becomes of another table that is made and dropped meanwhile.

    Raises:
        WrongAnswer: its objects stay.
    """
    session.must("CREATE TABLE sibling (id integer) USING iceberg", "INSERT INTO sibling VALUES (1)")
    session.must("DROP TABLE sibling")
    said = session.run("VACUUM (ICEBERG)").shown()
    if left := sorted(server.files(name, "sibling")):
        raise WrongAnswer(f"the clean-up of another table is blocked: {len(left)} objects stay", left=left, vacuum=said)
    return {"sibling": "dropped and gone"}


_TESTS: Mapping[str, tuple[str, Callable[..., Evidence]]] = {
    "dropped": ("DROP, then VACUUM", _dropped),
    "retained": ("DROP, then VACUUM with the default retention", _retained),
    "not-dropped": ("DROP rolled back, then VACUUM", _not_dropped),
    "vacuumed": ("VACUUM after UPDATE and DELETE", _vacuumed),
    "truncated": ("TRUNCATE, then VACUUM", _truncated),
    "renamed": ("another name and another schema, then VACUUM", _renamed),
    "missing": ("DROP of a table whose manifest list is missing", partial(_missing, deferred=False)),
    "missing-deferred": (
        "the same with defer_drop_file_cleanup: VACUUM finds the files", partial(_missing, deferred=True),
    ),
}  # fmt: skip
