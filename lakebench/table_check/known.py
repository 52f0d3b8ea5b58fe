"""Features of the interop matrix that a table uses, and the cells in which an engine fails on one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.datasets.interop.inspector import holds
from lakebench.iceberg.types import kind
from lakebench.model import EngineRef
from lakebench.outcomes import FROM_BEST
from lakebench.results.matrix_cells import Known, MatrixCell

_TRANSFORM = re.compile(r"^\w+")
_REFERENCE = "reference"
_PLAIN = frozenset({"int", "long", "string", "struct", "list", "map"})


@dataclass(frozen=True)
class KnownFailure:
    """``engine`` fails on ``feature`` in ``cell``, the worst of ``cells`` such cells (one for each writer)."""

    engine: EngineRef
    feature: Feature
    cell: MatrixCell
    cells: int


def features_in_use(facts: Mapping[str, Any], features: Iterable[Feature]) -> list[Feature]:
    """Those of ``features`` of which the table with these ``facts`` has what proves them, whatever its columns' names.

    A feature that only a history of changes would show, such as a renamed column, is not seen.
    """
    return [one for one in features if _is_used(one, facts)]


def _is_used(feature: Feature, facts: Mapping[str, Any]) -> bool:
    telling = [one for one in feature.proof if one.fact in _TESTS]
    return any(_tells(one) for one in telling) and all(_TESTS[one.fact](one, facts) for one in telling)


def _tells(proof: Proof) -> bool:
    """Whether the proof holds of few tables: every second one has a string, and each a format version."""
    if proof.fact == "column-types":
        return bool(_kinds(proof.value.values()) - _PLAIN)
    # That there are none of something tells nothing.
    return proof.fact != "format-version" and proof.value not in (0, False)


def _kinds(types: Iterable[str]) -> set[str]:
    return {kind(one) for one in types}


def _has_types(proof: Proof, facts: Mapping[str, Any]) -> bool:
    return _kinds(proof.value.values()) <= _kinds(facts["column-types"].values())


def _has_transforms(proof: Proof, facts: Mapping[str, Any]) -> bool:
    wanted = proof.value if isinstance(proof.value, list | tuple) else [proof.value]
    return bool(wanted) and _transforms(wanted) <= _transforms(facts["partition-transforms"])


def _transforms(texts: Iterable[str]) -> set[str]:
    """``bucket`` of ``bucket[4](id)``."""
    return {match[0] for one in texts if (match := _TRANSFORM.match(one))}


def _has_refs(proof: Proof, facts: Mapping[str, Any]) -> bool:
    wanted = set(proof.value.values()) if isinstance(proof.value, Mapping) else {"branch"}
    return wanted <= {one for name, one in facts["refs"].items() if name != "main"}


def _has_some(proof: Proof, facts: Mapping[str, Any]) -> bool:
    return bool(facts.get(proof.fact)) == bool(proof.value)


_TESTS: Mapping[str, Callable[[Proof, Mapping[str, Any]], bool]] = {
    "column-types": _has_types,
    "partition-transforms": _has_transforms,
    "refs": _has_refs,
    **dict.fromkeys(("sort-order", "defaults", "statistics", "specs", "deletion-vectors"), _has_some),
    **dict.fromkeys(("position-delete-files", "equality-delete-files"), _has_some),
    **dict.fromkeys(("format-version", "file-formats", "codecs", "bloom-filters", "first-row-ids"), holds),
    "parquet-field-ids": holds,
}


def known_failures(known: Known, features: Sequence[Feature], refs: Sequence[EngineRef]) -> list[KnownFailure]:
    """The features that one of ``refs`` (each with its version) failed to read, through a fault of its own.

    A failure on the tables of a few writers is theirs, and not the feature's: it counts where the reader fails on the
    reference's table, or on those of most writers.
    """
    found = []
    for ref in refs:
        for feature in features:
            cells = [
                cell for (name, _, reader), cell in known.items() if name == feature.id and reader == ref and _ran(cell)
            ]
            failed = [cell for cell in cells if cell.outcome.is_failure]
            by_reference = any(cell.writer.name == _REFERENCE for cell in failed)
            if by_reference or len(failed) * 2 > len(cells):
                worst = max(failed, key=lambda one: FROM_BEST.index(one.outcome))
                found.append(KnownFailure(ref, feature, worst, len(failed)))
    return found


def _ran(cell: MatrixCell) -> bool:
    return cell.outcome.ran and not cell.misled
