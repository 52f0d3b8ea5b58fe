"""Engines that lie, each in its own way, over a real one: what the harness must see through."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa

from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.reference.engine import Reference
from lakebench.errors import Refused
from lakebench.iceberg.catalogs import table_metadata
from lakebench.iceberg.operations import (
    Append,
    Compact,
    Delete,
    ExpireSnapshots,
    Operation,
    RemoveOrphans,
    Update,
)
from lakebench.iceberg.scan import Scan
from lakebench.model import Lake


class Liar(DuckDB):
    """Runs the query, and tells something else."""

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        told: Any = super().query(sql)
        return self.lie(pa.Table.from_batches(list(told), schema=told.schema))

    def lie(self, answer: pa.Table) -> Any:
        raise NotImplementedError


class DropsARow(Liar):
    name: ClassVar[str] = "liar-drops-a-row"

    def lie(self, answer: pa.Table) -> Any:
        return answer.slice(0, max(0, answer.num_rows - 1))


class SwapsColumns(Liar):
    name: ClassVar[str] = "liar-swaps-columns"

    def lie(self, answer: pa.Table) -> Any:
        """The third and fourth column under each other's name."""
        names = answer.column_names
        order = [0, 1, 3, 2, *range(4, len(names))]
        return answer.select(order).rename_columns(names)


class RoundsADecimal(Liar):
    name: ClassVar[str] = "liar-rounds-a-decimal"

    def lie(self, answer: pa.Table) -> Any:
        """The last digit of the fifth column's first value is gone."""
        values = answer.column(4).to_pylist()
        values[0] = values[0].quantize(Decimal("0.1"))
        return answer.set_column(4, answer.column_names[4], pa.array(values, answer.schema.field(4).type))


class ReturnsUnread(Liar):
    name: ClassVar[str] = "liar-returns-unread"

    def query(self, sql: str) -> Any:
        """A relation that has not been executed: nothing was read when the call returns."""
        return self.lazily(sql)

    def lazily(self, sql: str) -> Any:
        import duckdb

        return duckdb.sql(f"SELECT * FROM (VALUES ('{len(sql)}')) AS t")


class SlowReader(Liar):
    """No lie: the rows come when they are read, and the clock must be running then."""

    name: ClassVar[str] = "slow-reader"

    def lie(self, answer: pa.Table) -> Any:
        def later() -> Iterable[pa.RecordBatch]:
            time.sleep(0.3)
            yield from answer.to_batches()

        return pa.RecordBatchReader.from_batches(answer.schema, later())


class Prints(Liar):
    name: ClassVar[str] = "liar-prints"

    def lie(self, answer: pa.Table) -> Any:
        print('{"ok": true, "ns": 1, "cpu_ns": 1, "offset_ns": 1, "rows": 4, "bytes": 100}', flush=True)  # noqa: T201
        print(answer.to_pydict(), flush=True)  # noqa: T201


class Hangs(Liar):
    name: ClassVar[str] = "liar-hangs"

    def lie(self, answer: pa.Table) -> Any:
        time.sleep(3600)
        return answer


class Exits(Liar):
    name: ClassVar[str] = "liar-exits"

    def lie(self, answer: pa.Table) -> Any:  # noqa: ARG002
        os._exit(0)  # as if all were well

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:  # noqa: ARG002
        os._exit(0)


class Segfaults(Liar):
    name: ClassVar[str] = "liar-segfaults"

    def lie(self, answer: pa.Table) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)
        return answer


class EatsMemory(Liar):
    name: ClassVar[str] = "liar-eats-memory"

    def lie(self, answer: pa.Table) -> Any:
        kept = []
        while True:
            kept.append(bytearray(os.urandom(1) * (64 << 20)))
            time.sleep(0.02)
        return answer


class PoisonsItsSession(DuckDB):
    """No lie: after an error the session refuses whatever it is asked, until another one is made."""

    name: ClassVar[str] = "poisons-its-session"
    fatal: ClassVar[tuple[str, ...]] = ()

    _poisoned: bool = False

    def open(self, lake: Lake) -> None:
        self._poisoned = False
        super().open(lake)

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        self._fail(sql)
        return super().query(sql)

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        self._fail(scan.table)
        return super().scan(scan)

    def execute(self, sql: str) -> None:
        self._fail(sql)
        super().execute(sql)

    def _fail(self, asked: str) -> None:
        if self._poisoned:
            raise Refused("Current transaction is aborted")
        if "poison" in asked:
            self._poisoned = True
            raise Refused("INTERNAL Error: it poisoned itself")


class PoisonsItsProcess(PoisonsItsSession):
    """Likewise, until there is another process."""

    name: ClassVar[str] = "poisons-its-process"
    fatal: ClassVar[tuple[str, ...]] = DuckDB.fatal

    def open(self, lake: Lake) -> None:
        DuckDB.open(self, lake)


class WritesLess(DuckDB):
    """Leaves out the last row of what it appends, and does not delete."""

    name: ClassVar[str] = "liar-writes-less"

    def operate(self, operation: Operation, tell: Callable[[str], None]) -> list[bool] | None:
        if isinstance(operation, Delete):
            return None
        if isinstance(operation, Append):
            operation = replace(operation, rows=operation.rows[:-1])
        return super().operate(operation, tell)


class ReadsLess(DuckDB):
    """Leaves out a row of what it reads, always the same one."""

    name: ClassVar[str] = "liar-reads-less"

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        told: Any = super().scan(scan)
        table = pa.Table.from_batches(list(told), schema=told.schema)
        last = max(range(table.num_rows), key=lambda at: str(table.slice(at, 1).to_pylist()), default=0)
        return table.filter(pa.array([at != last for at in range(table.num_rows)], pa.bool_())).to_reader()


class PrunesARow(ReadsLess):
    """Leaves out a row of what it reads with a filter."""

    name: ClassVar[str] = "liar-prunes-a-row"

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        return super().scan(scan) if scan.where else DuckDB.scan(self, scan)


class DropsAfterEvolution(Reference):
    """Drops what it updates, where the column was promoted and the partition spec has changed."""

    name: ClassVar[str] = "liar-drops-after-evolution"

    def operate(self, operation: Operation, tell: Callable[[str], None]) -> list[bool] | None:
        done = super().operate(operation, tell)
        if isinstance(operation, Update) and self._is_evolved(operation):
            super().operate(Delete(table=operation.table, fields=operation.fields, where=operation.where), tell)
        return done

    def _is_evolved(self, operation: Update) -> bool:
        assert self._lake
        metadata = table_metadata(self._lake.catalog, self._lake.namespace, operation.table)["metadata"]
        types: dict[int, set[str]] = {}
        for field in (one for schema in metadata["schemas"] for one in schema["fields"]):
            types.setdefault(field["id"], set()).add(str(field["type"]))
        current = {one["name"]: one["id"] for one in metadata["schemas"][-1]["fields"]}
        promoted = any(len(types[current[name]]) > 1 for name in operation.values if name in current)
        return promoted and len(metadata["partition-specs"]) > 1


class Resurrects(Reference):
    """Its compaction brings back a row that it deleted."""

    name: ClassVar[str] = "liar-resurrects"

    _deleted: int = 0

    def operate(self, operation: Operation, tell: Callable[[str], None]) -> list[bool] | None:
        if isinstance(operation, Delete):
            self._deleted = operation.where[0].value[0]
        done = super().operate(operation, tell)
        if isinstance(operation, Compact):
            row = (self._deleted, 1, "O", "1.00", "1998-01-01", "5-LOW", "Clerk#000000001", 0, "back")
            super().operate(Append(table=operation.table, fields=operation.fields, rows=(row,)), tell)
        return done


class ExpiresTagged(Reference):
    """Its expiry spares the current snapshot alone, whatever tags hold."""

    name: ClassVar[str] = "liar-expires-tagged"

    def operate(self, operation: Operation, tell: Callable[[str], None]) -> list[bool] | None:
        if not isinstance(operation, ExpireSnapshots):
            return super().operate(operation, tell)
        metadata = self._table(operation.table).metadata
        current = metadata["current-snapshot-id"]
        gone = [one["snapshot-id"] for one in metadata["snapshots"] if one["snapshot-id"] != current]
        self._catalog.commit(operation.table, [], [{"action": "remove-snapshots", "snapshot-ids": gone}])
        return None


class RemovesReferenced(Reference):
    """Takes a data file of the table for an orphan."""

    name: ClassVar[str] = "liar-removes-referenced"

    def operate(self, operation: Operation, tell: Callable[[str], None]) -> list[bool] | None:
        done = super().operate(operation, tell)
        if isinstance(operation, RemoveOrphans):
            self._store.delete([self._table(operation.table).live()[0].file.path])
        return done
