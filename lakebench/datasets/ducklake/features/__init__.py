"""Every tested feature of DuckLake. A feature added to a module here is in the phase and its reports."""

from __future__ import annotations

from lakebench.datasets.ducklake.feature import DuckLakeFeature
from lakebench.datasets.ducklake.features import history, objects, storage, transactions, types, writes

FEATURES: tuple[DuckLakeFeature, ...] = (
    *objects.ALL,
    *types.ALL,
    *transactions.ALL,
    *history.ALL,
    *writes.ALL,
    *storage.ALL,
)
