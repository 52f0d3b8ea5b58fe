"""lakebench's own writer, straight from the Iceberg specification."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanOperate, Engine
from lakebench.engines.inprocess import version_of
from lakebench.engines.reference import alter, rows, view
from lakebench.engines.reference.rest import RestCatalog
from lakebench.engines.reference.schema import Json, fields_json
from lakebench.engines.reference.store import Store
from lakebench.engines.reference.table import OpenTable
from lakebench.errors import CommitConflict, EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.operations import Operation

if TYPE_CHECKING:
    from lakebench.model import Lake

_ATTEMPTS = 5
_YOUNG = timedelta(days=3)
"""Files of this age may belong to a commit that is under way (Iceberg's own default)."""
_NAME_MAPPING = "schema.name-mapping.default"

_CHANGES: Mapping[type[Operation], Callable[[OpenTable, Any], None]] = {
    ops.Append: rows.append,
    ops.Overwrite: rows.overwrite,
    ops.Delete: rows.delete,
    ops.Update: rows.update,
    ops.Merge: rows.merge,
    ops.EqualityDelete: rows.equality_delete,
    ops.Compact: rows.compact,
    ops.RewriteManifests: rows.rewrite_manifests,
    ops.AddColumn: alter.add_column,
    ops.DropColumn: alter.drop_column,
    ops.RenameColumn: alter.rename_column,
    ops.MoveColumn: alter.move_column,
    ops.ChangeType: alter.change_type,
    ops.MakeOptional: alter.make_optional,
    ops.SetDoc: alter.set_doc,
    ops.SetPartition: alter.set_partition,
    ops.SetOrder: alter.set_order,
    ops.SetProperties: alter.set_properties,
    ops.UpgradeFormat: alter.upgrade_format,
    ops.CreateRef: alter.create_ref,
    ops.DropRef: alter.drop_ref,
    ops.Rollback: alter.rollback,
    ops.ExpireSnapshots: alter.expire_snapshots,
}


class Reference(Engine, CanOperate):
    """Makes every feature that the specification knows, also those that no engine writes. It reads nothing for others.

    It speaks plain HTTP to the catalog; manifests are written by fastavro, Parquet and ORC by PyArrow, deletion vectors
    by this package. Each append writes one data file for each partition. Rows are deleted by merge-on-read (vectors in
    one Puffin file for each delete in version 3) unless the table's ``write.delete.mode``, ``write.update.mode`` or
    ``write.merge.mode`` says ``copy-on-write``. Beside Iceberg's own, these table properties shape the files:

    - ``lakebench.field-ids`` = ``none``: data files have no field ids, and the table has a name mapping instead;
    - ``lakebench.row-groups``: the number of row groups of each Parquet file;
    - ``lakebench.page-rows`` and ``lakebench.page-version``: the most rows of a data page, and ``1.0`` or ``2.0``;
    - ``lakebench.timestamps`` = ``int96`` or ``ms``: how Parquet files have timestamps, instead of microseconds;
    - ``lakebench.manifest-per-file`` = ``true``: each file has a manifest of its own.
    """

    name: ClassVar[str] = "reference"
    title: ClassVar[str] = "lakebench's reference writer"
    distribution: ClassVar[str] = "fastavro"
    preload: ClassVar[tuple[str, ...]] = ("fastavro", "pyarrow.parquet", "pyarrow.fs")
    requirements: ClassVar[tuple[str, ...]] = ("fastavro=={version}", "pyarrow>=25")
    operations: ClassVar[frozenset[type[Operation]]] = frozenset(
        {*_CHANGES, ops.Create, ops.RemoveOrphans, ops.CreateView, ops.Concurrent, ops.Transaction}
    )

    _lake: Lake | None = None
    _catalog: RestCatalog
    _store: Store

    def open(self, lake: Lake) -> None:
        """Ask the catalog for its configuration."""
        self._catalog, self._store, self._lake = RestCatalog(lake), Store(lake.objects), lake

    def close(self) -> None:
        """Nothing stays open."""
        self._lake = None

    def versions(self) -> dict[str, str]:
        """The libraries that write."""
        return {name: version_of(name) for name in ("fastavro", "pyarrow")}

    def operate(self, operation: Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``; it reports requests to the catalog and the objects that it writes."""
        if self._lake is None:
            raise EngineUnavailable("no lake is open")
        self._catalog.tell = self._store.tell = tell
        if isinstance(operation, ops.Concurrent):
            return self._concurrently(operation.operations)
        if isinstance(operation, ops.Create):
            self._create(operation)
        elif isinstance(operation, ops.CreateView):
            self._catalog.drop("views", operation.name)
            self._catalog.create_view(view.body(self._lake.namespace, operation))
        elif isinstance(operation, ops.ExpireSnapshots):
            self._store.delete(sorted(self._expire(operation)))
        elif isinstance(operation, ops.RemoveOrphans):
            self._remove_orphans(operation)
        else:
            self._commit(operation.operations if isinstance(operation, ops.Transaction) else (operation,))
        return None

    def _create(self, operation: ops.Create) -> None:
        """Make the table, replacing one of this name; then its name mapping, with the ids that the catalog gave."""
        self._catalog.create_namespace()
        self._catalog.drop("tables", operation.table)
        metadata = self._catalog.create(_creation(operation))
        properties = operation.properties
        if properties.get("lakebench.field-ids") == "none" and _NAME_MAPPING not in properties:
            update = {"action": "set-properties", "updates": {_NAME_MAPPING: alter.mapped(metadata)}}
            self._catalog.commit(operation.table, [], [update])

    def _expire(self, operation: Operation) -> Iterable[str]:
        table = self._table(operation.table)
        files = alter.unreferenced(table)
        self._attempt([operation], {operation.table: table})
        return files

    def _remove_orphans(self, operation: ops.RemoveOrphans) -> None:
        table = self._table(operation.table)
        old = self._store.older(table.metadata["location"], datetime.now(UTC) - _YOUNG)
        self._store.delete(sorted(alter.orphans(table, old)))

    def _table(self, name: str) -> OpenTable:
        return OpenTable(self._store, self._catalog.load(name))

    def _commit(self, operations: Sequence[Operation], tables: Mapping[str, OpenTable] | None = None) -> None:
        """Commit ``operations`` together; where another commit comes first, again from the table as it is then.

        Raises:
            CommitConflict: another commit came first each time.
        """
        for attempt in itertools.count(1):
            loaded = tables if tables and attempt == 1 else {one.table: self._table(one.table) for one in operations}
            try:
                self._attempt(operations, loaded)
            except CommitConflict:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _attempt(self, operations: Sequence[Operation], tables: Mapping[str, OpenTable]) -> None:
        """One commit, from the tables as they were loaded."""
        for operation in operations:
            _CHANGES[type(operation)](tables[operation.table], operation)
        changed = {name: table for name, table in tables.items() if table.updates}
        try:
            if len(changed) > 1:
                changes = {name: (table.requirements, table.updates) for name, table in changed.items()}
                self._catalog.commit_together(changes)
                return
            for name, table in changed.items():
                self._catalog.commit(name, table.requirements, table.updates)
        except CommitConflict:
            self._store.delete(path for table in changed.values() for path in table.written)
            raise

    def _concurrently(self, operations: Sequence[Operation]) -> list[bool]:
        """Each part from the table as it was before all of them, so that all but the first find another commit."""
        loaded = [{one.table: self._table(one.table)} for one in operations]
        return [self._succeeds(one, tables) for one, tables in zip(operations, loaded, strict=True)]

    def _succeeds(self, operation: Operation, tables: Mapping[str, OpenTable]) -> bool:
        try:
            self._commit([operation], tables)
        except CommitConflict:
            return False
        return True


def _creation(operation: ops.Create) -> Json:
    """The body of the request that makes the table."""
    schema = {"type": "struct", "schema-id": 0, "fields": fields_json(operation.columns, itertools.count(1))}
    spec = [{**one, "field-id": 1000 + n} for n, one in enumerate(alter.partition_fields(schema, operation.partition))]
    order = alter.sort_fields(schema, operation.order)
    return {
        "name": operation.table,
        "schema": schema,
        "partition-spec": {"spec-id": 0, "fields": spec},
        "write-order": {"order-id": 1 if order else 0, "fields": order},
        "stage-create": False,  # the default, which Nessie does not take for granted
        "properties": {**operation.properties, "format-version": str(operation.format_version)},
    }
