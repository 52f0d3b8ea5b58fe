"""The versions of our dependencies that lakebench was tested with, and which of the installed ones are others.

``tested.lock`` beside this module is part of the wheel: the packages that this release's tests ran with, with hashes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).with_name("tested.lock")
DISTRIBUTION = "lakebench-harness"
_NONE = "none"


@dataclass(frozen=True)
class Untested:
    """A package whose ``installed`` version (``none`` where it is not installed) is not the ``tested`` one.

    ``direct``: lakebench itself asks for it: an engine, a client library, or what the harness uses; all others are
    dependencies of these.
    """

    package: str
    installed: str
    tested: str
    direct: bool

    def __str__(self) -> str:
        """Such as ``polars 2.2.0 (tested: 2.1.0)``."""
        return f"{self.package} {self.installed} (tested: {self.tested})"


def versions() -> dict[str, str]:
    """Package → the tested version, of those that this Python and platform need."""
    lines = (line.removesuffix("\\") for line in FILE.read_text("utf-8").splitlines() if line[:1].isalnum())
    needed = (one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate())
    return {canonicalize_name(one.name): next(iter(one.specifier)).version for one in needed}


def untested() -> list[Untested]:
    """The packages whose installed version is not the tested one, those that lakebench itself asks for first."""
    return sorted(_untested(), key=lambda one: (not one.direct, one.package))


def _untested() -> Iterator[Untested]:
    direct = {canonicalize_name(Requirement(one).name) for one in importlib.metadata.requires(DISTRIBUTION) or ()}
    for package, tested in versions().items():
        installed = _installed(package)
        if installed != tested:
            yield Untested(package, installed, tested, package in direct)


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return _NONE


def sha256() -> str:
    """The SHA-256 of the lock file, in hex."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()
