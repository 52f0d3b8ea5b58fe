"""The program of a finding that runs without lakebench: what its engines got, as Python."""

from __future__ import annotations

import ast

from lakebench.iceberg.operations import Append, Create, Delete, Mark, Operation, Read, Rollback, SetPartition, Update
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField
from lakebench.phases.interop.fuzz import script
from lakebench.phases.interop.fuzz.script import TablePlace

AT = TablePlace("rest", "interop", "fuzz_7", {"m1": 4711471147114711})
STEPS: list[tuple[Operation, str]] = [
    (Create(columns=(Field("id", "int"), Field("v", "decimal(9,2)")), by="duckdb"), 'CREATE TABLE "fuzz_7"'),
    (Append(rows=((1, "0.50"), (2, None)), by="pyiceberg"), "table.append(<2 rows>)"),
    (Mark(name="m1"), ""),
    (SetPartition(partition=(PartitionField("id"),), by="pyiceberg"), "table.update_spec().add_field('id', 'id')"),
    (Delete(where=(Condition("id", "=", 1),), by="duckdb"), "DELETE FROM t"),
    (Rollback(to="m1", by="pyiceberg"), "table.manage_snapshots().rollback_to_snapshot(4711471147114711)"),
]


def script_of(
    steps: list[tuple[Operation, str]], read: Read, readers: tuple[str, ...] = ("duckdb", "pyiceberg")
) -> str:
    statements = [(text,) if text else () for _, text in steps]
    return script.of(tuple(one for one, _ in steps), statements, read, readers, AT, "a title")


def lines(text: str) -> list[str]:
    return [ast.unparse(one) for one in ast.parse(text).body]


def test_steps_are_the_calls_of_their_engines_with_rows_and_commits() -> None:
    body = lines(script_of(STEPS, Read("all rows")))
    assert """con.sql('CREATE TABLE "fuzz_7"')""" in body
    (append,) = (one for one in body if "append(" in one)
    assert "{'id': 1, 'v': Decimal('0.50')}, {'id': 2, 'v': None}" in append
    assert "('v', pa.decimal128(9, 2))" in append
    assert "table.update_spec().add_field('id', 'id').commit()" in body
    assert "table.manage_snapshots().rollback_to_snapshot(marks['m1']).commit()" in body
    assert body[-2:] == [
        """print(con.sql(f'SELECT * FROM "rest"."interop"."fuzz_7"'))""",
        "print(catalog.load_table(('interop', 'fuzz_7')).scan().to_arrow())",
    ]


def test_reads_are_those_of_the_finding() -> None:
    where = Read("v", where=(Condition("v", "=", "0.50"),), count=True)
    by_duckdb, by_pyiceberg = script_of(STEPS[:2], where).splitlines()[-2:]
    assert by_duckdb.startswith("""print(con.sql(f'SELECT count(*) FROM "rest"."interop"."fuzz_7" WHERE "v" = """)
    assert "row_filter=EqualTo(" in by_pyiceberg
    assert by_pyiceberg.endswith(".count())")
    marked = script_of(STEPS, Read("at m1", at="m1"), ("duckdb",)).splitlines()[-1]
    assert 'AT (VERSION => {marks["m1"]})' in marked


def test_another_engine_or_lost_statements_make_no_script() -> None:
    assert not script_of(STEPS, Read("all rows"), ("daft",))
    update = Update(where=(Condition("id", "=", 1),), values={"id": 2}, by="reference")
    assert not script_of([*STEPS, (update, "POST")], Read("all rows"))
    assert not script_of([*STEPS, (Delete(where=(), by="duckdb"), "")], Read("all rows"))
