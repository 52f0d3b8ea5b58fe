"""Checks of namespaces."""

from __future__ import annotations

from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.client import Names
from lakebench.phases.rest_catalog.sandbox import Sandbox

NAMESPACES = Subject("Namespaces")
_check = NAMESPACES.check
EXISTS = "AlreadyExistsException"
NO_NAMESPACE = "NoSuchNamespaceException"
_NOT_EMPTY = "NamespaceNotEmptyException"


def _missing(catalog: Sandbox) -> Names:
    return (f"{catalog.name()}_missing",)


@_check("ns.create", "createNamespace")
def creates(catalog: Sandbox) -> None:
    """A namespace is created, and the answer names it."""
    names = (catalog.name(),)
    answer = catalog.create_namespace(names).succeeds()
    if tuple(answer.json.get("namespace", ())) != names:
        raise WrongAnswer(f"the answer names {answer.json.get('namespace')}, and {list(names)} was created")


@_check("ns.create_dup_409", "createNamespace")
def creates_once(catalog: Sandbox) -> None:
    """A namespace that is there is not created again."""
    names = catalog.namespace()
    catalog.create_namespace(names).fails(409, kind=EXISTS)


@_check("ns.create_bad_400", "createNamespace")
def declines_a_bad_body(catalog: Sandbox) -> None:
    """A body without a namespace is a bad request."""
    catalog.call("createNamespace", body={"properties": {}}).fails(400)


@_check("ns.get", "loadNamespaceMetadata")
def loads(catalog: Sandbox) -> None:
    """A namespace is loaded."""
    names = catalog.namespace()
    answer = catalog.call("loadNamespaceMetadata", names).succeeds()
    if tuple(answer.json.get("namespace", ())) != names:
        raise WrongAnswer(f"the answer names {answer.json.get('namespace')}, and {list(names)} was asked for")


@_check("ns.get_properties_persisted", "loadNamespaceMetadata", Level.CAP)
def keeps_properties(catalog: Sandbox) -> None:
    """Properties that a namespace is created with are kept."""
    names = catalog.namespace({"owner": "lakebench"})
    _expect_property(catalog, names, "owner", "lakebench")


@_check("ns.get_404", "loadNamespaceMetadata")
def loads_no_missing_one(catalog: Sandbox) -> None:
    """A missing namespace is not loaded."""
    catalog.call("loadNamespaceMetadata", _missing(catalog)).fails(404, kind=NO_NAMESPACE)


@_check("ns.head_204", "namespaceExists")
def exists(catalog: Sandbox) -> None:
    """A namespace exists."""
    catalog.call("namespaceExists", catalog.namespace()).succeeds(204, 200)


@_check("ns.head_404", "namespaceExists")
def does_not_exist(catalog: Sandbox) -> None:
    """A missing namespace does not exist."""
    catalog.call("namespaceExists", _missing(catalog)).fails(404)


@_check("ns.list_contains", "listNamespaces")
def is_listed(catalog: Sandbox) -> None:
    """A namespace is listed."""
    names = catalog.namespace()
    if list(names) not in listed_namespaces(catalog):
        raise WrongAnswer(f"{list(names)} is there, and is not among the namespaces that are listed")


@_check("ns.list_parent_404", "listNamespaces")
def lists_nothing_below_a_missing_one(catalog: Sandbox) -> None:
    """The namespaces below a missing one are not listed."""
    query = {"parent": catalog.client.parent(_missing(catalog))}
    catalog.call("listNamespaces", query=query).fails(404, kind=NO_NAMESPACE)


@_check("ns.nested_create", "createNamespace", Level.CAP)
def creates_a_nested_one(catalog: Sandbox) -> None:
    """A namespace below another is created, or declined in order."""
    parent = catalog.namespace()
    answer = catalog.create_namespace((*parent, "inner"))
    if answer.status not in {200, 400, 406}:
        answer.succeeds()


def _nested(catalog: Sandbox) -> Names:
    """A namespace below another."""
    names = (*catalog.namespace(), "inner")
    answer = catalog.create_namespace(names)
    if not answer.succeeded:
        raise EngineUnavailable(f"the catalog has no namespaces below others: it answers {answer.said}")
    return names


@_check("ns.nested_get", "loadNamespaceMetadata", Level.CAP)
def loads_a_nested_one(catalog: Sandbox) -> None:
    """A namespace below another is loaded."""
    names = _nested(catalog)
    answer = catalog.call("loadNamespaceMetadata", names).succeeds()
    if tuple(answer.json.get("namespace", ())) != names:
        raise WrongAnswer(f"the answer names {answer.json.get('namespace')}, and {list(names)} was asked for")


@_check("ns.nested_list", "listNamespaces", Level.CAP)
def lists_a_nested_one(catalog: Sandbox) -> None:
    """A namespace below another is listed there, and not at the top."""
    names = _nested(catalog)
    below = catalog.call("listNamespaces", query={"parent": catalog.client.parent(names[:1])}).succeeds()
    if below.json["namespaces"] != [list(names)]:
        raise WrongAnswer(f"{list(names)} is there, and {below.json['namespaces']} is listed below its parent")
    if list(names) in listed_namespaces(catalog):
        raise WrongAnswer(f"{list(names)} is listed at the top")


@_check("ns.nested_drop", "dropNamespace", Level.CAP)
def drops_a_nested_one(catalog: Sandbox) -> None:
    """A namespace below another is dropped."""
    catalog.call("dropNamespace", _nested(catalog)).succeeds(204, 200)


@_check("ns.props_update", "updateProperties")
def updates_properties(catalog: Sandbox) -> None:
    """Properties of a namespace are set and removed, and the answer says which."""
    names = catalog.namespace({"old": "1"})
    body = {"removals": ["old", "absent"], "updates": {"new": "2"}}
    said = catalog.call("updateProperties", names, body=body).succeeds().json
    wanted = {"updated": ["new"], "removed": ["old"]}
    if {key: said.get(key) for key in wanted} != wanted:
        raise WrongAnswer(f"the answer is {said}, and should have {wanted}")
    _expect_property(catalog, names, "new", "2")
    _expect_property(catalog, names, "old", None)


@_check("ns.props_remove_last", "updateProperties")
def removes_the_last_property(catalog: Sandbox) -> None:
    """The last property of a namespace is removed."""
    names = catalog.namespace({"only": "1"})
    catalog.call("updateProperties", names, body={"removals": ["only"], "updates": {}}).succeeds()
    _expect_property(catalog, names, "only", None)


@_check("ns.props_conflict_422", "updateProperties")
def declines_a_property_twice(catalog: Sandbox) -> None:
    """A property is not set and removed at once."""
    body = {"removals": ["same"], "updates": {"same": "1"}}
    catalog.call("updateProperties", catalog.namespace(), body=body).fails(422)


@_check("ns.props_404", "updateProperties")
def updates_no_missing_one(catalog: Sandbox) -> None:
    """Properties of a missing namespace are not set."""
    body = {"removals": [], "updates": {"new": "1"}}
    catalog.call("updateProperties", _missing(catalog), body=body).fails(404, kind=NO_NAMESPACE)


@_check("ns.drop_nonempty_409", "dropNamespace")
def drops_no_full_one(catalog: Sandbox) -> None:
    """A namespace with a table is not dropped."""
    table = catalog.table()
    catalog.call("dropNamespace", table.namespace).fails(409, kind=_NOT_EMPTY)


@_check("ns.still_there_after_failed_drop", "loadNamespaceMetadata", requires=["dropNamespace"])
def stays_where_a_drop_failed(catalog: Sandbox) -> None:
    """After a failed drop, the namespace and its table are still there."""
    table = catalog.table()
    if catalog.call("dropNamespace", table.namespace).succeeded:
        raise EngineUnavailable("this check needs a drop that fails, and it succeeded")
    catalog.call("loadNamespaceMetadata", table.namespace).succeeds()
    catalog.load(table)


@_check("ns.drop_204", "dropNamespace")
def drops(catalog: Sandbox) -> None:
    """A namespace is dropped, and gone."""
    names = catalog.namespace()
    catalog.call("dropNamespace", names).succeeds(204, 200)
    if list(names) in listed_namespaces(catalog):
        raise WrongAnswer(f"{list(names)} was dropped, and is listed")


@_check("ns.drop_404", "dropNamespace")
def drops_no_missing_one(catalog: Sandbox) -> None:
    """A missing namespace is not dropped."""
    catalog.call("dropNamespace", _missing(catalog)).fails(404, kind=NO_NAMESPACE)


def listed_namespaces(catalog: Sandbox, parent: Names = ()) -> list[list[str]]:
    """Every namespace at the top, or right below ``parent``, by as many pages as there are."""
    query = {"parent": catalog.client.parent(parent)} if parent else {}
    return catalog.listed("listNamespaces", "namespaces", query=query)


def _expect_property(catalog: Sandbox, names: Names, key: str, value: str | None) -> None:
    said = catalog.call("loadNamespaceMetadata", names).succeeds().json.get("properties") or {}
    if said.get(key) != value:
        raise WrongAnswer(f"the property {key} of the namespace is {said.get(key)!r}, and should be {value!r}")
