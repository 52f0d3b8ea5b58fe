"""The eight tables as Parquet files in the cache, made by ``tpchgen-cli`` and verified before each use.

The rows are fixed by the specification (clause 4.2): the seeds are the generator's own, and cannot be chosen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import cache, tpch_part
from lakebench.datasets.workload import TableData
from lakebench.errors import HarnessFault, UsageError
from lakebench.paths import cache_dir
from lakebench.processes.guard import Guard

if TYPE_CHECKING:
    from lakebench.progress import Progress

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
SEED = "fixed by the TPC-H specification"
_UNSPLIT = TABLES[:2]
_SPLIT = TABLES[2:]
_LOOK_S = 0.2
_GENERATOR = tpch_part.GENERATOR
_MANIFEST = "manifest.json"
# Measured with tpchgen-cli 4.0.0: 361.7 MB at scale factor 1.
_BYTES_PER_SF = 370_000_000
_BYTES_ALWAYS = 5_000_000


@dataclass(frozen=True)
class TpchData:
    """TPC-H at one scale factor. ``content_hash`` is the SHA-256 over the files' hashes, in the tables' order."""

    scale_factor: Decimal
    folder: Path
    generator: str
    tables: Mapping[str, TableData]
    content_hash: str
    seed: str = SEED

    @property
    def id(self) -> str:
        """Such as ``tpch-sf0.01``."""
        return f"tpch-sf{_text(self.scale_factor)}"


def scale_factor(text: str) -> Decimal:
    """``text`` as a scale factor.

    Raises:
        UsageError: not a number above 0.
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise UsageError(f"scale factor '{text}' is not a number above 0: give one such as 0.01, 1 or 10")
    return value.normalize()


def generate(scale_factor: Decimal, progress: Progress) -> TpchData:
    """The data of ``scale_factor``: found in the cache and verified, or made.

    Raises:
        UsageError: not enough disk space, no generator, or damaged files in the cache; the message says what to do.
    """
    version = generator_version()
    folder = _folder(scale_factor, version)
    if not folder.exists():  # existing data needs no lock, and a cache that cannot be written has none
        with cache.locked(folder, progress):
            if not folder.exists():
                _check_disk_space(folder.parent, scale_factor)
                _make(folder, scale_factor, version, progress)
    return _verified(folder, scale_factor, progress)


def to_make(scale_factor: Decimal) -> tuple[Path, int]:
    """The folder that the data of ``scale_factor`` belongs into, and about how many bytes are yet to be made there."""
    folder = _folder(scale_factor, generator_version())
    return folder, 0 if folder.exists() else bytes_of(scale_factor)


def _folder(scale_factor: Decimal, version: str) -> Path:
    return cache_dir() / "datasets" / "tpch" / f"sf{_text(scale_factor)}-{version}"


def _text(number: Decimal) -> str:
    return format(number.normalize(), "f")


def generator_version() -> str:
    """The version of the generator that is installed.

    Raises:
        UsageError: there is none.
    """
    try:
        return metadata.version(_GENERATOR)
    except metadata.PackageNotFoundError:
        raise UsageError(f"{_GENERATOR} is not installed: run '{sys.executable} -m pip install {_GENERATOR}'") from None


def _check_disk_space(folder: Path, scale_factor: Decimal) -> None:
    need = bytes_of(scale_factor)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise UsageError(
            f"TPC-H at scale factor {_text(scale_factor)} needs about {need / 1e6:,.0f} MB in {folder}, and "
            f"{free / 1e6:,.0f} MB are free: free some disk space, or name another folder in LAKEBENCH_CACHE"
        )


def _make(folder: Path, scale_factor: Decimal, version: str, progress: Progress) -> None:
    """Make the data next to ``folder`` and move it there when it is complete.

    What an interrupted run has made of whole parts stays there, and is not made again.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        partial.mkdir(exist_ok=True)
        with Guard("tpch") as guard:
            _run_generator(guard, partial, scale_factor, progress)
            with progress.step("hashing what was made"):
                _write_manifest(partial, scale_factor, version)
            partial.rename(folder)
    except OSError as error:
        raise UsageError(f"TPC-H data cannot be written: {error}") from None
    finally:
        if not any(partial.rglob("*.parquet")):
            shutil.rmtree(partial, ignore_errors=True)


def _run_generator(guard: Guard, folder: Path, scale_factor: Decimal, progress: Progress) -> None:
    """One process a part: its start takes a second, so all tables share it."""
    title = f"making TPC-H data, scale factor {_text(scale_factor)}"
    with progress.download(title, bytes_of(scale_factor)) as made:
        for one in parts_of(scale_factor):
            if any(not _part_file(folder, table, one.number).exists() for table in one.tables):
                _run_one(guard, _command(folder, scale_factor, one), lambda: made(_size(folder)))


@dataclass(frozen=True)
class Part:
    """What one run of the generator makes: part ``number`` of ``parts`` of some tables."""

    tables: tuple[str, ...]
    number: int = 1
    parts: int = 1


def parts_of(scale_factor: Decimal) -> list[Part]:
    """All of ``scale_factor``: a part for each unit of it, and one for the tables of fixed size."""
    parts = math.ceil(scale_factor)
    split = [Part(_SPLIT, number, parts) for number in range(1, parts + 1)]
    return [Part(_UNSPLIT), *split] if parts > 1 else [Part(TABLES)]


def make_part(scale_factor: Decimal, one: Part, folder: Path) -> dict[str, Path]:
    """Make one part in ``folder``, which is there; its files by table."""
    with Guard("tpch") as guard:
        _run_one(guard, _command(folder, scale_factor, one), lambda: None)
    return {table: _part_file(folder, table, one.number) for table in one.tables}


def made_elsewhere(scale_factor: Decimal, facts: Sequence[Mapping[str, Any]]) -> TpchData:
    """The data of ``scale_factor``, of which no file is on this machine.

    ``facts`` are those of its files (:func:`lakebench.datasets.tpch.tpch_part.facts_of`), each with its ``part``.
    """
    ordered = sorted(facts, key=lambda one: (TABLES.index(one["table"]), one["part"]))
    files = [{**one, "file": f"{one['table']}/{one['table']}.{one['part']}.parquet"} for one in ordered]
    tables = {table: replace(_table(Path(), table, files), files=()) for table in TABLES}
    generator = f"{_GENERATOR} {generator_version()}"
    return TpchData(scale_factor, Path(), generator, tables, _content_hash(files))


def _part_file(folder: Path, table: str, part: int) -> Path:
    """Where the generator puts a part once it is whole."""
    return folder / table / f"{table}.{part}.parquet"


def bytes_of(scale_factor: Decimal) -> int:
    """About how many bytes the Parquet files of ``scale_factor`` have."""
    return int(scale_factor * _BYTES_PER_SF) + _BYTES_ALWAYS


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the generator renames a file when it is whole
            size += path.stat().st_size
    return size


def _command(folder: Path, scale_factor: Decimal, one: Part) -> list[str]:
    beside = Path(sys.executable).parent / _GENERATOR
    program = str(beside) if beside.exists() else shutil.which(_GENERATOR)
    if program is None:
        raise UsageError(
            f"{_GENERATOR} is not beside {sys.executable}: run '{sys.executable} -m pip install --force-reinstall "
            f"{_GENERATOR}'"
        )
    return tpch_part.command(program, _text(scale_factor), one.tables, one.number, one.parts, folder)


def _run_one(guard: Guard, command: Sequence[str], look: Callable[[], None]) -> None:
    """Run ``command`` to its end, and ``look`` now and then meanwhile."""
    log = guard.folder / "generator.log"
    with log.open("wb") as errors:
        process = guard.spawn(command, stderr=errors, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
            look()
    if process.returncode:
        message = " ".join(log.read_text("utf-8", "replace").split())[-300:] or "no output"
        hint = "; free some disk space, or name another folder in LAKEBENCH_CACHE" if "No space left" in message else ""
        raise UsageError(f"{_GENERATOR} ended with code {process.returncode}: {message}{hint}")


def _write_manifest(folder: Path, scale_factor: Decimal, version: str) -> None:
    import pyarrow.parquet as pq

    files = [
        {
            "table": table,
            "file": str(path.relative_to(folder)),
            "rows": pq.read_metadata(path).num_rows,
            "bytes": path.stat().st_size,
            "sha256": cache.sha256(path),
        }
        for table in TABLES
        for path in sorted((folder / table).glob("*.parquet"), key=_part)
    ]
    if {str(one["table"]) for one in files} != set(TABLES):
        raise HarnessFault(f"{_GENERATOR} {version} made other files than expected in {folder}")
    manifest = {"scale_factor": _text(scale_factor), "generator": f"{_GENERATOR} {version}", "files": files}
    with (folder / _MANIFEST).open("w", encoding="utf-8") as out:
        json.dump(manifest, out, indent=1)
        out.flush()
        os.fsync(out.fileno())


def _part(path: Path) -> int:
    """The number in ``lineitem.10.parquet``."""
    return int(path.name.split(".")[1])


def _verified(folder: Path, scale_factor: Decimal, progress: Progress) -> TpchData:
    manifest = _read_manifest(folder)
    with progress.step(f"verifying {folder.name}"):
        for one in manifest["files"]:
            cache.verify(folder / one["file"], one["sha256"], folder)
    return TpchData(
        scale_factor=scale_factor,
        folder=folder,
        generator=manifest["generator"],
        tables={table: _table(folder, table, manifest["files"]) for table in TABLES},
        content_hash=_content_hash(manifest["files"]),
    )


def _content_hash(files: Sequence[Mapping[str, Any]]) -> str:
    hashes = "".join(f"{one['file']} {one['sha256']}\n" for one in files)
    return hashlib.sha256(hashes.encode()).hexdigest()


def _table(folder: Path, table: str, files: Sequence[Mapping[str, Any]]) -> TableData:
    entries = [one for one in files if one["table"] == table]
    paths = tuple(folder / one["file"] for one in entries)
    rows = tuple(one["rows"] for one in entries)
    return TableData(table, paths, sum(rows), sum(one["bytes"] for one in entries), rows)


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, with the keys and values that the rest relies on."""
    path = folder / _MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        named = [(one["table"], one["file"], int(one["rows"]), int(one["bytes"])) for one in manifest["files"]]
        complete = isinstance(manifest["generator"], str) and {table for table, *_ in named} == set(TABLES)
    except (OSError, ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise cache.damaged(path, "cannot be read", folder)
    return manifest
