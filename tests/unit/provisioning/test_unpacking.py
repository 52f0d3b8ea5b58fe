from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lakebench.errors import UsageError
from lakebench.provisioning.unpacking import unpack


def packed(path: Path, *members: tarfile.TarInfo) -> Path:
    """A gzipped tar archive whose regular files hold their own names."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            member.size = len(member.name.encode()) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(member.name.encode()))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def test_files_folders_and_hard_links_are_unpacked(tmp_path: Path) -> None:
    archive = packed(
        tmp_path / "a.tar.gz",
        member("root", tarfile.DIRTYPE, mode=0o755),
        member("root/bin/launcher", mode=0o4755),
        member("root/lib/ü.jar", mode=0o666),
        member("root/plugin/ü.jar", tarfile.LNKTYPE, link="root/lib/ü.jar"),
    )
    folder = tmp_path / "folder"
    folder.mkdir()
    unpack(archive, folder)
    files = {str(one.relative_to(folder)): one for one in folder.rglob("*") if one.is_file()}
    assert sorted(files) == ["root/bin/launcher", "root/lib/ü.jar", "root/plugin/ü.jar"]
    assert files["root/plugin/ü.jar"].read_text() == "root/lib/ü.jar"
    assert files["root/plugin/ü.jar"].samefile(files["root/lib/ü.jar"])
    assert files["root/bin/launcher"].stat().st_mode & 0o7777 == 0o755, "executable, and no more"
    assert files["root/lib/ü.jar"].stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    "bad",
    [
        lambda outside: member(str(outside)),
        lambda _: member("root/../../outside"),
        lambda outside: member("outside", tarfile.LNKTYPE, link=str(outside)),
        lambda _: member("copy", tarfile.LNKTYPE, link="../outside"),
        lambda outside: member("link", tarfile.SYMTYPE, link=str(outside)),
        lambda _: member("pipe", tarfile.FIFOTYPE),
        lambda _: member("device", tarfile.CHRTYPE),
    ],
    ids=["absolute", "upwards", "absolute-link", "link-upwards", "symlink", "fifo", "device"],
)
def test_what_leads_outside_or_is_no_file_is_refused(tmp_path: Path, bad: Callable[[Path], tarfile.TarInfo]) -> None:
    outside = tmp_path / "outside"
    archive = packed(tmp_path / "a.tar.gz", member("first"), bad(outside))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UsageError, match="was not unpacked"):
        unpack(archive, folder)
    assert not outside.exists()
    assert [one.name for one in folder.iterdir()] == ["first"]
