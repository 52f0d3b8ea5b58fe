"""A program without lakebench that makes the table of a finding: what its engines got, for DuckDB and PyIceberg."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import planned
from lakebench.datasets.interop.random_programs import Program
from lakebench.engines import schemas
from lakebench.engines.sql import SqlDialect
from lakebench.iceberg.operations import Append, Mark, Merge, Operation, Overwrite, Read
from lakebench.iceberg.types import Field, Type, kind
from lakebench.iceberg.values import arrow_table

ENGINES = frozenset({"duckdb", "pyiceberg"})
"""The engines whose steps and reads such a program can have."""
_ROWS = re.compile(r"<\d+ rows>")
_COMMITTED = ("table.update_", "table.manage_snapshots()", "table.maintenance.")
_ARROW = {
    "int": "pa.int32()", "long": "pa.int64()", "string": "pa.string()", "date": "pa.date32()", "boolean": "pa.bool_()",
    "timestamp": 'pa.timestamp("us")', "float": "pa.float32()", "double": "pa.float64()",
}  # fmt: skip
_HEAD = '''\
"""{title}

The catalog and the store are those of the variables below; lakebench up rest-catalog prints such ones.
"""

import os

LAKE = {{name: os.environ[name] for name in ("CATALOG", "WAREHOUSE", "STORE", "KEY", "SECRET")}}
'''
_DUCKDB = '''
# pip install duckdb duckdb-extensions duckdb-extension-iceberg duckdb-extension-httpfs duckdb-extension-avro
import duckdb
from duckdb_extensions import import_extension

con = duckdb.connect()
for name in ("httpfs", "avro", "iceberg"):
    import_extension(name, con=con)
    con.load_extension(name)
con.sql(f"""CREATE SECRET (TYPE s3, KEY_ID '{{LAKE["KEY"]}}', SECRET '{{LAKE["SECRET"]}}', URL_STYLE 'path',
    ENDPOINT '{{LAKE["STORE"].partition("://")[2]}}', REGION 'us-east-1', USE_SSL false)""")
con.sql(f"""ATTACH '{{LAKE["WAREHOUSE"]}}' AS {lake} (TYPE iceberg, ENDPOINT '{{LAKE["CATALOG"]}}',
    AUTHORIZATION_TYPE 'none', ACCESS_DELEGATION_MODE 'none', READ_ONLY false)""")
'''
_PYICEBERG = """
# pip install 'pyiceberg[pyarrow]'
import datetime
from decimal import Decimal

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import *
from pyiceberg.expressions.literals import *
from pyiceberg.partitioning import *
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import *
from pyiceberg.transforms import *
from pyiceberg.types import *

catalog = load_catalog("{lake}", **{{
    "type": "rest", "uri": LAKE["CATALOG"], "warehouse": LAKE["WAREHOUSE"], "s3.endpoint": LAKE["STORE"],
    "s3.region": "us-east-1", "s3.access-key-id": LAKE["KEY"], "s3.secret-access-key": LAKE["SECRET"],
}})
catalog.create_namespace_if_not_exists("{namespace}")
if catalog.table_exists({identifier}):
    catalog.drop_table({identifier})
marks = {{}}
"""


@dataclass(frozen=True)
class TablePlace:
    """Where the table of a finding was: the catalog's name in the statements, its namespace, and its own name.

    ``marks`` are the snapshots of its marks, whose ids the statements have.
    """

    lake: str = ""
    namespace: str = ""
    table: str = ""
    marks: Mapping[str, int] | None = None

    @property
    def identifier(self) -> tuple[str, str]:
        """As PyIceberg names it."""
        return self.namespace, self.table


def of(
    program: Program,
    statements: Sequence[Sequence[str]],
    read: Read,
    readers: Iterable[str],
    at: TablePlace,
    title: str,
) -> str:
    """The program, with ``read`` by ``readers`` in the end.

    Empty where another engine has a part, or the statements of a step went with its engine's process.
    """
    hands, asked = {_bare(one.by) for one in program if one.by}, {_bare(one) for one in readers}
    told = all(texts for one, texts in zip(program, statements, strict=True) if one.by)
    if not told or not hands | asked <= ENGINES:
        return ""
    used = hands | asked | ({"pyiceberg"} if read.ref or any(isinstance(one, Mark) for one in program) else set())
    heads = [_DUCKDB.format(lake=at.lake)] if "duckdb" in used else []
    if "pyiceberg" in used:
        heads.append(_PYICEBERG.format(lake=at.lake, namespace=at.namespace, identifier=at.identifier))
    plan = planned(Feature("fuzz", "", "", tuple(program), "", ""), lambda name: name)
    lines = [line for one in _steps(program, plan.operations, statements, at) for line in one]
    reads = [_read(reader, read, plan.fields["t"], at) for reader in sorted(asked)]
    return _HEAD.format(title=title.replace('"""', "'''")) + "".join(heads) + "\n" + "\n".join([*lines, *reads]) + "\n"


def _bare(engine: str) -> str:
    return engine.partition("@")[0]


def _steps(
    program: Program, ready: Sequence[Operation], statements: Sequence[Sequence[str]], at: TablePlace
) -> Iterator[list[str]]:
    for step, operation, texts in zip(program, ready, statements, strict=True):
        if isinstance(step, Mark):
            yield [f"marks[{step.name!r}] = catalog.load_table({at.identifier}).current_snapshot().snapshot_id"]
        elif _bare(step.by) == "duckdb":
            yield [f"con.sql({_marked(repr(text), at, 'f')})" for text in texts]
        else:
            yield [line for text in texts for line in _call(text, operation, at)]


def _marked(text: str, at: TablePlace, prefix: str = "") -> str:
    """``text`` with marks instead of the ids of their snapshots; a text literal becomes one with ``prefix`` then."""
    marks = {str(number): name for name, number in (at.marks or {}).items()}
    if not any(number in text for number in marks):
        return text
    for number, name in marks.items():
        place = f'marks["{name}"]'
        text = text.replace(number, f"{{{place}}}" if prefix else place)
    return prefix + text


def _call(text: str, operation: Operation, at: TablePlace) -> Iterator[str]:
    """A call of PyIceberg on the table as it is now, with its rows and its commit."""
    if text.startswith("table."):
        yield f"table = catalog.load_table({at.identifier})"
    if isinstance(operation, Append | Overwrite | Merge):
        rows = _rows(operation.fields, operation.rows)
        text = _ROWS.sub(lambda _: rows, text)
    if text.startswith(_COMMITTED):
        text += ".commit()"
    elif text.startswith("table.transaction()"):
        text += ".commit_transaction()"
    yield _marked(text, at)


def _rows(fields: Sequence[Field], rows: Sequence[Sequence[object]]) -> str:
    columns = ", ".join(f"({one.name!r}, {_arrow_type(one.type)})" for one in fields)
    return f"pa.Table.from_pylist({arrow_table(fields, rows).to_pylist()!r}, schema=pa.schema([{columns}]))"


def _arrow_type(of: Type) -> str:
    return f"pa.{str(of).replace('decimal', 'decimal128')}" if kind(of) == "decimal" else _ARROW[kind(of)]


def _read(reader: str, read: Read, fields: Sequence[Field], at: TablePlace) -> str:
    if reader == "duckdb":
        return f"print(con.sql(f{_sql(read, at)!r}))"
    arguments = [f"row_filter={schemas.expression(fields, read.where)!r}"] if read.where else []
    arguments += [f"snapshot_id=marks[{read.at!r}]"] if read.at else []
    scan = f"catalog.load_table({at.identifier}).scan({', '.join(arguments)})"
    scan += f".use_ref({read.ref!r})" if read.ref else ""
    return f"print({scan}.count())" if read.count else f"print({scan}.to_arrow())"


def _sql(read: Read, at: TablePlace) -> str:
    """The read as DuckDB's SQL, where what stands in braces is Python; values have the types of their columns."""
    dialect = SqlDialect()
    snapshot = f'marks["{read.at}"]' if read.at else ""
    if read.ref:
        name = f'("{at.namespace}", "{at.table}")'
        snapshot = f'catalog.load_table({name}).snapshot_by_name("{read.ref}").snapshot_id'
    version = f" AT (VERSION => {{{snapshot}}})" if snapshot else ""
    table = ".".join(map(dialect.name, (at.lake, *at.identifier)))
    return f"SELECT {'count(*)' if read.count else '*'} FROM {table}{version}{dialect.where((), read.where)}"
