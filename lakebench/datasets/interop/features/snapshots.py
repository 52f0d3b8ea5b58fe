"""Snapshots, references, time travel and metadata tables."""

from __future__ import annotations

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import (
    Append,
    Create,
    CreateRef,
    Delete,
    DropRef,
    Mark,
    Operation,
    Read,
    RenameColumn,
    Rollback,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field

_GROUP = "Snapshots and references"
_REFS = "Iceberg specification, Snapshot References"
_COLUMNS = (Field("id", "int"), Field("v", "string"))
_ONE = Append(rows=((1, "one"), (2, "two")))
_TWO = Append(rows=((3, "three"),))


def _feature(
    name: str,
    title: str,
    topic: str,
    source: str,
    *then: Operation,
    reads: tuple[Read, ...],
    proof: tuple[Proof, ...] = (),
) -> Feature:
    return Feature(name, _GROUP, title, (Create(columns=_COLUMNS), *then), topic, source, reads, proof)


ALL = (
    _feature(
        "time-travel",
        "an old snapshot by its id",
        "time-travel",
        "Iceberg specification, Snapshots",
        _ONE,
        Mark(name="first"),
        _TWO,
        Delete(where=(Condition("id", "=", 1),)),
        reads=(Read("the first snapshot", at="first"), Read("its count", at="first", count=True)),
        proof=(Proof("snapshots", ">=", 3),),
    ),
    _feature(
        "time-travel-timestamp",
        "an old snapshot by the time",
        "time-travel-timestamp",
        "Iceberg specification, Point in Time Reads",
        _ONE,
        Mark(name="first"),
        _TWO,
        reads=(Read("at the time of the first snapshot", at_time="first"),),
        proof=(Proof("snapshots", ">=", 2),),
    ),
    _feature(
        "branch",
        "a branch that main has left behind",
        "branch-tag-read",
        _REFS,
        _ONE,
        CreateRef(name="audit", type="branch"),
        _TWO,
        reads=(Read("the branch", ref="audit"),),
        proof=(Proof("refs", "contains", {"audit": "branch"}),),
    ),
    _feature(
        "branch-after-rename",
        "a branch, and a column renamed since: a branch has the schema of the table, a tag that of its snapshot",
        "branch-tag-read",
        "Iceberg documentation, Branching and Tagging, Schema selection with branches and tags",
        _ONE,
        CreateRef(name="audit", type="branch"),
        RenameColumn(path="v", name="w"),
        reads=(Read("the branch", ref="audit"),),
        proof=(Proof("refs", "contains", {"audit": "branch"}),),
    ),
    _feature(
        "tag",
        "a tag on an old snapshot",
        "branch-tag-read",
        _REFS,
        _ONE,
        Mark(name="first"),
        _TWO,
        CreateRef(name="v1", type="tag", at="first"),
        reads=(Read("the tag", ref="v1"),),
        proof=(Proof("refs", "contains", {"v1": "tag"}),),
    ),
    _feature(
        "write-to-branch",
        "rows appended to a branch, which main does not see",
        "write-to-branch",
        _REFS,
        _ONE,
        CreateRef(name="dev", type="branch"),
        Append(rows=((9, "on the branch"),), branch="dev"),
        reads=(Read("the branch", ref="dev"),),
        proof=(Proof("refs", "contains", {"dev": "branch"}),),
    ),
    _feature(
        "drop-branch",
        "a branch created and dropped",
        "branch-tag-write",
        _REFS,
        _ONE,
        CreateRef(name="old", type="branch"),
        DropRef(name="old", type="branch"),
        reads=(),
        proof=(Proof("refs", "=", {"main": "branch"}),),
    ),
    _feature(
        "rollback",
        "the first snapshot made current again, then an append",
        "rollback",
        "Iceberg specification, Snapshot References: main",
        _ONE,
        Mark(name="first"),
        _TWO,
        Rollback(to="first"),
        Append(rows=((4, "after the rollback"),)),
        reads=(Read("id = 3 is gone", columns=("id",), where=(Condition("id", "=", 3),)),),
        proof=(Proof("snapshots", ">=", 3),),
    ),
    _feature(
        "metadata-snapshots",
        "the metadata table of snapshots",
        "metadata-tables",
        "Iceberg documentation, Inspecting tables",
        _ONE,
        _TWO,
        reads=(Read("snapshots", metadata="snapshots", columns=("snapshot_id", "parent_id", "operation")),),
    ),
    _feature(
        "metadata-history",
        "the metadata table of the history, with a rollback in it",
        "metadata-tables",
        "Iceberg documentation, Inspecting tables",
        _ONE,
        Mark(name="first"),
        _TWO,
        Rollback(to="first"),
        reads=(Read("history", metadata="history", columns=("snapshot_id", "is_current_ancestor")),),
    ),
    _feature(
        "metadata-refs",
        "the metadata table of branches and tags",
        "metadata-tables",
        "Iceberg documentation, Inspecting tables",
        _ONE,
        CreateRef(name="audit", type="branch"),
        CreateRef(name="v1", type="tag"),
        reads=(Read("refs", metadata="refs", columns=("name", "type", "snapshot_id")),),
    ),
    _feature(
        "metadata-files",
        "the metadata table of data and delete files",
        "metadata-tables",
        "Iceberg documentation, Inspecting tables",
        _ONE,
        _TWO,
        reads=(Read("files", metadata="files", columns=("record_count", "content")),),
    ),
)
