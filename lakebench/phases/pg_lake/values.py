"""Values at the limits of each type: which pg_lake stores, and what it answers of them, against a heap twin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from lakebench.datasets.postgresql.edges import predicates, typed
from lakebench.errors import Refused
from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.twins import Twins, twins

GROUP = "Values of each type, against a heap table"
TYPES: Mapping[str, tuple[str, ...]] = {
    "smallint": ("32767", "-32768", "0"),
    "bigint": ("9223372036854775807", "-9223372036854775808", "0"),
    "real": ("NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1"),
    "double precision": ("NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1"),
    "numeric(38, 10)": ("9999999999999999999999999999.9999999999", "0.1", "-0.0000000001"),
    "numeric(10, 2)": ("NaN", "0", "-99999999.99", "99999999.99"),
    "boolean": ("true", "false"),
    "text": ("", "a", "A", "ä", "Z", " a", "a ", "it's", "東京", "e\u0301", "é", "\\x41"),
    "varchar(3)": ("", "a", "ab ", "äöü"),
    "char(4)": ("a", "ab", ""),
    "bytea": ("\\x00ff", "\\x", "\\x41"),
    "date": ("0001-01-01", "4713-01-01 BC", "0044-03-15 BC", "1582-10-10", "1969-12-31", "9999-12-31", "10000-01-01",
             "infinity", "-infinity"),
    "timestamp": ("0001-01-01 00:00:00", "0044-03-15 12:00:00 BC", "1582-10-10 00:00:00",
                  "1969-12-31 23:59:59.999999", "2026-03-08 02:30:00", "9999-12-31 23:59:59.999999",
                  "294276-12-31 23:59:59", "infinity"),
    "timestamptz": ("0001-01-01 00:00:00+00", "1900-01-01 00:00:00+00", "1969-12-31 23:59:59.999999+00",
                    "2026-03-08 06:59:59+00", "2026-11-01 05:30:00+00", "2026-11-01 06:30:00+00",
                    "9999-12-31 23:59:59.999999+00", "infinity", "-infinity"),
    "time": ("00:00:00", "23:59:59.999999", "24:00:00"),
    "timetz": ("12:00:00+02", "23:59:59+00", "00:00:00-12"),
    "interval": ("1 mon", "30 days", "24:00:00", "1 day", "-1 year 2 mons 3 days 04:05:06.789"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "json": ('{"a": 1, "a": 2}', "null"),
    "jsonb": ('{"b": 1, "a": [1, null]}', "null", '"ü"', "1.10", "12345678901234567890.123"),
    "integer[]": ("{1,NULL,3}", "{}", "{1}", "{{1,2},{3,4}}", "[0:1]={1,2}"),
    "inet": ("10.0.0.1/8", "::1"),
    "int4range": ("[1,5)", "empty"),
}  # fmt: skip
"""Type → its values at the limits, as PostgreSQL writes them; NULL is in each table, too."""
_NO_ORDER = ("json",)  # PostgreSQL has no comparison for it
_ZONE = "America/New_York"
_TIMES = ("date", "timestamp", "timestamptz", "timetz")
_PREPARED = 6  # from the sixth execution on PostgreSQL may use a generic plan
_FEW = 3


@dataclass(frozen=True)
class ValueQuestion:
    """What is asked of the values of a type; ``of`` are its types, all where it is empty."""

    title: str
    ask: Callable[[Twins, str], None]
    of: tuple[str, ...] = ()
    zone: str = "UTC"
    protocol: str = "simple"

    def fits(self, kind: str) -> bool:
        """Whether PostgreSQL can answer it of the type ``kind``."""
        return kind in self.of if self.of else kind not in _NO_ORDER or self.ask in (_values, _as_text)


def name_of(kind: str) -> str:
    """The type ``kind`` in an id: ``numeric(38, 10)`` is ``numeric-38-10``."""
    return re.sub(r"\W+", "-", kind).strip("-") + ("-array" if kind.endswith("[]") else "")


def each(conditions: Sequence[str], selected: str, table: str = "t") -> str:
    """One query: what is ``selected`` where each of the ``conditions`` holds, with its number."""
    return " UNION ALL ".join(
        f"SELECT {at} AS p, {selected} FROM {table} WHERE {one}" for at, one in enumerate(conditions)
    )


def ask_each(pair: Twins, conditions: Sequence[str], selected: str, table: str = "t") -> None:
    """Ask all ``conditions`` at once, and where that differs one by one, so that the difference names its own."""
    if pair.ask(each(conditions, selected, table)):
        whole = pair.differences.pop()
        before = len(pair.differences)
        for one in conditions:
            pair.ask(f"SELECT {selected} FROM {table} WHERE {one}")
        if len(pair.differences) == before:
            pair.differences.append(whole)


def _values(pair: Twins, _kind: str) -> None:
    pair.ask("SELECT id, v FROM t")


def _as_text(pair: Twins, _kind: str) -> None:
    pair.ask("SELECT id, v::text FROM t")


def _filters(pair: Twins, kind: str) -> None:
    conditions = tuple(predicates("v", kind, TYPES[kind]))
    ask_each(pair, conditions, "id")
    ask_each(pair, conditions, "count(*), sum(id), min(id), max(id), count(DISTINCT id)")


def _order(pair: Twins, _kind: str) -> None:
    pair.ask("SELECT id, v FROM t ORDER BY v, id")
    pair.ask("SELECT id FROM t ORDER BY v DESC NULLS LAST, id LIMIT 2")


def _groups(pair: Twins, kind: str) -> None:
    pair.ask("SELECT v, count(*) FROM t GROUP BY v")
    pair.ask("SELECT count(v), count(DISTINCT v) FROM t")
    if kind not in {"boolean", "uuid", "bytea", "jsonb", "int4range"}:  # of which PostgreSQL 17 has no min
        pair.ask("SELECT min(v), max(v) FROM t")


def _prepared(pair: Twins, kind: str) -> None:
    for value in islice(TYPES[kind], _FEW):
        for _ in range(_PREPARED):
            if pair.ask("SELECT id, v FROM t WHERE v = %s", (value,)):
                break


QUESTIONS: Mapping[str, ValueQuestion] = {
    "values": ValueQuestion("the values", _values),
    "filter": ValueQuestion("filters, and aggregates of the filtered rows", _filters),
    "order": ValueQuestion("ORDER BY", _order),
    "groups": ValueQuestion("groups, DISTINCT, min and max", _groups),
    "text": ValueQuestion("as text", _as_text),
    "prepared": ValueQuestion("a parameter, prepared, first to sixth time", _prepared, protocol="prepared"),
    "zone": ValueQuestion(f"the values in {_ZONE}", _values, _TIMES, _ZONE),
    "zone-filter": ValueQuestion(f"filters in {_ZONE}", _filters, _TIMES, _ZONE),
}


def blocks() -> Iterator[Check]:
    """A case for each type and question."""
    for kind in TYPES:
        for name, question in QUESTIONS.items():
            if question.fits(kind):
                case = case_of("type", f"{name_of(kind)}-{name}", GROUP, kind, question.title)
                yield check_of(case, partial(_same, kind=kind, name=name))


def _same(server: TwinServer, kind: str, name: str) -> Evidence:
    question, schema = QUESTIONS[name], f"type_{name_of(kind)}"
    refused = server.context.prepared.once(f"pg_lake/type/{kind}", lambda: _make(server, schema, kind))
    with twins(server, schema, zone=question.zone, protocol=question.protocol) as pair:
        question.ask(pair, kind)
        if name == "values" and refused:
            pair.evidence()
            raise Refused(
                f"{len(refused)} values of {kind} are not stored: {'; '.join(refused)}", not_stored=list(refused)
            )
        return pair.evidence(values=list(TYPES[kind]), not_stored=list(refused))


def _make(server: TwinServer, schema: str, kind: str) -> tuple[str, ...]:
    """The tables with every value that pg_lake stores, and NULL; what it refuses, in neither table.

    Raises:
        Refused: it has no columns of this type.
    """
    rows = [f"({at}, {typed(one, kind)})" for at, one in enumerate(TYPES[kind])]
    with twins(server, schema) as pair:
        pair.make("t", f"id integer, v {kind}")
        pair.must("INSERT INTO t VALUES (-1, NULL)")
        if not pair.lake.run(f"INSERT INTO t VALUES {', '.join(rows)}").refused:
            pair.heap.must(f"INSERT INTO t VALUES {', '.join(rows)}")
            return ()
        return tuple(_one_by_one(pair, rows))


def _one_by_one(pair: Twins, rows: Sequence[str]) -> Iterator[str]:
    """Insert each row on both sides, or on neither; what pg_lake says of those that it refuses."""
    for row in rows:
        insert = f"INSERT INTO t VALUES {row}"
        reply = pair.lake.run(insert)
        if reply.refused:
            yield f"{row} ({reply.error})"
        else:
            pair.heap.must(insert)
