"""Checks of what the object store holds before and after a drop, a purge and a commit that fails."""

from __future__ import annotations

import time

from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.client import Names
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Sandbox, set_properties
from lakebench.phases.rest_catalog.store_access import objects

STORAGE = Subject("Objects in the store")
_check = STORAGE.check
_WAIT_S, _PAUSE_S = 5.0, 0.25


def _objects(catalog: Sandbox, table: CreatedTable) -> list[str]:
    """The objects below the table's location.

    Raises:
        EngineUnavailable: the store is not one that lakebench can list.
    """
    if catalog.store is None:
        raise EngineUnavailable("lakebench has no keys of the store that the tables lie in")
    location = str(table.metadata["location"])
    if not location.startswith("s3://"):
        raise EngineUnavailable(f"the table is at {location}, which is no S3 store")
    found: list[str] = catalog.outside(objects, catalog.store, location)
    return found


def _written(catalog: Sandbox, namespace: Names = (), name: str = "") -> tuple[CreatedTable, list[str]]:
    """A table, and its objects.

    Raises:
        EngineUnavailable: there are none, so that the check shows nothing.
    """
    table = catalog.table(namespace, name)
    found = _objects(catalog, table)
    if not found:
        raise EngineUnavailable("the catalog writes no metadata file when it creates a table")
    return table, found


def _drop(catalog: Sandbox, table: CreatedTable, purge: str = "") -> None:
    query = {"purgeRequested": purge} if purge else {}
    catalog.call("dropTable", table.namespace, table.name, query=query).succeeds(204, 200, 202)


@_check("drop.keeps_files", "dropTable")
def keeps_files(catalog: Sandbox) -> None:
    """A drop that does not ask for a purge leaves the files."""
    table, before = _written(catalog)
    _drop(catalog, table)
    time.sleep(_PAUSE_S)
    if lost := sorted(set(before) - set(_objects(catalog, table))):
        raise WrongAnswer(f"a drop without purgeRequested removed {len(lost)} of {len(before)} files: {lost[0]}")


@_check("drop.purge_removes_files", "dropTable", Level.CAP)
def purges(catalog: Sandbox) -> None:
    """A drop that asks for a purge removes the files, within seconds."""
    table, before = _written(catalog)
    _drop(catalog, table, "true")
    ends = time.monotonic() + _WAIT_S
    while left := set(before) & set(_objects(catalog, table)):
        if time.monotonic() > ends:
            raise Refused(
                f"a purge was asked for, and after {_WAIT_S:g} s {len(left)} of {len(before)} files are there"
            )
        time.sleep(_PAUSE_S)


@_check("drop.purge_spares_siblings", "dropTable")
def spares_siblings(catalog: Sandbox) -> None:
    """A purge leaves the files of tables and namespaces whose names begin alike."""
    namespace = catalog.namespace()
    twin = (f"{namespace[0]}_twin",)
    catalog.create_namespace(twin).needed()
    table, _ = _written(catalog, namespace, "foo")
    siblings = [
        _written(catalog, namespace, "foobar"),
        _written(catalog, namespace, "foo_"),
        _written(catalog, twin, "foo"),
    ]
    _drop(catalog, table, "true")
    time.sleep(2 * _PAUSE_S)
    for sibling, before in siblings:
        if lost := set(before) - set(_objects(catalog, sibling)):
            raise WrongAnswer(f"a purge of {table.name} removed {len(lost)} files of {sibling.name}: {min(lost)}")
        catalog.load(sibling)


@_check("commit.failed_leaves_no_files", "updateTable", Level.CAP)
def leaves_no_files_of_a_failure(catalog: Sandbox) -> None:
    """A commit that fails leaves no file behind."""
    table, before = _written(catalog)
    stale = {"type": "assert-table-uuid", "uuid": "00000000-0000-4000-8000-000000000000"}
    if catalog.commit(table, set_properties(one="1"), requirements=[stale]).succeeded:
        raise EngineUnavailable("this check needs a commit that fails, and it succeeded")
    if more := sorted(set(_objects(catalog, table)) - set(before)):
        raise Refused(f"a commit failed, and its file stays: {more[0]}")
