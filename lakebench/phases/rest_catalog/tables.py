"""Checks of tables: creating, loading, listing, dropping, and creating in two steps."""

from __future__ import annotations

from typing import Any

from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.namespaces import EXISTS, NO_NAMESPACE
from lakebench.phases.rest_catalog.sandbox import SCHEMA, CreatedTable, Json, Sandbox, set_properties

TABLES = Subject("Tables")
_check = TABLES.check
NO_TABLE = "NoSuchTableException"
SPEC: Json = {
    "spec-id": 0,
    "fields": [{"source-id": 1, "field-id": 1000, "name": "id_bucket", "transform": "bucket[4]"}],
}
ORDER: Json = {
    "order-id": 1,
    "fields": [{"source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}],
}
OTHER_SCHEMA: Json = {
    "type": "struct",
    "schema-id": 0,
    "fields": [{"id": 1, "name": "other", "required": False, "type": "double"}],
}


@_check("tbl.create", "createTable")
def creates(catalog: Sandbox) -> None:
    """A table is created, and the answer has its schema, uuid and location."""
    table = catalog.table()
    said = table.metadata
    _expect_fields(said, ["id", "data"])
    if not (said.get("table-uuid") and said.get("location") and table.made.json.get("metadata-location")):
        raise WrongAnswer("the answer lacks table-uuid, location or metadata-location")


@_check("tbl.create_dup_409", "createTable")
def creates_once(catalog: Sandbox) -> None:
    """A table that is there is not created again."""
    table = catalog.table()
    catalog.create_table(table.namespace, table.name, schema=OTHER_SCHEMA).fails(409, kind=EXISTS)


@_check("tbl.create_ns_404", "createTable")
def creates_nothing_in_a_missing_namespace(catalog: Sandbox) -> None:
    """A table is not created in a missing namespace."""
    catalog.create_table((f"{catalog.name()}_missing",), catalog.name()).fails(404, kind=NO_NAMESPACE)


@_check("tbl.create_minimal_body", "createTable")
def creates_by_a_minimal_body(catalog: Sandbox) -> None:
    """Name and schema are enough to create a table."""
    body = {"name": catalog.name(), "schema": SCHEMA}
    answer = catalog.call("createTable", catalog.namespace(), body=body).succeeds()
    _expect_fields(answer.json["metadata"], ["id", "data"])


@_check("tbl.create_bad_400", "createTable")
def declines_a_bad_body(catalog: Sandbox) -> None:
    """A body without a schema is a bad request."""
    catalog.call("createTable", catalog.namespace(), body={"name": catalog.name()}).fails(400)


@_check("tbl.create_partitioned", "createTable")
def creates_a_partitioned_one(catalog: Sandbox) -> None:
    """A table is created with a partition spec."""
    answer = catalog.create_table(catalog.namespace(), catalog.name(), partition_spec=SPEC).succeeds()
    spec = current(answer.json["metadata"], "partition-specs", "spec-id", "default-spec-id")
    if [one["transform"] for one in spec["fields"]] != ["bucket[4]"]:
        raise WrongAnswer(f"the table has the partition spec {spec}")


@_check("tbl.load_sort_order", "loadTable")
def keeps_the_sort_order(catalog: Sandbox) -> None:
    """The sort order that a table is created with is kept."""
    said = catalog.load(catalog.table(write_order=ORDER))
    order = current(said, "sort-orders", "order-id", "default-sort-order-id")
    if [(one["direction"], one["null-order"]) for one in order["fields"]] != [("desc", "nulls-last")]:
        raise WrongAnswer(f"the table has the sort order {order}")


@_check("tbl.load_create_properties", "loadTable")
def keeps_properties(catalog: Sandbox) -> None:
    """The properties that a table is created with are kept."""
    expect_properties(catalog.load(catalog.table(properties={"owner": "lakebench"})), owner="lakebench")


@_check("tbl.create_v3", "createTable", Level.CAP)
def creates_a_table_of_version_3(catalog: Sandbox) -> None:
    """A table of format version 3 is created."""
    answer = catalog.create_table(catalog.namespace(), catalog.name(), properties={"format-version": "3"}).succeeds()
    if (version := answer.json["metadata"]["format-version"]) != 3:  # noqa: PLR2004 - the version that is asked for
        raise Refused(f"format version 3 is asked for, and the table has {version}")


@_check("tbl.load", "loadTable")
def loads(catalog: Sandbox) -> None:
    """A table is loaded as it was created."""
    table = catalog.table()
    answer = catalog.call("loadTable", table.namespace, table.name).succeeds()
    said = answer.json["metadata"]
    _expect_fields(said, ["id", "data"])
    if said["table-uuid"] != table.metadata["table-uuid"]:
        raise WrongAnswer("the table has another uuid than it was created with")


@_check("tbl.load_404", "loadTable")
def loads_no_missing_one(catalog: Sandbox) -> None:
    """A missing table is not loaded."""
    catalog.call("loadTable", catalog.namespace(), catalog.name()).fails(404, kind=NO_TABLE)


@_check("tbl.load_ns_404", "loadTable")
def loads_nothing_of_a_missing_namespace(catalog: Sandbox) -> None:
    """A table of a missing namespace is not loaded."""
    missing = (f"{catalog.name()}_missing",)
    catalog.call("loadTable", missing, catalog.name()).fails(404, kind=(NO_TABLE, NO_NAMESPACE))


def _etag(catalog: Sandbox, table: CreatedTable) -> str:
    """The ETag that *loadTable* sends."""
    headers = catalog.call("loadTable", table.namespace, table.name).succeeds().headers
    return next((value for key, value in headers.items() if key.lower() == "etag"), "")


@_check("tbl.etag_present", "loadTable", Level.CAP)
def sends_an_etag(catalog: Sandbox) -> None:
    """The answer to a load has an ETag, which is another one after a commit."""
    table = catalog.table()
    before = _etag(catalog, table)
    if not before:
        raise Refused("the answer to loadTable has no ETag")
    catalog.commit(table, set_properties(changed="1")).needed()
    if _etag(catalog, table) == before:
        raise WrongAnswer("the ETag is the same after a commit: a client would keep metadata that is old")


@_check("tbl.if_none_match_304", "loadTable", Level.CAP)
def does_not_repeat_itself(catalog: Sandbox) -> None:
    """What a client has by its ETag is not sent again."""
    table = catalog.table()
    etag = _etag(catalog, table)
    if not etag:
        raise EngineUnavailable("the catalog sends no ETag")
    answer = catalog.call("loadTable", table.namespace, table.name, headers={"If-None-Match": etag})
    if answer.status == 200:  # noqa: PLR2004 - it sends all again
        raise Refused("the answer to If-None-Match with the table's ETag is 200 with the whole table")
    answer.succeeds(304)


@_check("tbl.snapshots_refs_param", "loadTable", Level.CAP)
def loads_snapshots_of_references_alone(catalog: Sandbox) -> None:
    """With ``snapshots=refs`` the snapshots are those that branches and tags name."""
    table = catalog.table_with_snapshots(1, 2)
    answer = catalog.call("loadTable", table.namespace, table.name, query={"snapshots": "refs"}).succeeds()
    ids = {one["snapshot-id"] for one in answer.json["metadata"].get("snapshots") or []}
    if 2 not in ids:  # noqa: PLR2004 - the current snapshot
        raise WrongAnswer(f"the snapshot that main names is not among {sorted(ids)}")
    if ids != {2}:
        raise Refused(f"snapshots=refs is ignored: the answer has the snapshots {sorted(ids)}")


@_check("tbl.head_204", "tableExists")
def exists(catalog: Sandbox) -> None:
    """A table exists."""
    table = catalog.table()
    catalog.call("tableExists", table.namespace, table.name).succeeds(204, 200)


@_check("tbl.head_404", "tableExists")
def does_not_exist(catalog: Sandbox) -> None:
    """A missing table does not exist."""
    catalog.call("tableExists", catalog.namespace(), catalog.name()).fails(404)


@_check("tbl.list", "listTables")
def is_listed(catalog: Sandbox) -> None:
    """The tables of a namespace are listed, and no others."""
    first = catalog.table()
    second = catalog.table(first.namespace)
    catalog.table()
    names = sorted(catalog.table_names(first.namespace))
    if names != sorted([first.name, second.name]):
        raise WrongAnswer(f"the tables are {sorted([first.name, second.name])}, and {names} are listed")


@_check("tbl.list_ns_404", "listTables")
def lists_nothing_of_a_missing_namespace(catalog: Sandbox) -> None:
    """The tables of a missing namespace are not listed."""
    catalog.call("listTables", (f"{catalog.name()}_missing",)).fails(404, kind=NO_NAMESPACE)


@_check("tbl.drop_204", "dropTable")
def drops(catalog: Sandbox) -> None:
    """A table is dropped, and gone from loads and lists."""
    table = catalog.table()
    catalog.call("dropTable", table.namespace, table.name, query={"purgeRequested": "false"}).succeeds(204, 200)
    if table.name in catalog.table_names(table.namespace):
        raise WrongAnswer("the table was dropped, and is listed")


@_check("tbl.drop_404", "dropTable")
def drops_no_missing_one(catalog: Sandbox) -> None:
    """A missing table is not dropped."""
    catalog.call("dropTable", catalog.namespace(), catalog.name()).fails(404, kind=NO_TABLE)


@_check("tbl.recreate_new_uuid", "createTable")
def has_a_new_uuid_when_it_is_made_again(catalog: Sandbox) -> None:
    """A table that is created again has a new uuid."""
    old, new = _made_again(catalog)
    if old.metadata["table-uuid"] == new["table-uuid"]:
        raise WrongAnswer("the table was dropped and created again, and has the uuid of before")


@_check("tbl.recreate_clean_state", "createTable")
def is_empty_when_it_is_made_again(catalog: Sandbox) -> None:
    """A table that is created again has no properties and no snapshots of before."""
    _, new = _made_again(catalog)
    if "before" in (new.get("properties") or {}):
        raise WrongAnswer("a property of the dropped table is there again")
    if new.get("snapshots"):
        raise WrongAnswer("snapshots of the dropped table are there again")


def _made_again(catalog: Sandbox) -> tuple[CreatedTable, Json]:
    """A table with a property and a snapshot, that was dropped; the metadata of its successor."""
    old = catalog.table(properties={"before": "1"})
    catalog.append(old, old.metadata, 7).needed()
    catalog.call("dropTable", old.namespace, old.name).needed()
    return old, catalog.load(catalog.table(old.namespace, old.name))


@_check("metrics.report_204", "reportMetrics")
def takes_metrics(catalog: Sandbox) -> None:
    """A report of a scan is taken."""
    table = catalog.table()
    body = {
        "report-type": "scan-report",
        "table-name": table.name,
        "snapshot-id": 1,
        "filter": {"type": "not-null", "term": "id"},
        "schema-id": 0,
        "projected-field-ids": [1],
        "projected-field-names": ["id"],
        "metrics": {},
        "metadata": {},
    }
    catalog.call("reportMetrics", table.namespace, table.name, body=body).succeeds(204, 200)


def expect_properties(metadata: Json, **wanted: str | None) -> None:
    """Check properties of a table or view; ``None`` stands for one that is not there.

    Raises:
        WrongAnswer: one is another.
    """
    properties = metadata.get("properties") or {}
    found = {key: properties.get(key) for key in wanted}
    if found != wanted:
        raise WrongAnswer(f"the properties are {found}, and should be {wanted}")


def current(metadata: Json, member: str, key: str, which: str) -> Json:
    """The entry of the list ``member`` whose ``key`` is what ``which`` says.

    Raises:
        WrongAnswer: there is none.
    """
    entries: list[Json] = metadata.get(member) or []
    for one in entries:
        if one.get(key) == metadata.get(which):
            return one
    raise WrongAnswer(f"{which} is {metadata.get(which)}, and {member} has no such entry")


def current_schema(metadata: Json) -> Json:
    """The current schema."""
    return current(metadata, "schemas", "schema-id", "current-schema-id")


def _expect_fields(metadata: Json, names: list[str]) -> None:
    fields: list[Any] = [one["name"] for one in current_schema(metadata)["fields"]]
    if fields != names:
        raise WrongAnswer(f"the table has the columns {fields}, and should have {names}")
