"""Checks of the configuration, and of lists in pages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.client import DEFAULT_OPERATIONS, Names
from lakebench.phases.rest_catalog.openapi_document import operations
from lakebench.phases.rest_catalog.sandbox import Sandbox

CONFIGURATION, PAGES = Subject("Configuration"), Subject("Lists in pages")
_config, _pages = CONFIGURATION.check, PAGES.check
_MANY, _PAGE = 5, 2
_MOST_PAGES = 500


@_config("config.get", "getConfig")
def is_told(catalog: Sandbox) -> None:
    """The configuration has defaults and overrides."""
    said = catalog.client.config().succeeds().json
    if not all(isinstance(said.get(key), dict) for key in ("defaults", "overrides")):
        raise WrongAnswer("the configuration lacks defaults or overrides")


@_config("config.endpoints_default_set", "getConfig", Level.CAP)
def names_the_default_endpoints(catalog: Sandbox) -> None:
    """The catalog has all endpoints that clients take for granted where it names none."""
    missing = [one for one in sorted(DEFAULT_OPERATIONS) if not catalog.client.configuration.has(one)]
    if missing:
        raise Refused(f"the catalog does not name {', '.join(operations()[one].endpoint for one in missing)}")


@_config("config.endpoints_exist", "getConfig")
def names_operations_that_exist(catalog: Sandbox) -> None:
    """An endpoint that the specification has is named as the specification writes it."""
    known = {one.endpoint for one in operations().values()}
    loose = {_loose(one): one for one in known}
    said = catalog.client.configuration.endpoints or ()
    wrong = [one for one in said if one not in known and _loose(one) in loose]
    if wrong:
        raise WrongAnswer(f"clients compare endpoints as text, and {wrong[0]!r} is {loose[_loose(wrong[0])]!r}")


def _loose(endpoint: str) -> str:
    return endpoint.lower().rstrip("/").replace(" ", "")


@_config("config.unknown_warehouse", "getConfig", Level.CAP)
def knows_its_warehouses(catalog: Sandbox) -> None:
    """A warehouse that does not exist has no configuration."""
    catalog.client.config().needed()
    answer = catalog.client.config(warehouse="no-such-warehouse")
    if answer.succeeded:
        raise Refused("a warehouse that does not exist is given a configuration")
    answer.fails(404, 400)


def _first_page(
    catalog: Sandbox, operation: str, member: str, namespace: Names, query: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The first page of a list that is asked for in small pages.

    Raises:
        Refused: the catalog ignores the size of a page, as it may.
        WrongAnswer: it has another number than it was asked for.
    """
    said: dict[str, Any] = (
        catalog.call(operation, namespace, query={**query, "pageSize": str(_PAGE), "pageToken": ""}).succeeds().json
    )
    if len(said[member]) > _PAGE:
        if said.get("next-page-token"):
            raise WrongAnswer(f"pages of {_PAGE} are asked for, and the first has {len(said[member])}")
        raise Refused("the catalog makes no pages, and sends all at once")
    return said


def _expect_all(
    catalog: Sandbox,
    operation: str,
    member: str,
    namespace: Names,
    wanted: list[Any],
    query: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Check that the pages of a list have each of ``wanted`` once."""
    found: list[Any] = []
    said = _first_page(catalog, operation, member, namespace, query)
    for _ in range(_MOST_PAGES):
        found += said[member]
        token = said.get("next-page-token")
        if not token:
            break
        page = {**query, "pageSize": str(_PAGE), "pageToken": token}
        said = catalog.call(operation, namespace, query=page).succeeds().json
    else:
        raise WrongAnswer(f"the list has no end after {_MOST_PAGES} pages")
    counted = [sum(one == each for one in found) for each in wanted]
    if counted != [1] * len(wanted):
        raise WrongAnswer(f"{len(wanted)} were made, and the pages have them {counted} times")


@_pages("ns.pagination_pageSize", "listNamespaces", Level.CAP)
def pages_of_namespaces_are_small(catalog: Sandbox) -> None:
    """A list of namespaces in pages has no larger ones than were asked for."""
    for _ in range(_PAGE + 1):
        catalog.namespace()
    _first_page(catalog, "listNamespaces", "namespaces", ())


@_pages("ns.pagination_complete", "listNamespaces", Level.CAP)
def pages_of_namespaces_have_all(catalog: Sandbox) -> None:
    """A list of namespaces in pages has all, and each once."""
    parent = catalog.namespace()
    made = [[*parent, str(number)] for number in range(_MANY)]
    if not all(catalog.create_namespace(one).succeeded for one in made):  # it has none below others
        parent, made = (), [list(catalog.namespace()) for _ in range(_MANY)]
    query = {"parent": catalog.client.parent(parent)} if parent else {}
    _expect_all_or_no_pages(catalog, "listNamespaces", "namespaces", (), made, query)


@_pages("tbl.pagination", "listTables", Level.CAP)
def pages_of_tables_have_all(catalog: Sandbox) -> None:
    """A list of tables in pages has all, and each once."""
    namespace = catalog.namespace()
    made = [catalog.table(namespace).identifier for _ in range(_MANY)]
    _expect_all(catalog, "listTables", "identifiers", namespace, made)


@_pages("view.pagination", "listViews", Level.CAP, requires=["createView"])
def pages_of_views_have_all(catalog: Sandbox) -> None:
    """A list of views in pages has all, and each once."""
    namespace = catalog.namespace()
    made = [catalog.view(namespace).identifier for _ in range(_MANY)]
    _expect_all(catalog, "listViews", "identifiers", namespace, made)


def _expect_all_or_no_pages(
    catalog: Sandbox, operation: str, member: str, namespace: Names, wanted: list[Any], query: Mapping[str, str]
) -> None:
    """As :func:`_expect_all`, where there are pages; whether there are is another check."""
    try:
        _first_page(catalog, operation, member, namespace, query)
    except Refused as error:
        raise EngineUnavailable(str(error)) from None
    _expect_all(catalog, operation, member, namespace, wanted, query)
