"""Every interop feature. A feature added to one of the modules here is in the phase and its reports.

Other distributions add features by the entry points of the group ``lakebench.features``, and files by their paths
(:mod:`lakebench.datasets.interop.feature_files`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from lakebench.datasets.choice import chosen as fitting
from lakebench.datasets.interop import feature_files
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.features import (
    combined,
    evolution,
    layouts,
    names,
    partitions,
    rows,
    snapshots,
    tables,
    types,
    zones,
)
from lakebench.errors import UsageError

FEATURES: tuple[Feature, ...] = (
    *types.ALL, *evolution.ALL, *partitions.ALL, *rows.ALL, *snapshots.ALL, *tables.ALL,
    *names.ALL, *layouts.ALL, *zones.ALL, *combined.ALL,
)  # fmt: skip
ENTRY_POINTS = "lakebench.features"


def all_features(files: Sequence[str] = ()) -> tuple[Feature, ...]:
    """Our features, those of other distributions, and those in ``files``.

    Raises:
        UsageError: a file or a distribution cannot be read, or two features have one id.
    """
    by_id = {one.id: one for one in FEATURES}
    for source, some in (*_installed(), *((name, feature_files.load(Path(name))) for name in files)):
        for one in some:
            if one.id in by_id:
                raise UsageError(f"{source}: there is another feature {one.id}: give this one an id of its own")
            by_id[one.id] = one
    return tuple(by_id.values())


@functools.cache
def _installed() -> tuple[tuple[str, tuple[Feature, ...]], ...]:
    """Distribution → its features."""
    return tuple(_loaded(point) for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: one.name))


def _loaded(point: EntryPoint) -> tuple[str, tuple[Feature, ...]]:
    source = f"the features {point.name} of {point.dist.name if point.dist else 'an unknown distribution'}"
    try:
        some = tuple(point.load())
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        raise UsageError(f"{source} cannot be loaded ({message}): repair or uninstall it") from error
    if strange := [one for one in some if not isinstance(one, Feature)]:
        raise UsageError(f"{source} have {strange[0]!r} among them, which is no Feature: repair or uninstall it")
    return source, some


def chosen(patterns: Sequence[str], files: Sequence[str] = ()) -> tuple[Feature, ...]:
    """The features whose ids fit one of ``patterns`` (globs), all where there are none, in their order.

    Raises:
        UsageError: a pattern fits none; the message has the nearest ids; and what :func:`known` raises.
    """
    features = all_features(files)
    ids = fitting([one.id for one in features], patterns)
    return tuple(one for one in features if one.id in ids)
