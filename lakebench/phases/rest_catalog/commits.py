"""Checks of commits to one table: requirements, updates, and creating in two steps."""

from __future__ import annotations

from typing import Any

from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.exchange import Exchange
from lakebench.phases.rest_catalog.sandbox import (
    SCHEMA,
    CreatedTable,
    Json,
    Sandbox,
    assert_main,
    current_snapshot,
    remove_properties,
    set_main,
    set_properties,
)
from lakebench.phases.rest_catalog.tables import NO_TABLE, ORDER, SPEC, current, current_schema, expect_properties

COMMITS = Subject("Commits")
STAGED = Subject("Tables created in two steps")
_check, _staged = COMMITS.check, STAGED.check
CONFLICT = "CommitFailedException"
_NO_UUID = "00000000-0000-4000-8000-000000000000"
_LONG_SCHEMA: Json = {**SCHEMA, "fields": [{**SCHEMA["fields"][0], "type": "long"}, SCHEMA["fields"][1]]}
_ADDED = {"id": 3, "name": "added", "required": False, "type": "long"}
_WIDER_SCHEMA: Json = {**SCHEMA, "schema-id": 1, "fields": [*SCHEMA["fields"], _ADDED]}


@_check("commit.set_properties", "updateTable")
def sets_properties(catalog: Sandbox) -> None:
    """Properties are set, the others stay."""
    table = catalog.table(properties={"kept": "0"})
    catalog.commit(table, set_properties(one="1")).succeeds()
    expect_properties(catalog.load(table), kept="0", one="1")


@_check("commit.two_updates_of_a_kind", "updateTable")
def takes_two_updates_of_a_kind(catalog: Sandbox) -> None:
    """Two updates of a kind in one commit are both made."""
    table = catalog.table()
    catalog.commit(table, set_properties(one="1"), set_properties(two="2")).succeeds()
    expect_properties(catalog.load(table), one="1", two="2")


@_check("commit.metadata_location_changes", "updateTable")
def writes_new_metadata(catalog: Sandbox) -> None:
    """A commit has a new metadata file, and so has a load after it."""
    table = catalog.table()
    committed = catalog.commit(table, set_properties(one="1")).succeeds().json.get("metadata-location")
    if committed == table.made.json.get("metadata-location"):
        raise WrongAnswer("after a commit the metadata location is that of before")
    loaded = catalog.call("loadTable", table.namespace, table.name).succeeds().json.get("metadata-location")
    if loaded != committed:
        raise WrongAnswer("a load has another metadata location than the commit was answered with")


@_check("commit.remove_properties", "updateTable")
def removes_properties(catalog: Sandbox) -> None:
    """A property is removed, the others stay."""
    table = catalog.table(properties={"kept": "0", "gone": "1"})
    catalog.commit(table, remove_properties("gone")).succeeds()
    expect_properties(catalog.load(table), kept="0", gone=None)


@_check("commit.remove_last_property", "updateTable")
def removes_the_last_property(catalog: Sandbox) -> None:
    """The last property that a user set is removed."""
    table = catalog.table(properties={"only": "1"})
    catalog.commit(table, remove_properties("only")).succeeds()
    expect_properties(catalog.load(table), only=None)


def _stale(catalog: Sandbox, table: CreatedTable, requirement: Json) -> None:
    """Check that a commit with a ``requirement`` that does not hold is a conflict, and changes nothing."""
    catalog.commit(table, set_properties(stale="1"), requirements=[requirement]).fails(409, kind=CONFLICT)


@_check("commit.assert_create_409", "updateTable")
def holds_assert_create(catalog: Sandbox) -> None:
    """A table that is there is no new one (assert-create)."""
    catalog.commit(catalog.table(), set_properties(stale="1"), requirements=[{"type": "assert-create"}]).fails(
        409, kind=(CONFLICT, "AlreadyExistsException")
    )


@_check("commit.assert_table_uuid_409", "updateTable")
def holds_assert_table_uuid(catalog: Sandbox) -> None:
    """A table with another uuid is not changed (assert-table-uuid)."""
    _stale(catalog, catalog.table(), {"type": "assert-table-uuid", "uuid": _NO_UUID})


@_check("commit.assert_ref_snapshot_id_409", "updateTable")
def holds_assert_ref_snapshot_id(catalog: Sandbox) -> None:
    """A branch at another snapshot is not changed (assert-ref-snapshot-id)."""
    table = catalog.table_with_snapshots(11, 12)
    catalog.commit(table, set_main(11), requirements=[assert_main(11)]).fails(409, kind=CONFLICT)


@_check("commit.assert_ref_null_present_409", "updateTable")
def holds_assert_ref_null(catalog: Sandbox) -> None:
    """A branch that has a snapshot is not one that does not exist (assert-ref-snapshot-id with null)."""
    table = catalog.table_with_snapshots(11)
    updates = catalog.new_snapshot(catalog.load(table), 12)
    catalog.commit(table, *updates, requirements=[assert_main(None)]).fails(409, kind=CONFLICT)
    _expect_snapshot(catalog.load(table), 11)


@_check("commit.assert_last_field_id_409", "updateTable")
def holds_assert_last_field_id(catalog: Sandbox) -> None:
    """A table with other columns is not changed (assert-last-assigned-field-id)."""
    _stale(catalog, catalog.table(), {"type": "assert-last-assigned-field-id", "last-assigned-field-id": 99})


@_check("commit.assert_current_schema_id_409", "updateTable")
def holds_assert_current_schema_id(catalog: Sandbox) -> None:
    """A table with another current schema is not changed (assert-current-schema-id)."""
    _stale(catalog, catalog.table(), {"type": "assert-current-schema-id", "current-schema-id": 99})


@_check("commit.assert_last_partition_id_409", "updateTable")
def holds_assert_last_partition_id(catalog: Sandbox) -> None:
    """A table with other partition fields is not changed (assert-last-assigned-partition-id)."""
    _stale(catalog, catalog.table(), {"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 9999})


@_check("commit.assert_default_spec_id_409", "updateTable")
def holds_assert_default_spec_id(catalog: Sandbox) -> None:
    """A table with another partition spec is not changed (assert-default-spec-id)."""
    _stale(catalog, catalog.table(), {"type": "assert-default-spec-id", "default-spec-id": 99})


@_check("commit.assert_default_sort_order_id_409", "updateTable")
def holds_assert_default_sort_order_id(catalog: Sandbox) -> None:
    """A table with another sort order is not changed (assert-default-sort-order-id)."""
    _stale(catalog, catalog.table(), {"type": "assert-default-sort-order-id", "default-sort-order-id": 99})


@_check("commit.assert_ref_other_absent_409", "updateTable")
def holds_assert_ref_of_an_absent_branch(catalog: Sandbox) -> None:
    """A branch that does not exist is not at a snapshot (assert-ref-snapshot-id)."""
    _stale(catalog, catalog.table(), {"type": "assert-ref-snapshot-id", "ref": "absent", "snapshot-id": 11})


@_check("commit.assert_ref_null_absent_200", "updateTable")
def takes_assert_ref_null(catalog: Sandbox) -> None:
    """A branch that does not exist satisfies assert-ref-snapshot-id with null."""
    requirement = {"type": "assert-ref-snapshot-id", "ref": "absent", "snapshot-id": None}
    catalog.commit(catalog.table(), set_properties(one="1"), requirements=[requirement]).succeeds()


@_check("commit.assert_main_null_on_empty_200", "updateTable")
def takes_a_first_snapshot(catalog: Sandbox) -> None:
    """An empty table gets its first snapshot, by assert-ref-snapshot-id with null."""
    table = catalog.table()
    catalog.append(table, table.metadata, 11).succeeds()
    _expect_snapshot(catalog.load(table), 11)


@_check("commit.snapshot_stays", "updateTable")
def keeps_the_snapshot(catalog: Sandbox) -> None:
    """The current snapshot is the last one that was committed, also after another commit."""
    table = catalog.table_with_snapshots(11, 12)
    _expect_snapshot(catalog.load(table), 12)
    catalog.commit(table, set_properties(one="1")).succeeds()
    said = catalog.load(table)
    _expect_snapshot(said, 12)
    if (main := (said.get("refs") or {}).get("main", {}).get("snapshot-id", 12)) != 12:  # noqa: PLR2004 - the last one
        raise WrongAnswer(f"main is at the snapshot {main}, and should be at 12")


@_check("commit.failed_leaves_no_trace", "loadTable", requires=["updateTable"])
def leaves_no_trace_of_a_failure(catalog: Sandbox) -> None:
    """A commit that fails changes nothing: properties, snapshots and schemas are those of before."""
    table = catalog.table_with_snapshots(11)
    before = catalog.load(table)
    updates = [
        *catalog.new_snapshot(before, 12),
        set_properties(trace="1"),
        {"action": "add-schema", "schema": _WIDER_SCHEMA},
    ]
    requirements = [{"type": "assert-table-uuid", "uuid": _NO_UUID}]
    if catalog.commit(table, *updates, requirements=requirements).succeeded:
        raise WrongAnswer("a commit to a table with another uuid succeeded")
    after = catalog.load(table)
    expect_properties(after, trace=None)
    _expect_snapshot(after, 11)
    if _schemas(after) != _schemas(before):
        raise WrongAnswer("a commit failed, and its schema is there")


@_check("commit.unknown_requirement_400", "updateTable")
def declines_an_unknown_requirement(catalog: Sandbox) -> None:
    """A requirement that the catalog does not know is a bad request."""
    catalog.commit(catalog.table(), set_properties(one="1"), requirements=[{"type": "assert-moon"}]).fails(400)


@_check("commit.unknown_update_400", "updateTable")
def declines_an_unknown_update(catalog: Sandbox) -> None:
    """An update that the catalog does not know is a bad request."""
    catalog.commit(catalog.table(), {"action": "paint-table", "color": "red"}).fails(400)


@_check("commit.table_404", "updateTable")
def commits_to_no_missing_table(catalog: Sandbox) -> None:
    """A missing table gets no commit."""
    namespace, name = catalog.namespace(), catalog.name()
    body = {
        "identifier": {"namespace": list(namespace), "name": name},
        "requirements": [{"type": "assert-table-uuid", "uuid": _NO_UUID}],
        "updates": [set_properties(one="1")],
    }
    catalog.call("updateTable", namespace, name, body=body).fails(404, kind=NO_TABLE)


@_check("commit.add_schema", "updateTable")
def adds_a_column(catalog: Sandbox) -> None:
    """A schema with one more column becomes the current one."""
    table = catalog.table()
    _set_schema(catalog, table, _WIDER_SCHEMA, last_column=3)
    fields = [one["name"] for one in current_schema(catalog.load(table))["fields"]]
    if fields != ["id", "data", "added"]:
        raise WrongAnswer(f"the table has the columns {fields}, and should have id, data and added")


@_check("commit.type_promotion_int_long", "updateTable")
def widens_a_column(catalog: Sandbox) -> None:
    """A column of int becomes one of long."""
    table = catalog.table()
    _set_schema(catalog, table, {**_LONG_SCHEMA, "schema-id": 1}, last_column=2)
    kind = current_schema(catalog.load(table))["fields"][0]["type"]
    if kind != "long":
        raise WrongAnswer(f"the column has the type {kind}, and should have long")


@_check("commit.add_spec", "updateTable")
def adds_a_partition_spec(catalog: Sandbox) -> None:
    """A partition spec is added, and becomes the current one."""
    table = catalog.table()
    added = {"action": "add-spec", "spec": {**SPEC, "spec-id": 1}}
    catalog.commit(table, added, {"action": "set-default-spec", "spec-id": -1}).succeeds()
    spec = current(catalog.load(table), "partition-specs", "spec-id", "default-spec-id")
    if [one["transform"] for one in spec["fields"]] != ["bucket[4]"]:
        raise WrongAnswer(f"the table has the partition spec {spec}")


@_check("commit.add_sort_order", "updateTable")
def adds_a_sort_order(catalog: Sandbox) -> None:
    """A sort order is added, and becomes the current one."""
    table = catalog.table()
    added = {"action": "add-sort-order", "sort-order": ORDER}
    catalog.commit(table, added, {"action": "set-default-sort-order", "sort-order-id": -1}).succeeds()
    order = current(catalog.load(table), "sort-orders", "order-id", "default-sort-order-id")
    if [one["direction"] for one in order["fields"]] != ["desc"]:
        raise WrongAnswer(f"the table has the sort order {order}")


@_check("commit.set_location", "updateTable", Level.CAP)
def sets_the_location(catalog: Sandbox) -> None:
    """The location of a table is set."""
    table = catalog.table()
    location = f"{table.metadata['location']}_moved"
    catalog.commit(table, {"action": "set-location", "location": location}).succeeds()
    if (said := catalog.load(table)["location"]) != location:
        raise Refused(f"the commit succeeded, and the location is {said} instead of {location}")


@_check("commit.tag", "updateTable")
def tags_a_snapshot(catalog: Sandbox) -> None:
    """A tag names a snapshot, and stays there when main goes on."""
    table = catalog.table_with_snapshots(11)
    tag = {"action": "set-snapshot-ref", "ref-name": "first", "type": "tag", "snapshot-id": 11}
    said = catalog.commit(table, tag).succeeds().json["metadata"]
    catalog.append(table, said, 12).needed()
    refs = {name: one["snapshot-id"] for name, one in (catalog.load(table).get("refs") or {}).items()}
    if refs != {"main": 12, "first": 11}:
        raise WrongAnswer(f"the references are {refs}, and should be main at 12 and first at 11")


@_check("commit.upgrade_format", "updateTable")
def upgrades_the_format(catalog: Sandbox) -> None:
    """A table of format version 1 becomes one of 2."""
    table = catalog.table(properties={"format-version": "1"})
    if table.metadata["format-version"] != 1:
        raise EngineUnavailable("a table of format version 1 is asked for, and the catalog makes none")
    catalog.commit(table, {"action": "upgrade-format-version", "format-version": 2}).succeeds()
    if (version := catalog.load(table)["format-version"]) != 2:  # noqa: PLR2004 - the version that is asked for
        raise WrongAnswer(f"format version 2 was committed, and the table has {version}")


@_check("commit.remove_snapshots", "updateTable", Level.CAP)
def removes_snapshots(catalog: Sandbox) -> None:
    """An old snapshot is removed, and stays away."""
    table = catalog.table_with_snapshots(11, 12)
    catalog.commit(table, {"action": "remove-snapshots", "snapshot-ids": [11]}).succeeds()
    catalog.commit(table, set_properties(one="1")).succeeds()
    ids = [one["snapshot-id"] for one in catalog.load(table).get("snapshots") or []]
    if ids != [12]:
        raise WrongAnswer(f"the snapshots are {ids}, and should be [12]")


@_check("commit.remove_snapshots_noop", "updateTable", Level.CAP)
def removes_no_snapshots(catalog: Sandbox) -> None:
    """A removal of no snapshots is taken."""
    table = catalog.table_with_snapshots(11)
    catalog.commit(table, {"action": "remove-snapshots", "snapshot-ids": []}).succeeds()
    _expect_snapshot(catalog.load(table), 11)


@_check("commit.idempotency_key", "updateTable", Level.CAP)
def knows_a_commit_again(catalog: Sandbox) -> None:
    """A commit that is sent again with its Idempotency-Key has the answer of before."""
    table = catalog.table()
    body = {
        "identifier": table.identifier,
        "requirements": [assert_main(None)],
        "updates": catalog.new_snapshot(table.metadata, 11),
    }
    headers = {"Idempotency-Key": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"}
    catalog.call("updateTable", table.namespace, table.name, body=body, headers=headers).needed()
    catalog.call("updateTable", table.namespace, table.name, body=body, headers=headers).succeeds()
    if (number := len(catalog.load(table).get("snapshots") or [])) != 1:
        raise WrongAnswer(f"one commit was sent twice with its key, and the table has {number} snapshots")


@_staged("stage.create_200", "createTable", requires=["updateTable"])
def stages(catalog: Sandbox) -> None:
    """A table is staged, and the answer has its metadata."""
    answer = _stage(catalog, catalog.namespace(), catalog.name()).succeeds()
    if not answer.json["metadata"].get("schemas"):
        raise WrongAnswer("the answer lacks the schemas of the staged table")


@_staged("stage.not_visible", "loadTable", requires=["createTable", "updateTable"])
def is_not_there_yet(catalog: Sandbox) -> None:
    """A staged table is neither loaded nor listed."""
    namespace, name = catalog.namespace(), catalog.name()
    _stage(catalog, namespace, name).needed()
    if name in catalog.table_names(namespace):
        raise WrongAnswer("a staged table is listed")
    catalog.call("loadTable", namespace, name).fails(404, kind=NO_TABLE)


@_staged("stage.commit_assert_create_200", "updateTable", requires=["createTable"])
def commits_what_is_staged(catalog: Sandbox) -> None:
    """A staged table is committed with assert-create."""
    _staged_commit(catalog, *_staged_table(catalog)).succeeds()


@_staged("stage.visible_after", "loadTable", requires=["createTable", "updateTable"])
def is_there_then(catalog: Sandbox) -> None:
    """A staged table is there once it is committed, with what was committed."""
    table = _staged_table(catalog)[0]
    _staged_commit(catalog, table, table.metadata).needed()
    expect_properties(catalog.load(table), staged="1")


@_staged("stage.second_commit_409", "updateTable", requires=["createTable"])
def commits_it_once(catalog: Sandbox) -> None:
    """A staged table is not committed twice."""
    table, metadata = _staged_table(catalog)
    _staged_commit(catalog, table, metadata).needed()
    _staged_commit(catalog, table, metadata).fails(409, kind=(CONFLICT, "AlreadyExistsException"))


def _stage(catalog: Sandbox, namespace: Any, name: str) -> Exchange:
    return catalog.create_table(namespace, name, stage_create=True)


def _staged_table(catalog: Sandbox) -> tuple[CreatedTable, Json]:
    """A table that is staged, and its metadata."""
    namespace, name = catalog.namespace(), catalog.name()
    table = CreatedTable(namespace, name, _stage(catalog, namespace, name).needed())
    return table, table.metadata


def _staged_commit(catalog: Sandbox, table: CreatedTable, metadata: Json) -> Exchange:
    """The commit that makes a staged table, as Iceberg's clients send it."""
    updates = [
        {"action": "assign-uuid", "uuid": metadata["table-uuid"]},
        {"action": "upgrade-format-version", "format-version": metadata["format-version"]},
        {"action": "add-schema", "schema": SCHEMA, "last-column-id": 2},
        {"action": "set-current-schema", "schema-id": -1},
        {"action": "add-spec", "spec": {"spec-id": 0, "fields": []}},
        {"action": "set-default-spec", "spec-id": -1},
        {"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}},
        {"action": "set-default-sort-order", "sort-order-id": -1},
        {"action": "set-location", "location": metadata["location"]},
        set_properties(staged="1"),
    ]
    return catalog.commit(table, *updates, requirements=[{"type": "assert-create"}])


def _set_schema(catalog: Sandbox, table: CreatedTable, schema: Json, last_column: int) -> None:
    added = {"action": "add-schema", "schema": schema, "last-column-id": last_column}
    catalog.commit(table, added, {"action": "set-current-schema", "schema-id": -1}).succeeds()


def _schemas(metadata: Json) -> list[Any]:
    return [one.get("fields") for one in metadata.get("schemas") or []]


def _expect_snapshot(metadata: Json, wanted: int) -> None:
    if (found := current_snapshot(metadata)) != wanted:
        raise WrongAnswer(f"the current snapshot is {found}, and should be {wanted}")
