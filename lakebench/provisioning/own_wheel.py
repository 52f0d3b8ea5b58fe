"""A wheel of the lakebench that runs, whether that was installed from an index, a file or a checkout."""

from __future__ import annotations

import hashlib
import importlib.metadata
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import lakebench
from lakebench.provisioning.tested import DISTRIBUTION

_METADATA = ("METADATA", "WHEEL", "entry_points.txt")


def write(folder: Path) -> Path:
    """Write it into ``folder``: the same code makes the same bytes.

    The format is that of the Python Packaging User Guide, *Binary distribution format*.
    """
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    named = f"{DISTRIBUTION.replace('-', '_')}-{distribution.version}"
    files = {**dict(_source()), **{f"{named}.dist-info/{one}": _metadata(distribution, one) for one in _METADATA}}
    record = f"{named}.dist-info/RECORD"
    listed = "".join(f"{name},{_hash(content)},{len(content)}\n" for name, content in files.items())
    path = folder / f"{named}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in {**files, record: f"{listed}{record},,\n".encode()}.items():
            wheel.writestr(zipfile.ZipInfo(name), content)
    return path


def _source() -> Iterator[tuple[str, bytes]]:
    package = Path(lakebench.__file__).parent
    for file in sorted(package.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            yield file.relative_to(package.parent).as_posix(), file.read_bytes()


def _metadata(distribution: importlib.metadata.Distribution, name: str) -> bytes:
    return (distribution.read_text(name) or "").encode()


def _hash(content: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
