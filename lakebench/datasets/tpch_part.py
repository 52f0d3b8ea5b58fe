"""What runs in a worker of a cluster: one part of TPC-H, made there and written to the storage.

It is sent by value: the worker needs Python, PyArrow and ``tpchgen-cli``, and not lakebench. It is beside the package
of TPC-H, whose other modules need what the environment of an engine with a version of its own does not have.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GENERATOR = "tpchgen-cli"
_PIECE = 8 * 2**20
_LIMIT_S = 3600


def make(task: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of one part, which are in the storage when all of its files are; ``error`` says why there are none.

    ``task`` has the generator's ``version``, ``scale_factor``, ``part`` and ``parts``, the addresses of the ``files``
    by table and of the ``note`` that the facts are kept in, and the ``store`` (``None``: the local file system). A part
    that an earlier try has made is not made again: its ``made`` is false.
    """
    try:
        storage = _storage(task["store"])
        earlier = _noted(storage, task)
        return earlier or _made(storage, task)
    except Exception as error:  # noqa: BLE001 - it ends here: its text is all that the driver needs
        return {"part": task["part"], "error": f"{type(error).__name__}: {' '.join(str(error).split())[-500:]}"}


def facts_of(table: str, path: Path) -> dict[str, Any]:
    """What one file of the generator's is: rows, bytes, SHA-256, and the sums of its numeric columns."""
    from pyarrow.fs import LocalFileSystem

    rows, sums = _sums(LocalFileSystem(), str(path))
    return {"table": table, "rows": rows, "bytes": path.stat().st_size, "sha256": _sha256(path), "sums": sums}


def command(program: str, scale_factor: str, tables: Sequence[str], part: int, parts: int, into: Path) -> list[str]:
    """The generator's command for one part of ``tables``."""
    return [
        *(program, "parquet", "--quiet", "--scale-factor", scale_factor, "--output-dir", str(into)),
        *("--tables", ",".join(tables), "--parts", str(parts), "--part", str(part)),
    ]


def _made(storage: Any, task: Mapping[str, Any]) -> dict[str, Any]:
    program = _generator(task["version"])
    with tempfile.TemporaryDirectory(prefix="lakebench-tpch-") as folder:
        tables, part = list(task["files"]), task["part"]
        one_thread = ("--num-threads", "1")  # the cluster gives a task one CPU; the files are the same
        _run([*command(program, task["scale_factor"], tables, part, task["parts"], Path(folder)), *one_thread])
        files = []
        for table, address in task["files"].items():
            local = Path(folder) / table / f"{table}.{part}.parquet"
            files.append({**_stored(storage, table, local, address), "address": address})
            local.unlink()
    facts = {"part": part, "files": files, "made": True}
    _put(storage, json.dumps({**facts, "made": False}).encode(), task["note"])
    return facts


def _stored(storage: Any, table: str, local: Path, address: str) -> dict[str, Any]:
    """The facts of ``local``, which the storage gives back alike."""
    facts = facts_of(table, local)
    with local.open("rb") as source:
        _put(storage, source, address)
    size, (rows, sums) = _size(storage, address), _sums(storage, _path(address))
    if (size, rows, sums) != (facts["bytes"], facts["rows"], facts["sums"]):
        raise ValueError(f"the storage gives {address} back with {rows} rows in {size} bytes, and other than it got it")
    return facts


def _noted(storage: Any, task: Mapping[str, Any]) -> dict[str, Any] | None:
    """The facts that an earlier try has kept, where its files are still there in their sizes."""
    if _size(storage, task["note"]) is None:
        return None
    with storage.open_input_stream(_path(task["note"])) as source:
        facts: dict[str, Any] = json.loads(source.read())
    kept = {one["address"]: one["bytes"] for one in facts["files"]}
    there = {address: _size(storage, address) for address in task["files"].values()}
    return facts if kept == there else None


def _generator(version: str) -> str:
    """The generator's program beside this Python, or else in the worker's PATH, where it has ``version``."""
    beside = Path(sys.executable).parent / GENERATOR
    program = str(beside) if beside.exists() else shutil.which(GENERATOR)
    if program is None:
        raise FileNotFoundError(f"{GENERATOR} is not on this worker: pip install {GENERATOR}=={version}")
    there = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    if there.split()[-1] != version:
        raise ValueError(f"this worker has {there.strip()}: pip install {GENERATOR}=={version}")
    return program


def _run(arguments: Sequence[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode:
        raise OSError(f"{GENERATOR} ended with code {done.returncode}: {done.stderr or 'no output'}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sums(storage: Any, path: str) -> tuple[int, dict[str, str]]:
    """How many rows a Parquet file has, and the exact sum of each numeric column, a row group at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with storage.open_input_file(path) as source:
        file = pq.ParquetFile(source)
        kinds = {one.name: one.type for one in file.schema_arrow}
        numeric = [name for name, kind in kinds.items() if pa.types.is_integer(kind) or pa.types.is_decimal(kind)]
        wide = {name: pa.decimal128(38, kinds[name].scale) for name in numeric if pa.types.is_decimal(kinds[name])}
        sums = dict.fromkeys(numeric, 0)
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=numeric)
            for name in numeric:
                sums[name] += pc.sum(rows[name].cast(wide.get(name, pa.int64()))).as_py() or 0
        return file.metadata.num_rows, {name: str(value) for name, value in sums.items()}


def _storage(store: Mapping[str, Any] | None) -> Any:
    from pyarrow.fs import LocalFileSystem, S3FileSystem

    if store is None:
        return LocalFileSystem()
    scheme, _, host = store["endpoint"].partition("://")
    keys = {"access_key": store["access_key"], "secret_key": store["secret_key"]} if store["access_key"] else {}
    where = {"endpoint_override": host, "scheme": scheme, "region": store["region"]}
    return S3FileSystem(**keys, **where, force_virtual_addressing=not store["path_style"])


def _path(address: str) -> str:
    """``address`` as PyArrow's file systems take it."""
    return address.partition("://")[2]


def _size(storage: Any, address: str) -> int | None:
    """The bytes of the file at ``address``, ``None`` where there is none."""
    size: int | None = storage.get_file_info(_path(address)).size
    return size


def _put(storage: Any, content: Any, address: str) -> None:
    """Write ``content`` to ``address``, where it is whole or not at all."""
    from pyarrow.fs import LocalFileSystem

    path = _path(address)
    local = isinstance(storage, LocalFileSystem)
    if local:
        storage.create_dir(str(Path(path).parent), recursive=True)
    target = f"{path}.{os.getpid()}.partial" if local else path  # an object is there when it is whole
    with storage.open_output_stream(target) as sink:
        if isinstance(content, bytes):
            sink.write(content)
        else:
            shutil.copyfileobj(content, sink, _PIECE)
    if local:
        storage.move(target, path)
