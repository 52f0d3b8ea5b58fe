"""The browser of a module, as each of its tests finds it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from webdriver import Browser


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def browser(window: Browser) -> Browser:
    window.size(1280)
    window.media()
    window.console()
    window.requests()
    return window
