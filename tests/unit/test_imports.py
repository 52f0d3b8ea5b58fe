"""Which parts of lakebench may import which: dependencies point one way, and there is no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import lakebench

ROOT = Path(lakebench.__file__).parent
ORDER = (
    "outcomes", "errors", "model", "prices", "http", "private_network", "progress", "paths", "inputs", "iceberg",
    "engines", "config", "processes", "provisioning", "results", "services", "datasets", "verification", "execution",
    "table_check", "phases", "harness", "reports", "phase_reports", "commands", "cli", "testing", "pytest_plugin",
)  # fmt: skip
"""The parts from the bottom to the top: each imports only itself and those before it.

What a phase says in the report (``phases/*/report*.py``) is above reports, which load it by the phase's entry point.
"""
APART = {"__init__", "__main__"}


def _name(file: Path) -> str:
    parts = ("lakebench", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(file): file for file in ROOT.rglob("*.py")}


def _imported(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that is imported: at load time, in functions, and for types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for one in node.names:
                full = f"{node.module}.{one.name}"
                yield full if full in MODULES else node.module


IMPORTS = {
    name: {one for one in _imported(ast.parse(file.read_text(encoding="utf-8"))) if one in MODULES} - {name}
    for name, file in MODULES.items()
}


def _part(module: str) -> str:
    parts = module.split(".")[1:] or ["__init__"]
    return "phase_reports" if parts[0] == "phases" and parts[-1].startswith("report") else parts[0]


def test_the_order_names_every_part() -> None:
    assert {_part(one) for one in MODULES} - APART == set(ORDER)


@pytest.mark.parametrize("part", ORDER)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    rank = {one: number for number, one in enumerate(ORDER)}
    upward = sorted(
        f"{name} imports {one}"
        for name, imported in IMPORTS.items()
        for one in imported
        if _part(name) == part and rank.get(_part(one), -1) > rank[part]
    )
    assert upward == []


def test_there_is_no_circle() -> None:
    try:
        order = list(TopologicalSorter(IMPORTS).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
    assert set(order) == set(MODULES)


def test_no_engine_imports_another() -> None:
    folders = {one.parent.name for one in (ROOT / "engines").glob("*/engine.py")}
    assert len(folders) > 5
    crossed = sorted(
        f"{name} imports {one}"
        for name, imported in IMPORTS.items()
        for one in imported
        if (parts := name.split("."))[1:2] == ["engines"]
        and (others := one.split("."))[1:2] == ["engines"]
        and len(others) > 3
        and parts[2] in folders
        and others[2] != parts[2]
    )
    assert crossed == []


def test_no_phase_names_the_class_of_an_engine() -> None:
    named = sorted(
        f"{name} imports {one}"
        for name, imported in IMPORTS.items()
        for one in imported
        if _part(name) in {"phases", "execution", "harness"}
        and one.startswith("lakebench.engines.")
        and one.endswith(".engine")
    )
    assert named == []
