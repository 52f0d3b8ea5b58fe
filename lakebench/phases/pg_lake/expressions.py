"""Expressions and aggregates that pg_lake has DuckDB compute, against PostgreSQL's own answers, one case each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.twins import twins

GROUP = "Expressions, against a heap table"
_COLUMNS = (
    "id integer, i integer, n numeric(10, 3), f double precision, t text, b bytea, d date, ts timestamp, "
    "z timestamptz, j jsonb, a integer[], bl boolean"
)
_ROWS = """
(1, 1, 1.005, 0.5, 'a', '\\x00ff', '2025-01-01', '2025-01-31 10:11:12.123456', '2025-01-31 10:11:12+00',
    '{"a": 1, "l": [1, 2]}', '{1,2,3}', true),
(2, 7, -2.5, 1.5, 'Ärger', '\\xdeadbeef', '1969-12-28', '1969-12-31 23:59:59.5', '1969-12-31 23:59:59.5+00',
    '{"a": {"b": "x"}}', '{}', false),
(3, -7, 2.675, 2.5, 'straße', '', '2024-02-29', '2024-02-29 00:00:00', '2024-02-29 00:00:00+00',
    '[1, null]', '{3,NULL}', NULL),
(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(5, 2147483647, 9999999.999, -2.5, 'a b\\c%', '\\x41', '9999-12-31', '9999-12-31 23:59:59.999999',
    '9999-12-31 23:59:59+00', 'null', '{1}', true)
"""
OF_ROWS: Mapping[str, tuple[str, ...]] = {
    "division-by-zero": ("i / 0",),
    "division-by-zero-numeric": ("n / 0", "i / 0.0"),
    "division-by-zero-double": ("f / 0",),
    "integer-overflow": ("i * i", "i + 1", "i::smallint"),
    "numeric-division": ("n / 3",),
    "numeric-product": ("n * n",),
    "numeric-round": ("round(n, 1)", "round(n)", "trunc(n, 1)", "n::integer"),
    "double-round": ("round(f)",),
    "double-to-integer": ("f::integer", "ceil(f)", "floor(f)"),
    "double-overflow": ("exp(1000 * f)",),
    "integer-division": ("i / 2", "i % 3", "-i / 2", "mod(i, -3)"),
    "shift-negative": ("i << 2",),
    "bits": ("i & 3", "i # 3", "~i"),
    "null-least": ("greatest(i, NULL)", "least(f, 'NaN')", "coalesce(t, 'x')", "nullif(t, 'a')"),
    "lower-upper": ("lower(t)", "upper(t)"),
    "ilike": ("t ILIKE 'ä%'",),
    "like": ("t LIKE 'a%'", "t LIKE '_traße'", "t NOT LIKE '%a%'"),
    "like-escape": ("t LIKE 'a b\\\\c\\%'",),
    "regular-expression": ("t ~ '^[a-z]+$'", "t ~* 'STRA'", "regexp_replace(t, '(a)', '[\\1]', 'g')"),
    "substring": ("substr(t, 0, 2)", "substr(t, -1, 3)", "left(t, -1)", "right(t, -1)", "split_part(t, 'a', -1)"),
    "length-unicode": ("length(t)", "octet_length(t)", "reverse(t)", "strpos(t, 'e')"),
    "concat": ("t || NULL", "t || i", "concat(t, i)"),
    "concat-null": ("concat(t, NULL, 1)",),
    "bytea-encode": ("encode(b, 'hex')",),
    "bytea": ("length(b)", "b || b", "md5(t)"),
    "extract-seconds": ("extract(seconds FROM ts)", "extract(milliseconds FROM ts)"),
    "extract-epoch": ("extract(epoch FROM ts)",),
    "extract": ("extract(dow FROM d)", "extract(isodow FROM d)", "extract(week FROM d)", "extract(century FROM d)",
                "extract(doy FROM d)"),
    "date-trunc": ("date_trunc('week', ts)", "date_trunc('quarter', d)", "date_trunc('century', ts)"),
    "date-arithmetic": ("d + 1", "d - date '2025-01-01'", "ts + interval '1 month'", "d + interval '1 month'"),
    "age": ("age(timestamp '2025-03-31', ts)", "ts - timestamp '2025-01-01'"),
    "to-char": ("to_char(ts, 'YYYY-MM-DD HH24:MI:SS.US')", "to_char(n, '999D99')"),
    "at-time-zone": ("ts AT TIME ZONE 'America/Chicago'", "z AT TIME ZONE 'America/Chicago'", "z::date"),
    "json-field": ("j -> 'a'", "j ->> 'none'", "j #>> '{a,b}'", "j ? 'a'", "j @> '{\"a\": 1}'", "jsonb_typeof(j)"),
    "json-field-text": ("j ->> 'a'",),
    "json-element": ("j -> 0",),
    "array-negative": ("a[-1]",),
    "array": ("a[1]", "a[0]", "a[2:3]", "array_length(a, 1)", "cardinality(a)", "array_to_string(a, ',')"),
    "any-of-null": ("3 = ANY (a)",),
    "row-comparison": ("(i, t) < (2, 'b')",),
    "boolean": ("bl AND NULL", "bl::text", "bl::integer", "i IS DISTINCT FROM NULL", "t NOT IN ('a', NULL)"),
    "case": ("CASE WHEN i > 2 THEN 1 / (i - 3) END",),
}  # fmt: skip
"""Name → expressions, each selected with the key of its row."""
OF_TABLE: Mapping[str, tuple[str, ...]] = {
    "aggregates": ("count(*)", "count(t)", "sum(i)", "sum(n)", "max(d)", "min(ts)", "max(z)", "bool_and(bl)",
                   "sum(i) FILTER (WHERE false)", "count(DISTINCT t)"),
    "aggregate-average": ("avg(i)", "avg(n)", "avg(f)"),
    "aggregate-deviation": ("round(stddev(n), 6)", "round(var_pop(n), 6)"),
    "aggregate-text": ("min(t)", "max(t)", "string_agg(t, ',' ORDER BY t)", "array_agg(t ORDER BY t DESC)"),
    "aggregate-array": ("array_agg(i ORDER BY id)", "array_agg(DISTINCT t ORDER BY t)", "max(a)"),
    "aggregate-json": ("jsonb_agg(i ORDER BY id)",),
    "aggregate-ordered": ("percentile_cont(0.5) WITHIN GROUP (ORDER BY i)",
                          "percentile_disc(0.5) WITHIN GROUP (ORDER BY t)"),
    "aggregate-type": ("pg_typeof(sum(i))", "pg_typeof(avg(i))", "pg_typeof(count(*))", "pg_typeof(sum(n))"),
}  # fmt: skip
"""Name → aggregates, each of the whole table."""
QUERIES: Mapping[str, tuple[str, ...]] = {
    "filter-overflow": ("SELECT id FROM t WHERE i + 1 > 0",),
    "filter-zero": ("SELECT id FROM t WHERE 1 / (id - 1) > 0",),
    "filter-like-escape": ("SELECT id FROM t WHERE t LIKE 'a b\\\\c\\%'",),
    "filter-types": ("SELECT id FROM t WHERE n = 2.675", "SELECT id FROM t WHERE n = 2.675::float8",
                     "SELECT id FROM t WHERE i > 2147483648", "SELECT id FROM t WHERE d = '2025-01-01'::timestamptz"),
    "null-order": ("SELECT id FROM t ORDER BY i, id", "SELECT id FROM t ORDER BY i DESC, id",
                   "SELECT id FROM t ORDER BY i DESC NULLS LAST, id LIMIT 2"),
    "text-order": ("SELECT t FROM t ORDER BY t", "SELECT t FROM t ORDER BY t DESC"),
    "window": ("SELECT id, sum(i::bigint) OVER (ORDER BY id) FROM t", "SELECT id, rank() OVER (ORDER BY f) FROM t",
               "SELECT id, lag(t) OVER (ORDER BY id) FROM t",
               "SELECT id, sum(f) OVER (ORDER BY i RANGE BETWEEN 5 PRECEDING AND CURRENT ROW) FROM t"),
    "subquery-rows": ("SELECT (SELECT i FROM t)",),
    "not-in-null": ("SELECT id FROM t WHERE i NOT IN (SELECT i FROM t WHERE id > 3)",
                    "SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM t o WHERE o.i > t.i)"),
    "offset-negative": ("SELECT id FROM t ORDER BY id OFFSET -1",),
}  # fmt: skip
"""Name → whole queries."""


def questions() -> Mapping[str, tuple[str, ...]]:
    """Name → the queries of the table ``t``."""
    rows = {name: tuple(f"SELECT id, {one} AS x FROM t" for one in some) for name, some in OF_ROWS.items()}
    whole = {name: tuple(f"SELECT {one} AS x FROM t" for one in some) for name, some in OF_TABLE.items()}
    return {**rows, **whole, **QUERIES}


def blocks() -> Iterator[Check]:
    """A case for each name."""
    for name, queries in questions().items():
        shown = [one.removeprefix("SELECT id, ").removeprefix("SELECT ").split(" AS x FROM")[0] for one in queries]
        case = case_of("expression", name, GROUP, "; ".join(shown))
        yield check_of(case, partial(_same, queries=queries))


def _same(server: TwinServer, queries: tuple[str, ...]) -> Evidence:
    server.context.prepared.once("pg_lake/expressions", lambda: _make(server))
    with twins(server, "expression") as pair:
        pair.run(queries)
        return pair.evidence()


def _make(server: TwinServer) -> None:
    with twins(server, "expression") as pair:
        pair.make("t", _COLUMNS)
        pair.must(f"INSERT INTO t VALUES {_ROWS}")
