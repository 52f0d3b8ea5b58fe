"""What a reader saw while a table was maintained (the log of ``watch``), held against the one right answer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from lakebench.datasets.table_files import read

_SHOWN = 200


def counted(log: Path, expected: Path) -> dict[str, Any]:
    """How many reads were ``right``, ``wrong`` and ``failed``; the first ``error``, and the longest in ms.

    A read is a line with rows, or with the kind and the message of an error.
    """
    wanted = Counter(_row(one.values()) for one in read(expected).to_pylist())
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    lines = [json.loads(one) for one in text.splitlines(keepends=True) if one.endswith("\n")]
    reads = [one for one in lines if "rows" in one]
    right = [one for one in reads if Counter(_row(row) for row in one["rows"]) == wanted]
    failed = [one for one in lines if "kind" in one]
    counts: dict[str, Any] = {"right": len(right), "wrong": len(reads) - len(right), "failed": len(failed)}
    if failed:
        counts["error"] = f"{failed[0]['kind']}: {failed[0]['message'][:_SHOWN]}"
    if right:
        counts["longest_ms"] = round(max(one["ended"] - one["began"] for one in right) / 1e6, 1)
    return counts


def _row(values: Any) -> tuple[str, ...]:
    """A row so that equal ones are equal whatever JSON made of their types: the scan asks for keys and text alone."""
    return tuple(str(one) for one in values)
