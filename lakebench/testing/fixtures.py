"""The fixtures of the tests that need a lake: ``pytest_plugins = ["lakebench.testing.fixtures"]`` brings them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakebench import config
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services


@pytest.fixture(scope="session")
def lakebench_services() -> Iterator[Services]:
    """Services, as ``lakebench.toml`` says; each starts when a test first asks for it, and ends with the session."""
    with Guard("testing") as guard:
        services = Services(config.load(), guard, Quiet())
        yield services
        services.stop()
