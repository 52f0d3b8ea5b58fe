"""``lakebench check`` from arguments to results: one table after another, each by every engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets.interop.store import Files
from lakebench.engines import CanScan
from lakebench.errors import CaseError
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.iceberg.damage import parsed
from lakebench.model import Catalog, EngineRef, ObjectStore
from lakebench.outcomes import ExitCode, Outcome
from lakebench.processes.guard import Guard
from lakebench.progress import Progress
from lakebench.services import Services
from lakebench.services.pinned_catalog import pinned_catalog
from lakebench.table_check import addresses, columns, edges, findings
from lakebench.table_check.addresses import UserTable
from lakebench.table_check.answers import REFERENCE, AnswerDifference, TableAnswer
from lakebench.table_check.findings import TableFindings
from lakebench.table_check.known import KnownFailure
from lakebench.table_check.readers import (
    FILES,
    METADATA_FILE,
    TableReaders,
    TableReads,
    asked_of_iceberg,
    asked_of_parquet,
)

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class CheckedTable:
    """What is known of one table; ``error`` says why it could not be checked at all.

    ``named`` are the engines that the user named.
    """

    name: str
    location: str
    is_iceberg: bool
    findings: TableFindings | None = None
    answers: tuple[TableAnswer, ...] = ()
    differences: tuple[AnswerDifference, ...] = ()
    known: tuple[KnownFailure, ...] = ()
    error: str = ""
    named: tuple[str, ...] = ()

    @property
    def missed(self) -> tuple[str, ...]:
        """The engines among ``named``, those that the user named, that gave no rows."""
        gave = {one.reader for one in self.answers if one.digest is not None and not one.question.name}
        return tuple(one for one in self.named if one not in gave)

    @property
    def code(self) -> ExitCode:
        """4 where readers disagree; 1 where the specification is violated, or a named engine gave no rows; 3, 5."""
        codes = [ExitCode.WRONG_ANSWER] if self.differences else []
        damaged = any(one.reader == REFERENCE and one.outcome is Outcome.WRONG for one in self.answers)
        if damaged or self.missed or (self.findings is not None and self.findings.violations):
            codes.append(ExitCode.WORSE)
        if any(one.outcome is Outcome.HARNESS_FAULT for one in self.answers):
            codes.append(ExitCode.HARNESS_FAULT)
        by_engines = [one for one in self.answers if one.reader != REFERENCE]
        if self.error or not any(one.digest is not None for one in by_engines):
            codes.append(ExitCode.NOTHING_RAN)
        return ExitCode.first(*codes)


@dataclass(frozen=True)
class CheckArguments:
    """The arguments of the command; ``files`` are the most whose footers are read, ``limit_s`` is for each reading."""

    texts: tuple[str, ...]
    refs: tuple[EngineRef, ...]
    storage: str = ""
    files: int = findings.FILES
    limit_s: float = 600.0
    named: tuple[str, ...] = ()


def default_engines() -> tuple[str, ...]:
    """The engines that read tables, but for variants of others, optional ones and those inside PostgreSQL."""
    return tuple(
        name
        for name, engine in engines.engines().items()
        if issubclass(engine, CanScan)
        and not engine.variant_of
        and not engine.optional
        and "postgres" not in (engine.service, *engine.needs)
    )


def check(arguments: CheckArguments, settings: Settings, progress: Progress) -> list[CheckedTable]:
    """Check each table that the arguments name; nothing is written but in a folder of this command's own.

    Raises:
        UsageError: an argument names nothing that can be checked.
    """
    wanted = [addresses.named(one) for one in arguments.texts]
    required = addresses.services_of(wanted, settings, arguments.storage)
    request = Request((), arguments.refs, "", PROFILES["once"], 1, settings, "check", named=())
    with Guard("check") as guard:
        services = Services(settings, guard, progress)
        with run_context(request, guard, services, progress, required) as context:
            services.start(required, vital=required)
            for name in required:
                services.endpoint(name)
            tables = [
                table
                for one in wanted
                for table in addresses.tables(one, services.endpoint, settings, arguments.storage)
            ]
            services.start(_servers(arguments.refs))  # after the tables, as it takes longer
            with _pinned(tables) as pinned:
                return [_checked(context, arguments, table, pinned) for table in tables]


def _servers(refs: Sequence[EngineRef]) -> list[str]:
    """The servers that are engines, and what else engines need."""
    adapters = [engines.find(ref.name) for ref in refs]
    names = [name for one in adapters for name in (*one.needs, *([one.service] if one.service else []))]
    return list(dict.fromkeys(names))


def _checked(context: RunContext, arguments: CheckArguments, table: UserTable, pinned: _Pinned) -> CheckedTable:
    result = CheckedTable(table.name, table.location or table.files[0].rpartition("/")[0], table.metadata is not None)
    result = replace(result, named=arguments.named)
    progress = context.progress
    try:
        with progress.step(f"{table.name}: metadata and files"):
            found = _found(table, arguments.files)
            asked = pinned.asked(replace(table, files=tuple(findings.sampled(table.files, arguments.files))), found)
    except (CaseError, FileNotFoundError) as error:
        return replace(result, error=f"the table cannot be read: {error}")
    readers = TableReaders(context.client, context.checker, context.files, context.history, arguments.limit_s)
    answers = []
    for answer in readers.answers(asked, arguments.refs):
        answers.append(answer)
        if answer.question.where is None or answer.digest is None:
            progress.say(f"{table.name}: {answer.question}, {answer.reader} from {answer.source}: {_in_words(answer)}")
    answers = _of_one_moment(table, answers)
    with progress.step(f"{table.name}: comparing"):
        differences = tuple(readers.differences(asked, answers))
    return replace(result, findings=found, answers=tuple(answers), differences=differences)


def _of_one_moment(table: UserTable, answers: list[TableAnswer]) -> list[TableAnswer]:
    """The answers; those by the table's own catalog are not compared where it was committed to meanwhile."""
    try:
        why = "somebody committed to the table meanwhile: its catalog gives other rows" if table.has_moved else ""
    except CaseError as error:
        why = f"the catalog does not say whether somebody committed to the table meanwhile: {error}"
    if not why:
        return answers
    return [
        replace(one, outcome=Outcome.UNAVAILABLE, reason=why, digest=None, parts=())
        if one.digest is not None and one.source not in {METADATA_FILE, FILES} and one.question.snapshot_id is None
        else one
        for one in answers
    ]


def _in_words(answer: TableAnswer) -> str:
    if answer.digest is None:
        return f"{answer.outcome}: {answer.reason}"
    return f"{answer.digest['rows']} rows in {answer.seconds:.1f} s"


def _found(table: UserTable, at_most: int) -> TableFindings:
    if table.metadata is None:
        return findings.of_parquet(table.files, table.store, at_most)
    return findings.of_iceberg(table.metadata, table.store, at_most)


class _Pinned:
    """The Iceberg tables by their names in a catalog that knows them as they are now."""

    def __init__(self, tables: Sequence[UserTable]) -> None:
        self._names = {table.name: f"t{at}" for at, table in enumerate(tables)}
        self.tables = {
            self._names[one.name]: (one.location, one.metadata) for one in tables if one.metadata is not None
        }
        self.catalog: Catalog | None = None

    def asked(self, table: UserTable, found: TableFindings) -> TableReads:
        """What is asked of ``table``."""
        if table.metadata is None or self.catalog is None:
            fields = columns.fields_of_arrow(_schema(table.files[0], table.store))
            filters = edges.of_parquet(table.files, Files(table.store), fields)
            return asked_of_parquet(table, fields, found.layout["rows in opened files"], filters)
        rows = found.layout.get("rows in data files", 0)
        return asked_of_iceberg(table, self.catalog, self._names[table.name], rows, found.filters)


@contextlib.contextmanager
def _pinned(tables: Sequence[UserTable]) -> Iterator[_Pinned]:
    pinned = _Pinned(tables)
    with pinned_catalog(pinned.tables) as pinned.catalog:
        yield pinned


def _schema(location: str, store: ObjectStore | None) -> pa.Schema:
    """The Arrow schema of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with Files(store).open(location) as file:
        return parsed(lambda: pq.read_schema(file), pa.ArrowException, OSError)
