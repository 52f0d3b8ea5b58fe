"""DuckDB's caches of what lies far (DuckDB's documentation, "Configuration"), switched on or off together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lakebench.engines import CanCache
from lakebench.model import CACHES, Lake


class CachesOfDuckDB(CanCache):
    """In memory: blocks of files, the answers of HEAD requests, and the footers of Parquet files."""

    caches: ClassVar[Mapping[str, str]] = {
        "enable_external_file_cache": "blocks of files",
        "enable_http_metadata_cache": "sizes and times of objects",
        "parquet_metadata_cache": "footers of Parquet files",
    }
    expiry: ClassVar[str] = (
        "enable_external_file_cache was false for a moment, which drops the blocks: they have no age"
    )

    _run: Any

    def set_caches(self, lake: Lake) -> None:
        """Switch on or off what ``lake`` asks for."""
        if wanted := lake.options.get(CACHES):
            for name in self.caches:
                self._run(f"SET {name} = {wanted == 'on'}")

    def expire_caches(self) -> None:
        """Drop the blocks."""
        self._run("SET enable_external_file_cache = false")
        self._run("SET enable_external_file_cache = true")
