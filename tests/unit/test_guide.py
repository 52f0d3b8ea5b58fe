"""The guide is built strictly out of docs/ and asks no network; links of README, docs and sources lead somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OUTSIDE = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "examples").rglob("*.md"))]
OF_OTHERS = {
    "docs/current/core_extensions/iceberg/writing_to_iceberg.md",
    "docs/geospatial.md",
    "docs/iceberg-tables.md",
}
"""Pages of other projects that have the same form."""
MARKDOWN_LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """The text of ``page`` without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`", "", text)


def build(docs: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """What ``make docs`` does."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(docs), str(into)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built guide."""
    into = tmp_path_factory.mktemp("guide")
    done = build(DOCS, into)
    assert done.returncode == 0, done.stderr
    return into


def test_make_docs_is_the_same_command() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\n\t.venv/bin/python -m sphinx -W --keep-going -q -b html docs " in makefile


def test_every_page_is_built(guide: Path) -> None:
    missing = [page for page in PAGES if not (guide / page.relative_to(DOCS)).with_suffix(".html").exists()]
    assert not missing


def test_the_pages_ask_nobody_else_for_anything(guide: Path) -> None:
    loaded = r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]*)|<link\b[^>]*\bhref="([^"]*)|url\(["']?([^"')]*)"""
    for file in [*guide.rglob("*.html"), *guide.rglob("*.css")]:
        for found in re.findall(loaded, file.read_text(encoding="utf-8")):
            address = "".join(found)
            assert not urlsplit(address).netloc, (file.name, address)


def test_broken_links_fail(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    (docs / "index.md").write_text("# One\n\n## Two\n\n[1](#two) [2](gone.md) [3](index.md#lost) [4](#absent)\n")
    done = build(docs, tmp_path / "html")
    assert done.returncode != 0
    assert [one for one in ("two", "gone.md", "lost", "absent") if f"'{one}'" in done.stderr] == [
        "gone.md",
        "lost",
        "absent",
    ]


def test_links_from_outside_lead_to_files_and_headings(guide: Path) -> None:
    for page in OUTSIDE:
        for link in MARKDOWN_LINK.findall(prose(page)):
            address = urlsplit(link)
            if address.scheme:
                continue
            target = page.parent / address.path if address.path else page
            assert target.exists(), (page.name, link)
            if address.fragment:
                built = (guide / target.resolve().relative_to(DOCS)).with_suffix(".html").read_text(encoding="utf-8")
                assert f'id="{address.fragment}"' in built, (page.name, link)


@pytest.mark.parametrize("page", [*PAGES, *OUTSIDE], ids=lambda page: str(page.relative_to(ROOT)))
def test_an_address_elsewhere_has_the_form_of_one(page: Path) -> None:
    for link in MARKDOWN_LINK.findall(prose(page)):
        address = urlsplit(link)
        if address.scheme:
            assert address.scheme == "https", link
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", address.netloc), link


def test_every_page_is_in_the_readme_and_in_the_order_of_the_guide() -> None:
    shown = re.findall(r"^\| \[.*?\]\(docs/([\w/-]+)\.md\)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    ordered = re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == ordered
    of_docs = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.glob("*.md")} - {"index"}
    assert of_docs | {"findings/README"} == set(shown)


def test_a_page_that_a_message_or_a_comment_names_is_there() -> None:
    files = [file for top in ("lakebench", "tests", "scripts", "benchmarks") for file in (ROOT / top).rglob("*.py")]
    for file in [*files, *OUTSIDE, *PAGES, ROOT / "pyproject.toml", ROOT / "Makefile"]:
        for named in re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text(encoding="utf-8")):
            assert named in OF_OTHERS or (ROOT / named).exists(), (file, named)
