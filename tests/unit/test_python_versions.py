"""Nothing is used that came after Python 3.11.0: Debian 12 has 3.11.2.

What came with 3.12 and later, mypy refuses, which checks for 3.11. It knows nothing of what the releases of 3.11 itself
added, which this looks for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("lakebench", "scripts", "benchmarks", "examples", "tests")

NAMES = {
    "data_filter": "tarfile, 3.11.4",
    "tar_filter": "tarfile, 3.11.4",
    "fully_trusted_filter": "tarfile, 3.11.4",
    "extraction_filter": "tarfile, 3.11.4",
    "FilterError": "tarfile, 3.11.4",
    "AbsolutePathError": "tarfile, 3.11.4",
    "AbsoluteLinkError": "tarfile, 3.11.4",
    "OutsideDestinationError": "tarfile, 3.11.4",
    "LinkOutsideDestinationError": "tarfile, 3.11.4",
    "SpecialFileError": "tarfile, 3.11.4",
    "LinkFallbackError": "tarfile, 3.11.13",
    "ENOTCAPABLE": "errno, 3.11.1",
    "SetReparseDeferralEnabled": "pyexpat, 3.11.9",
    "GetReparseDeferralEnabled": "pyexpat, 3.11.9",
    "ALLOW_MISSING": "os.path, 3.11.13",
}
KEYWORDS = {
    ("extractall", "filter"): "tarfile, 3.11.4",
    ("extract", "filter"): "tarfile, 3.11.4",
    ("unpack_archive", "filter"): "shutil, 3.11.4",
    ("parseaddr", "strict"): "email.utils, 3.11.10",
    ("getaddresses", "strict"): "email.utils, 3.11.10",
}


def newer(source: str) -> Iterator[str]:
    """What of ``source`` Python 3.11.0 lacks, with the release that brought it."""
    for node in ast.walk(ast.parse(source)):
        name = _name(node)
        if name in NAMES:
            yield f"{name} ({NAMES[name]})"
        if isinstance(node, ast.Call):
            called = _name(node.func)
            for keyword in node.keywords:
                if (called, keyword.arg) in KEYWORDS:
                    yield f"{called}({keyword.arg}=) ({KEYWORDS[called, keyword.arg]})"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else node.name if isinstance(node, ast.alias) else ""


def test_our_code_uses_nothing_newer_than_python_3_11_0() -> None:
    files = [one for folder in FOLDERS for one in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    used = {str(one.relative_to(ROOT)): list(newer(one.read_text("utf-8"))) for one in files}
    assert {name: names for name, names in used.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("archive.extractall(folder, filter='data')", "extractall(filter=) (tarfile, 3.11.4)"),
        ("archive.extraction_filter = tarfile.data_filter", "data_filter (tarfile, 3.11.4)"),
        ("from tarfile import tar_filter", "tar_filter (tarfile, 3.11.4)"),
        ("shutil.unpack_archive(a, b, filter='tar')", "unpack_archive(filter=) (shutil, 3.11.4)"),
    ],
)
def test_it_is_found_where_it_is_used(source: str, says: str) -> None:
    assert says in list(newer(source))
    assert list(newer("archive.extractall(folder)\nfilter(None, [])")) == []
