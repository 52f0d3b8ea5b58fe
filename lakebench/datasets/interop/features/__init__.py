"""Every interop feature. A feature added to one of the modules here is in the phase, its reports and its documents."""

from __future__ import annotations

import difflib
import fnmatch

from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.features import evolution, partitions, rows, snapshots, tables, types
from lakebench.errors import UsageError

FEATURES: tuple[Feature, ...] = (*types.ALL, *evolution.ALL, *partitions.ALL, *rows.ALL, *snapshots.ALL, *tables.ALL)


def chosen(patterns: tuple[str, ...]) -> tuple[Feature, ...]:
    """The features whose ids fit one of ``patterns`` (globs), all where there are none, in their order.

    Raises:
        UsageError: a pattern fits none; the message has the nearest ids.
    """
    found = set()
    for pattern in patterns or ("*",):
        fits = [one.id for one in FEATURES if fnmatch.fnmatchcase(one.id, pattern)]
        if not fits:
            near = difflib.get_close_matches(pattern, [one.id for one in FEATURES], n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"unknown feature '{pattern}': {hint}lakebench list features shows all")
        found.update(fits)
    return tuple(one for one in FEATURES if one.id in found)
