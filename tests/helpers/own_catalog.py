"""A catalog in memory and files in a folder: the reference writer works on them without any server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest, Table
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil, new_table_metadata
from pyiceberg.table.sorting import SortOrder
from pyiceberg.table.update import update_table_metadata
from pyiceberg.typedef import IcebergBaseModel

from lakebench.engines.reference.engine import Reference
from lakebench.model import Catalog, CatalogKind, EngineSettings, Lake

Json = dict[str, Any]


def _silent(_: str) -> None: ...


def _text(metadata: TableMetadata) -> str:
    """As JSON; the method of version 3's own class refuses, as PyIceberg commits no such table to a catalog."""
    return IcebergBaseModel.model_dump_json(metadata)


class OwnStore:
    """Objects as files."""

    tell: Callable[[str], None] = staticmethod(_silent)

    def write(self, address: str, data: bytes) -> None:
        path = Path(address.removeprefix("file://"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def read(self, address: str) -> bytes:
        return Path(address.removeprefix("file://")).read_bytes()

    def delete(self, addresses: Iterable[str]) -> None:
        for one in addresses:
            Path(one.removeprefix("file://")).unlink(missing_ok=True)


class OwnCatalog:
    """What the reference writer asks of a REST catalog; PyIceberg's code changes the metadata."""

    tell: Callable[[str], None] = staticmethod(_silent)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.tables: dict[str, TableMetadata] = {}

    def create_namespace(self) -> None: ...

    def drop(self, _what: str, name: str) -> None:
        self.tables.pop(name, None)

    def load(self, table: str) -> Json:
        document: Json = json.loads(_text(self.tables[table]))
        return document

    def create(self, body: Json) -> Json:
        self.tables[body["name"]] = new_table_metadata(
            Schema.model_validate(body["schema"]),
            PartitionSpec.model_validate(body["partition-spec"]),
            SortOrder.model_validate(body["write-order"]),
            f"file://{self._folder}/{body['name']}",
            body["properties"],
        )
        return self.load(body["name"])

    def commit(self, table: str, requirements: Sequence[Json], updates: Sequence[Json]) -> None:
        identifier = {"namespace": ["n"], "name": table}
        body = {"identifier": identifier, "requirements": requirements, "updates": updates}
        asked = CommitTableRequest.model_validate(body)
        for one in asked.requirements:
            one.validate(self.tables[table])
        changed = update_table_metadata(self.tables[table], asked.updates)
        self.tables[table] = TableMetadataUtil.parse_raw(_text(changed))


class OwnReference(Reference):
    """The reference writer on a catalog of its own below ``folder``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(EngineSettings(1, 2**30, str(folder)))
        self._lake = Lake("own", None, Catalog(CatalogKind.REST, "", "w"), namespace="n")
        self._catalog = self.catalog = OwnCatalog(folder)  # type: ignore[assignment]
        self._store = OwnStore()  # type: ignore[assignment]

    def read(self, table: str) -> pa.Table:
        """The rows of ``table`` as PyIceberg reads them."""
        metadata = self.catalog.tables[table]
        return Table(("n", table), metadata, "", PyArrowFileIO(), NoopCatalog("own")).scan().to_arrow()
