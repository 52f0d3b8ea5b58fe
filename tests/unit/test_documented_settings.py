"""The settings, features and Python that docs show are taken as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lakebench.datasets.interop import feature_files
from lakebench.datasets.interop.feature import Feature
from lakebench.execution.settings import load
from lakebench.services.catalog import ExternalCatalog

ROOT = Path(__file__).parents[2]
SETTING = re.compile(r"^\[(?:services|storage|catalog|engines)\b|^runtime = ", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


SETTINGS = [
    (page.name, one)
    for page in sorted((ROOT / "docs").glob("*.md"))
    for one in blocks(page, "toml")
    if SETTING.search(one)
]


def test_there_are_many() -> None:
    assert len(SETTINGS) > 8
    assert "own-endpoints.md" in dict(SETTINGS)


@pytest.mark.parametrize(("page", "text"), SETTINGS)
def test_documented_settings_are_taken(page: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "lakebench.toml"
    file.write_text(text)
    settings = load(file)
    assert settings != load(), page


def names_of(page: str) -> dict[str, object]:
    """What the Python of ``page`` defines."""
    (text,) = blocks(ROOT / "docs" / page, "python")
    names: dict[str, object] = {"__name__": "documented"}
    exec(compile(text, page, "exec"), names)  # noqa: S102 - our own page
    return names


def test_the_catalog_of_the_page_is_a_service() -> None:
    service = names_of("adding-a-catalog.md")["MineService"]
    assert isinstance(service, type)
    assert issubclass(service, ExternalCatalog)
    assert not service.__abstractmethods__
    assert {service.name, service.choice} == {"mine"}


def test_the_feature_of_the_page_in_python_is_that_in_toml(tmp_path: Path) -> None:
    feature = names_of("adding-a-feature.md")["NULL_AFTER_RENAME"]
    assert isinstance(feature, Feature)
    file = tmp_path / "mine.toml"
    file.write_text(blocks(ROOT / "docs" / "adding-a-feature.md", "toml")[0])
    (of_file,) = feature_files.load(file)
    assert (feature.program, feature.reads, feature.proof) == (of_file.program, of_file.reads, of_file.proof)
