"""Features combined: how a table is partitioned, how a column evolves, how rows change, where nulls are; pairwise.

A feature is named by what it combines: ``combined-day-promote-equality-nulls-apart``. Every table has the columns
``id``, ``p`` (the partition's), ``v`` (which evolves, and is the key of equality deletes) and ``x``, whose files have a
number, NaN, or null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.datasets.interop.pairwise import Combination, pairwise
from lakebench.iceberg.operations import (
    AddColumn,
    Append,
    ChangeType,
    Create,
    Delete,
    DropColumn,
    EqualityDelete,
    Operation,
    RenameColumn,
    Row,
    SetPartition,
    Update,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField

SEED = 1
_MODES = ("write.delete.mode", "write.update.mode", "write.merge.mode")
_DAYS = ("1960-02-29T10:15:00", "1969-12-31T23:59:59.999999", "1970-01-01T00:00:00", "2024-02-29T12:30:00")
_LONG = (
    "a value of more than sixteen characters",
    "a value of more than sixteen other characters",
    "ein Wert mit Größe und mehr als sechzehn",
    "東京の長い名前は十六文字より長い文字列です",
)


@dataclass(frozen=True)
class _Partition:
    """The type of ``p``, how it partitions (empty: it does not), and four values in two partitions or more."""

    type: str
    transform: str
    values: tuple[str, str, str, str]


_PARTITIONS: Mapping[str, _Partition] = {
    "unpartitioned": _Partition("string", "", _LONG),
    "long-string": _Partition("string", "identity", _LONG),
    "time": _Partition("time", "identity", ("00:00:00", "09:30:00", "12:34:56.789012", "23:59:59.999999")),
    "day": _Partition("timestamp", "day", _DAYS),
    "hour": _Partition("timestamptz", "hour", tuple(f"{one}+00:00" for one in _DAYS)),  # type: ignore[arg-type]
    "truncate": _Partition("string", "truncate[18]", _LONG),
    "bucket": _Partition("decimal(9,2)", "bucket[4]", ("-10.65", "0.00", "0.01", "9999999.99")),
}
_EVOLUTIONS: Mapping[str, tuple[Operation, ...]] = {
    "as-it-was": (),
    "promote": (ChangeType(path="v", type="long"),),
    "drop": (DropColumn(path="v"),),
    "rename": (RenameColumn(path="v", name="w"),),
    "drop-and-add": (DropColumn(path="v"), AddColumn(column=Field("v", "int"))),
    "respec": (SetPartition(partition=(PartitionField("id", "bucket[4]"),)),),
}
_CHANGES = ("no-change", "position", "equality", "update", "delete-after")
_NULLS = ("no-nulls", "nulls-beside", "nulls-apart")
_TOPICS = {
    "equality": "equality-deletes", "respec": "partition-evolution", "promote": "promotion", "drop": "drop-column",
    "rename": "rename-column", "drop-and-add": "add-column", "position": "position-deletes", "update": "update-delete",
    "delete-after": "update-delete",
}  # fmt: skip
FACTORS = {"partition": tuple(_PARTITIONS), "evolution": tuple(_EVOLUTIONS), "change": _CHANGES, "nulls": _NULLS}


def _is_valid(one: Combination) -> bool:
    """An equality delete is of one partition, whose value has to be known: that of a transform is not."""
    return one["change"] != "equality" or _PARTITIONS[one["partition"]].transform in {"", "identity"}


def _feature(one: Combination) -> Feature:
    partition = _PARTITIONS[one["partition"]]
    words = [one[factor] for factor in FACTORS]
    topics = [_TOPICS[one[factor]] for factor in ("change", "evolution") if one[factor] in _TOPICS]
    topic = "equality-deletes" if one["change"] == "equality" else topics[-1] if topics else "partition-transforms"
    return Feature(
        id="-".join(["combined", *words]),
        group="Combined",
        title=f"together: {', '.join(word.replace('-', ' ') for word in words)}",
        program=(_create(partition), *_rows(partition, one["nulls"]), *_before(partition, one["change"]),
                 *_EVOLUTIONS[one["evolution"]], _more(partition, one["evolution"]), *_after(one["change"])),
        claim=topic,
        source="duckdb-iceberg 1361, trino 17836, iceberg-python 3498: right alone, and wrong together",
        proof=_proof(one),
    )  # fmt: skip


def _create(partition: _Partition) -> Create:
    columns = (Field("id", "int"), Field("p", partition.type), Field("v", "int"), Field("x", "double"))
    spec = (PartitionField("p", partition.transform),) if partition.transform else ()
    return Create(columns=columns, partition=spec, properties=dict.fromkeys(_MODES, "merge-on-read"))


def _rows(partition: _Partition, nulls: str) -> tuple[Append, ...]:
    """Two appends, the second with NaN alone in ``x``; nulls in the rows of the first, or in a third of their own."""
    first, second, third, fourth = partition.values
    low: list[Row] = [(1, first, 1, 5.0), (2, first, 2, 5.0), (3, second, 3, 5.0), (4, second, 4, 5.0)]
    high: tuple[Row, ...] = ((5, third, 5, "NaN"), (6, third, 6, "NaN"), (7, fourth, 7, "NaN"), (8, fourth, 8, "NaN"))
    empty: tuple[Row, ...] = ((9, None, None, None), (10, None, None, None))
    if nulls == "nulls-beside":
        return Append(rows=(*low, *empty, (11, first, None, None))), Append(rows=high)
    return Append(rows=tuple(low)), Append(rows=high), *([Append(rows=empty)] if nulls == "nulls-apart" else [])


def _before(partition: _Partition, change: str) -> tuple[Operation, ...]:
    if change == "position":
        return (Delete(where=(Condition("id", "in", (2, 6)),)),)
    if change == "equality" and partition.transform:
        return (
            EqualityDelete(key=("v",), rows=((2, partition.values[0]), (6, partition.values[2])), columns=("v", "p")),
        )
    return (EqualityDelete(key=("v",), rows=((2,), (6,))),) if change == "equality" else ()


def _more(partition: _Partition, evolution: str) -> Append:
    """Rows of the schema that the table has now; where ``v`` is dropped they have none, or it comes last."""
    new = 2**40 if evolution == "promote" else 70
    rows: list[list[Any]] = [[20, partition.values[0], new, 5.0], [21, partition.values[3], 2, -1.5]]
    if evolution.startswith("drop"):
        rows = [[row[0], row[1], row[3], *([row[2]] if evolution == "drop-and-add" else [])] for row in rows]
    return Append(rows=tuple(map(tuple, rows)))


def _after(change: str) -> tuple[Operation, ...]:
    if change == "update":
        return (Update(where=(Condition("id", "in", (3, 20)),), values={"x": 7.5}),)
    return (Delete(where=(Condition("id", "in", (4, 21)),)),) if change == "delete-after" else ()


def _proof(one: Combination) -> tuple[Proof, ...]:
    transform = _PARTITIONS[one["partition"]].transform
    spec = ["bucket[4](id)"] if one["evolution"] == "respec" else [f"{transform}(p)"] if transform else []
    equality = [Proof("equality-delete-files", ">=", 1)] if one["change"] == "equality" else []
    return Proof("partition-transforms", "=", spec), *equality


ALL = tuple(map(_feature, pairwise(FACTORS, _is_valid, SEED)))
