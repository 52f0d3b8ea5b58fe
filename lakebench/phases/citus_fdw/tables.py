"""The tables of phase 8 at both ends: edge values of each type, and generated rows beside them."""

from __future__ import annotations

from lakebench.datasets.postgresql.edges import JOINED, TYPES, filled, joined
from lakebench.phases.citus_fdw.ends import ForeignEnd, Link

WRITTEN = "id integer, region text, amount numeric(10, 2)"


def ready(link: Link) -> None:
    """Make the tables of the pair at both ends, once a run.

    Raises:
        CaseError: a server is not there, or refuses.
    """
    link.context.prepared.once(f"citus_fdw/{link.pair.name}", lambda: _make(link))


def _make(link: Link) -> None:
    for end in (link.pair.local, link.pair.remote):
        link.lake(end)  # both have to be there before either is asked
    _remote(link, link.pair.remote)
    link.require_fdw()
    _local(link, link.pair.local)


def _remote(link: Link, end: ForeignEnd) -> None:
    link.execute(end, *_new_schema(link.schema(end)))
    link.execute(end, *end.made("orders", TYPES), *filled("orders"), *end.made("written", WRITTEN))
    if end.analyzes:
        link.execute(end, "ANALYZE orders")


def _new_schema(schema: str) -> tuple[str, ...]:
    """A schema without what an earlier run left on a server of the user's."""
    return (f"DROP SCHEMA IF EXISTS {schema} CASCADE", f"CREATE SCHEMA {schema}")


def _local(link: Link, end: ForeignEnd) -> None:
    """The foreign tables, as the field report has it by IMPORT; heap twins; and a table of the local end's own kind."""
    link.execute(end, *link.server(), *_new_schema(link.schema(end)), link.imported("orders", "written"))
    link.execute(end, f"CREATE TABLE twin ({TYPES})", *filled("twin"), "ANALYZE twin")
    for table, option in (("orders_plain", ""), ("orders_estimate", ", use_remote_estimate 'true'")):
        link.execute(end, link.foreign(table, TYPES, "orders", option))
    link.execute(end, "ANALYZE orders")
    for made in (end.made("own", JOINED), (f"CREATE TABLE regions ({JOINED})",), (f"CREATE TABLE marks ({WRITTEN})",)):
        link.execute(end, *made)
    link.execute(end, joined("own"), joined("regions"))
