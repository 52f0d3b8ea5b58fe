"""Checks of views."""

from __future__ import annotations

from lakebench.errors import WrongAnswer
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.exchange import Exchange
from lakebench.phases.rest_catalog.namespaces import EXISTS
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Json, Sandbox, view_version
from lakebench.phases.rest_catalog.tables import current, expect_properties

VIEWS = Subject("Views")
_check = VIEWS.check
_NO_VIEW = "NoSuchViewException"
_OTHER = "SELECT 2 AS id"


def _sql(metadata: Json) -> str:
    """The SQL of the current version."""
    version = current(metadata, "versions", "version-id", "current-version-id")
    return str(version["representations"][0]["sql"])


def _load(catalog: Sandbox, view: CreatedTable) -> Json:
    metadata: Json = catalog.call("loadView", view.namespace, view.name).succeeds().json["metadata"]
    return metadata


def _replace(catalog: Sandbox, view: CreatedTable, uuid: str) -> Exchange:
    updates = [
        {"action": "add-view-version", "view-version": view_version(2, _OTHER, view.namespace)},
        {"action": "set-current-view-version", "view-version-id": -1},
    ]
    body = {
        "identifier": view.identifier,
        "requirements": [{"type": "assert-view-uuid", "uuid": uuid}],
        "updates": updates,
    }
    return catalog.call("replaceView", view.namespace, view.name, body=body)


@_check("view.create_200", "createView")
def creates(catalog: Sandbox) -> None:
    """A view is created, and the answer has its SQL."""
    namespace = catalog.namespace()
    said = catalog.create_view(namespace, catalog.name()).succeeds().json["metadata"]
    if _sql(said) != "SELECT 1 AS id":
        raise WrongAnswer(f"the view has the SQL {_sql(said)}")


@_check("view.create_dup_409", "createView")
def creates_once(catalog: Sandbox) -> None:
    """A view that is there is not created again."""
    view = catalog.view()
    catalog.create_view(view.namespace, view.name).fails(409, kind=EXISTS)


@_check("view.name_taken_by_table_409", "createView", requires=["createTable"])
def does_not_replace_a_table(catalog: Sandbox) -> None:
    """A view is not created where a table is."""
    table = catalog.table()
    catalog.create_view(table.namespace, table.name).fails(409, kind=EXISTS)


@_check("view.load", "loadView")
def loads(catalog: Sandbox) -> None:
    """A view is loaded as it was created."""
    view = catalog.view()
    said = _load(catalog, view)
    if said["view-uuid"] != view.metadata["view-uuid"] or _sql(said) != "SELECT 1 AS id":
        raise WrongAnswer("the view has another uuid or SQL than it was created with")


@_check("view.load_404", "loadView")
def loads_no_missing_one(catalog: Sandbox) -> None:
    """A missing view is not loaded."""
    catalog.call("loadView", catalog.namespace(), catalog.name()).fails(404, kind=_NO_VIEW)


@_check("view.load_properties", "loadView", Level.CAP)
def keeps_properties(catalog: Sandbox) -> None:
    """The properties that a view is created with are kept."""
    namespace, name = catalog.namespace(), catalog.name()
    made = catalog.create_view(namespace, name, properties={"owner": "lakebench"}).needed()
    expect_properties(_load(catalog, CreatedTable(namespace, name, made)), owner="lakebench")


@_check("view.list", "listViews")
def is_listed(catalog: Sandbox) -> None:
    """The views of a namespace are listed."""
    view = catalog.view()
    names = [one["name"] for one in catalog.listed("listViews", "identifiers", view.namespace)]
    if names != [view.name]:
        raise WrongAnswer(f"the view is {view.name}, and {names} are listed")


@_check("view.head_204", "viewExists")
def exists(catalog: Sandbox) -> None:
    """A view exists."""
    view = catalog.view()
    catalog.call("viewExists", view.namespace, view.name).succeeds(204, 200)


@_check("view.head_404", "viewExists")
def does_not_exist(catalog: Sandbox) -> None:
    """A missing view does not exist."""
    catalog.call("viewExists", catalog.namespace(), catalog.name()).fails(404)


@_check("view.replace_200", "replaceView")
def replaces(catalog: Sandbox) -> None:
    """A view gets another version, and keeps its uuid."""
    view = catalog.view()
    _replace(catalog, view, view.metadata["view-uuid"]).succeeds()
    said = _load(catalog, view)
    if _sql(said) != _OTHER:
        raise WrongAnswer(f"the view was replaced, and has the SQL {_sql(said)}")
    if said["view-uuid"] != view.metadata["view-uuid"]:
        raise WrongAnswer("the view was replaced, and has another uuid")


@_check("view.replace_uuid_409", "replaceView")
def holds_assert_view_uuid(catalog: Sandbox) -> None:
    """A view with another uuid is not replaced (assert-view-uuid)."""
    view = catalog.view()
    _replace(catalog, view, "00000000-0000-4000-8000-000000000000").fails(409, kind="CommitFailedException")


@_check("view.rename_204", "renameView")
def renames(catalog: Sandbox) -> None:
    """A view is renamed, and is there by its new name."""
    view, name = catalog.view(), catalog.name()
    catalog.rename("renameView", view, view.namespace, name).succeeds(204, 200)
    _load(catalog, CreatedTable(view.namespace, name, view.made))


@_check("view.drop", "dropView")
def drops(catalog: Sandbox) -> None:
    """A view is dropped, and gone."""
    view = catalog.view()
    catalog.call("dropView", view.namespace, view.name).succeeds(204, 200)
    if catalog.listed("listViews", "identifiers", view.namespace):
        raise WrongAnswer("the view was dropped, and is listed")


@_check("view.drop_404", "dropView")
def drops_no_missing_one(catalog: Sandbox) -> None:
    """A missing view is not dropped."""
    catalog.call("dropView", catalog.namespace(), catalog.name()).fails(404, kind=_NO_VIEW)
