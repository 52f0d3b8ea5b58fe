"""The Iceberg table that pg_lake keeps: its snapshots, and its rows as DuckDB reads them from the metadata file."""

from __future__ import annotations

import json
from typing import Any

from lakebench.datasets import answer_files
from lakebench.datasets.interop.store import Files
from lakebench.errors import WrongAnswer
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, ObjectStore
from lakebench.phases.citus_fdw.ends import PG_LAKE, Cells, Link
from lakebench.services.object_store import store

READER = EngineRef("iceberg_scan")
"""The engine that reads a table by its metadata file alone."""


def readers(link: Link, key: int, session: str = "") -> dict[str, Cells]:
    """The row ``key`` as DuckDB reads it from the metadata file; nothing where the other end keeps no such file.

    ``session`` is the one that pg_lake is asked in for the file.
    """
    if link.pair.remote != PG_LAKE:
        return {}
    sql = f"SELECT id, region, amount FROM iceberg_scan('{metadata_file(link, session)}') WHERE id = {key}"
    answer = link.context.client.query(READER, _lake(link), sql, session="fdw files")
    return {"duckdb, from the metadata file": link.context.checker.call(answer_files.cells, answer.path)}


def metadata_file(link: Link, session: str = "") -> str:
    """Where the metadata of the table ``written`` lies now, as pg_lake's catalog says."""
    asked = (
        "SELECT metadata_location FROM iceberg_tables WHERE table_name = 'written' "
        f"AND table_namespace = '{link.schema(link.pair.remote)}'"
    )
    ((location,),) = link.cells(link.pair.remote, asked, session)
    return str(location)


def snapshots(link: Link) -> int | None:
    """How many snapshots the table ``written`` has; ``None`` where the other end keeps no Iceberg tables."""
    if link.pair.remote != PG_LAKE:
        return None
    objects = store(link.context.services.endpoint("object-store"))
    return link.context.checker.call(count_snapshots, objects, metadata_file(link))


def made(link: Link, before: int | None, expected: int) -> dict[str, Any]:
    """The evidence that ``expected`` snapshots came to be since there were ``before``.

    Raises:
        WrongAnswer: it is another number.
    """
    after = snapshots(link)
    if before is None or after is None:
        return {}
    if after - before != expected:
        raise WrongAnswer(
            f"{expected} snapshots were to be made, and {after - before} were", before=before, after=after
        )
    return {"snapshots_made": after - before}


def count_snapshots(objects: ObjectStore, location: str) -> int:
    """The number of snapshots in the metadata file at ``location``."""
    metadata = json.loads(Files(objects).read(location))
    return len(metadata.get("snapshots") or ())


def _lake(link: Link) -> Lake:
    """The store alone: the tables are named by their files."""
    objects = store(link.context.services.endpoint("object-store"))
    return Lake("files", objects, Catalog(CatalogKind.REST, "", ""))
