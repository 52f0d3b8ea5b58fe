from __future__ import annotations

import pytest
from hypothesis import settings

# The same examples in every run, so that a change alone makes a property fail; a loaded machine is no failure.
settings.register_profile("lakebench", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("lakebench")

# The modules that take longest begin first: else one of two workers ends long before the other.
LONG = ("test_interop", "test_tpch_phase", "test_damage", "test_engines_server", "test_lake_formats", "test_services")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
