"""Every engine reads the whole table in its worker, which sums it up; differences are narrowed down to rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets.interop import metadata as iceberg
from lakebench.errors import CaseEnd, CaseError, EngineUnavailable, HarnessFault
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.history import RunHistory
from lakebench.execution.run_files import RunFiles
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, TableFormat
from lakebench.outcomes import Outcome
from lakebench.processes.digests import FilteredRows
from lakebench.services.pinned_catalog import NAMESPACE
from lakebench.table_check import columns, reference_reader, rows_apart
from lakebench.table_check.addresses import UserTable
from lakebench.table_check.answers import (
    REFERENCE,
    AnswerDifference,
    TableAnswer,
    TableRead,
    contradicted,
    differing,
    differing_buckets,
    differing_columns,
    expected_of,
)
from lakebench.verification.checker import Checker

METADATA_FILE, FILES = "metadata file", "files"
REFS = 5
"""At most so many branches and tags are read, besides main."""
_BUCKETS, _ROWS = 64, 2000
_ALIKE = "fetched once more, both gave the same of the rows that were looked at"
_FIRST_REFERENCE_VERSION = 2


@dataclass(frozen=True)
class TableSource:
    """Where the rows come from: ``name``, the ``lake``, and what the table is called there."""

    name: str
    lake: Lake
    table: str


@dataclass(frozen=True)
class TableReads:
    """A table with its columns, its sources and the questions; ``rows`` are those in its data files.

    The first question is for all rows; ``filters`` ask for parts of them, from the first source alone.
    """

    table: UserTable
    fields: tuple[Field, ...]
    sources: tuple[TableSource, ...]
    questions: tuple[TableRead, ...]
    rows: int
    filters: tuple[TableRead, ...] = ()

    @property
    def has_reference(self) -> bool:
        """Whether the reference reader reads it: it knows versions from 2 on, and Python takes its time."""
        metadata = self.table.metadata
        return (
            metadata is not None
            and metadata["format-version"] >= _FIRST_REFERENCE_VERSION
            and self.rows <= reference_reader.ROWS
        )


def asked_of_iceberg(
    table: UserTable, pinned: Catalog, name: str, rows: int, filters: Sequence[Condition]
) -> TableReads:
    """The questions about an Iceberg table, which ``pinned`` knows by ``name``."""
    metadata = table.metadata or {}
    by_file = TableSource(METADATA_FILE, Lake("pinned", table.store, pinned, NAMESPACE), name)
    sources = [by_file]
    if table.lake is not None:
        sources.append(TableSource(table.name.partition(":")[0], table.lake, table.known_as))
    fields = columns.fields_of(iceberg.current_schema(metadata) or {"fields": []})
    return TableReads(table, fields, tuple(sources), tuple(_questions(metadata)), rows, _filters(filters, rows))


def _filters(conditions: Sequence[Condition], rows: int) -> tuple[TableRead, ...]:
    """The questions with filters; of a large table the filter's column alone is read."""
    return tuple(
        TableRead(in_words(one), where=one, columns=None if rows <= reference_reader.ROWS else (one.column,))
        for one in conditions
    )


def in_words(where: Condition) -> str:
    """A filter as reports show it."""
    return f"{where.column} {where.test}{'' if where.value is None else f' {where.value!r}'}"


def asked_of_parquet(table: UserTable, fields: Sequence[Field], rows: int, filters: Sequence[Condition]) -> TableReads:
    """The questions about files of plain Parquet."""
    nowhere = Catalog(CatalogKind.REST, "", "")
    lake = Lake("files", table.store, nowhere, format=TableFormat.PARQUET, files={"t": table.files})
    sources = (TableSource(FILES, lake, "t"),)
    return TableReads(table, tuple(fields), sources, (TableRead(),), rows, _filters(filters, rows))


def _questions(metadata: Mapping[str, Any]) -> Iterator[TableRead]:
    """All rows; then the oldest snapshot and the refs, of the columns that are still the same."""
    yield TableRead()
    snapshots = {one["snapshot-id"]: one for one in iceberg.snapshots(metadata)}
    current = metadata.get("current-snapshot-id")
    oldest = next(iter(snapshots), None)
    old = []
    if oldest is not None and oldest != current:
        old.append(TableRead(f"snapshot {oldest}", snapshot_id=oldest, columns=_kept(metadata, snapshots[oldest])))
    refs = {name: one["snapshot-id"] for name, one in iceberg.references(metadata).items() if name != "main"}
    for name, number in itertools.islice(sorted(refs.items()), REFS):
        if number in snapshots:
            old.append(TableRead(f"ref {name}", ref=name, columns=_kept(metadata, snapshots[number])))
    yield from (one for one in old if one.columns != ())  # without a column in common nothing can be compared


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
        """What the reference reader and each engine say to each question, from each source, as soon as it is known.

        An engine that did not give all rows is not asked for parts of them.
        """
        whole = set()
        for question in asked.questions:
            if asked.has_reference:
                yield self._by_reference(asked, question)
            for ref, source in itertools.product(refs, asked.sources):
                answer = self._by_engine(asked, question, source, ref)
                if question is asked.questions[0] and source is asked.sources[0] and answer.digest is not None:
                    whole.add(ref)
                yield answer
        for ref in refs:
            if ref in whole:
                yield from self._filtered(asked, ref)

    def _filtered(self, asked: TableReads, ref: EngineRef) -> Iterator[TableAnswer]:
        """The engine's answers to all filters, up to one at which it died or took too long."""
        for question in asked.filters:
            answer = self._by_engine(asked, question, asked.sources[0], ref)
            yield answer
            if answer.digest is None and answer.outcome is not Outcome.REFUSED:
                break

    def differences(self, asked: TableReads, answers: Sequence[TableAnswer]) -> Iterator[AnswerDifference]:
        """Each answer that is not the expected one; where none is expected, each that is not the first one's."""
        for question in asked.questions:
            given = [one for one in answers if one.question == question and one.digest is not None]
            if not given:
                continue
            expected = expected_of(given)
            note = "" if expected else "no answer has a majority: each is held against the first"
            against = expected or given[0]
            for one in differing(given, against):
                found = self._narrowed(asked, one, against)
                yield replace(found, note="; ".join(filter(None, (note, found.note))))
        for one, computed in contradicted(answers, asked.filters):
            yield self._narrowed(asked, one, computed)

    def _narrowed(self, asked: TableReads, one: TableAnswer, expected: TableAnswer) -> AnswerDifference:
        left, right = one.digest or {}, expected.digest or {}
        found = differing_columns(right, left)
        buckets = differing_buckets(right, left)[:_BUCKETS]
        try:
            files = [self._fetched(asked, answer, buckets) for answer in (expected, one)]
            rows = self._checker.call(rows_apart.apart, *files)
        except (CaseError, HarnessFault) as error:
            return AnswerDifference(one, expected, found, note=f"the rows could not be fetched: {error}")
        note = "" if rows.lacking or rows.extra else _ALIKE
        return AnswerDifference(one, expected, found, rows.lacking, rows.extra, rows.files or {}, note)

    def _fetched(self, asked: TableReads, answer: TableAnswer, buckets: Sequence[int]) -> Path:
        """The rows of ``buckets`` as the reader of ``answer`` gives them, in a file."""
        into, question = self._files.new(f"{answer.reader}-rows"), answer.question
        part = _part(question) if answer.computed else None
        read = asked.questions[0] if answer.computed else question
        if answer.reader == REFERENCE:
            metadata, ref = _pinned_at(asked.table.metadata or {}, read)
            wanted = reference_reader.Wanted(tuple(buckets), _ROWS, into, part)
            self._checker.call(reference_reader.keep, metadata, asked.table.store, _fields(asked, read), ref, wanted)
            return into
        source = next(one for one in asked.sources if one.name == answer.source)
        more: dict[str, Any] = {"wanted": list(buckets), "limit": _ROWS, "into": str(into)}
        more |= {"scan": _scan(source, asked, read), "part": part.to_json() if part else None}
        self._client.call(engines.parse(answer.reader), source.lake, "rows_of_buckets", self._limit_s, **more)
        return into

    def _by_reference(self, asked: TableReads, question: TableRead) -> TableAnswer:
        metadata, ref = _pinned_at(asked.table.metadata or {}, question)
        parts = _parts(asked, question)
        try:
            digest, *found = self._checker.call(
                reference_reader.digests, metadata, asked.table.store, _fields(asked, question), ref, parts
            )
        except (CaseError, HarnessFault) as error:
            return TableAnswer(REFERENCE, "", METADATA_FILE, question, error.outcome, str(error))
        return TableAnswer(REFERENCE, "", METADATA_FILE, question, Outcome.PASS, digest=digest, parts=tuple(found))

    def _by_engine(self, asked: TableReads, question: TableRead, source: TableSource, ref: EngineRef) -> TableAnswer:
        parts = [one.to_json() for one in _parts(asked, question)]
        try:
            _must_reach(ref, source.lake)
            scan = _scan(source, asked, question)
            reply = self._client.call(ref, source.lake, "digest", self._limit_s, scan=scan, parts=parts)
        except (CaseError, HarnessFault) as error:
            end: CaseEnd = error if isinstance(error, CaseError) else self._client.case_end(error, ref)
            return TableAnswer(str(ref), self._version(ref), source.name, question, end.outcome, str(end))
        return TableAnswer(
            str(ref),
            self._version(ref),
            source.name,
            question,
            Outcome.PASS,
            digest=reply["digest"],
            seconds=reply["ns"] / 1e9,
            calls=tuple(reply["calls"]),
            parts=tuple(reply["parts"]),
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


def _parts(asked: TableReads, question: TableRead) -> list[FilteredRows]:
    """What is computed of all rows beside their own digest."""
    return [_part(one) for one in asked.filters] if question is asked.questions[0] else []


def _part(question: TableRead) -> FilteredRows:
    if question.where is None:
        raise HarnessFault(f"{question} has no filter")
    return FilteredRows(question.where, question.columns)


def _scan(source: TableSource, asked: TableReads, question: TableRead) -> dict[str, Any]:
    """The scan; its fields are those that it gives, which include each that it filters by."""
    return Scan(
        source.table,
        question.columns,
        question.snapshot_id,
        question.ref,
        where=(question.where,) if question.where else (),
        fields=_fields(asked, question),
    ).to_json()


def _pinned_at(metadata: Mapping[str, Any], question: TableRead) -> tuple[Mapping[str, Any], str]:
    """The metadata, and the branch or tag, at which the reference reader finds the rows that are asked for."""
    if question.snapshot_id is None:
        return metadata, question.ref or "main"
    return {**metadata, "current-snapshot-id": question.snapshot_id, "refs": {}}, "main"
