"""Sessions, and processes of ours, in another time zone than UTC: nothing that is stored depends on it."""

from __future__ import annotations

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import Append, Create, Delete, Operation, Row, Update
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField

ZONE = "America/New_York"
_SPEC = "Iceberg specification, Partition Transforms: of timestamps in UTC; duckdb-iceberg 1360"
_MOR = dict.fromkeys(("write.delete.mode", "write.update.mode", "write.merge.mode"), "merge-on-read")
# Each side of midnight in UTC and in the zone, the hour that summer time leaves out, and the one that it has twice.
_INSTANTS = (
    "1969-12-31T23:30:00", "1970-01-01T04:30:00", "2024-03-01T03:15:00", "2024-03-10T06:59:59.999999",
    "2024-03-10T07:30:00", "2024-11-03T05:30:00", "2024-11-03T06:30:00", "2024-12-31T23:59:59.999999",
)  # fmt: skip
_ROWS: tuple[Row, ...] = (*((n, f"{one}+00:00", one) for n, one in enumerate(_INSTANTS)), (99, None, None))
_COLUMNS = (Field("id", "int"), Field("at", "timestamptz"), Field("local", "timestamp"))
_AT = f"{_INSTANTS[2]}+00:00"


def _feature(name: str, title: str, transform: str, *then: Operation) -> Feature:
    spec = (PartitionField("at", transform),) if transform else ()
    return Feature(
        id=f"zone-{name}",
        group="Time zones",
        title=f"{title}, in sessions of {ZONE}",
        program=(Create(columns=_COLUMNS, partition=spec, properties=_MOR), Append(rows=_ROWS), *then),
        claim="partition-transforms" if transform else "type-timestamp",
        source=_SPEC,
        proof=(Proof("partition-transforms", "=", [f"{transform}(at)"] if transform else []),),
        zone=ZONE,
    )


ALL = (
    _feature("timestamps", "timestamps with and without zone", ""),
    *(_feature(one, f"partitioned by {one} of a timestamptz", one) for one in ("hour", "day", "month", "year")),
    _feature(
        "changes",
        "rows deleted and updated by a timestamptz",
        "day",
        Delete(where=(Condition("at", "=", _AT),)),
        Update(where=(Condition("at", ">", f"{_INSTANTS[5]}+00:00"),), values={"local": _INSTANTS[0]}),
    ),
)
