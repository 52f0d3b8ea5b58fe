"""Every engine reads the whole table in its worker, which sums it up; differences are narrowed down to rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lakebench import engines
from lakebench.datasets.interop import metadata as iceberg
from lakebench.errors import CaseEnd, CaseError, EngineUnavailable, HarnessFault
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.history import RunHistory
from lakebench.execution.run_files import RunFiles
from lakebench.iceberg.scan import Scan
from lakebench.iceberg.types import Field
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, TableFormat
from lakebench.outcomes import Outcome
from lakebench.services.pinned_catalog import NAMESPACE
from lakebench.table_check import columns, reference_reader, rows_apart
from lakebench.table_check.addresses import UserTable
from lakebench.table_check.answers import (
    REFERENCE,
    AnswerDifference,
    TableAnswer,
    TableRead,
    differing,
    differing_buckets,
    differing_columns,
    standard_of,
)
from lakebench.verification.checker import Checker

METADATA_FILE, FILES = "metadata file", "files"
REFS = 5
"""At most so many branches and tags are read, besides main."""
_BUCKETS, _ROWS = 64, 2000
_FIRST_REFERENCE_VERSION = 2


@dataclass(frozen=True)
class TableWay:
    """A way to the rows: ``name``, the ``lake``, and what the table is called there."""

    name: str
    lake: Lake
    table: str


@dataclass(frozen=True)
class TableReads:
    """A table with its columns, the ways to it and the questions; ``rows`` are those in its data files."""

    table: UserTable
    fields: tuple[Field, ...]
    ways: tuple[TableWay, ...]
    questions: tuple[TableRead, ...]
    rows: int

    @property
    def has_reference(self) -> bool:
        """Whether the reference reader reads it: it knows versions from 2 on, and Python takes its time."""
        metadata = self.table.metadata
        return (
            metadata is not None
            and metadata["format-version"] >= _FIRST_REFERENCE_VERSION
            and self.rows <= reference_reader.ROWS
        )


def asked_of_iceberg(table: UserTable, pinned: Catalog, name: str, rows: int) -> TableReads:
    """The questions about an Iceberg table, which ``pinned`` knows by ``name``."""
    metadata = table.metadata or {}
    by_file = TableWay(METADATA_FILE, Lake("pinned", table.store, pinned, NAMESPACE), name)
    ways = [by_file]
    if table.lake is not None:
        ways.append(TableWay(table.name.partition(":")[0], table.lake, table.known_as))
    fields = columns.fields_of(iceberg.current_schema(metadata) or {"fields": []})
    return TableReads(table, fields, tuple(ways), tuple(_questions(metadata)), rows)


def asked_of_parquet(table: UserTable, fields: Sequence[Field], rows: int) -> TableReads:
    """The one question about files of plain Parquet."""
    nowhere = Catalog(CatalogKind.REST, "", "")
    lake = Lake("files", table.store, nowhere, format=TableFormat.PARQUET, files={"t": table.files})
    return TableReads(table, tuple(fields), (TableWay(FILES, lake, "t"),), (TableRead(),), rows)


def _questions(metadata: Mapping[str, Any]) -> Iterator[TableRead]:
    """All rows; then the oldest snapshot and the refs, of the columns that are still the same."""
    yield TableRead()
    snapshots = {one["snapshot-id"]: one for one in iceberg.snapshots(metadata)}
    current = metadata.get("current-snapshot-id")
    oldest = next(iter(snapshots), None)
    if oldest is not None and oldest != current:
        yield TableRead(f"snapshot {oldest}", snapshot_id=oldest, columns=_kept(metadata, snapshots[oldest]))
    refs = {name: one["snapshot-id"] for name, one in iceberg.references(metadata).items() if name != "main"}
    for name, number in itertools.islice(sorted(refs.items()), REFS):
        if number in snapshots:
            yield TableRead(f"ref {name}", ref=name, columns=_kept(metadata, snapshots[number]))


def _kept(metadata: Mapping[str, Any], snapshot: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The columns that the snapshot's schema and the current one have in common; ``None`` where they are the same."""
    now = iceberg.current_schema(metadata) or {"fields": []}
    number = snapshot.get("schema-id")
    then = next((one for one in iceberg.schemas(metadata) if one.get("schema-id") == number), now)
    names = columns.shared(now["fields"], then["fields"])
    return None if len(names) == len(now["fields"]) == len(then["fields"]) else names


class TableReaders:
    """Asks engines, and the reference reader, one after another."""

    def __init__(
        self, client: EngineClient, checker: Checker, files: RunFiles, history: RunHistory, limit_s: float
    ) -> None:
        self._client, self._checker, self._files, self._history = client, checker, files, history
        self._limit_s = limit_s

    def answers(self, asked: TableReads, refs: Sequence[EngineRef]) -> Iterator[TableAnswer]:
        """What the reference reader and each engine say to each question, in each way, as soon as it is known."""
        for question in asked.questions:
            if asked.has_reference:
                yield self._by_reference(asked, question)
            for ref, way in itertools.product(refs, asked.ways):
                yield self._by_engine(asked, question, way, ref)

    def differences(self, asked: TableReads, answers: Sequence[TableAnswer]) -> Iterator[AnswerDifference]:
        """Each answer that the standard contradicts; without a standard, each that is not the first one's."""
        for question in asked.questions:
            mine = [one for one in answers if one.question == question]
            given = [one for one in mine if one.digest is not None]
            standard = standard_of(mine)
            note = "" if standard else "no answer has a majority: each is held against the first"
            against = standard or next(iter(given), None)
            for one in differing(given, against) if against else ():
                yield (
                    replace(self._narrowed(asked, one, against), note=note)
                    if against
                    else AnswerDifference(one, one, ())
                )

    def _narrowed(self, asked: TableReads, one: TableAnswer, standard: TableAnswer) -> AnswerDifference:
        left, right = one.digest or {}, standard.digest or {}
        found = differing_columns(right, left)
        buckets = differing_buckets(right, left)[:_BUCKETS]
        try:
            files = [self._fetched(asked, answer, buckets) for answer in (standard, one)]
            rows = self._checker.call(rows_apart.apart, *files)
        except (CaseError, HarnessFault) as error:
            return AnswerDifference(one, standard, found, note=f"the rows could not be fetched: {error}")
        return AnswerDifference(one, standard, found, rows.lacking, rows.extra, rows.files or {})

    def _fetched(self, asked: TableReads, answer: TableAnswer, buckets: Sequence[int]) -> Any:
        """The rows of ``buckets`` as the reader of ``answer`` gives them, in a file."""
        into = self._files.new(f"{answer.reader}-rows")
        fields = _fields(asked, answer.question)
        if answer.reader == REFERENCE:
            metadata, ref = _pinned_at(asked.table.metadata or {}, answer.question)
            self._checker.call(
                reference_reader.digest, metadata, asked.table.store, fields, ref, list(buckets), _ROWS, into
            )
            return into
        way = next(one for one in asked.ways if one.name == answer.way)
        more: dict[str, Any] = {"wanted": list(buckets), "limit": _ROWS, "into": str(into)}
        self._client.call(
            engines.parse(answer.reader),
            way.lake,
            "digest",
            self._limit_s,
            scan=_scan(way, asked, answer.question),
            **more,
        )
        return into

    def _by_reference(self, asked: TableReads, question: TableRead) -> TableAnswer:
        metadata, ref = _pinned_at(asked.table.metadata or {}, question)
        fields = _fields(asked, question)
        try:
            digest = self._checker.call(reference_reader.digest, metadata, asked.table.store, fields, ref)
        except (CaseError, HarnessFault) as error:
            return TableAnswer(REFERENCE, "", METADATA_FILE, question, error.outcome, str(error))
        return TableAnswer(REFERENCE, "", METADATA_FILE, question, Outcome.PASS, digest=digest)

    def _by_engine(self, asked: TableReads, question: TableRead, way: TableWay, ref: EngineRef) -> TableAnswer:
        try:
            _must_reach(ref, way.lake)
            reply = self._client.call(ref, way.lake, "digest", self._limit_s, scan=_scan(way, asked, question))
        except (CaseError, HarnessFault) as error:
            end: CaseEnd = error if isinstance(error, CaseError) else self._client.case_end(error, ref)
            return TableAnswer(str(ref), self._version(ref), way.name, question, end.outcome, str(end))
        return TableAnswer(
            str(ref),
            self._version(ref),
            way.name,
            question,
            Outcome.PASS,
            digest=reply["digest"],
            seconds=reply["ns"] / 1e9,
            calls=tuple(reply["calls"]),
        )

    def _version(self, ref: EngineRef) -> str:
        return next(iter(self._history.versions(ref).values()), "")


def _must_reach(ref: EngineRef, lake: Lake) -> None:
    """Check that the engine has a way to such a lake.

    Raises:
        EngineUnavailable: it has none.
    """
    engine = engines.find(ref.name)
    if lake.format not in engine.formats:
        raise EngineUnavailable(f"{ref} has no way to read plain {lake.format} files here")
    if lake.format is TableFormat.ICEBERG and lake.catalog.kind not in engine.catalogs:
        raise EngineUnavailable(f"{ref} has no way to a {lake.catalog.kind} catalog here")


def _fields(asked: TableReads, question: TableRead) -> tuple[Field, ...]:
    return tuple(one for one in asked.fields if question.columns is None or one.name in question.columns)


def _scan(way: TableWay, asked: TableReads, question: TableRead) -> dict[str, Any]:
    return Scan(
        way.table, question.columns, question.snapshot_id, question.ref, fields=_fields(asked, question)
    ).to_json()


def _pinned_at(metadata: Mapping[str, Any], question: TableRead) -> tuple[Mapping[str, Any], str]:
    """The metadata, and the branch or tag, at which the reference reader finds the rows that are asked for."""
    if question.snapshot_id is None:
        return metadata, question.ref or "main"
    return {**metadata, "current-snapshot-id": question.snapshot_id, "refs": {}}, "main"
