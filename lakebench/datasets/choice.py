"""Choosing features by globs of their ids."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from lakebench.errors import UsageError, suggest


def chosen(ids: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Those of ``ids`` that fit one of ``patterns`` (globs), all where there are none, in their order.

    Raises:
        UsageError: a pattern fits none; the message has the nearest ids.
    """
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(one, pattern) for one in ids):
            hint = suggest(pattern, ids, most=3)
            raise UsageError(f"unknown feature '{pattern}': {hint}lakebench list features shows all")
    return tuple(one for one in ids if any(fnmatch.fnmatchcase(one, pattern) for pattern in patterns or ("*",)))
