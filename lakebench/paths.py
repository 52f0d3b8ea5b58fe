"""Where things are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache: ``$LAKEBENCH_CACHE``, or ``lakebench`` below ``$XDG_CACHE_HOME`` (``~/.cache``)."""
    if own := os.environ.get("LAKEBENCH_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lakebench"
