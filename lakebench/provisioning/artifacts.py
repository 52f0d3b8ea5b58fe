"""Maven artifacts, pinned by SHA-256 in ``artifacts.lock`` beside this module, kept in the usual local repository.

jgo knows the repositories (and the user's mirrors); it writes straight into the file it is asked for, so it is pointed
at a folder beside the target, and what it brought is moved into the repository only when the SHA-256 is right. A file
that is there is never asked for again, so everything works offline once cached.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shlex
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebench.errors import ServiceUnavailable, UsageError, is_full_disk
from lakebench.paths import cache_dir, take
from lakebench.progress import Progress
from lakebench.provisioning.unpacking import unpack

LOCK_FILE = Path(__file__).with_name("artifacts.lock")
_TIMEOUT_S = 30
_TRIES = 3
_CONNECTIONS = 4


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository; ``size`` is in bytes, ``sha256`` in hex."""

    group: str
    name: str
    version: str
    size: int
    sha256: str
    classifier: str = ""
    packaging: str = "jar"

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}-{self.version}{self.classifier and '-'}{self.classifier}.{self.packaging}"

    @property
    def path(self) -> Path:
        """Where the file is kept, relative to a Maven repository."""
        return Path(*self.group.split("."), self.name, self.version, self.file)


@functools.cache
def locked() -> Mapping[str, Any]:
    """The lock file: ``maven`` group → artifacts, ``python`` requirement → hashes of its files."""
    lock: dict[str, Any] = json.loads(LOCK_FILE.read_text(encoding="utf-8"))
    return lock


def group(name: str) -> tuple[Artifact, ...]:
    """The artifacts of group ``name``, in the order of a classpath.

    Raises:
        KeyError: the lock has no such group.
    """
    return tuple(Artifact(**entry) for entry in locked()["maven"][name])


def ensure(name: str, progress: Progress) -> list[Path]:
    """The files of group ``name``, downloaded where they are missing, each verified by SHA-256.

    Raises:
        UsageError: a file here is damaged, or cannot be written; the message has the command that mends it.
        ServiceUnavailable: a file is missing and cannot be downloaded.
    """
    artifacts = group(name)
    root = repository()
    for artifact in artifacts:
        if (root / artifact.path).exists():
            verify(root / artifact.path, artifact.sha256)
    missing = [artifact for artifact in artifacts if not (root / artifact.path).exists()]
    if missing:
        with exclusive(f"maven-{name}", progress):
            _download(name, [artifact for artifact in missing if not (root / artifact.path).exists()], root, progress)
    return [root / artifact.path for artifact in artifacts]


def verify(path: Path, sha256: str) -> None:
    """Compare ``path`` with its SHA-256 in the lock.

    Raises:
        UsageError: it is another file; the message has the command that removes it.
    """
    digest = _sha256(path)
    if digest != sha256:
        raise UsageError(
            f"{path} is damaged: its SHA-256 is {digest[:16]}…, the lock says {sha256[:16]}…; "
            f"remove it, and it is downloaded again: rm {shlex.quote(str(path))}"
        )


def repository() -> Path:
    """The local Maven repository that jgo uses: ``$M2_REPO``, jgo's settings, or ``~/.m2/repository``."""
    return Path(_jgo_settings().repo_cache).absolute()  # servers run in folders of their own


@contextlib.contextmanager
def exclusive(name: str, progress: Progress) -> Iterator[None]:
    """Keep other processes and threads out of the work called ``name`` until the block is left.

    Raises:
        UsageError: the cache folder cannot be written.
    """
    folder = cache_dir() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / name).open("w")
    except OSError as error:
        raise cannot_write(folder, error) from None
    with file:
        take(file, f"waiting for another process that prepares {name}", progress)
        yield


def cannot_write(folder: Path, error: OSError) -> UsageError:
    """``error`` of the file system as one line that says what to do."""
    if is_full_disk(error):
        return UsageError(f"no space left in {folder}: free some space, then run the same command again")
    return UsageError(f"{folder} cannot be written ({error.strerror}): make it writable, or set LAKEBENCH_CACHE")


def trino_home(progress: Progress) -> Path:
    """Trino's server with its Iceberg plugin, unpacked once and verified by SHA-256 file by file.

    Raises:
        UsageError: the folder is damaged or cannot be written; the message says what to do.
        ServiceUnavailable: the archives are missing and cannot be downloaded.
    """
    return _unpacked("trino", 2, progress, _add_plugin)


def hive_home(progress: Progress) -> Path:
    """Hive's metastore, unpacked once and verified by SHA-256 file by file.

    Raises:
        UsageError: the folder is damaged or cannot be written; the message says what to do.
        ServiceUnavailable: the archive is missing and cannot be downloaded.
    """
    return _unpacked("hive", 1, progress, lambda *_: None)


def _unpacked(name: str, archives: int, progress: Progress, add: Callable[[Path, Sequence[Path]], None]) -> Path:
    """The first of the ``archives`` that group ``name`` begins with, unpacked; ``add`` brings what the others have."""
    parts = group(name)[:archives]
    digest = hashlib.sha256("".join(one.sha256 for one in parts).encode()).hexdigest()
    home = cache_dir() / f"{name}-{parts[0].version}-{digest[:12]}"
    if home.exists():
        _verify_folder(home)
        return home
    with exclusive(home.name, progress):
        if not home.exists():
            _unpack_home(home, ensure(name, progress)[:archives], progress, add)
    return home


def _unpack_home(
    home: Path, archives: Sequence[Path], progress: Progress, add: Callable[[Path, Sequence[Path]], None]
) -> None:
    with progress.step(f"unpacking {home.name}"), scratch(home.parent, home.name) as folder:
        unpack(archives[0], folder)
        (root,) = folder.iterdir()
        add(root, archives[1:])
        sums = {str(file.relative_to(root)): digest for file, digest in _sums(_files(root))}
        (root / _SUMS).write_text(json.dumps(sums), encoding="utf-8")
        root.rename(home)


def _add_plugin(root: Path, archives: Sequence[Path]) -> None:
    """Trino's Iceberg connector among its plugins."""
    with zipfile.ZipFile(archives[0]) as archive_zip:
        archive_zip.extractall(root / "plugin")  # zipfile keeps its members inside the folder
    (inner,) = (root / "plugin").glob("trino-iceberg-*")
    inner.rename(root / "plugin" / "iceberg")


_SUMS = "sha256.json"


def _files(root: Path) -> list[Path]:
    return sorted(file for file in root.rglob("*") if file.is_file() and file.name != _SUMS)


def _sums(files: Iterable[Path]) -> list[tuple[Path, str]]:
    """Each file with its SHA-256; hashing leaves the interpreter's lock, so threads help."""
    listed = list(files)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return list(zip(listed, pool.map(_sha256, listed), strict=True))


def _verify_folder(home: Path) -> None:
    try:
        content = json.loads((home / _SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # damaged like any other file
        content = None
    expected: dict[str, str] = content if isinstance(content, dict) else {}
    actual = {str(file.relative_to(home)): digest for file, digest in _sums(_files(home))}
    if actual != expected:
        wrong = sorted(name for name in expected | actual if expected.get(name) != actual.get(name))
        raise UsageError(
            f"{home / wrong[0]} is not what was unpacked; remove the folder, and it is unpacked again: "
            f"rm -r {shlex.quote(str(home))}"
        )


@contextlib.contextmanager
def scratch(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder in ``parent`` for the duration of the block; that of an interrupted run is removed first.

    Raises:
        UsageError: ``parent`` cannot be written, or is full.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for old in parent.glob(f".{name}-*"):
            shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
        yield folder
    except OSError as error:
        if isinstance(error, ConnectionError) or error.errno is None:
            raise
        raise cannot_write(parent, error) from error
    finally:
        for old in parent.glob(f".{name}-*"):
            shutil.rmtree(old, ignore_errors=True)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): make it readable, or remove it") from None


def _jgo_settings() -> Any:
    from jgo.config import GlobalSettings

    return GlobalSettings.load()


def _download(name: str, artifacts: list[Artifact], root: Path, progress: Progress) -> None:
    """Download ``artifacts`` into ``root``, up to the first failure."""
    lock, done = threading.Lock(), 0
    what, total = f"{name}: {len(artifacts)} from Maven", sum(one.size for one in artifacts)
    with scratch(root, _scratch_name(name)) as folder, progress.download(what, total) as update:

        def add(count: int) -> None:
            nonlocal done
            with lock:
                done += count
                update(done)

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for future in [pool.submit(_fetch, one, folder, root, add) for one in artifacts]:
                try:
                    future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise


def _scratch_name(name: str) -> str:
    """A name for this cache alone: caches have locks of their own, and none may remove a folder that another fills."""
    return f"lakebench-{name}-{hashlib.sha256(str(cache_dir()).encode()).hexdigest()[:8]}"


def _fetch(artifact: Artifact, folder: Path, root: Path, add: Callable[[int], None]) -> None:
    """Download one file into ``folder``, and move it below ``root`` when its SHA-256 is right."""
    import requests

    for attempt in range(1, _TRIES + 1):
        counted = _Counter(add)
        (folder / artifact.path).unlink(missing_ok=True)  # jgo takes a file that is there for complete
        try:
            path = _resolve(artifact, folder, counted)
        except (requests.RequestException, RuntimeError) as error:
            counted.take_back()
            if attempt == _TRIES:
                raise _unavailable(artifact, error) from error
            continue
        if _sha256(path) == artifact.sha256:
            (root / artifact.path).parent.mkdir(parents=True, exist_ok=True)
            path.replace(root / artifact.path)
            return
        counted.take_back()
    raise UsageError(
        f"what was downloaded as {artifact.file} is not what the lock says (SHA-256 {artifact.sha256[:16]}…) and was "
        "not kept: look at the repository or proxy that your settings of jgo name"
    )


def _resolve(artifact: Artifact, folder: Path, add: Callable[[int], None]) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    @contextlib.contextmanager
    def report_progress(_: str, __: int) -> Iterator[Callable[[int], None]]:
        yield add

    context = MavenContext(
        PythonResolver(progress_callback=report_progress),
        repo_cache=folder,
        remote_repos=_jgo_settings().repositories or None,
        timeout=_TIMEOUT_S,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    return Path(component.artifact(artifact.classifier, artifact.packaging).resolve())


class _Counter:
    """Passes counts on, and can take them back when a download starts again."""

    def __init__(self, add: Callable[[int], None]) -> None:
        self._add, self._sum = add, 0

    def __call__(self, count: int) -> None:
        self._sum += count
        self._add(count)

    def take_back(self) -> None:
        self._add(-self._sum)
        self._sum = 0


def _unavailable(artifact: Artifact, error: Exception) -> ServiceUnavailable:
    # The errors of requests and jgo hold addresses and pages of detail; the kind says enough.
    why = "not in any repository known to jgo" if isinstance(error, RuntimeError) else type(error).__name__
    return ServiceUnavailable(
        f"{artifact.file} is not here and cannot be downloaded ({why}): connect to the network, or name a mirror in "
        "the [repositories] of jgo's settings, then run the same command again"
    )
