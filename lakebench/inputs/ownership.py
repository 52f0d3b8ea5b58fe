"""Whether another user of this machine could have written a file: programs that such a file names are not run."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

_ROOT = 0


def stranger(file: Path) -> str:
    """Who but the user and root could have written ``file``, in words; ``""`` where nobody could.

    This looks at the file, what it links to, and the folders of both: whoever can write to a folder can replace the
    files in it, unless the folder is sticky.

    Raises:
        OSError: the owner cannot be read.
    """
    for target in dict.fromkeys((file.absolute(), file.resolve())):
        for path in (target, target.parent):
            if who := _writer(path):
                return f"{path} {who}"
    return ""


def _writer(path: Path) -> str:
    status = path.lstat()
    if status.st_uid not in {_ROOT, os.geteuid()}:
        return f"belongs to {_account(status.st_uid)}"
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX):
        return ""  # a link has no rights of its own; in a sticky folder nobody replaces the file of another
    if status.st_mode & stat.S_IWOTH:
        return "is writable by everybody"
    if status.st_mode & stat.S_IWGRP and not _alone(status.st_gid):
        return "is writable by its group"
    return ""


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the account {uid}"


def _alone(gid: int) -> bool:
    """Whether the group is root's, or has the user alone: many systems give each user a group of the same name."""
    if gid == _ROOT:
        return True
    try:
        group, me = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}
