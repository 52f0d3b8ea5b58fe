"""A table as it is in the store: metadata JSON, manifests, and the footers of its files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lakebench.datasets.interop import metadata as iceberg
from lakebench.datasets.interop.footers import Footer, footer
from lakebench.datasets.interop.metadata import Json
from lakebench.datasets.interop.store import Files
from lakebench.iceberg import puffin
from lakebench.iceberg.damage import Damaged, strict
from lakebench.iceberg.manifests import DATA, POSITION_DELETES, Manifest, ManifestEntry
from lakebench.iceberg.manifests import manifest as read_manifest
from lakebench.iceberg.manifests import manifest_list as read_list


class StoredTable:
    """A table's metadata and the files of its current snapshot, each read once, on demand.

    What cannot be read is left out, and listed in ``problems``. Of more than ``at_most`` live files only so many,
    spread evenly, have their footers read.
    """

    def __init__(self, metadata: Json, files: Files, at_most: int | None = None) -> None:
        self.metadata: Json = strict(metadata)
        self.files = files
        self.snapshot = iceberg.current_snapshot(self.metadata)
        self.problems: list[str] = []
        self._at_most = at_most

    def short(self, location: str) -> str:
        """A location as people read it: below the table's own."""
        return location.removeprefix(str(self.metadata.get("location", "")).rstrip("/")).lstrip("/")

    @functools.cached_property
    def manifests(self) -> list[Manifest]:
        """The manifests of the current snapshot."""
        return self.manifests_of(self.snapshot) if self.snapshot else []

    def manifests_of(self, snapshot: Json) -> list[Manifest]:
        """The manifests of ``snapshot``."""
        listed = self._try(snapshot.get("manifest-list", ""), "the manifest list", read_list)
        if "manifest-list" not in snapshot:  # version 1 may name its manifests in the metadata
            listed = [{"manifest_path": one} for one in snapshot.get("manifests", ())]
        manifests = []
        for one in listed or ():
            read = self._try(one["manifest_path"], "the manifest", functools.partial(read_manifest, one))
            manifests += [read] if read else []
        return manifests

    def _try(self, location: str, what: str, read: Callable[[bytes], Any]) -> Any:
        if not location:
            return None
        try:
            return read(self.files.read(location))
        except FileNotFoundError:
            self.problems.append(f"{what} {self.short(location)} is not in the store")
        except Damaged as error:
            self.problems.append(f"{what} {self.short(location)} cannot be read: {error}")
        return None

    @functools.cached_property
    def live(self) -> list[ManifestEntry]:
        """The data and delete files of the current snapshot."""
        return [one for manifest in self.manifests for one in manifest.entries if one.live]

    @functools.cached_property
    def data(self) -> list[ManifestEntry]:
        """The live data files."""
        return [one for one in self.live if one.content == DATA]

    @functools.cached_property
    def vectors(self) -> list[ManifestEntry]:
        """The live deletion vectors."""
        return [one for one in self.live if one.content == POSITION_DELETES and one.format == "puffin"]

    @functools.cached_property
    def position_deletes(self) -> list[ManifestEntry]:
        """The live files of position deletes that are no deletion vectors."""
        return [one for one in self.live if one.content == POSITION_DELETES and one.format != "puffin"]

    @functools.cached_property
    def opened(self) -> list[ManifestEntry]:
        """The live files whose footers are read: all of them, or every n-th."""
        every = 1 if self._at_most is None else max(1, -(-len(self.live) // self._at_most))
        return self.live[::every]

    @functools.cached_property
    def footers(self) -> dict[str, Footer]:
        """Live files that have a footer, by location."""
        footers = {}
        for one in self.opened:
            if one.format == "puffin" or one.path in footers:
                continue
            try:
                footers[one.path] = footer(self.files, one.path, one.format)
            except FileNotFoundError:
                self.problems.append(f"the file {self.short(one.path)} is not in the store")
            except Damaged as error:
                self.problems.append(f"the {one.format} file {self.short(one.path)} cannot be read: {error}")
        return footers

    @functools.cached_property
    def puffins(self) -> dict[str, bytes]:
        """The Puffin files of live deletion vectors and of statistics, by location."""
        names = {one.path for one in self.vectors} | {one["statistics-path"] for one in self.statistics}
        read = {name: self._try(name, "the Puffin file", bytes) for name in sorted(names)}
        return {name: data for name, data in read.items() if data is not None}

    def blobs(self, location: str) -> list[puffin.Blob] | None:
        """The blobs of a Puffin file; ``None`` where they cannot be read, which is reported once."""
        if location not in self._blobs:
            self._blobs[location] = None
            if location in self.puffins:
                try:
                    self._blobs[location] = puffin.blobs(self.puffins[location])
                except Damaged as error:
                    self.problems.append(f"the Puffin file {self.short(location)} cannot be read: {error}")
        return self._blobs[location]

    @functools.cached_property
    def _blobs(self) -> dict[str, list[puffin.Blob] | None]:
        return {}

    @property
    def statistics(self) -> list[Json]:
        """The statistics files that the metadata names."""
        return self.metadata.get("statistics") or []

    @functools.cached_property
    def names(self) -> dict[int, iceberg.Column]:
        """All fields by id."""
        return iceberg.by_id(self.metadata)
