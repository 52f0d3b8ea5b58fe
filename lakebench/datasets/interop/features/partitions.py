"""Partition transforms, their evolution, and sort orders."""

from __future__ import annotations

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import Append, Create, Delete, Operation, Read, Row, SetOrder, SetPartition, Update
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField, SortField, Type

_GROUP = "Partitioning and order"
_SPEC = "Iceberg specification, Partition Transforms"
_TRAP = "duckdb-iceberg 1274, 624: after a change of the partition spec, DML changes nothing"
_TIMES = (
    "1969-12-31T23:59:59.999999",
    "1970-01-01T00:00:00",
    "2024-02-29T12:30:00",
    "2024-02-29T13:30:00",
    "2024-03-01T00:00:00",
    "2025-01-01T00:00:00",
    "1960-02-29T10:15:00",
)
_MOR = {"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read"}


def _transform(
    name: str,
    transform: str,
    kind: Type,
    values: tuple[object, ...],
    at: object,
    *,
    topic: str = "partition-transforms",
) -> Feature:
    """Rows over several partitions, a null one among them, and a filter that prunes."""
    rows: tuple[Row, ...] = tuple((n, value) for n, value in enumerate([*values, None]))
    return Feature(
        f"partition-{name}",
        _GROUP,
        f"partitioned by {transform} of a {kind}",
        (
            Create(columns=(Field("id", "int"), Field("p", kind)), partition=(PartitionField("p", transform),)),
            Append(rows=rows),
        ),
        topic,
        _SPEC,
        (
            Read("p = a value", columns=("id",), where=(Condition("p", "=", at),)),
            Read("p > a value", columns=("id",), where=(Condition("p", ">", at),)),
            Read("p is null", columns=("id",), where=(Condition("p", "is-null"),)),
        ),
        (Proof("partition-transforms", "contains", f"{transform}(p)"),),
    )


_COLUMNS = (Field("id", "int"), Field("p", "string"), Field("q", "int"))
_BEFORE = Append(rows=((1, "a", 10), (2, "a", 20), (3, "b", 30), (4, "b", 40)))
_AFTER = Append(rows=((5, "a", 50), (6, "c", 60)))


def _evolved(name: str, title: str, *then: Operation, properties: dict[str, str] | None = None) -> Feature:
    return Feature(
        name,
        _GROUP,
        title,
        (
            Create(columns=_COLUMNS, partition=(PartitionField("p"),), properties=properties or {}),
            _BEFORE,
            SetPartition(partition=(PartitionField("q", "bucket[4]"),)),
            _AFTER,
            *then,
        ),
        "partition-evolution",
        _TRAP if then else "Iceberg specification, Partition Evolution",
        (
            Read("p = a value of both specs", columns=("id", "q"), where=(Condition("p", "=", "a"),)),
            Read("q = an old value", columns=("id",), where=(Condition("q", "=", 30),)),
        ),
        (Proof("specs", ">=", 2), Proof("partition-transforms", "=", ["bucket[4](q)"])),
    )


ALL = (
    _transform("identity-string", "identity", "string", ("a", "b", "", "a/b c=d%e", "Zürich"), "a/b c=d%e"),
    _transform("identity-int", "identity", "int", (-1, 0, 1, 2**31 - 1), 0),
    _transform("identity-date", "identity", "date", ("1969-12-31", "1970-01-01", "2024-02-29"), "1970-01-01"),
    Feature(
        "partition-identity-boolean",
        _GROUP,
        "partitioned by identity of a boolean",
        (
            Create(columns=(Field("id", "int"), Field("p", "boolean")), partition=(PartitionField("p"),)),
            Append(rows=((1, True), (2, False), (3, None))),
        ),
        "partition-transforms",
        _SPEC,
        (Read("p = true", columns=("id",), where=(Condition("p", "=", True),)),),
        (Proof("partition-transforms", "contains", "identity(p)"),),
    ),
    _transform("bucket-long", "bucket[8]", "long", (-(2**63), 0, 34, 2**63 - 1), 34),
    _transform("bucket-string", "bucket[8]", "string", ("iceberg", "", "Zürich 🦆"), "iceberg"),
    _transform("truncate-string", "truncate[2]", "string", ("abc", "abd", "b", "", "🦆🦆🦆"), "abc"),
    _transform("truncate-non-ascii", "truncate[2]", "string", ("äb", "ä", "äbc", "ab"), "äb"),
    _transform("truncate-int", "truncate[10]", "int", (-11, -1, 0, 9, 10), 9),
    _transform("truncate-decimal", "truncate[50]", "decimal(9,2)", ("-10.65", "0.00", "10.65"), "10.65"),
    _transform("year", "year", "timestamp", _TIMES, _TIMES[2]),
    _transform("month", "month", "timestamp", _TIMES, _TIMES[2]),
    _transform("day", "day", "timestamp", _TIMES, _TIMES[2]),
    _transform("day-date", "day", "date", ("1969-12-31", "1970-01-01", "2024-02-29"), "1970-01-01"),
    _transform("hour", "hour", "timestamptz", tuple(f"{one}+00:00" for one in _TIMES), f"{_TIMES[2]}+00:00"),
    Feature(
        "partition-void",
        _GROUP,
        "a partition field removed in version 1, which leaves void in its place",
        (
            Create(
                columns=_COLUMNS, partition=(PartitionField("p"), PartitionField("q", "bucket[4]")), format_version=1
            ),
            _BEFORE,
            SetPartition(partition=(PartitionField("q", "bucket[4]"),)),
            _AFTER,
        ),
        "void-transform",
        "Iceberg specification, Partition Evolution: fields are replaced by void in version 1",
        (Read("q = an old value", columns=("id",), where=(Condition("q", "=", 30),)),),
        (Proof("partition-transforms", "contains", "void(p)"),),
    ),
    Feature(
        "partition-two-fields",
        _GROUP,
        "two partition fields of different transforms",
        (
            Create(
                columns=(Field("id", "int"), Field("p", "string"), Field("at", "timestamp")),
                partition=(PartitionField("p"), PartitionField("at", "month")),
            ),
            Append(rows=tuple((n, "ab"[n % 2], at) for n, at in enumerate(_TIMES))),
        ),
        "partition-transforms",
        _SPEC,
        (Read("both", columns=("id",), where=(Condition("p", "=", "a"), Condition("at", ">=", _TIMES[2]))),),
        (Proof("partitions", ">=", 4),),
    ),
    _evolved("partition-evolution", "a new partition spec: old files keep the old one"),
    _evolved(
        "delete-after-partition-evolution",
        "rows of the old spec deleted after the spec has changed",
        Delete(where=(Condition("id", "=", 3),)),
        Delete(where=(Condition("id", "=", 5),)),
        properties=_MOR,
    ),
    _evolved(
        "update-after-partition-evolution",
        "rows of the old spec updated after the spec has changed",
        Update(where=(Condition("id", "=", 2),), values={"p": "moved"}),
        properties=_MOR,
    ),
    Feature(
        "partition-field-added",
        _GROUP,
        "unpartitioned, then partitioned by identity",
        (Create(columns=_COLUMNS), _BEFORE, SetPartition(partition=(PartitionField("p"),)), _AFTER),
        "partition-evolution",
        "Iceberg specification, Partition Evolution",
        (
            Read("p = a", columns=("id",), where=(Condition("p", "=", "a"),)),
            Read("count(*) where p = a", count=True, where=(Condition("p", "=", "a"),)),
        ),
        (Proof("specs", ">=", 2), Proof("partition-transforms", "=", ["identity(p)"])),
    ),
    Feature(
        "partition-to-unpartitioned",
        _GROUP,
        "partitioned, then unpartitioned",
        (
            Create(columns=_COLUMNS, partition=(PartitionField("p"),)),
            _BEFORE,
            SetPartition(partition=()),
            _AFTER,
        ),
        "partition-evolution",
        "Iceberg specification, Partition Evolution",
        (Read("p = a", columns=("id",), where=(Condition("p", "=", "a"),)),),
        (Proof("specs", ">=", 2), Proof("partition-transforms", "=", [])),
    ),
    Feature(
        "sort-order",
        _GROUP,
        "a sort order: descending, nulls last",
        (
            Create(columns=_COLUMNS, order=(SortField("q", "desc", "nulls-last"),)),
            Append(rows=((1, "a", 10), (2, "a", None), (3, "b", 30), (4, "b", -5))),
        ),
        "sort-order",
        "Iceberg specification, Sort Orders",
        (Read("q >= 10", columns=("id",), where=(Condition("q", ">=", 10),)),),
        (Proof("sort-order", "contains", "q desc nulls-last"),),
    ),
    Feature(
        "sort-order-changed",
        _GROUP,
        "the default sort order set after rows are there, then rows updated",
        (
            Create(columns=_COLUMNS, properties=_MOR),
            _BEFORE,
            SetOrder(order=(SortField("id"),)),
            _AFTER,
            Update(where=(Condition("id", "=", 1),), values={"q": 11}),
        ),
        "sort-order",
        "duckdb-web, Iceberg: UPDATE and DELETE only on tables that are not sorted",
        (),
        (Proof("sort-order", "contains", "id asc nulls-first"),),
    ),
)
