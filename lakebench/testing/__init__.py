"""Base tests of an engine adapter: a class that inherits them, with its engine as an attribute, has them all.

They need pytest, and nothing else beside what lakebench itself needs. :class:`AdapterTests` and :class:`WayTests` start
nothing; the others, one for each ability, run against a real lake that the fixtures of ``lakebench.testing.fixtures``
start. ``docs/adding-an-engine.md`` has an example.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("lakebench.testing.adapters", "lakebench.testing.lakes")

from lakebench.testing.adapters import AdapterTests, Way, WayTests  # noqa: E402 - asserts are rewritten on import
from lakebench.testing.lakes import (  # noqa: E402 - likewise
    AddFilesTests,
    AppendTests,
    CreateTests,
    DistributeTests,
    ExecuteTests,
    LoadTests,
    OperateTests,
    QueryTests,
    RegisterTests,
    ScanTests,
)

__all__ = [
    "AdapterTests",
    "AddFilesTests",
    "AppendTests",
    "CreateTests",
    "DistributeTests",
    "ExecuteTests",
    "LoadTests",
    "OperateTests",
    "QueryTests",
    "RegisterTests",
    "ScanTests",
    "Way",
    "WayTests",
]
