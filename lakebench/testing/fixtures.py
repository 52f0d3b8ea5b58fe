"""The fixtures of the tests that need a lake: ``pytest_plugins = ["lakebench.testing.fixtures"]`` brings them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lakebench import config
from lakebench.config import Settings
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services


@pytest.fixture(scope="session")
def lakebench_settings() -> Settings:
    """The settings of ``lakebench_services``: those of ``lakebench.toml``. Override it for others."""
    return config.load()


@pytest.fixture(scope="session")
def lakebench_services(lakebench_settings: Settings) -> Iterator[Services]:
    """Services with ``lakebench_settings``; each starts when a test first asks for it, and ends with the session."""
    with Guard("testing") as guard:
        services = Services(lakebench_settings, guard, Quiet())
        yield services
        services.stop()
