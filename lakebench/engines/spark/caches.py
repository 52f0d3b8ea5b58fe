"""The caches of Iceberg in Spark (Iceberg's documentation, "Catalog properties"), switched on or off together.

Spark has none of data files: these are of metadata.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from lakebench.engines import CanCache
from lakebench.model import CACHES, Lake

_KEPT_S = 5


class CachesOfSpark(CanCache):
    """In memory: tables with their metadata, and manifests."""

    caches: ClassVar[Mapping[str, str]] = {
        "cache-enabled": "tables, with their metadata",
        "io.manifest.cache-enabled": "manifests and manifest lists",
    }
    expiry: ClassVar[str] = f"cache.expiration-interval-ms was {_KEPT_S} s, and passed"

    def cache_settings(self, lake: Lake) -> dict[str, str]:
        """The catalog's settings for the caches that ``lake`` asks for."""
        wanted = lake.options.get(CACHES)
        if not wanted:
            return {}
        age = str(_KEPT_S * 1000)
        ages = {"cache.expiration-interval-ms": age, "io.manifest.cache.expiration-interval-ms": age}
        return {name: str(wanted == "on").lower() for name in self.caches} | ages

    def expire_caches(self) -> None:
        """Wait."""
        time.sleep(_KEPT_S + 1)
