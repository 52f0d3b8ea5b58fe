"""lakebench: which lakehouse engine reads and writes what another wrote, and how fast, measured on real servers."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lakebench-harness")
except PackageNotFoundError:  # a worker in an environment of its own has our source and not our metadata
    __version__ = "0"
