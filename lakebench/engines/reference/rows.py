"""Operations on rows: which are live, and what is written to change them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from lakebench.engines.reference import files
from lakebench.engines.reference.files import DATA, EQUALITY_DELETES, POSITION_DELETES
from lakebench.engines.reference.manifests import FileEntry
from lakebench.engines.reference.schema import (
    FILE_PATH,
    LAST_UPDATED,
    LINEAGE,
    POSITION,
    POSITION_DELETE,
    ROW_ID,
    Json,
    by_id,
    find,
    trail,
)
from lakebench.engines.reference.table import MAIN, OpenTable
from lakebench.engines.reference.values import EXACT, PARTITION_VALUE, Row, at, holds, inside, ordered
from lakebench.iceberg import operations as ops
from lakebench.iceberg import puffin
from lakebench.iceberg.damage import Damaged

_V3 = 3
_Key = tuple[str, int | None]


class Live:
    """The live files of a table's branch, and their rows."""

    def __init__(self, table: OpenTable, branch: str = MAIN) -> None:
        self._table = table
        entries = table.live(branch)
        self.data = [one for one in entries if one.file.content == DATA]
        self.deletes = [one for one in entries if one.file.content != DATA]

    def rows(self, entry: FileEntry) -> dict[int, Row]:
        """The live rows of a data file by their position."""
        stored = self._decoded(entry, [*self._columns(entry), *LINEAGE])
        gone = self.deleted(entry) | self._deleted_by_value(entry, stored)
        return {n: self._traced(entry, n, row) for n, row in enumerate(stored) if n not in gone}

    def _columns(self, entry: FileEntry) -> list[Json]:
        """The table's columns, with the values of the file's identity partitions, which the file itself may lack."""
        spec = self._table.spec_of(entry.file.spec_id)["fields"]
        values = {
            field["source-id"]: {PARTITION_VALUE: value}
            for field, value in zip(spec, entry.file.partition, strict=False)
            if field["transform"] == "identity" and value is not None
        }
        return [{**one, **values.get(one["id"], {})} for one in self._table.schema["fields"]]

    def _decoded(self, entry: FileEntry, columns: list[Json]) -> list[Row]:
        data = self._table.store.read(entry.file.path)
        try:
            return files.decode(entry.file.format, data, columns, self._table.mapping)
        except Damaged as error:
            raise Damaged(f"the file {entry.file.path} cannot be read: {error}") from None

    def _traced(self, entry: FileEntry, position: int, row: Row) -> Row:
        """The row with the id and sequence number that it inherits (Iceberg specification, Row Lineage)."""
        row_id, updated = row.pop(ROW_ID, None), row.pop(LAST_UPDATED, None)
        first = entry.file.first_row_id
        if self._table.version < _V3 or (row_id is None and first is None):
            return row
        row_id = first + position if row_id is None and first is not None else row_id
        return {**row, ROW_ID: row_id, LAST_UPDATED: entry.sequence if updated is None else updated}

    def deleted(self, entry: FileEntry) -> set[int]:
        """The positions in a data file that are deleted by position."""
        vector = self.vector(entry)
        if vector is not None:
            return self._positions(vector)
        positions: set[int] = set()
        for delete in self.deletes:
            if (
                delete.file.content == POSITION_DELETES
                and delete.file.format != "puffin"
                and _reaches(delete, entry, newer=False)
            ):
                rows = self._decoded(delete, list(POSITION_DELETE))
                positions.update(row[POSITION] for row in rows if row[FILE_PATH] == entry.file.path)
        return positions

    def vector(self, entry: FileEntry) -> FileEntry | None:
        """The deletion vector of a data file."""
        of = (one for one in self.deletes if one.file.format == "puffin" and one.file.referenced == entry.file.path)
        return next(of, None)

    def _positions(self, vector: FileEntry) -> set[int]:
        data, start = self._table.store.read(vector.file.path), vector.file.offset or 0
        return set(puffin.positions(data[start : start + (vector.file.length or 0)]))

    def _deleted_by_value(self, entry: FileEntry, rows: list[Row]) -> set[int]:
        gone: set[int] = set()
        columns = by_id(self._table.schema)
        for delete in self.deletes:
            if delete.file.content != EQUALITY_DELETES or not self._reaches_by_value(delete, entry):
                continue
            ids = delete.file.equality_ids
            keys = {_key(row, ids) for row in self._decoded(delete, [columns[number] for number in ids])}
            gone.update(n for n, row in enumerate(rows) if _key(row, ids) in keys)
        return gone

    def _reaches_by_value(self, delete: FileEntry, entry: FileEntry) -> bool:
        everywhere = not self._table.spec_of(delete.file.spec_id)["fields"]
        return _reaches(delete, entry, newer=True, everywhere=everywhere)


def _reaches(delete: FileEntry, data: FileEntry, *, newer: bool, everywhere: bool = False) -> bool:
    """Whether a delete applies to a data file (Iceberg specification, Scan Planning)."""
    same = (delete.file.spec_id, delete.file.partition) == (data.file.spec_id, data.file.partition)
    age = (delete.sequence or 0) - (data.sequence or 0)
    return (same or everywhere) and (age > 0 if newer else age >= 0)


def _key(row: Row, ids: Iterable[int]) -> tuple[Any, ...]:
    return tuple(ordered(row.get(one)) for one in ids)


@dataclass
class RowChanges:
    """Changes of the rows of data files: ``gone`` are positions of an entry, which ``new`` rows replace."""

    live: Live
    gone: dict[_Key, set[int]]
    new: list[Row]

    @cached_property
    def touched(self) -> list[FileEntry]:
        """The data files with rows that go."""
        return [one for one in self.live.data if self.gone.get(one.file.key)]

    def record(self, table: OpenTable, mode: str) -> None:
        """Record the snapshot that makes the changes, in this mode; nothing where nothing changes."""
        if not self.touched and not self.new:
            return
        if mode == "copy-on-write":
            self._rewrite(table)
        else:
            self._delete(table)

    def _rewrite(self, table: OpenTable) -> None:
        stay = [
            row
            for entry in self.touched
            for position, row in self.live.rows(entry).items()
            if position not in self.gone[entry.file.key]
        ]
        operation = "overwrite" if stay or self.new else "delete"
        table.commit_files(operation, table.data_files([*stay, *self.new]), self._removed(self.touched))

    def _removed(self, entries: Iterable[FileEntry]) -> set[_Key]:
        """Data files that go, and their vectors, which are of no other file."""
        entries = list(entries)
        vectors = [self.live.vector(one) for one in entries]
        return {one.file.key for one in [*entries, *vectors] if one is not None}

    def _delete(self, table: OpenTable) -> None:
        """Delete by position; a file without a live row left goes as a whole."""
        whole = [one for one in self.touched if not self.live.rows(one).keys() - self.gone[one.file.key]]
        parts = [one for one in self.touched if one not in whole]
        positions: list[tuple[FileEntry, Collection[int]]] = []
        removed = self._removed(whole)
        for entry in parts:
            some = self.gone[entry.file.key]
            if table.version >= _V3:  # one vector a data file: it has the older deletes by position too
                old = self.live.vector(entry)
                removed |= {old.file.key} if old else set()
                some = some | self.live.deleted(entry)
            positions.append((entry, some))
        added = [*table.data_files(self.new), *table.position_deletes(positions)]
        table.commit_files("overwrite" if added else "delete", added, removed)


def rows_inside(fields: Iterable[Json], rows: Iterable[ops.Row]) -> list[Row]:
    """An operation's rows, in the order of ``fields``."""
    columns = list(fields)
    return [{one["id"]: inside(one["type"], value) for one, value in zip(columns, row, strict=True)} for row in rows]


def _columns(table: OpenTable, operation: ops.Operation) -> list[Json]:
    """The table's columns in the order that the operation's rows have."""
    names = [one.name for one in operation.fields]
    return [find(table.schema, name) for name in names] if names else list(table.schema["fields"])


def append(table: OpenTable, operation: ops.Append) -> None:
    """A snapshot with a new data file for each partition."""
    rows = rows_inside(_columns(table, operation), operation.rows)
    table.commit_files("append", table.data_files(rows), branch=operation.branch or MAIN)


def overwrite(table: OpenTable, operation: ops.Overwrite) -> None:
    """A snapshot with the new files, without the old ones of the same partitions or without any."""
    added = table.data_files(rows_inside(_columns(table, operation), operation.rows))
    partitions = {(one.spec_id, one.partition) for one in added}
    removed = {
        one.file.key
        for one in table.live()
        if not operation.dynamic or (one.file.spec_id, one.file.partition) in partitions
    }
    table.commit_files("overwrite", added, removed)


def _matching(live: Live, test: Callable[[Row], bool]) -> tuple[dict[_Key, set[int]], list[Row]]:
    """The positions of the rows that ``test`` holds for, by file, and these rows."""
    gone: dict[_Key, set[int]] = defaultdict(set)
    rows = []
    for entry in live.data:
        for position, row in live.rows(entry).items():
            if test(row):
                gone[entry.file.key].add(position)
                rows.append(row)
    return gone, rows


def delete(table: OpenTable, operation: ops.Delete) -> None:
    """A snapshot without the rows that the conditions hold for."""
    live = Live(table)
    gone, _ = _matching(live, holds(table.schema, operation.where))
    RowChanges(live, gone, []).record(table, table.mode("delete"))


def update(table: OpenTable, operation: ops.Update) -> None:
    """A snapshot in which new rows, with the old ids, replace those that the conditions hold for."""
    live = Live(table)
    gone, rows = _matching(live, holds(table.schema, operation.where))
    new = [_updated(table.schema, row, operation) for row in rows]
    RowChanges(live, gone, new).record(table, table.mode("update"))


def _updated(schema: Json, row: Row, operation: ops.Update) -> Row:
    for path, value in operation.values.items():
        row = _with(row, trail(schema, path), inside(find(schema, path)["type"], value))
    for path, more in operation.add.items():
        ids = trail(schema, path)
        old = at(row, ids)
        row = row if old is None else _with(row, ids, EXACT.add(old, more) if isinstance(old, Decimal) else old + more)
    return _changed(row)


def _with(row: Mapping[int, Any], ids: list[int], value: Any) -> Row:
    first, *rest = ids
    return {**row, first: _with(row.get(first) or {}, rest, value) if rest else value}


def _changed(row: Row) -> Row:
    """The row as one that this commit changes: it keeps its id, and inherits the commit's sequence number."""
    return {**row, LAST_UPDATED: None} if ROW_ID in row else row


def merge(table: OpenTable, operation: ops.Merge) -> None:
    """A snapshot with the new rows, which replace the old rows of their keys."""
    live = Live(table)
    ids = [find(table.schema, name)["id"] for name in operation.key]
    new = {_key(row, ids): row for row in rows_inside(_columns(table, operation), operation.rows)}
    gone, replaced = _matching(live, lambda row: None not in (key := _key(row, ids)) and key in new)
    for row in replaced:
        key = _key(row, ids)
        new[key] = _changed({**new[key], **{one: row[one] for one in (ROW_ID,) if one in row}})
    RowChanges(live, gone, list(new.values())).record(table, table.mode("merge"))


def equality_delete(table: OpenTable, operation: ops.EqualityDelete) -> None:
    """A snapshot with files of equality deletes, one for each partition."""
    columns = [find(table.schema, name) for name in operation.columns or operation.key]
    keys = [find(table.schema, name) for name in operation.key]
    rows = rows_inside(columns, operation.rows)
    added = table.equality_deletes(keys, [one["id"] for one in keys], rows)
    table.commit_files("overwrite", added)


def compact(table: OpenTable, _: ops.Compact) -> None:
    """A snapshot of the same rows in one data file a partition, without deletes; rows keep their ids."""
    live = Live(table)
    rows = [row for entry in live.data for row in live.rows(entry).values()]
    removed = {one.file.key for one in [*live.data, *live.deletes]}
    if removed:
        table.commit_files("replace", table.data_files(rows), removed)


def rewrite_manifests(table: OpenTable, _: ops.RewriteManifests) -> None:
    """A snapshot of the same files in new manifests."""
    table.commit_files("replace", (), rewritten=True)
