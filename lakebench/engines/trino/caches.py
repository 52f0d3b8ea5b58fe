"""Trino's cache of files on its own disk (Trino's documentation, "File system cache"), switched on or off."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from lakebench.engines import CanCache
from lakebench.model import CACHES, EngineSettings, Lake, Runtime

_TTL_S = 5
_IN_CONTAINER = "/tmp/lakebench-cache"  # noqa: S108 - of the container


class CachesOfTrino(CanCache):
    """On disk: blocks of files; where that is off, nothing is kept in memory either."""

    caches: ClassVar[Mapping[str, str]] = {"fs.cache.enabled": "blocks of files, on disk"}
    expiry: ClassVar[str] = (
        f"fs.cache.ttl was {_TTL_S} s, and passed; Trino removes what is too old at intervals of its own, so it may "
        "still have been there"
    )

    settings: EngineSettings

    def cache_properties(self, lake: Lake) -> dict[str, str]:
        """The catalog's properties for the caches that ``lake`` asks for."""
        wanted = lake.options.get(CACHES)
        if wanted != "on":
            return {"iceberg.metadata-cache.enabled": "false"} if wanted else {}
        server = self.settings.server
        local = server is None or server.runtime is Runtime.LOCAL
        folder = f"{self.settings.folder}/cache" if local else _IN_CONTAINER
        return {
            "fs.cache.enabled": "true",
            "fs.cache.directories": f"{folder}-{lake.name}",
            "fs.cache.max-sizes": "2GB",
            "fs.cache.ttl": f"{_TTL_S}s",
        }

    def expire_caches(self) -> None:
        """Wait."""
        time.sleep(_TTL_S + 1)
