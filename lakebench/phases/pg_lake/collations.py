"""The order of text: a database whose collation is that of a language, and what pg_lake's tables answer in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from lakebench.engines.postgresql import create_database
from lakebench.errors import EngineUnavailable, Refused
from lakebench.execution.cases import Check, Evidence
from lakebench.model import Endpoint
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.session import Session
from lakebench.phases.pg_lake.twins import Twins
from lakebench.phases.table_loading import word

GROUP = "The order of text, against a heap table"
LOCALES = ("builtin:C.UTF-8", "en_US.UTF-8")
"""Collations as :func:`lakebench.engines.postgresql.provider_of` reads them: by code point, and as a language sorts."""
VALUES = ("a", "A", "b", "B", "Z", "ä", "Ä", "z", "", "a b", "a-b", "ab", "10", "9", "ß", "ss")
_UNKNOWN = {"42704", "22023", "0A000"}  # no such locale, provider or option here (PostgreSQL's Appendix A)
_ASKED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "order": ("ORDER BY", (
        "SELECT id, v FROM t ORDER BY v, id",
        "SELECT v FROM t ORDER BY v DESC NULLS LAST, id LIMIT 3",
        "SELECT id, row_number() OVER (ORDER BY v, id) FROM t",
    )),
    "range": ("<, >= and BETWEEN", (
        "SELECT id FROM t WHERE v < 'b'",
        "SELECT id FROM t WHERE v >= 'Z'",
        "SELECT id FROM t WHERE v BETWEEN 'a' AND 'z'",
    )),
    "extremes": ("min and max", ("SELECT min(v), max(v) FROM t", "SELECT greatest('a', 'B'), v > 'B' FROM t")),
    "case": ("upper, lower and ILIKE", ("SELECT id, upper(v), lower(v) FROM t", "SELECT id FROM t WHERE v ILIKE 'ä'")),
    "explicit": ('ORDER BY … COLLATE "C"', (
        'SELECT id, v FROM t ORDER BY v COLLATE "C", id',
        "SELECT id FROM t WHERE v COLLATE \"C\" < 'b'",
    )),
}  # fmt: skip


def blocks() -> Iterator[Check]:
    """A case for each collation and question."""
    for locale in LOCALES:
        for name, (title, _) in _ASKED.items():
            case = case_of("collation", f"{word(locale)}-{name}", GROUP, f"{title}, in a database of {locale}")
            yield check_of(case, partial(_same, locale=locale, name=name))


def _same(server: TwinServer, locale: str, name: str) -> Evidence:
    server.must_be_ours()
    there = server.context.prepared.once(f"pg_lake/collation/{locale}", lambda: _made(server, locale))
    with _twins(there) as pair:
        pair.run(_ASKED[name][1])
        return pair.evidence(collation=locale, values=list(VALUES))


def _made(server: TwinServer, locale: str) -> Endpoint:
    """The database of ``locale``, with both tables in it.

    Raises:
        EngineUnavailable: this server does not know the locale.
        Refused: the server makes no such database, or pg_lake does not work in it.
    """
    database = f"{server.endpoint.properties['schema']}_{word(locale)}"
    with contextlib.closing(Session(server.endpoint)) as session:
        reply = session.run(create_database(database, locale))
    if reply.state in _UNKNOWN:
        raise EngineUnavailable(f"this server has no locale {locale}: {reply.error}")
    if reply.refused:
        raise Refused(reply.error, state=reply.state, sql=create_database(database, locale))
    there = replace(server.endpoint, properties={**server.endpoint.properties, "database": database})
    with contextlib.closing(Session(there)) as session:
        session.must("CREATE EXTENSION pg_lake CASCADE", "CREATE SCHEMA twin_heap", "CREATE SCHEMA twin_lake")
    rows = ", ".join(f"({at}, '{value}')" for at, value in enumerate(VALUES))
    with _twins(there) as pair:
        pair.make("t", "id integer, v text")
        pair.must(f"INSERT INTO t VALUES (-1, NULL), {rows}")
    return there


@contextlib.contextmanager
def _twins(there: Endpoint) -> Iterator[Twins]:
    sides = (Session(there, "twin_heap"), Session(there, "twin_lake"))
    try:
        yield Twins(*sides)
    finally:
        for side in sides:
            side.close()
