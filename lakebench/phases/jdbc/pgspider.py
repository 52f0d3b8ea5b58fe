"""Nodes behind one table: two databases of one PostgreSQL, read through postgres_fdw and, where it is there, PGSpider.

The same rows stand behind three shapes: a view that is a UNION ALL of foreign tables, a table whose partitions are
foreign tables, and a parent table of ``pgspider_ext``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.rules import Rules
from lakebench.datasets.tpch import states
from lakebench.datasets.workload import Workload, write_schema
from lakebench.engines import CanExecute
from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.request import Request
from lakebench.model import Coordinates, EngineRef, Lake, TableFormat
from lakebench.services import lakes
from lakebench.verification import query_plans
from lakebench.verification.checker import Checker

_NODES = ("a", "b")
NODES = "nodes"
_SPIDER = "pgspider_ext"
_SERVICES = {"union": "postgres", "partitions": "postgres", "pgspider": "pgspider"}
"""Shape → the PostgreSQL service that it is made in."""
_NS = 1e9
_SLEEP_S = 0.4
_GROUP = "Nodes behind one table"
_LOAD_LIMIT_S = 4 * 3600.0
# The columns that the questions need, as every shape has them (TPC-H specification, clause 1.4.1).
_COLUMNS = "o_orderkey bigint, o_custkey integer, o_totalprice numeric(15, 2), o_orderpriority text"
_NAMES = "o_orderkey, o_custkey::integer AS o_custkey, o_totalprice, o_orderpriority"
_SHAPES: Mapping[str, str] = {
    "union": "a view: UNION ALL over postgres_fdw",
    "partitions": "partitions that are postgres_fdw tables",
    "pgspider": "a parent table of PGSpider",
}
WISE = ("off", "on")
"""Values of ``enable_partitionwise_aggregate``."""
_PARALLEL = ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size")


@dataclass(frozen=True)
class _Question:
    """A query of the table ``{t}`` and how its answer is compared."""

    title: str
    sql: str
    rules: Rules = Rules()  # noqa: RUF009 - frozen


_QUESTIONS: Mapping[str, _Question] = {
    "count": _Question("count", "SELECT count(*) AS n FROM {t}"),
    "max": _Question("max", "SELECT max(o_totalprice) AS m FROM {t}"),
    "sum-integer": _Question("sum of integers", "SELECT sum(o_custkey) AS s FROM {t}"),
    "sum-numeric": _Question("sum of numerics", "SELECT sum(o_totalprice) AS s FROM {t}"),
    "avg": _Question("avg", "SELECT avg(o_totalprice) AS m FROM {t}", Rules(average=(0,))),
    "grouped": _Question(
        "count and sum of integers by priority",
        "SELECT o_orderpriority, count(*) AS n, sum(o_custkey) AS s FROM {t} GROUP BY o_orderpriority",
    ),
    "by-node": _Question(
        "avg by node", "SELECT node, count(*) AS n, avg(o_totalprice) AS m FROM {t} GROUP BY node", Rules(average=(2,))
    ),
    "by-node-grouped": _Question(
        "sum of numerics by node and priority",
        "SELECT node, o_orderpriority, sum(o_totalprice) AS s FROM {t} GROUP BY node, o_orderpriority",
    ),
    "filter": _Question("a filter", "SELECT o_orderkey, node FROM {t} WHERE o_orderkey < 40 AND o_custkey > 100"),
}


def title_of(question: str) -> str:
    """The question with this name in words; the name itself where it is not known here."""
    return _QUESTIONS[question].title if question in _QUESTIONS else question


def nodes(request: Request, workload: Workload) -> Iterator[Block]:
    """Each question of each shape, with partitionwise aggregates off and on; and whether nodes work at once."""
    for ref in _servers(request):
        for shape in _SHAPES:
            for wise in WISE:
                for name, question in _QUESTIONS.items():
                    asked = _Asked(ref, workload, shape, wise, question)
                    row = f"{question.title}, partitionwise {wise}"
                    yield Check(_case(ref, shape, wise, name, row), partial(_plan, asked))
                row = f"nodes that take time, partitionwise {wise}"
                yield Check(_case(ref, shape, wise, "at-once", row), partial(_at_once, ref, shape, wise, workload))


def _servers(request: Request) -> tuple[EngineRef, ...]:
    """The engines that are a PostgreSQL with heap tables."""
    candidates = [(ref, engines.find(ref.name)) for ref in request.able(CanExecute)]
    return tuple(ref for ref, one in candidates if one.dialect == "postgres" and TableFormat.POSTGRESQL in one.formats)


def _case(ref: EngineRef, shape: str, wise: str, name: str, row: str) -> Case:
    return Case(
        id=f"phase2/nodes-{shape}-{wise}-{name}/{ref}",
        phase="phase2",
        title=f"{row}, {_SHAPES[shape]}",
        engine=ref,
        group=_GROUP,
        row=row,
        column=_SHAPES[shape],
        coordinates=Coordinates(
            engine=ref.name,
            version=ref.version,
            test=name,
            check="nodes",
            more={"shape": shape, "partitionwise": wise, **({"services": "pgspider"} if shape == "pgspider" else {})},
        ),
    )


@dataclass(frozen=True)
class _Asked:
    """A question, the engine that is asked, and how the table is made."""

    ref: EngineRef
    workload: Workload
    shape: str
    wise: str
    question: _Question

    @property
    def sql(self) -> str:
        """The question of the shape's table."""
        return self.question.sql.format(t=f"orders_{self.shape}")


def _plan(asked: _Asked, context: RunContext) -> Evidence:
    """The answer is right; the evidence is the plan, and what it says that nodes compute."""
    lake = _ready(context, asked.ref, asked.shape, asked.workload)
    context.client.call(asked.ref, lake, "execute", sql=f"SET enable_partitionwise_aggregate = {asked.wise}")
    explained = context.client.query(asked.ref, lake, f"EXPLAIN (VERBOSE, COSTS OFF) {asked.sql}")
    plan = [str(line) for (line,) in context.checker.call(answer_files.cells, explained.path)]
    distribution = query_plans.distributed(plan)
    actual = context.client.query(asked.ref, lake, asked.sql)
    expected = {"the generator's files": _witnessed(context, asked)}
    return {
        "sql": asked.sql,
        **same(context.checker.call(answer_files.compare, actual.path, expected, asked.question.rules)),
        "appended": distribution.appended,
        "pushed": list(distribution.pushed),
        "asynchronous": distribution.asynchronous,
        "remote": list(distribution.remote),
        "seconds": round(actual.ns / _NS, 4),
        "plan": "\n".join(plan),
    }


def _at_once(ref: EngineRef, shape: str, wise: str, workload: Workload, context: RunContext) -> Evidence:
    """Each node sleeps before it answers: the time of both shows whether they sleep at once."""
    lake = _ready(context, ref, shape, workload)
    sql = f"SELECT sum(n) AS n FROM slow_{shape}"
    # A table of two rows is not worth workers to the planner, and they are how PGSpider asks nodes at once.
    for setting in (f"enable_partitionwise_aggregate = {wise}", *(f"{name} = 0" for name in _PARALLEL)):
        context.client.call(ref, lake, "execute", sql=f"SET {setting}")
    explained = context.client.query(ref, lake, f"EXPLAIN (VERBOSE, COSTS OFF) {sql}")  # it connects to the nodes
    context.client.query(ref, lake, sql)
    actual = context.client.query(ref, lake, sql)
    seconds = actual.ns / _NS
    for name in _PARALLEL:
        context.client.call(ref, lake, "execute", sql=f"RESET {name}")
    ((total,),) = context.checker.call(answer_files.cells, actual.path)
    if total != str(len(_NODES)):
        raise WrongAnswer(f"the nodes have {len(_NODES)} rows of 1, and their sum is {total}", sql=sql)
    if seconds < _SLEEP_S:
        raise WrongAnswer(f"each node sleeps {_SLEEP_S} s, and the answer took {seconds:.3f} s", sql=sql)
    at_once = seconds < _SLEEP_S * (len(_NODES) - 0.5)
    plan = "\n".join(str(line) for (line,) in context.checker.call(answer_files.cells, explained.path))
    return {"sql": sql, "seconds": round(seconds, 3), "each_node_sleeps_s": _SLEEP_S, "at_once": at_once, "plan": plan}


def _witnessed(context: RunContext, asked: _Asked) -> Path:
    """DuckDB's answer over the generator's files, with the node that each row lies on."""
    sql = asked.question.sql.format(t="orders_nodes")

    def ask() -> Path:
        into = context.files.new("witness-nodes")
        files = states.views({"orders": asked.workload.tables["orders"].files}, {}, {})["orders"]
        view = f"SELECT *, CASE o_orderkey % {len(_NODES)} WHEN 0 THEN 'a' ELSE 'b' END AS node FROM ({files})"
        context.witness.answer(sql, {"orders_nodes": view}, into, context.request.profile.protocol.limit_s)
        return into

    return context.prepared.once(f"nodes/witness/{sql}", ask)


# How the nodes and the shapes are made


def _ready(context: RunContext, ref: EngineRef, shape: str, workload: Workload) -> Lake:
    """The schema with the shape, made once, in the server that can have it."""
    service = _SERVICES[shape]
    context.services.start([service])
    names = _NodeNames(context.services.endpoint(service).properties.get("schema", NODES))
    lake = lakes.postgresql_lake(context.services, names.schema, service=service)
    context.prepared.once(f"nodes/{ref}/in {service}", lambda: _make(context, ref, service, names, workload))
    context.prepared.once(
        f"nodes/{ref}/{shape}", lambda: _make_shape(context.client, context.checker, ref, lake, shape, names)
    )
    return lake


@dataclass(frozen=True)
class _NodeNames:
    """The ``schema`` of the shapes, and what is called after it: a schema of each node, and foreign servers."""

    schema: str

    def node(self, node: str) -> str:
        """The schema of ``node``, and the foreign server that leads to it."""
        return f"{self.schema}_{node}"

    @property
    def spider(self) -> str:
        """The foreign server of PGSpider."""
        return f"{self.schema}_spider"


def _make(context: RunContext, ref: EngineRef, service: str, names: _NodeNames, workload: Workload) -> None:
    """Two schemas with half of the orders each, and foreign tables over them."""
    lake = lakes.postgresql_lake(context.services, names.schema, service=service)
    for number, node in enumerate(_NODES):
        node_lake = lakes.postgresql_lake(context.services, names.node(node), service=service)
        _make_node(context, ref, node_lake, number, node, workload)
    _require(
        context.client, context.checker, ref, lake, "postgres_fdw", "it is part of PostgreSQL's contrib: install that"
    )
    for sql in _foreign(lake, names):
        context.client.call(ref, lake, "execute", sql=sql)


def _make_node(context: RunContext, ref: EngineRef, lake: Lake, number: int, node: str, workload: Workload) -> None:
    orders = workload.tables["orders"]
    schema = context.files.new("schema-orders")
    context.checker.call(write_schema, orders.files[0], schema)
    context.client.call(ref, lake, "create", table="loaded", rows=str(schema))
    context.client.call(ref, lake, "load", _LOAD_LIMIT_S, table="loaded", files=[str(one) for one in orders.files])
    half = f"SELECT {_NAMES}, '{node}'::text AS node FROM loaded WHERE o_orderkey % {len(_NODES)} = {number}"
    slow = f"SELECT n, '{node}'::text AS node FROM generate_series(1, 1) n, pg_sleep({_SLEEP_S})"
    for sql in (f"CREATE TABLE orders AS {half}", "DROP TABLE loaded", "ANALYZE orders", f"CREATE VIEW slow AS {slow}"):
        context.client.call(ref, lake, "execute", sql=sql)


def _foreign(lake: Lake, names: _NodeNames) -> Iterator[str]:
    """Foreign servers, which lead to schemas of the server itself."""
    from lakebench.engines.postgresql import parameters

    login = parameters(lake.catalog)
    for node in _NODES:
        where = f"host {_text(login['host'])}, port {_text(login['port'])}, dbname {_text(login['dbname'])}"
        who = f"user {_text(login['user'])}, password {_text(login['password'])}"
        options = f"OPTIONS ({where}, async_capable 'true')"
        yield f"CREATE SERVER {names.node(node)} FOREIGN DATA WRAPPER postgres_fdw {options}"
        yield f"CREATE USER MAPPING FOR CURRENT_USER SERVER {names.node(node)} OPTIONS ({who})"


def _make_shape(
    client: EngineClient, checker: Checker, ref: EngineRef, lake: Lake, shape: str, names: _NodeNames
) -> None:
    if shape == "pgspider":
        _require(client, checker, ref, lake, _SPIDER, "name one with pg_config for [services.pgspider]")
        client.call(ref, lake, "execute", sql=f"CREATE SERVER {names.spider} FOREIGN DATA WRAPPER {_SPIDER}")
        client.call(ref, lake, "execute", sql=f"CREATE USER MAPPING FOR CURRENT_USER SERVER {names.spider}")
    for table, columns in (("orders", _COLUMNS), ("slow", "n integer")):
        for sql in _MAKERS[shape](table, columns, names):
            client.call(ref, lake, "execute", sql=sql)


def _require(client: EngineClient, checker: Checker, ref: EngineRef, lake: Lake, extension: str, mend: str) -> None:
    """Create ``extension``.

    Raises:
        EngineUnavailable: the server does not have it.
    """
    asked = f"SELECT count(*) AS n FROM pg_available_extensions WHERE name = '{extension}'"
    if checker.call(answer_files.cells, client.query(ref, lake, asked).path) != [["1"]]:
        raise EngineUnavailable(f"the PostgreSQL here has no extension {extension}: {mend}")
    client.call(ref, lake, "execute", sql=f"CREATE EXTENSION IF NOT EXISTS {extension}")


def _union(table: str, columns: str, names: _NodeNames) -> Sequence[str]:
    children = [_child(f"{table}_union_{node}", f"{columns}, node text", names.node(node), table) for node in _NODES]
    parts = " UNION ALL ".join(f"SELECT * FROM {table}_union_{node}" for node in _NODES)
    return [
        *children,
        *_analyzed(table, [f"{table}_union_{node}" for node in _NODES]),
        f"CREATE VIEW {table}_union AS {parts}",
    ]


def _partitions(table: str, columns: str, names: _NodeNames) -> Sequence[str]:
    parts = [
        f"CREATE FOREIGN TABLE {table}_part_{node} PARTITION OF {table}_partitions FOR VALUES IN ('{node}') "
        f"SERVER {names.node(node)} OPTIONS (schema_name '{names.node(node)}', table_name '{table}')"
        for node in _NODES
    ]
    tables = [f"{table}_partitions", *(f"{table}_part_{node}" for node in _NODES)]
    return [_parent(f"{table}_partitions", columns), *parts, *_analyzed(table, tables)]


def _pgspider(table: str, columns: str, names: _NodeNames) -> Sequence[str]:
    """As PGSpider's documentation has it: the key last, and absent from the children, called ``<partition>_child``."""
    made, tables = [_parent(f"{table}_pgspider", columns)], []
    for node in _NODES:
        partition = f"{table}_spider_{node}"
        tables.append(f"{partition}_child")
        made.append(_child(f"{partition}_child", columns, names.node(node), table))
        of_parent = f"PARTITION OF {table}_pgspider FOR VALUES IN ('{node}')"
        made.append(f"CREATE FOREIGN TABLE {partition} {of_parent} SERVER {names.spider}")
    return [*made, *_analyzed(table, tables)]


def _parent(name: str, columns: str) -> str:
    return f"CREATE TABLE {name} ({columns}, node text) PARTITION BY LIST (node)"


def _child(name: str, columns: str, node: str, table: str) -> str:
    """A foreign table over ``table`` of ``node``, which is a server and a schema."""
    options = f"OPTIONS (schema_name '{node}', table_name '{table}')"
    return f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {node} {options}"


def _analyzed(table: str, names: Sequence[str]) -> Sequence[str]:
    """Statistics, without which no GROUP BY is pushed down; none of the view that sleeps."""
    return [f"ANALYZE {name}" for name in names] if table == "orders" else []


_MAKERS: Mapping[str, Any] = {"union": _union, "partitions": _partitions, "pgspider": _pgspider}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
