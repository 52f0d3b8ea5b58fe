"""A table of format version 3 by each writer: deletion vectors and row ids (table specification, *Version 3*)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from lakebench.datasets.interop.store import Files
from lakebench.datasets.interop.table import StoredTable
from lakebench.errors import WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import Create, Delete
from lakebench.iceberg.scan import Condition, Scan
from lakebench.model import EngineRef, ObjectStore
from lakebench.phases.rest_catalog.data_tables import (
    BASE,
    FIELDS,
    MERGE_ON_READ,
    Engines,
    another,
    append,
    check,
    lake,
    metadata,
    operate,
    read,
    rest,
    table_name,
    writers,
)
from lakebench.phases.rest_catalog.sandbox import Json
from lakebench.phases.rest_catalog.targets import CheckedCatalog

SUBJECT = "Format version 3"
_VERSION, _GONE = 3, 5
_LEFT = tuple(row for row in BASE if row[0] >= _GONE)


def blocks(refs: Sequence[EngineRef], target: CheckedCatalog) -> Iterator[Check]:
    """A case for each writer that deletes."""
    for ref in writers(refs, Delete):
        title = "Rows that are deleted from a table of format version 3"
        yield check(target, "v3-delete", SUBJECT, title, Engines(writer=ref), partial(_run, target=target, ref=ref))


def _run(context: RunContext, target: CheckedCatalog, ref: EngineRef) -> Evidence:
    at, name = lake(context, target), table_name("v3", ref)
    create = Create(table=name, columns=FIELDS, properties=MERGE_ON_READ, format_version=_VERSION)
    delete = Delete(table=name, where=(Condition("id", "<", _GONE),))
    statements = operate(context, ref, at, create, append(name, BASE), delete)
    catalog = rest(context, target)
    now = metadata(catalog, name)
    found: Json = context.checker.call(delete_files, catalog.store, now)
    evidence = {"steps": statements, "format-version": now["format-version"], "delete_files": found}
    try:
        judge(now, found)
        return {**evidence, **read(context, another(context.request.refs, ref), at, Scan(name), _LEFT)}
    except WrongAnswer as error:
        error.details.update(evidence)
        raise


def delete_files(store: ObjectStore | None, table: Json) -> dict[str, Any]:
    """How many files of which kind say which rows are deleted; a function for the checker process."""
    stored = StoredTable(table, Files(store))
    return {"deletion vectors": len(stored.vectors), "position deletes": len(stored.position_deletes)}


def judge(table: Json, found: Json) -> None:
    """Check the metadata of a table that was to have version 3, and the delete files that were ``found``.

    Raises:
        WrongAnswer: it has another version, no row ids, or delete files that version 3 does not allow to be added.
    """
    if table["format-version"] != _VERSION:
        raise WrongAnswer(f"a table of format version 3 was asked for, and it has {table['format-version']}")
    if not table.get("next-row-id"):
        raise WrongAnswer("rows were added to a table of format version 3, and it has no next-row-id")
    if found["position deletes"]:
        raise WrongAnswer(f"{found['position deletes']} files of position deletes were added, where vectors are due")
