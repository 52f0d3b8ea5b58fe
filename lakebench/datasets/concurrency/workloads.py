"""What concurrent writers do: tasks, each one commit, and the rows that are there before the first of them.

Standard library only. The table has the columns ``id``, ``writer`` and ``value``. Writers count from 1, tasks from 0; a
task's operations follow from both, so the same writer does the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lakebench.iceberg.operations import AddColumn, Append, Delete, Operation, Row, Transaction, Update
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field

FIELDS = (Field("id", "long"), Field("writer", "int"), Field("value", "long"))
GROUP = 3
"""Rows of one commit of the workload ``groups``."""
SEED = (0, 0)
"""The writer and the task of the rows that are there before all others."""
_STRIDE = 1_000_000


@dataclass(frozen=True)
class ConcurrentWorkload:
    """One kind of concurrent change.

    ``first`` gives the rows that are there before, for a number of writers; ``task`` the operation of a writer's task.
    ``most`` limits the tasks of a writer, where each leaves something in the schema for good.
    """

    name: str
    title: str
    first: Callable[[int], tuple[Row, ...]]
    task: Callable[[int, int], Operation]
    most: int | None = None


def key(writer: int, task: int) -> int:
    """The ``id`` of what ``task`` of ``writer`` inserts; with the workload ``groups`` the first of :data:`GROUP`."""
    return writer * _STRIDE + task * GROUP


def task_of(number: int) -> tuple[int, int]:
    """The writer and the task that inserted the row with the ``id`` ``number``."""
    writer, rest = divmod(number, _STRIDE)
    return writer, rest // GROUP


def column(writer: int, task: int) -> str:
    """The column that ``task`` of ``writer`` adds."""
    return f"c_{writer}_{task}"


def _insert(writer: int, task: int) -> Operation:
    return Append(fields=FIELDS, rows=((key(writer, task), writer, task),))


def _groups(writer: int, task: int) -> Operation:
    first = key(writer, task)
    return Append(fields=FIELDS, rows=tuple((first + number, writer, task) for number in range(GROUP)))


def _update_one(writer: int, task: int) -> Operation:  # noqa: ARG001 - all do the same to the same row
    return Update(fields=FIELDS, where=(Condition("id", "=", 0),), add={"value": 1})


def _update_row_of_writer(writer: int, task: int) -> Operation:  # noqa: ARG001 - each time one more
    return Update(fields=FIELDS, where=(Condition("id", "=", writer),), add={"value": 1})


def _move(writer: int, task: int) -> Operation:
    """Delete the writer's one row and insert its next, in one transaction."""
    row = (key(writer, task + 1), writer, task + 1)
    gone = Delete(fields=FIELDS, where=(Condition("writer", "=", writer),))
    return Transaction(operations=(gone, Append(fields=FIELDS, rows=(row,))))


def _add_column(writer: int, task: int) -> Operation:
    return AddColumn(fields=FIELDS, column=Field(column(writer, task), "int"))


def _seed(size: int) -> Callable[[int], tuple[Row, ...]]:
    """The rows of a first commit that is no writer's: only a workload about the first commit begins without one."""
    return lambda _: tuple((key(*SEED) + number, *SEED) for number in range(size))


def _nothing(_: int) -> tuple[Row, ...]:
    return ()


def _one_row(_: int) -> tuple[Row, ...]:
    return ((0, 0, 0),)


def _counters(writers: int) -> tuple[Row, ...]:
    return tuple((writer, writer, 0) for writer in range(1, writers + 1))


def _homes(writers: int) -> tuple[Row, ...]:
    return tuple((key(writer, 0), writer, 0) for writer in range(1, writers + 1))


WORKLOADS = {
    one.name: one
    for one in (
        ConcurrentWorkload("insert", "one row an INSERT", _seed(1), _insert),
        ConcurrentWorkload("groups", f"{GROUP} rows an INSERT", _seed(GROUP), _groups),
        ConcurrentWorkload("first-commit", f"the first {GROUP} rows of an empty table", _nothing, _groups, most=1),
        ConcurrentWorkload("update-one", "all UPDATE one row", _one_row, _update_one),
        ConcurrentWorkload("update-own", "each UPDATEs a row of its own", _counters, _update_row_of_writer),
        ConcurrentWorkload("move", "DELETE and INSERT in a transaction", _homes, _move),
        ConcurrentWorkload("add-column", "each ADDs COLUMNs", _one_row, _add_column, most=4),
    )
}


def tasks(workload: ConcurrentWorkload, writer: int, count: int) -> Sequence[Operation]:
    """The operations of the first ``count`` tasks of ``writer``."""
    return [workload.task(writer, number) for number in range(min(count, workload.most or count))]
