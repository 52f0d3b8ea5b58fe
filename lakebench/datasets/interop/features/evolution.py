"""Schema evolution: what is read from files that were written under another schema."""

from __future__ import annotations

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import (
    AddColumn,
    Append,
    ChangeType,
    Create,
    DropColumn,
    MakeOptional,
    Mark,
    MoveColumn,
    Operation,
    Read,
    RenameColumn,
    SetDoc,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type

_GROUP = "Schema evolution"
_SPEC = "Iceberg specification, Schema Evolution"
_PLAIN = (Field("id", "int"), Field("a", "string"), Field("b", "int"))
_OLD = Append(rows=((1, "one", 10), (2, "two", 20), (3, None, None)))
_NESTED = (Field("id", "int"), Field("s", Struct((Field("x", "int"), Field("y", "string")))))
_NESTED_OLD = Append(rows=((1, {"x": 1, "y": "a"}), (2, {"x": None, "y": "b"}), (3, None)))


def _feature(
    name: str, title: str, topic: str, *program: Operation, reads: tuple[Read, ...] = (), proof: tuple[Proof, ...] = ()
) -> Feature:
    return Feature(name, _GROUP, title, program, topic, _SPEC, reads, proof)


def _promotion(name: str, before: Type, after: Type, old: object, new: object) -> Feature:
    return Feature(
        f"promote-{name}",
        _GROUP,
        f"{before} to {after}: old files keep the narrow type",
        (
            Create(columns=(Field("id", "int"), Field("v", before))),
            Append(rows=((1, old), (2, None))),
            ChangeType(path="v", type=after),
            Append(rows=((3, new), (4, old))),
        ),
        "promotion",
        _SPEC,
        (Read("v = the old value", columns=("id",), where=(Condition("v", "=", old),)),),
        (Proof("column-types", "contains", {"v": after}),),
    )


ALL = (
    _feature(
        "add-column",
        "a column added: null in old rows",
        "add-column",
        Create(columns=_PLAIN),
        _OLD,
        AddColumn(column=Field("c", "double")),
        Append(rows=((4, "four", 40, 4.5),)),
        reads=(
            Read("the new column", columns=("id", "c")),
            Read("c is null", columns=("id",), where=(Condition("c", "is-null"),)),
        ),
        proof=(Proof("schemas", ">=", 2),),
    ),
    _feature(
        "drop-column",
        "a column dropped",
        "drop-column",
        Create(columns=_PLAIN),
        _OLD,
        DropColumn(path="a"),
        Append(rows=((4, 40),)),
        proof=(Proof("schemas", ">=", 2),),
    ),
    _feature(
        "rename-column",
        "a column renamed: read from old files by its field id",
        "rename-column",
        Create(columns=_PLAIN),
        _OLD,
        RenameColumn(path="a", name="renamed"),
        Append(rows=((4, "four", 40),)),
        reads=(Read("by the new name", columns=("renamed",), where=(Condition("renamed", "=", "one"),)),),
    ),
    _feature(
        "drop-and-add-again",
        "a name dropped and added again: old values must not come back",
        "add-column",
        Create(columns=_PLAIN),
        _OLD,
        DropColumn(path="b"),
        AddColumn(column=Field("b", "int")),
        Append(rows=((4, "four", 40),)),
        reads=(Read("b = an old value", columns=("id",), where=(Condition("b", "=", 10),)),),
    ),
    _feature(
        "rename-and-reuse-name",
        "a renamed to c, a new a added: two columns, no value in the wrong one",
        "rename-column",
        Create(columns=_PLAIN),
        _OLD,
        RenameColumn(path="a", name="c"),
        AddColumn(column=Field("a", "string")),
        Append(rows=((4, "c4", 40, "a4"),)),
        reads=(Read("a is null", columns=("id", "c"), where=(Condition("a", "is-null"),)),),
    ),
    _feature(
        "move-column-first",
        "a column moved to the front",
        "move-column",
        Create(columns=_PLAIN),
        _OLD,
        MoveColumn(path="b", first=True),
        Append(rows=((40, 4, "four"),)),
        reads=(Read("two columns", columns=("a", "b")),),
    ),
    _feature(
        "add-column-after",
        "a column added between two others",
        "move-column",
        Create(columns=_PLAIN),
        _OLD,
        AddColumn(column=Field("c", "long"), after="id"),
        Append(rows=((4, 400, "four", 40),)),
    ),
    _promotion("int-long", "int", "long", 7, 2**40),
    _promotion("float-double", "float", "double", 1.5, 0.1),
    _promotion("decimal", "decimal(9,2)", "decimal(18,2)", "7.25", "1234567890123.45"),
    Feature(
        "promote-without-write",
        _GROUP,
        "int to long, and nothing was written since: the schema of the snapshot is the old one",
        (
            Create(columns=(Field("id", "int"), Field("v", "int"))),
            Append(rows=tuple((n, None if n % 5 == 0 else n) for n in range(1, 17))),
            ChangeType(path="v", type="long"),
        ),
        "promotion",
        _SPEC,
        (),
        (Proof("column-types", "contains", {"v": "long"}),),
    ),
    Feature(
        "promote-float-double-bloom-filter",
        _GROUP,
        "float to double, where old files have a bloom filter of floats",
        (
            Create(
                columns=(Field("id", "int"), Field("v", "float")),
                properties={"write.parquet.bloom-filter-enabled.column.v": "true"},
            ),
            Append(rows=((1, 1.5), (2, 2.5), (3, None))),
            ChangeType(path="v", type="double"),
            Append(rows=((4, 1.5), (5, 0.1))),
        ),
        "promotion",
        "trino 30544: rows silently dropped where a promoted column has a bloom filter",
        (Read("v = the old value", columns=("id",), where=(Condition("v", "=", 1.5),)),),
        (Proof("bloom-filters", "=", True),),
    ),
    Feature(
        "promote-int-long-bloom-filter",
        _GROUP,
        "int to long, where old files have a bloom filter of ints",
        (
            Create(
                columns=(Field("id", "int"), Field("v", "int")),
                properties={"write.parquet.bloom-filter-enabled.column.v": "true"},
            ),
            Append(rows=((1, 7), (2, 8), (3, None))),
            ChangeType(path="v", type="long"),
            Append(rows=((4, 7), (5, 2**40))),
        ),
        "promotion",
        "trino 30544, 30545: rows silently dropped where a promoted column has a bloom filter",
        (Read("v = the old value", columns=("id",), where=(Condition("v", "=", 7),)),),
        (Proof("bloom-filters", "=", True),),
    ),
    _feature(
        "nested-add",
        "a field added to a struct",
        "nested-evolution",
        Create(columns=_NESTED),
        _NESTED_OLD,
        AddColumn(parent="s", column=Field("z", "long")),
        Append(rows=((4, {"x": 4, "y": "d", "z": 44}),)),
    ),
    _feature(
        "nested-rename",
        "a struct's field renamed",
        "nested-evolution",
        Create(columns=_NESTED),
        _NESTED_OLD,
        RenameColumn(path="s.y", name="label"),
        Append(rows=((4, {"x": 4, "label": "d"}),)),
    ),
    _feature(
        "nested-drop",
        "a struct's field dropped",
        "nested-evolution",
        Create(columns=_NESTED),
        _NESTED_OLD,
        DropColumn(path="s.x"),
        Append(rows=((4, {"y": "d"}),)),
    ),
    _feature(
        "nested-drop-and-add-again",
        "a struct's field dropped and added again: old values must not come back",
        "nested-evolution",
        Create(columns=_NESTED),
        _NESTED_OLD,
        DropColumn(path="s.x"),
        AddColumn(parent="s", column=Field("x", "int")),
    ),
    _feature(
        "nested-add-in-list",
        "a field added to the struct inside a list",
        "nested-evolution",
        Create(columns=(Field("id", "int"), Field("l", ListOf(Struct((Field("x", "int"),)))))),
        Append(rows=((1, [{"x": 1}, None]), (2, []))),
        AddColumn(parent="l.element", column=Field("y", "string")),
        Append(rows=((3, [{"x": 3, "y": "new"}]),)),
    ),
    _feature(
        "nested-promote-in-map",
        "a map's int values promoted to long",
        "nested-evolution",
        Create(columns=(Field("id", "int"), Field("m", MapOf("string", "int")))),
        Append(rows=((1, {"keys": ["k"], "values": [1]}),)),
        ChangeType(path="m.value", type="long"),
        Append(rows=((2, {"keys": ["k"], "values": [2**40]}),)),
    ),
    _feature(
        "required-columns",
        "required columns beside optional ones",
        "make-optional",
        Create(columns=(Field("id", "int", required=True), Field("a", "string", required=True), Field("b", "int"))),
        Append(rows=((1, "one", 10), (2, "two", None))),
        proof=(Proof("required-columns", "contains", ["id", "a"]),),
    ),
    _feature(
        "make-optional",
        "a required column made optional",
        "make-optional",
        Create(columns=(Field("id", "int"), Field("a", "string", required=True))),
        Append(rows=((1, "one"),)),
        MakeOptional(path="a"),
        Append(rows=((2, None),)),
        reads=(Read("a is null", columns=("id",), where=(Condition("a", "is-null"),)),),
    ),
    _feature(
        "column-doc",
        "a column's doc set and changed",
        "docs",
        Create(columns=(Field("id", "int", doc="the key"), Field("a", "string"))),
        Append(rows=((1, "one"),)),
        SetDoc(path="a", doc='it\'s the "name"'),
        proof=(Proof("docs", "contains", {"id": "the key", "a": 'it\'s the "name"'}),),
    ),
    _feature(
        "column-names",
        "names with blanks, quotes, dots, upper case and other alphabets",
        "types-basic",
        Create(
            columns=(
                Field("id", "int"),
                Field("two words", "int"),
                Field("it's", "int"),
                Field("größe", "int"),
                Field("SELECT", "int"),
            )
        ),
        Append(rows=((1, 2, 3, 4, 5), (6, None, None, None, None))),
        proof=(
            Proof("column-types", "contains", {"two words": "int", "it's": "int", "größe": "int", "SELECT": "int"}),
        ),
        reads=(Read("some of them", columns=("two words", "größe"), where=(Condition("it's", "=", 3),)),),
    ),
    _feature(
        "time-travel-old-schema",
        "an old snapshot is read by the schema of its time",
        "time-travel",
        Create(columns=_PLAIN),
        _OLD,
        Mark(name="before"),
        RenameColumn(path="a", name="renamed"),
        DropColumn(path="b"),
        AddColumn(column=Field("c", "int")),
        Append(rows=((4, "four", 44),)),
        reads=(Read("the snapshot before", at="before"),),
    ),
    Feature(
        "default-values",
        _GROUP,
        "initial-default of a column added: read where old files lack it",
        (
            Create(columns=_PLAIN, format_version=3),
            _OLD,
            AddColumn(column=Field("c", "int", default=7)),
            AddColumn(column=Field("d", "string", default="new")),
            Append(rows=((4, "four", 40, 44, "given"), (5, "five", 50, None, None))),
        ),
        "default-values",
        "Iceberg specification, Default values",
        (Read("c = the default", columns=("id",), where=(Condition("c", "=", 7),)),),
        (Proof("defaults", "contains", ["c", "d"]),),
    ),
)
