"""Names of the package: one class name stands for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "lakebench"


def test_no_class_name_stands_for_two_things() -> None:
    where = defaultdict(list)
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: lines for name, lines in where.items() if len(lines) > 1} == {}
