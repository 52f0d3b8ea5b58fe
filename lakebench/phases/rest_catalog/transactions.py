"""Checks of what concerns several tables: transactions, renames and registered tables."""

from __future__ import annotations

from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.phases.rest_catalog.checks import Subject
from lakebench.phases.rest_catalog.client import Names
from lakebench.phases.rest_catalog.commits import CONFLICT
from lakebench.phases.rest_catalog.exchange import Exchange
from lakebench.phases.rest_catalog.namespaces import EXISTS, NO_NAMESPACE
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Json, Sandbox, set_properties
from lakebench.phases.rest_catalog.store_access import objects
from lakebench.phases.rest_catalog.tables import NO_TABLE, expect_properties

TRANSACTIONS, RENAMES, REGISTRATION = Subject("Transactions"), Subject("Renames"), Subject("Registered tables")
_tx, _rename, _register = TRANSACTIONS.check, RENAMES.check, REGISTRATION.check
_STALE: Json = {"type": "assert-table-uuid", "uuid": "00000000-0000-4000-8000-000000000000"}


def _change(table: CreatedTable, *requirements: Json) -> Json:
    """The part of a transaction that sets a property of ``table``."""
    return {"identifier": table.identifier, "requirements": list(requirements), "updates": [set_properties(tx="1")]}


def _transaction(catalog: Sandbox, *changes: Json) -> Exchange:
    return catalog.call("commitTransaction", body={"table-changes": list(changes)})


def _two(catalog: Sandbox) -> tuple[CreatedTable, CreatedTable]:
    first = catalog.table()
    return first, catalog.table(first.namespace)


@_tx("tx.commit_204", "commitTransaction")
def commits_two_tables(catalog: Sandbox) -> None:
    """A transaction changes two tables."""
    first, second = _two(catalog)
    _transaction(catalog, _change(first), _change(second)).succeeds(204, 200)
    for table in (first, second):
        expect_properties(catalog.load(table), tx="1")


@_tx("tx.conflict_409", "commitTransaction")
def declines_a_conflict(catalog: Sandbox) -> None:
    """A transaction with a requirement that does not hold is a conflict."""
    first, second = _two(catalog)
    _transaction(catalog, _change(first), _change(second, _STALE)).fails(409, kind=CONFLICT)


@_tx("tx.atomic", "commitTransaction")
def is_atomic(catalog: Sandbox) -> None:
    """A transaction that fails changes none of its tables, whichever comes first."""
    first, second = _two(catalog)
    for changes in ((_change(first), _change(second, _STALE)), (_change(second, _STALE), _change(first))):
        if _transaction(catalog, *changes).succeeded:
            raise WrongAnswer("a transaction with a requirement that does not hold succeeded")
        for table in (first, second):
            expect_properties(catalog.load(table), tx=None)


@_tx("tx.missing_404", "commitTransaction")
def changes_no_missing_table(catalog: Sandbox) -> None:
    """A transaction with a missing table is declined, and changes nothing."""
    first = catalog.table()
    missing = CreatedTable(first.namespace, catalog.name(), first.made)
    _transaction(catalog, _change(first), _change(missing)).fails(404, kind=NO_TABLE)
    expect_properties(catalog.load(first), tx=None)


@_rename("rename.ok_204", "renameTable")
def renames(catalog: Sandbox) -> None:
    """A table is renamed."""
    table = catalog.table()
    catalog.rename("renameTable", table, table.namespace, catalog.name()).succeeds(204, 200)


@_rename("rename.to_another_namespace", "renameTable")
def moves(catalog: Sandbox) -> None:
    """A table is moved to another namespace."""
    table, other, name = catalog.table(), catalog.namespace(), catalog.name()
    catalog.rename("renameTable", table, other, name).succeeds(204, 200)
    if (found := catalog.table_names(other)) != [name]:
        raise WrongAnswer(f"the table was moved, and the other namespace has {found}")


@_rename("rename.conflict_409", "renameTable")
def does_not_replace(catalog: Sandbox) -> None:
    """A table is not renamed to one that is there, which stays what it is."""
    first, second = _two(catalog)
    catalog.rename("renameTable", first, second.namespace, second.name).fails(409, kind=EXISTS)
    if catalog.load(second)["table-uuid"] != second.metadata["table-uuid"]:
        raise WrongAnswer("the table of the new name is another one than before")


@_rename("rename.src_404", "renameTable")
def renames_no_missing_one(catalog: Sandbox) -> None:
    """A missing table is not renamed."""
    table = catalog.table()
    missing = CreatedTable(table.namespace, catalog.name(), table.made)
    catalog.rename("renameTable", missing, table.namespace, catalog.name()).fails(404, kind=NO_TABLE)


@_rename("rename.dst_ns_404", "renameTable")
def moves_to_no_missing_namespace(catalog: Sandbox) -> None:
    """A table is not moved to a missing namespace, and stays where it is."""
    table = catalog.table()
    missing = (f"{catalog.name()}_missing",)
    catalog.rename("renameTable", table, missing, catalog.name()).fails(404, kind=NO_NAMESPACE)
    catalog.load(table)


def _renamed(catalog: Sandbox) -> tuple[CreatedTable, CreatedTable]:
    """A table before and after a rename."""
    table, name = catalog.table(), catalog.name()
    catalog.rename("renameTable", table, table.namespace, name).needed()
    return table, CreatedTable(table.namespace, name, table.made)


@_rename("rename.loads_and_old_404", "loadTable", requires=["renameTable"])
def is_there_by_its_new_name_alone(catalog: Sandbox) -> None:
    """A renamed table is loaded by its new name, and not by its old one."""
    old, new = _renamed(catalog)
    catalog.load(new)
    catalog.call("loadTable", old.namespace, old.name).fails(404, kind=NO_TABLE)


@_rename("rename.uuid_stable", "loadTable", requires=["renameTable"])
def keeps_its_uuid(catalog: Sandbox) -> None:
    """A renamed table has the uuid of before."""
    old, new = _renamed(catalog)
    if catalog.load(new)["table-uuid"] != old.metadata["table-uuid"]:
        raise WrongAnswer("the renamed table has another uuid")


def _put(catalog: Sandbox, namespace: Names, name: str, location: str) -> Exchange:
    return catalog.call("registerTable", namespace, body={"name": name, "metadata-location": location})


def _location(table: CreatedTable) -> str:
    location = table.made.json.get("metadata-location")
    if not location:
        raise EngineUnavailable("this check needs a metadata-location, which createTable does not give")
    return str(location)


@_register("register.ok_200", "registerTable")
def registers(catalog: Sandbox) -> None:
    """A table that was dropped without a purge is registered by its metadata file, and has its uuid."""
    table = catalog.table(properties={"kept": "1"})
    catalog.call("dropTable", table.namespace, table.name, query={"purgeRequested": "false"}).needed()
    if catalog.store is not None and not catalog.outside(objects, catalog.store, str(table.metadata["location"])):
        raise EngineUnavailable("this check needs the files of a dropped table, and the drop removed them")
    said = _put(catalog, table.namespace, catalog.name(), _location(table)).succeeds().json["metadata"]
    if said["table-uuid"] != table.metadata["table-uuid"]:
        raise WrongAnswer("the registered table has another uuid than its metadata file")
    expect_properties(said, kept="1")


@_register("register.exists_409", "registerTable")
def registers_once(catalog: Sandbox) -> None:
    """A table is not registered where there is one."""
    first, second = _two(catalog)
    _put(catalog, second.namespace, second.name, _location(first)).fails(409, kind=EXISTS)


@_register("register.ns_404", "registerTable")
def registers_nothing_in_a_missing_namespace(catalog: Sandbox) -> None:
    """A table is not registered in a missing namespace."""
    table = catalog.table()
    missing = (f"{catalog.name()}_missing",)
    _put(catalog, missing, catalog.name(), _location(table)).fails(404, kind=NO_NAMESPACE)
