"""The table of a life as its format has it: how it is made and maintained, and what is looked at in it."""

from __future__ import annotations

import os
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakebench.datasets.ducklake import catalog as ducklake_catalog
from lakebench.datasets.interop.store import upload
from lakebench.datasets.living import audit, ducklake
from lakebench.datasets.living.audit import AuditedTable, Stored
from lakebench.datasets.living.life import FIELDS, TABLE
from lakebench.engines.ducklake import unverified
from lakebench.errors import CaseError, EngineUnavailable
from lakebench.execution.context import RunContext
from lakebench.iceberg.catalogs import table_metadata
from lakebench.iceberg.operations import Create, CreateRef, Operation, to_json
from lakebench.model import CatalogKind, EngineRef, Lake, TableFormat
from lakebench.phases.living_tables.lives import Life
from lakebench.phases.table_loading import word
from lakebench.services import lakes
from lakebench.services.object_store import store

LIMIT_S = 600.0
STORE = "object-store"
_REFERENCE = EngineRef("reference")
"""Sets the tag: not every writer can, and who holds a snapshot is no engine's merit here."""
_ORPHANS = 3
_AGE_S = 30 * 24 * 3600.0


class LivingTable(ABC):
    """The table ``orders`` on a lake of its own.

    ``lake`` is as engines reach it; ``near`` is the same, as we do, who look at it outside every clock.
    """

    def __init__(self, context: RunContext, life: Life, lake: Lake) -> None:
        self.context, self.kind, self.near = context, life.kind, lake
        self.lake = context.distances.lake(lake, life.catalog_ms)
        self.tags: dict[str, int] = {}

    def create(self, loaders: Sequence[EngineRef], base: Sequence[Path]) -> EngineRef:
        """Make the table with the generator's rows, by the first of ``loaders`` that can; which one it was.

        Raises:
            CaseError: none can; it is the error of the last.
        """
        error: CaseError = EngineUnavailable("no engine of this run can fill a table: name one with --engines")
        for ref in loaders:
            try:
                self.operate(ref, Create(**self._creation()))
                files = [str(one) for one in base]
                self.context.client.call(ref, self.lake, "load", LIMIT_S, table=TABLE, files=files)
            except CaseError as failed:
                error = failed
            else:
                return ref
        raise error

    def operate(self, ref: EngineRef, operation: Operation) -> int:
        """Have ``ref`` carry out ``operation``; nanoseconds."""
        asked = [to_json(replace(operation, table=TABLE))]
        return int(self.context.client.call(ref, self.lake, "operate", LIMIT_S, operations=asked)["ns"])

    def _creation(self) -> dict[str, Any]:
        return {"table": TABLE, "columns": FIELDS}

    def maintain(self, ref: EngineRef, step: type[Operation]) -> int:
        """Have ``ref`` carry out a step of maintenance; nanoseconds."""
        return self.operate(ref, step(fields=FIELDS))

    @abstractmethod
    def snapshot(self) -> int:
        """The id of the current snapshot."""

    @abstractmethod
    def facts(self) -> dict[str, int]:
        """What a reader of the current snapshot has to plan with."""

    @abstractmethod
    def wrong_rows(self, base: Sequence[Path], program: Sequence[Mapping[str, Any]], at: int | None = None) -> str:
        """How the rows differ from those after ``program``, of the snapshot ``at`` or of the current one."""

    @abstractmethod
    def damage(self) -> list[str]:
        """What is gone that must be there, in words."""

    @abstractmethod
    def hold(self, tag: str) -> bool:
        """Let ``tag`` hold the current snapshot; whether the format has such a thing."""

    @property
    @abstractmethod
    def folder(self) -> str:
        """The address below which its files lie."""

    def stored(self) -> Stored:
        """What lies below its folder."""
        return self.context.checker.call(audit.stored, self.folder, self.lake.store)

    def plant_orphans(self) -> tuple[str, ...]:
        """Put files that nothing refers to among its data, and make all its files a month old; their addresses.

        Raises:
            EngineUnavailable: the files are not on this machine, where their times can be set.
        """
        bucket = self.context.services.data_folder(STORE)
        if bucket is None:
            raise EngineUnavailable("the object store is not ours: its files cannot be made old enough to be orphans")
        file = self.context.files.new("orphan")
        file.write_bytes(b"PAR1 left by a writer that died before its commit PAR1")
        folder = f"{self.folder.rstrip('/')}/data/{uuid.uuid4()}"
        planted = self.context.checker.call(upload, [file] * _ORPHANS, self.lake.objects, folder)
        _make_old(bucket / self.folder.partition("://")[2].partition("/")[2])
        return planted

    def end(self) -> None:  # noqa: B027 - most leave it to the run
        """Free what the table has in a server."""


class IcebergTable(LivingTable):
    """A table of the REST catalog."""

    def _loaded(self) -> AuditedTable:
        answer = table_metadata(self.near.catalog, self.near.namespace, TABLE)
        return AuditedTable(answer["metadata"], answer["metadata-location"], self.near.store)

    def _creation(self) -> dict[str, Any]:
        return {**super()._creation(), "format_version": self.kind.version, "properties": self.kind.properties}

    def snapshot(self) -> int:
        """The current snapshot by the catalog."""
        return int(self._loaded().metadata["current-snapshot-id"])

    def facts(self) -> dict[str, int]:
        """By metadata and manifests."""
        return self.context.checker.call(audit.facts, self._loaded())

    def wrong_rows(self, base: Sequence[Path], program: Sequence[Mapping[str, Any]], at: int | None = None) -> str:
        """By the files themselves."""
        return self.context.checker.call(audit.wrong_rows, self._loaded(), at, base, program)

    def damage(self) -> list[str]:
        """Tags, their snapshots, and every file that a snapshot refers to."""
        return self.context.checker.call(audit.damage, self._loaded(), self.tags)

    def hold(self, tag: str) -> bool:
        """By the reference writer."""
        self.operate(_REFERENCE, CreateRef(name=tag, type="tag", fields=FIELDS))
        self.tags[tag] = self.snapshot()
        return True

    @property
    def folder(self) -> str:
        """The table's location."""
        return str(self._loaded().metadata["location"])


class DuckLakeTable(LivingTable):
    """A table of a DuckLake, whose catalog is in PostgreSQL. Its rows are checked by the answers of its readers."""

    def maintain(self, ref: EngineRef, step: type[Operation]) -> int:
        """By DuckLake's own functions."""
        total = 0
        for statement in ducklake.MAINTENANCE[step]:
            sql = statement.format(lake=self.lake.name)
            total += int(self.context.client.call(ref, self.lake, "execute", LIMIT_S, sql=sql)["ns"])
        return total

    def snapshot(self) -> int:
        """The newest."""
        return self.facts()["snapshot"]

    def facts(self) -> dict[str, int]:
        """By the catalog's own tables."""
        return self.context.checker.call(ducklake.facts, self.near)

    def wrong_rows(self, base: Sequence[Path], program: Sequence[Mapping[str, Any]], at: int | None = None) -> str:  # noqa: ARG002
        """Nothing: rows may lie in the catalog, so its readers' answers are the check."""
        return ""

    def damage(self) -> list[str]:
        """The files of the newest snapshot."""
        return self.context.checker.call(ducklake.damage, self.near)

    def hold(self, tag: str) -> bool:  # noqa: ARG002
        """DuckLake has no tags."""
        return False

    @property
    def folder(self) -> str:
        """The lake's data path."""
        return self.lake.catalog.warehouse

    def end(self) -> None:
        """Drop the catalog's schema: each makes the next lake slower."""
        self.context.checker.call(ducklake_catalog.forget, self.near)


def table_of(context: RunContext, life: Life) -> LivingTable:
    """The table of ``life``, on a lake of its own."""
    if life.kind.format is TableFormat.DUCKLAKE:
        objects, postgres = store(context.services.endpoint(STORE)), context.services.endpoint("postgres")
        options = unverified(*life.writers, *life.readers)
        lake = lakes.ducklake(CatalogKind.POSTGRES, "living", context.files.scratch, objects, postgres, options)
        return DuckLakeTable(context, life, replace(lake, namespace="main"))
    return IcebergTable(context, life, replace(lakes.rest_lake(context.services), namespace=namespace_of(life)))


def namespace_of(life: Life) -> str:
    """The namespace of its table."""
    return f"living_{word(life.id)}"


def _make_old(folder: Path) -> None:
    """Let every file below ``folder`` have been written a month ago."""
    then = time.time() - _AGE_S
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))
