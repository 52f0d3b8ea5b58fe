"""The rubric of phase 5: what a framework does, a case a line, each PASS or not; the score is how many pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from lakebench import engines
from lakebench.engines import CanAppend, CanCreate, CanQuery
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import QUICK
from lakebench.execution.request import Request
from lakebench.model import EngineRef, Lake, TableFormat
from lakebench.phases.distributed import deaths
from lakebench.phases.distributed.case import case_of
from lakebench.phases.distributed.deletes import needs, read_rows
from lakebench.phases.distributed.lake_tables import DELETED, SALES, rows, small
from lakebench.phases.distributed.layouts import answered, questions
from lakebench.phases.distributed.writes import written

CHECK = "rubric"
_GROUP = "Rubric"
_SHOWN = 300
_TWO = 2
OF_TIMES = "faster-with-workers"
_NOT_QUICK = frozenset({OF_TIMES, "within-memory"})


@dataclass(frozen=True)
class _OfLine:
    """One engine in one run; ``work`` gives the lake of the long query."""

    context: RunContext
    ref: EngineRef
    work: Callable[[RunContext, EngineRef], Lake]

    def lake(self, form: TableFormat) -> Lake:
        """The small tables in ``form``.

        Raises:
            EngineUnavailable: the engine has no connector to it.
        """
        needs(self.ref, form)
        return small(self.context, form)


Line = Callable[[_OfLine], Evidence]


def blocks(request: Request, work: Callable[[RunContext, EngineRef], Lake]) -> Iterator[Check]:
    """Every line by every engine that spreads a query; beside them the engines of the run that do not.

    Of ``quick`` correctness is the verdict: time and memory are not asked.
    """
    for test, (title, line) in LINES.items():
        if not is_asked(test, request.profile.name):
            continue
        for ref in request.able(CanQuery):
            case = case_of(ref, CHECK, test, _GROUP, title)
            yield Check(case, partial(_line, line=line, ref=ref, work=work))


def is_asked(test: str, profile: str) -> bool:
    """Whether a run with ``profile`` has the line ``test``."""
    return profile != QUICK or test not in _NOT_QUICK


def _line(context: RunContext, line: Line, ref: EngineRef, work: Callable[[RunContext, EngineRef], Lake]) -> Evidence:
    return line(_OfLine(context, ref, work))


# What it reads and writes


def _reads_s3(asked: _OfLine) -> Evidence:
    return read_rows(asked.context, asked.ref, asked.lake(TableFormat.PARQUET), SALES, deleted=False)


def _reads_iceberg(asked: _OfLine) -> Evidence:
    return read_rows(asked.context, asked.ref, asked.lake(TableFormat.ICEBERG), SALES, deleted=False)


def _respects_deletes(asked: _OfLine) -> Evidence:
    return read_rows(asked.context, asked.ref, asked.lake(TableFormat.ICEBERG), DELETED, deleted=True)


def _reads_ducklake(asked: _OfLine) -> Evidence:
    return read_rows(asked.context, asked.ref, asked.lake(TableFormat.DUCKLAKE), DELETED, deleted=True)


def _writes_back(asked: _OfLine) -> Evidence:
    return {"data_files": _written(asked)}


def _two_tasks(asked: _OfLine) -> Evidence:
    """A file for each of two tasks at least."""
    files = _written(asked)
    if len(files) < _TWO:
        raise Refused(f"{asked.ref} wrote {len(files)} file: one task did it all", data_files=files)
    return {"data_files": files}


def _written(asked: _OfLine) -> tuple[str, ...]:
    engine = engines.find(asked.ref.name)
    if not issubclass(engine, CanCreate) or not issubclass(engine, CanAppend):
        raise EngineUnavailable(f"{asked.ref} has no way to write Iceberg")
    return written(asked.context, asked.ref)


# Whether it counts as it reads


def _counts(asked: _OfLine) -> Evidence:
    """Count, distinct and LIMIT alone and after a filter, of the table with deleted rows."""
    of = questions(DELETED, rows(deleted=True))
    return answered(asked.context, asked.ref, asked.lake(TableFormat.ICEBERG), of)


# What its errors tell


@dataclass(frozen=True)
class _Mistake:
    """What is wrong: in the lake, or in the SQL; an error that ``tells`` it has one of these words."""

    tells: re.Pattern[str]
    sql: str = f"SELECT count(*) AS n FROM {SALES}"
    secret: str = ""
    file: Callable[[str], str] = str


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


_NOWHERE, _NO_FILE = "lakebench-no-such-bucket", "no-such-file"
_ABSENT = "404|not ?found|no such file|does not exist|NoSuchKey"
_NEW_SESSION = "wrong-key"  # with its keys begins, and ends, a session
_MISTAKES = {
    _NEW_SESSION: _Mistake(
        _words("403|Forbidden|Access[ _]?Denied|SignatureDoesNotMatch|InvalidAccessKey|credential"),
        secret="not-the-secret",  # noqa: S106 - it is wrong on purpose
    ),
    "missing-bucket": _Mistake(
        _words(f"NoSuchBucket|bucket.{{0,40}}not (exist|found)|{_NOWHERE}.*404|404.*{_NOWHERE}"),
        file=lambda address: re.sub(r"^s3://[^/]+", f"s3://{_NOWHERE}", address),
    ),
    "missing-file": _Mistake(
        _words(f"{_NO_FILE}.*({_ABSENT})|({_ABSENT}).*{_NO_FILE}"),
        file=lambda address: address.replace(".parquet", f"-{_NO_FILE}.parquet"),
    ),
    "bad-sql": _Mistake(_words("no_such_column"), sql=f"SELECT no_such_column FROM {SALES}"),
}


def _tells(asked: _OfLine, mistake: _Mistake) -> Evidence:
    """The message of the error names its cause."""
    lake = _mistaken(asked.lake(TableFormat.PARQUET), mistake)
    try:
        asked.context.client.query(asked.ref, lake, mistake.sql)
    except Refused as error:  # what is no answer of the engine, is no error of its own either
        said = str(error)
        if mistake.tells.search(said):
            return {"said": said[:_SHOWN]}
        raise Refused(f"the error does not tell its cause: {said[:_SHOWN]}") from error
    finally:
        if mistake.secret:
            asked.context.workers.retire(asked.ref)  # it may remember keys
    raise WrongAnswer(f"{asked.ref} answered, and there is nothing that it could have read")


def _mistaken(lake: Lake, mistake: _Mistake) -> Lake:
    store = replace(lake.store, secret_key=mistake.secret) if lake.store and mistake.secret else lake.store
    files = {table: tuple(map(mistake.file, addresses)) for table, addresses in lake.files.items()}
    return replace(lake, store=store, files=files)


# How it stands a death, and what it gains


def _survives(asked: _OfLine) -> Evidence:
    return deaths.survives(asked.context, asked.ref, asked.work(asked.context, asked.ref))


def _faster(asked: _OfLine) -> Evidence:
    return deaths.faster(asked.context, asked.ref, asked.work(asked.context, asked.ref))


def _memory(asked: _OfLine) -> Evidence:
    return deaths.within_memory(asked.context, asked.ref, asked.work(asked.context, asked.ref))


def _line_of(mistake: str) -> tuple[str, Line]:
    return f"its error tells: {mistake.replace('-', ' ')}", partial(_tells, mistake=_MISTAKES[mistake])


LINES: Mapping[str, tuple[str, Line]] = {
    "reads-s3": ("reads Parquet on S3", _reads_s3),
    "reads-iceberg": ("reads Iceberg by a catalog", _reads_iceberg),
    "respects-deletes": ("respects Iceberg's deletes", _respects_deletes),
    "reads-ducklake": ("reads a DuckLake, deletes too", _reads_ducklake),
    "writes-back": ("writes back as Iceberg", _writes_back),
    "writes-with-two-tasks": ("writes with two tasks", _two_tasks),
    "counts-as-it-reads": ("counts as it reads", _counts),
    **{f"tells-{name}": _line_of(name) for name in _MISTAKES if name != _NEW_SESSION},
    "within-memory": ("stays within its memory", _memory),
    "survives-death": ("survives a worker that is killed in the middle", _survives),
    f"tells-{_NEW_SESSION}": _line_of(_NEW_SESSION),  # after a death there is a new session anyway
    OF_TIMES: ("is faster with several workers than with one", _faster),
}
"""Test → what is asked, and how; the last lines end with fewer workers than they began with."""
