"""Checks of the form of answers: each operation's against the schema that the OpenAPI document has of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.model import OAuth2
from lakebench.phases.rest_catalog.checks import Subject
from lakebench.phases.rest_catalog.exchange import Exchange
from lakebench.phases.rest_catalog.openapi_document import violations
from lakebench.phases.rest_catalog.sandbox import Sandbox, set_properties
from lakebench.phases.rest_catalog.tables import ORDER, SPEC

ANSWER_FORMS = Subject("Form of answers")
Asks = Callable[[Sandbox], Exchange]


def check_form(answer: Exchange) -> None:
    """Check the answer's body against the schema that its operation has for its status.

    Raises:
        WrongAnswer: the schema does not allow it.
    """
    found = violations(answer.operation, answer.status, answer.json)
    if found:
        raise WrongAnswer(f"the answer of {answer.named} with {answer.status} is not of its schema: {'; '.join(found)}")


def _full_table(catalog: Sandbox) -> Exchange:
    """A load of a table that has all there is: a spec, an order, properties and a snapshot."""
    table = catalog.table(partition_spec=SPEC, write_order=ORDER, properties={"owner": "lakebench"})
    catalog.append(table, table.metadata, 11).needed()
    return catalog.call("loadTable", table.namespace, table.name)


def _listed_tables(catalog: Sandbox) -> Exchange:
    return catalog.call("listTables", catalog.table().namespace)


def _listed_views(catalog: Sandbox) -> Exchange:
    return catalog.call("listViews", catalog.view().namespace)


def _loaded_view(catalog: Sandbox) -> Exchange:
    view = catalog.view()
    return catalog.call("loadView", view.namespace, view.name)


def _updated(catalog: Sandbox) -> Exchange:
    body = {"removals": ["absent"], "updates": {"new": "1"}}
    return catalog.call("updateProperties", catalog.namespace(), body=body)


def _token(catalog: Sandbox) -> Exchange:
    login = catalog.catalog.authentication
    assert isinstance(login, OAuth2)  # noqa: S101 - only such a catalog has the check
    return catalog.client.get_token(login)


_SUCCEEDS: Mapping[str, Asks] = {
    "getConfig": lambda catalog: catalog.client.config(),
    "listNamespaces": lambda catalog: catalog.call("listNamespaces"),
    "createNamespace": lambda catalog: catalog.create_namespace((catalog.name(),), {"owner": "lakebench"}),
    "loadNamespaceMetadata": lambda catalog: catalog.call("loadNamespaceMetadata", catalog.namespace({"owner": "1"})),
    "updateProperties": _updated,
    "createTable": lambda catalog: catalog.create_table(catalog.namespace(), catalog.name(), partition_spec=SPEC),
    "loadTable": _full_table,
    "listTables": _listed_tables,
    "updateTable": lambda catalog: catalog.commit(catalog.table(), set_properties(one="1")),
    "createView": lambda catalog: catalog.create_view(catalog.namespace(), catalog.name()),
    "loadView": _loaded_view,
    "listViews": _listed_views,
}
"""Operation → a request that succeeds."""
_FAILS: Mapping[str, Asks] = {
    "loadNamespaceMetadata": lambda catalog: catalog.call("loadNamespaceMetadata", (catalog.name(),)),
    "createNamespace": lambda catalog: catalog.create_namespace(catalog.namespace()),
    "loadTable": lambda catalog: catalog.call("loadTable", catalog.namespace(), catalog.name()),
    "updateTable": lambda catalog: catalog.commit(
        catalog.table(), set_properties(one="1"), requirements=[{"type": "assert-create"}]
    ),
    "loadView": lambda catalog: catalog.call("loadView", catalog.namespace(), catalog.name()),
}
"""Operation → a request that is declined."""


def _answers_in_form(asks: Asks, catalog: Sandbox) -> None:
    check_form(asks(catalog).needed())


def _fails_in_form(asks: Asks, catalog: Sandbox) -> None:
    answer = asks(catalog)
    if answer.succeeded:
        raise EngineUnavailable(f"this check needs a request that is declined, and {answer.named} succeeded")
    check_form(answer)


for _operation, _asks in _SUCCEEDS.items():
    _one = partial(_answers_in_form, _asks)
    _one.__doc__ = f"The answer of {_operation} is of its schema."
    ANSWER_FORMS.check(f"schema.{_operation}", _operation)(_one)
for _operation, _asks in _FAILS.items():
    _one = partial(_fails_in_form, _asks)
    _one.__doc__ = f"The error of {_operation} is of its schema."
    ANSWER_FORMS.check(f"schema.{_operation}_error", _operation)(_one)


@ANSWER_FORMS.check("schema.getToken", "getToken", logins=[OAuth2])
def gives_a_token_in_form(catalog: Sandbox) -> None:
    """The answer of getToken is of its schema."""
    check_form(_token(catalog).needed())
