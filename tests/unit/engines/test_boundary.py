"""An exception of an engine's own functions is the engine's; one that an adapter raises elsewhere is our fault."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lakebench

ROOT = Path(lakebench.__file__).parent
# What runs in a process of the engine's own, where every exception becomes the engine's.
ELSEWHERE = {"tasks.py", "session.py", "gateway.py"}
ADAPTERS = sorted(
    path
    for path in (ROOT / "engines").rglob("*.py")
    if path.name not in {"boundary.py", "__init__.py", *ELSEWHERE} and "reference" not in path.parts
)
TEMPLATE = ROOT.parent / "examples" / "engine-template" / "lakebench_template" / "engine.py"
# Arrow and sqlglot are what an adapter computes with.
TOOLS = {"lakebench", "pyarrow", "sqlglot", *sys.stdlib_module_names}
HARMLESS = {"items", "to_batches", "empty_table", "column"}  # of a dict, or of Arrow
PLAIN = {"rows", "columns"}  # Python's own values
ENGINES_OWN = {"_connection", "_session", "_context", "_catalog", "_duckdb"}
CALLS = re.compile(r"^(engine_call|(self\._)?_?call|self\._(table|run|connect|cursor))(\.\w+)?$")
# Our own errors, a look-up of ours, and Arrow's when it does not hold a value.
CAUGHT = {
    "LakebenchError",
    "Refused",
    "CommitConflict",
    "KeyError",
    "PackageNotFoundError",
    "pa.ArrowInvalid",
    "OverflowError",
    "sqlglot.errors.SqlglotError",
}


def _caught(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            yield from ("everything" if kind is None else ast.unparse(kind) for kind in kinds)


def _of_engine(tree: ast.AST) -> set[str]:
    """Names that are imported from a package of an engine's, or hold the result of a call of it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] not in TOOLS:
            names |= {one.asname or one.name for one in node.names}
        elif isinstance(node, ast.Import):
            names |= {one.name.partition(".")[0] for one in node.names if one.name.partition(".")[0] not in TOOLS}
        elif isinstance(node, ast.Assign) and _is_call(node.value):
            names |= {one.id for one in node.targets if isinstance(one, ast.Name)} - PLAIN
        elif (
            isinstance(node, ast.withitem) and _is_call(node.context_expr) and isinstance(node.optional_vars, ast.Name)
        ):
            names.add(node.optional_vars.id)
    return names


def _is_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and (CALLS.search(ast.unparse(node.func)) is not None)


def _root(function: ast.expr) -> ast.expr:
    """What a chain of attributes, calls and look-ups begins with; an attribute of ``self`` is a beginning."""
    while isinstance(function, ast.Attribute | ast.Call | ast.Subscript):
        if isinstance(function, ast.Attribute) and ast.unparse(function.value) == "self":
            break
        function = function.func if isinstance(function, ast.Call) else function.value
    return function


def _direct(tree: ast.Module) -> Iterator[str]:
    """The calls of an engine's functions that the adapter makes directly."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inner = {
        id(one) for node in functions for one in ast.walk(node) if isinstance(one, ast.FunctionDef) and one is not node
    }
    for function in functions:
        if id(function) in inner:
            continue
        names = _of_engine(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and not _is_call(node) and _is_engines(node.func, names):
                yield f"{node.lineno}: {ast.unparse(node)[:80]}"


def _is_engines(function: ast.expr, names: set[str]) -> bool:
    root = _root(function)
    if isinstance(function, ast.Attribute) and function.attr in HARMLESS:
        return False
    mine = isinstance(root, ast.Attribute) and root.attr in ENGINES_OWN and root is not function
    return mine or (isinstance(root, ast.Name) and root.id in names)


@pytest.mark.parametrize("path", [*ADAPTERS, TEMPLATE], ids=lambda path: str(path.relative_to(ROOT.parent)))
def test_an_engine_is_called_at_the_boundary_alone(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert set(_caught(tree)) <= CAUGHT
    assert list(_direct(tree)) == []
