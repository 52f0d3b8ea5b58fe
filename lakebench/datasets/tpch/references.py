"""The reference answers: two independent sources at three scale factors, made by ``scripts/make_answers.py``.

PostgreSQL computed them over the generator's rows. The others are those that DuckDB publishes; what they cannot show of
these rows, and Q13's second source, is in ``answers/provenance.json``.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from lakebench.datasets.tpch.queries import ANSWERED

FOLDER = Path(__file__).parent / "answers"
_SECOND = {13: "sqlite"}


def reference(scale_factor: Decimal, number: int) -> dict[str, Path]:
    """Source → Parquet file with the answer to query ``number``; empty where the scale factor has none."""
    if scale_factor not in ANSWERED:
        return {}
    sources = ("postgresql", _SECOND.get(number, "duckdb"))
    return {source: answer_file(source, scale_factor, number) for source in sources}


def answer_file(source: str, scale_factor: Decimal, number: int) -> Path:
    """The path of the answer of ``source``."""
    return FOLDER / source / f"sf{format(scale_factor.normalize(), 'f')}" / f"q{number:02d}.parquet"
