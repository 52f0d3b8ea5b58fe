from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import DockerEngine, java_image, lacking, postgres_image
from started import eventually


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """An engine with the images of Java 21 and 25, Spark and PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="lakebench-docker-"))  # short: the path of a socket has at most 107 bytes
    engine = DockerEngine(folder)
    try:
        engine.start()
        for service in ("nessie", "trino", "spark"):
            java_image(engine, service)
        postgres_image(engine)
        yield engine
    finally:
        engine.stop()
        engine.unmount()
        shutil.rmtree(folder)


@pytest.fixture
def engine(docker_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerEngine]:
    """The engine that this process and its children use; nothing may be left in it after a test."""
    for name, value in docker_engine.variables.items():
        monkeypatch.setenv(name, value)
    yield docker_engine
    assert eventually(lambda: docker_engine.left() == [], 60), docker_engine.docker("ps", "--all")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = lacking() if any(item.get_closest_marker("docker") for item in items) else ""
    for item in items:
        if reason and item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.skip(reason=reason))
