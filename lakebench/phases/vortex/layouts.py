"""The files of phase 6: each table in each format, by which writer, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakebench.model import EngineRef, TableFormat

GROUP = "122880"
"""Rows of a row group: DuckDB's default, and so that of every Parquet file here."""


@dataclass(frozen=True)
class FileLayout:
    """A format with its writer; ``options`` are the writer's own, each of them in the report."""

    id: str
    title: str
    format: TableFormat
    writer: EngineRef
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> str:
        """The writer's settings, for people."""
        return ", ".join(f"{key}={value}" for key, value in self.options.items()) or "its defaults"

    @property
    def suffix(self) -> str:
        """The end of a file's name."""
        return str(self.format)


_DUCKDB, _PYARROW, _VORTEX, _LANCE = (EngineRef(one) for one in ("duckdb", "pyarrow", "vortex", "lance"))
_INDEXED = {
    "row_group_size": GROUP,
    "compression": "zstd",
    "use_dictionary": "True",
    "write_page_index": "True",
    "data_page_size": "65536",
    "bloom_filter": "k",
}
PLAIN = FileLayout("parquet-default", "Parquet by DuckDB, its defaults", TableFormat.PARQUET, _DUCKDB)
ZSTD = FileLayout(
    "parquet-zstd",
    "Parquet by DuckDB, zstd",
    TableFormat.PARQUET,
    _DUCKDB,
    {"COMPRESSION": "zstd", "PARQUET_VERSION": "v2", "ROW_GROUP_SIZE": GROUP},
)
INDEXED = FileLayout(
    "parquet-indexed", "Parquet by PyArrow, zstd, page index, bloom filter", TableFormat.PARQUET, _PYARROW, _INDEXED
)
SNAPPY = FileLayout(
    "parquet-snappy",
    "Parquet by PyArrow, snappy, page index, bloom filter",
    TableFormat.PARQUET,
    _PYARROW,
    {**_INDEXED, "compression": "snappy"},
)
VORTEX = FileLayout("vortex", "Vortex by DuckDB", TableFormat.VORTEX, _DUCKDB)
VORTEX_DATA = FileLayout("vortex-data", "Vortex by vortex-data", TableFormat.VORTEX, _VORTEX)
COMPACT = FileLayout(
    "vortex-compact", "Vortex by vortex-data, compact", TableFormat.VORTEX, _VORTEX, {"strategy": "compact"}
)
LANCE = FileLayout("lance", "Lance by pylance", TableFormat.LANCE, _LANCE)
LANCE_DUCKDB = FileLayout("lance-duckdb", "Lance by DuckDB", TableFormat.LANCE, _DUCKDB)
OWN = FileLayout("duckdb", "DuckDB's own format", TableFormat.DUCKDB, _DUCKDB)
BARE = FileLayout(
    "parquet-bare",
    "Parquet by PyArrow, without statistics",
    TableFormat.PARQUET,
    _PYARROW,
    {"row_group_size": GROUP, "write_statistics": "False"},
)
"""Where no aggregate but a count can be answered without the rows."""
LAYOUTS: Mapping[str, FileLayout] = {
    one.id: one for one in (PLAIN, ZSTD, INDEXED, SNAPPY, VORTEX, VORTEX_DATA, COMPACT, LANCE, LANCE_DUCKDB, OWN)
}

WRITTEN = tuple(one for one in LAYOUTS.values() if one is not LANCE_DUCKDB)
"""The layouts that the large tables are written in; the other one is of the tables whose order is checked."""

LOCAL, REMOTE = "local", "s3"
MEASURED: Mapping[str, Mapping[str, tuple[FileLayout, ...]]] = {
    LOCAL: {
        "duckdb": (PLAIN, INDEXED, VORTEX, LANCE, OWN),
        "polars": (INDEXED, VORTEX),
        "datafusion": (INDEXED, LANCE),
        "pyarrow": (PLAIN,),
        "vortex": (VORTEX, VORTEX_DATA),
        "lance": (LANCE,),
    },
    REMOTE: {
        "duckdb": (INDEXED, VORTEX),
        "polars": (INDEXED, VORTEX),
        "pyarrow": (INDEXED,),
        "vortex": (VORTEX,),
        "lance": (LANCE,),
    },
}
"""Storage → engine → the layouts that it is measured on."""
FEW: Mapping[str, tuple[FileLayout, ...]] = {
    "duckdb": (PLAIN, VORTEX),
    "pyarrow": (PLAIN,),
    "vortex": (VORTEX,),
}
"""Likewise for the questions that take the longest, on this machine."""

BASES: Mapping[str, tuple[tuple[str, FileLayout], ...]] = {
    "duckdb": (("duckdb", PLAIN), ("duckdb", INDEXED)),
    "polars": (("polars", INDEXED),),
    "datafusion": (("datafusion", INDEXED),),
    "vortex": (("pyarrow", PLAIN), ("pyarrow", INDEXED)),
    "lance": (("pyarrow", PLAIN), ("pyarrow", INDEXED)),
}
"""Engine → who reads Parquet beside it, where it is measured: itself, or for a library of one format PyArrow."""
