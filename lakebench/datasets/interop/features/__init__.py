"""Every interop feature. A feature added to one of the modules here is in the phase, its reports and its documents."""

from __future__ import annotations

from lakebench.datasets.choice import chosen as fitting
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.features import evolution, partitions, rows, snapshots, tables, types

FEATURES: tuple[Feature, ...] = (*types.ALL, *evolution.ALL, *partitions.ALL, *rows.ALL, *snapshots.ALL, *tables.ALL)


def chosen(patterns: tuple[str, ...]) -> tuple[Feature, ...]:
    """The features whose ids fit one of ``patterns`` (globs), all where there are none, in their order.

    Raises:
        UsageError: a pattern fits none; the message has the nearest ids.
    """
    ids = fitting([one.id for one in FEATURES], patterns)
    return tuple(one for one in FEATURES if one.id in ids)
