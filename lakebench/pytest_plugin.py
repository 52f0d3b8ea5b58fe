"""The pytest plugin: ``pytest --lakebench interop/deletion-vectors`` tests cells of the interoperability matrix.

pytest loads this module at every start where lakebench is installed, so it imports nothing of lakebench until cells are
asked for. ``docs/ci.md`` describes it.
"""

from __future__ import annotations

import pytest

_HELP = (
    "Run cells of lakebench's interoperability matrix as tests: interop/FEATURES, interop/FEATURES/WRITERS or "
    "interop/FEATURES/WRITERS/READERS; lists have commas, * is any text. Can be repeated; each is a run of its own. "
    "Without paths, nothing else is collected."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--lakebench`` and ``--lakebench-options``."""
    group = parser.getgroup("lakebench", "cells of lakebench's interoperability matrix")
    group.addoption("--lakebench", action="append", default=[], metavar="CELLS", help=_HELP)
    group.addoption(
        "--lakebench-options",
        default="",
        metavar="TEXT",
        help="Options for lakebench run that choose no cells, such as '--runtime compose --output runs'.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker of cells; where cells are asked for and no paths, collect no files.

    Raises:
        UsageError: several processes are to run the cells, of which each would start the servers.
    """
    config.addinivalue_line("markers", "lakebench: a cell of lakebench's interoperability matrix")
    if not config.getoption("lakebench"):
        return
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("--lakebench starts servers that all cells share: add -n 0")
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the cells, before ``-k`` and ``-m`` select."""
    if addresses := session.config.getoption("lakebench"):
        from lakebench.testing.cells import collect

        items.extend(collect(session, addresses, session.config.getoption("lakebench_options")))
