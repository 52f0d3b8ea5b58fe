"""Checks of hostile names, through all operations, beside an object that must not be touched."""

from __future__ import annotations

from functools import partial

from lakebench.errors import Refused, WrongAnswer
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.client import Names
from lakebench.phases.rest_catalog.namespaces import listed_namespaces
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Json, Sandbox, set_properties
from lakebench.phases.rest_catalog.tables import expect_properties

NAMES = Subject("Hostile names")
HOSTILE = {
    "star": "*",
    "prefix-star": "f*",
    "slash": "foo/bar",
    "dot": "foo.bar",
    "dots": "..",
    "encoded-slash": "foo%2Fbar",
    "percent": "100%",
    "blank": "foo bar",
    "plus": "foo+bar",
    "quotes": 'it\'s "foo"',
    "question": "foo?bar#1",
    "backslash": "foo\\bar",
    "capital": "Foo",
    "accent": "Größe 東京",
    "underscore-like": "f_o",
}
"""Slug → name. Beside each stands an object called ``foo``, which a pattern or a prefix would reach too."""
_BESIDE = "foo"
_DECLINED = frozenset({400, 404, 405, 406, 414, 501})


def _declined(status: int) -> bool:
    """Whether a catalog with this status says that it has no such names, as it may."""
    return status in _DECLINED


def _table(name: str, catalog: Sandbox) -> None:
    """Every operation of a table called ``name``."""
    namespace = catalog.namespace()
    beside = catalog.table(namespace, _BESIDE)
    answer = catalog.create_table(namespace, name)
    if _declined(answer.status):
        raise Refused(f"the catalog has no table called {name!r}: {answer.said}")
    table = CreatedTable(namespace, name, answer.succeeds())
    _expect_tables(catalog, namespace, [_BESIDE, name])
    if catalog.load(table)["table-uuid"] != table.metadata["table-uuid"]:
        raise WrongAnswer(f"{name!r} is loaded, and another table comes")
    catalog.commit(table, set_properties(named="1")).succeeds()
    expect_properties(catalog.load(table), named="1")
    _expect_untouched(catalog, beside)
    if catalog.client.configuration.has("renameTable"):
        moved = _renamed(catalog, table, catalog.name())
        _renamed(catalog, moved, name)
    _expect_tables(catalog, namespace, [_BESIDE, name])
    catalog.call("dropTable", namespace, name).succeeds(204, 200)
    _expect_tables(catalog, namespace, [_BESIDE])
    _expect_untouched(catalog, beside)


def _renamed(catalog: Sandbox, table: CreatedTable, name: str) -> CreatedTable:
    catalog.rename("renameTable", table, table.namespace, name).succeeds(204, 200)
    new = CreatedTable(table.namespace, name, table.made)
    if catalog.load(new)["table-uuid"] != table.metadata["table-uuid"]:
        raise WrongAnswer(f"{table.name!r} was renamed to {name!r}, and another table comes")
    return new


def _namespace(name: str, catalog: Sandbox) -> None:
    """Every operation of a namespace called ``name``, with a table in it."""
    names, beside_names = (f"{catalog.mark}{name}",), (f"{catalog.mark}{_BESIDE}",)
    catalog.create_namespace(beside_names).needed()
    beside = catalog.table(beside_names, "same")
    answer = catalog.create_namespace(names)
    if _declined(answer.status):
        raise Refused(f"the catalog has no namespace called {names[0]!r}: {answer.said}")
    answer.succeeds()
    if list(names) not in listed_namespaces(catalog):
        raise WrongAnswer(f"{names[0]!r} was created, and is not listed")
    if tuple(catalog.call("loadNamespaceMetadata", names).succeeds().json["namespace"]) != names:
        raise WrongAnswer(f"{names[0]!r} is loaded, and another namespace comes")
    table = CreatedTable(names, "same", catalog.create_table(names, "same").succeeds())
    if catalog.load(table)["table-uuid"] == beside.metadata["table-uuid"]:
        raise WrongAnswer(f"a table in {names[0]!r} is loaded, and that of {beside_names[0]!r} comes")
    catalog.commit(table, set_properties(named="1")).succeeds()
    _expect_untouched(catalog, beside)
    catalog.call("dropTable", names, "same").succeeds(204, 200)
    catalog.call("dropNamespace", names).succeeds(204, 200)
    _expect_untouched(catalog, beside)


def _expect_tables(catalog: Sandbox, namespace: Names, names: list[str]) -> None:
    found = sorted(catalog.table_names(namespace))
    if found != sorted(names):
        raise WrongAnswer(f"the namespace has the tables {sorted(names)}, and {found} are listed")


def _expect_untouched(catalog: Sandbox, beside: CreatedTable) -> Json:
    """Check that the table beside is as it was made."""
    said = catalog.load(beside)
    if said["table-uuid"] != beside.metadata["table-uuid"]:
        raise WrongAnswer(f"the table beside, {beside.name!r}, is another one than before")
    expect_properties(said, named=None)
    return said


for _slug, _name in HOSTILE.items():
    for _what, _test in (("table", _table), ("namespace", _namespace)):
        _one = partial(_test, _name)
        _one.__doc__ = f"A {_what} called {_name!r} is kept apart from {_BESIDE!r}, through all operations."
        NAMES.check(f"name.{_what}_{_slug}", "createTable" if _test is _table else "createNamespace", Level.CAP)(_one)


@NAMES.check("name.case_twins", "createTable")
def tells_case_twins_apart(catalog: Sandbox) -> None:
    """Of two tables whose names differ in case, each is itself, or the second is declined."""
    namespace = catalog.namespace()
    upper = catalog.table(namespace, "Twin")
    answer = catalog.create_table(namespace, "twin")
    if not answer.succeeded:
        answer.fails(400, 409)
        return
    lower = CreatedTable(namespace, "twin", answer)
    catalog.commit(lower, set_properties(named="1")).succeeds()
    _expect_untouched(catalog, upper)
    catalog.call("dropTable", namespace, "twin").succeeds(204, 200)
    _expect_untouched(catalog, upper)


@NAMES.check("name.prefix_twins", "dropTable")
def tells_prefix_twins_apart(catalog: Sandbox) -> None:
    """A table is dropped, and those whose names begin alike are untouched."""
    namespace = catalog.namespace()
    beside = [catalog.table(namespace, one) for one in ("foo_", "foobar", "foo1")]
    catalog.table(namespace, "foo")
    catalog.call("dropTable", namespace, "foo", query={"purgeRequested": "true"}).succeeds(204, 200, 202)
    for one in beside:
        _expect_untouched(catalog, one)
