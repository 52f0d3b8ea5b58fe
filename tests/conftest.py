from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from started import QUICK, lakebench, link_cache, quick_servers
from xdist.scheduler import LoadFileScheduling

from lakebench.commands import up
from lakebench.config import Settings

pytest_plugins = ["lakebench.testing.fixtures"]

# The same examples in every run, so that a change alone makes a property fail; a loaded machine is no failure.
settings.register_profile("lakebench", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("lakebench")

# The modules that take longest begin first: else one worker ends long after the others.
LONG = ("test_interop", "test_tpch_phase", "test_damage", "test_engines_server", "test_lake_formats", "test_services")
# The modules that ask for `lakebench_services` are one process's work, which starts the servers once.
SHARING = {
    f"tests/integration/{name}.py"
    for name in (
        "test_adapters",
        "test_damage",
        "test_engines_inprocess",
        "test_engines_server",
        "test_lake_formats",
        "test_operations_inprocess",
        "test_operations_server",
        "test_pg_lake_adapter",
    )
}


@pytest.fixture(scope="session")
def lakebench_settings() -> Settings:
    """Servers that start fast."""
    return QUICK


@pytest.fixture(scope="session")
def lake_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A store and a catalog that ``lakebench up`` started; the variables with which ``--use-up`` finds them."""
    folder = tmp_path_factory.mktemp("up")
    cache = folder / "cache"
    cache.mkdir()
    link_cache(cache)
    quick_servers(folder)
    variables = {"LAKEBENCH_CACHE": str(cache)}
    started = lakebench("up", "rest-catalog", cwd=folder, **variables)
    assert started.returncode == 0, started.stderr
    yield variables
    assert lakebench("down", cwd=folder, **variables).returncode == 0


@pytest.fixture(scope="session")
def settings_up(lake_up: dict[str, str]) -> Settings:
    """The settings of a run in this process that uses what is up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEBENCH_CACHE", lake_up["LAKEBENCH_CACHE"])
        return up.settings(Settings())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
    root = Path(__file__).parents[1]
    asking = {item.path for item in items if "lakebench_services" in getattr(item, "fixturenames", ())}
    assert {path.relative_to(root).as_posix() for path in asking} <= SHARING


class ByServers(LoadFileScheduling):
    """A module at a time, and the modules that share servers as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        module: str = super()._split_scope(nodeid)
        return "lakebench_services" if module in SHARING else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return ByServers(config, log) if config.getvalue("dist") == "loadfile" else None
