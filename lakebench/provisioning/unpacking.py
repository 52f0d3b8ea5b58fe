"""Tar archives, unpacked so that nothing lands outside the folder, on every Python that this runs on.

``tarfile`` has filters for that since Python 3.11.4 only; Debian 12 has 3.11.2.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from lakebench.errors import UsageError

_EXECUTABLE = 0o100


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files, folders and hard links of ``archive`` into the empty ``folder``.

    Of a file's mode only "executable" is kept. No symbolic link is ever made, so a path without ``..`` stays inside.

    Raises:
        UsageError: a member leads out of the folder, or is of another kind; what came before it is in the folder.
        OSError: the folder cannot be written.
    """
    with tarfile.open(archive) as opened:
        for member in opened:
            _unpack_member(opened, member, folder)


def _unpack_member(opened: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = _inside(member, member.name, folder)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.islnk():
        os.link(_inside(member, member.linkname, folder), target)
    elif member.isreg():
        _write(opened, member, target)
    else:
        raise UsageError(f"an archive was not unpacked: its member {member.name} is neither a file nor a folder")


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = opened.extractfile(member)
    if content is None:  # pragma: no cover - a regular file has content
        raise UsageError(f"an archive was not unpacked: its member {member.name} has no content")
    with content, target.open("xb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(0o755 if member.mode & _EXECUTABLE else 0o644)


def _inside(member: tarfile.TarInfo, name: str, folder: Path) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"an archive was not unpacked: its member {member.name} leads out of the folder ({name})")
    return folder / path
