"""What a storage gives without any engine: the time to its first byte, and its sequential speed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from lakebench.iceberg.files import file_system
from lakebench.model import ObjectStore
from lakebench.processes import resources
from lakebench.results import statistics

_READS = 9
_BLOCK = 8 * 2**20


def probe(files: Sequence[str], store: ObjectStore | None) -> dict[str, Any]:
    """What the largest of ``files`` (addresses, ``s3://`` or ``file://``) takes to read, by Arrow.

    ``first_byte_ms`` is the median of single bytes at places of the file that lie far apart, ``sequential_mb_s`` (10⁶
    bytes) the speed of the whole file in blocks of 8 MiB by one connection; ``bytes`` is its size. Before both, the
    machine's page cache is dropped where we may: ``page_cache`` says whether. ``not_had`` is why there is nothing.
    """
    try:
        return _measured(files, store)
    except OSError as error:
        return {"not_had": f"the storage could not be probed: {error}"}


def _measured(files: Sequence[str], store: ObjectStore | None) -> dict[str, Any]:
    files_of = file_system(store)
    paths = [one.partition("://")[2] for one in files]
    largest = max(files_of.get_file_info(paths), key=lambda one: one.size or 0)
    size = int(largest.size or 0)
    first = []
    with files_of.open_input_file(largest.path) as file:
        resources.drop_page_cache()
        for number in range(_READS):
            began = time.perf_counter()
            file.read_at(1, number * size // _READS)
            first.append(time.perf_counter() - began)
        cache = resources.drop_page_cache()
        began = time.perf_counter()
        for at in range(0, size, _BLOCK):
            file.read_at(min(_BLOCK, size - at), at)
        seconds = time.perf_counter() - began
    return {
        "first_byte_ms": round(statistics.median(first) * 1e3, 3),
        "sequential_mb_s": round(size / seconds / 1e6, 1),
        "bytes": size,
        "page_cache": cache,
    }


def in_words(found: Mapping[str, Any]) -> str:
    """Such as ``first byte 61 ms, 48.2 MB/s``."""
    if "first_byte_ms" not in found:
        return str(found.get("not_had", "not probed"))
    return f"first byte {found['first_byte_ms']:.3g} ms, sequential {found['sequential_mb_s']:.4g} MB/s"
