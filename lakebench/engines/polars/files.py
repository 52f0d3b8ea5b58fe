"""Polars on plain files: a lazy frame over those of each table, by Polars itself or by the library of the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import lance_dataset, local_path, object_store_options, require_deltalake, vortex_file
from lakebench.model import Lake, TableFormat

READERS: Mapping[TableFormat, str] = {
    TableFormat.PARQUET: "scan_parquet",
    TableFormat.DELTA: "scan_delta",
    TableFormat.VORTEX: "vortex.open().to_polars",
    TableFormat.LANCE: "scan_pyarrow_dataset(lance.dataset)",
}
"""What a frame of each format is made by."""


def frames(lake: Lake) -> dict[str, Any]:
    """A lazy frame over the files of each table."""
    frame = _FRAMES[lake.format]
    return {table: frame(lake, addresses) for table, addresses in lake.files.items()}


def _parquet(lake: Lake, addresses: Sequence[str]) -> Any:
    from polars import scan_parquet

    return engine_call(scan_parquet, [local_path(one) for one in addresses], storage_options=_storage(lake))


def _delta(lake: Lake, addresses: Sequence[str]) -> Any:
    from polars import scan_delta

    require_deltalake("Polars")
    (folder,) = addresses
    return engine_call(scan_delta, local_path(folder), storage_options=_storage(lake))


def _storage(lake: Lake) -> dict[str, str] | None:
    return None if lake.store is None else object_store_options(lake.store)


def _vortex(lake: Lake, addresses: Sequence[str]) -> Any:
    (address,) = addresses
    return engine_call(vortex_file(lake, address).to_polars)


def _lance(lake: Lake, addresses: Sequence[str]) -> Any:
    from polars import scan_pyarrow_dataset

    (address,) = addresses
    return engine_call(scan_pyarrow_dataset, lance_dataset(lake, address))


_FRAMES: Mapping[TableFormat, Callable[[Lake, Sequence[str]], Any]] = {
    TableFormat.PARQUET: _parquet,
    TableFormat.DELTA: _delta,
    TableFormat.VORTEX: _vortex,
    TableFormat.LANCE: _lance,
}
