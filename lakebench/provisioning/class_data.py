"""Archives of the classes that a Java server loads (class-data sharing): with one it starts with less CPU time.

The first start keeps a list of the classes, the second one makes the archive of them, and later ones map it into memory
(the JDK's *java* command, "Application Class Data Sharing"). An archive is for one Java and one class path, whose jars
must not change: all of that is in its name. A JVM that cannot use an archive starts without it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lakebench.paths import cache_dir
from lakebench.processes import guard
from lakebench.progress import Progress

_FOLDER = "class-data"


@dataclass(frozen=True)
class ClassData:
    """The archive of the server ``name``, which ``java`` runs from ``classpath``: jars, and folders as ``folder/*``."""

    name: str
    java: Path
    classpath: str

    @property
    def possible(self) -> bool:
        """Whether there can be one: Java takes no folder of classes into it."""
        return all(one.endswith(("/*", ".jar")) for one in self.classpath.split(os.pathsep)) and self.java.exists()

    def options(self, listed: Path, progress: Progress) -> list[str]:
        """The options of the JVM: load from the archive, or where there is none yet list the classes in ``listed``.

        The archive is made where an earlier start kept its list, unless another process is making it.
        """
        if not self._archive.exists() and self._list.exists():
            self._make(progress)
        if self._archive.exists():  # an empty one says that none could be made
            return [f"-XX:SharedArchiveFile={self._archive}"] if self._archive.stat().st_size else []
        return [f"-XX:DumpLoadedClassList={listed}"]

    def keep(self, listed: Path) -> None:
        """Keep the list of a server that has ended, where the cache can be written; its last line may have been cut.

        Classes of plugins, which the list has with their source, are left out: the jar is in the folder of one run.
        """
        if listed.exists() and not self._archive.exists():
            *lines, _ = listed.read_bytes().split(b"\n")
            part = self._list.with_suffix(f".{os.getpid()}")
            with contextlib.suppress(OSError):
                part.parent.mkdir(parents=True, exist_ok=True)
                part.write_bytes(b"".join(line + b"\n" for line in lines if b" source: " not in line))
                part.replace(self._list)

    @property
    def _archive(self) -> Path:
        return cache_dir() / _FOLDER / f"{self.name}-{self._digest}.jsa"

    @property
    def _list(self) -> Path:
        return self._archive.with_suffix(".classes")

    @property
    def _digest(self) -> str:
        """Of the Java and of every jar, by size and time of change."""
        found = [file for one in self.classpath.split(os.pathsep) for file in _files(one)]
        facts = [self.classpath, *(f"{one} {one.stat().st_size} {one.stat().st_mtime_ns}" for one in found)]
        java = self.java.resolve()
        return hashlib.sha256("\n".join([f"{java} {java.stat().st_mtime_ns}", *facts]).encode()).hexdigest()[:12]

    def _make(self, progress: Progress) -> None:
        """Make the archive, unless another process is at it or the cache cannot be written."""
        part = self._archive.with_suffix(".part")
        with contextlib.suppress(OSError), self._list.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with progress.step(f"{self.name}: making an archive of its classes, once"):
                done = guard.run([*self._dump, f"-XX:SharedArchiveFile={part}"])
            if done.returncode:
                part.unlink(missing_ok=True)
                part.touch()
            part.replace(self._archive)
            self._list.unlink()

    @property
    def _dump(self) -> Sequence[str]:
        return [str(self.java), "-Xshare:dump", f"-XX:SharedClassListFile={self._list}", "-cp", self.classpath]


def _files(part: str) -> Sequence[Path]:
    path = Path(part)
    return sorted(path.parent.glob("*.jar")) if path.name == "*" else [path]
