"""The option of ``hot_paths.py``."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--part``: what part of their whole size the inputs have."""
    parser.addoption("--part", type=float, default=1.0, help="Part of the inputs' whole size, above 0 and up to 1.")


@pytest.fixture(scope="session")
def part(request: pytest.FixtureRequest) -> float:
    """Part of the whole size of the inputs."""
    return float(request.config.getoption("--part"))
