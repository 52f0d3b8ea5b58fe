"""Writes and reads ``runs/<id>/records.jsonl``: the results of a run, one JSON object on each line.

A run only appends to the file. ``records.schema.json`` beside this module describes the same format for other
programs; :mod:`.record_schema` makes it from the types here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from lakebench.errors import UsageError
from lakebench.inputs import files, untrusted
from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.paths import run_name
from lakebench.results import evidence, run_lock, schema1

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_T = TypeVar("_T")

FILE = "records.jsonl"
SCHEMA = 2
ONE_OF = "accepted_outcomes"
"""In a case's evidence: the accepted outcomes, where there are several."""
_HIDDEN = "***"
_LARGEST = 2 * 2**30  # bytes; a run of every interop cell has some 30 MB
_SHORTEST_SECRET = 4
_NAMES = frozenset(
    {"kind", "run", "case", "phase", "phases", "engine", "service", "dataset", "group", "row", "column", "feature",
     "coordinates"}
)  # fmt: skip
"""Fields that identify a record: a secret that happens to be part of one must not change it."""


@dataclass(frozen=True)
class Header:
    """The first line: the command, the machine and the harness.

    ``settings`` has all settings in force, without secrets; ``machine`` is
    :func:`lakebench.execution.machine.facts`; ``harness`` has ``version``, ``commit``, ``lock`` (SHA-256 of the list of
    tested versions) and ``untested`` (the packages that have others), each where known; ``started`` is ISO 8601.
    """

    run: str
    phases: tuple[str, ...]
    command: str
    started: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    harness: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True)
class TableFacts:
    """One table of a dataset at the snapshot that was measured; ``bytes`` are of its data files."""

    name: str
    rows: int
    files: int | None = None
    bytes: int | None = None
    snapshot_id: int | None = None
    metadata_location: str | None = None
    format_version: int | None = None
    file_format: str | None = None
    codec: str | None = None
    delete_files: int | None = None


@dataclass(frozen=True)
class Dataset:
    """The tables that the cases used, the engine that wrote them, their storage profile and their table format.

    ``generated_on`` is the engine whose workers made the files, ``None`` where this machine did. ``registered`` says
    that the generator's files became the tables, with field ids, and that the writer committed them. ``storage_probe``
    is what :func:`lakebench.datasets.storage_probe.probe` found.
    """

    dataset: str
    scale_factor: str
    seed: int | str | None = None
    content_hash: str | None = None
    writer: str | None = None
    workload_hash: str | None = None
    tables: tuple[TableFacts, ...] = ()
    load_seconds: float | None = None
    load_peak_bytes: int | None = None
    storage: str | None = None
    format: str = "iceberg"
    generated_on: str | None = None
    registered: bool = False
    storage_probe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def written_by(self) -> str | None:
        """Who made the data files, in words."""
        return f"the generator; committed by {self.writer}" if self.registered else self.writer


SHORT_LIVED = "short_lived"
"""The setting of a server that was to start with little CPU time: what it answered was not timed."""


@dataclass(frozen=True)
class ServiceFacts:
    """A service of the run; ``memory_limit`` is in bytes."""

    service: str
    runtime: str
    version: str
    seconds_to_start: float | None = None
    memory_limit: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineFacts:
    """An engine of the run: the versions that it reports, settings other than its defaults, and why it cannot run."""

    engine: str
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    python_lock: str | None = None
    service: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class FieldReport:
    """A field report such as ``C8``, with its figures (``theirs``) and those of this run: label → seconds or text."""

    report: str
    statement: str
    verdict: ReportVerdict
    theirs: Mapping[str, float | str] = field(default_factory=dict)
    ours: Mapping[str, float | str] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True)
class FeatureFacts:
    """An interop feature of the run, in words: its program, the reads that check it, and the facts that prove it.

    ``topic`` is that of ``claims.toml``; ``source`` is the section of the specification, or the thread, about it.
    """

    feature: str
    group: str
    title: str
    format_version: int
    source: str
    topic: str
    program: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resume:
    """The run went on at ``at`` (ISO 8601)."""

    at: str


@dataclass(frozen=True)
class Gone:
    """Something that should have run and did not.

    ``what`` is ``engine`` or ``service`` (the user asked for ``name``), or ``cases``: the number of cases of the
    engine ``name`` that ran when they were accepted, or in the base. ``reason`` is the most frequent one.
    """

    what: Literal["engine", "service", "cases"]
    name: str
    reason: str
    cases: int = 0


def by_engine(cases: Iterable[tuple[str, str]]) -> tuple[Gone, ...]:
    """One object for each engine, the one with most cases first; ``cases`` has the engine and reason of each case."""
    every = list(cases)
    return tuple(
        Gone("cases", engine, Counter(why for name, why in every if name == engine).most_common(1)[0][0], number)
        for engine, number in Counter(engine for engine, _ in every).most_common()
    )


@dataclass(frozen=True)
class ChangedCase:
    """A case whose outcome is not the accepted one; ``change`` has the outcome before and now, and the reason."""

    case: str
    change: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.case}: {self.change}"


@dataclass(frozen=True)
class End:
    """The end of the run; ``reason`` says why it was interrupted.

    ``load_after`` is the machine's load at the end. ``changes`` has the cases whose outcome is not the accepted one,
    by ``better``, ``worse``, ``new`` and ``gone``; ``gone`` sums up what should have run and did not.
    """

    status: Literal["complete", "interrupted"]
    seconds: float
    exit_code: int
    load_after: tuple[float, ...] | None = None
    reason: str = ""
    changes: Mapping[str, tuple[ChangedCase, ...]] = field(default_factory=dict)
    gone: tuple[Gone, ...] = ()


Line = Header | Dataset | ServiceFacts | EngineFacts | Record | FieldReport | FeatureFacts | Resume | End
KINDS: dict[str, type[Any]] = {
    "run": Header,
    "dataset": Dataset,
    "service": ServiceFacts,
    "engine": EngineFacts,
    "case": Record,
    "field_report": FieldReport,
    "feature": FeatureFacts,
    "resume": Resume,
    "end": End,
}
_KIND_OF = {made: kind for kind, made in KINDS.items()}


@dataclass(frozen=True)
class Run:
    """The contents of a run's file. Where two lines are about the same thing (a resumed run), this has the later one.

    ``running`` is the id of the process that works on the run now; ``None`` where there is none.
    """

    path: Path
    header: Header
    datasets: tuple[Dataset, ...] = ()
    services: tuple[ServiceFacts, ...] = ()
    engines: tuple[EngineFacts, ...] = ()
    cases: tuple[Record, ...] = ()
    field_reports: tuple[FieldReport, ...] = ()
    features: tuple[FeatureFacts, ...] = ()
    resumes: tuple[Resume, ...] = ()
    end: End | None = None
    running: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the run finished."""
        return self.end is not None and self.end.status == "complete"


class Writer:
    """Appends to the file at ``path``: a line is on the disk when :meth:`write` returns.

    Used as a context manager.

    Raises:
        UsageError: the file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._secrets: set[str] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}; name another folder with --output") from None

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def hide(self, *secrets: str) -> None:
        """Write ``***`` for these from now on: an engine's message may repeat its password."""
        self._secrets.update(one for one in secrets if len(one) >= _SHORTEST_SECRET)

    def masked(self, text: str) -> str:
        """``text`` without the secrets hidden so far, safe to show on a terminal."""
        return _masked(text, self._secrets)

    def write(self, line: Line) -> None:
        """Append ``line``.

        Raises:
            UsageError: the disk is full or failed; the file ends with the last whole line.
        """
        data = json.dumps(to_json(line, self._secrets), allow_nan=False).encode() + b"\n"
        size = os.fstat(self._fd).st_size
        try:
            _write_all(self._fd, data)
            os.fsync(self._fd)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, size)
            raise UsageError(
                f"{self.path} cannot be written: {error.strerror}; free space there, "
                f"then lakebench run --resume {run_name(self.path.parent)}"
            ) from None

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _write_all(fd: int, data: bytes) -> None:
    """Write ``data``: one write as a rule. After a short one (the disk is nearly full) the next one raises."""
    while data:
        data = data[os.write(fd, data) :]


def to_json(line: Line, secrets: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    """``line`` as the JSON object in the file, with ``secrets`` masked except in names."""
    return {"kind": _KIND_OF[type(line)], **_fields(line, secrets)}


def _fields(value: Any, secrets: frozenset[str] | set[str]) -> dict[str, Any]:
    """All fields; of coordinates only those that are present."""
    fields = value.present_fields() if isinstance(value, Coordinates) else vars(value)
    return {name: _plain(one, frozenset() if name in _NAMES else secrets) for name, one in fields.items()}


def _plain(value: Any, secrets: frozenset[str] | set[str]) -> Any:
    """``value`` in JSON's own types; what JSON cannot say (a decimal, a date, NaN) becomes text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if dataclasses.is_dataclass(value):
        return _fields(value, secrets)
    if isinstance(value, Mapping):
        return {str(key): _plain(one, secrets) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, secrets) for one in value]
    return _masked(str(value), secrets)


def _masked(text: str, secrets: frozenset[str] | set[str]) -> str:
    """``text`` without secrets, and safe to show: see :func:`~lakebench.inputs.untrusted.printable`."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return untrusted.printable(text)


def read(path: Path) -> Run:
    """The run in the file at ``path``, or in the folder ``path``.

    The file may come from somebody else: impossible numbers are refused, and texts are made safe to show.

    Raises:
        UsageError: there is no such file, a line is cut or not one of ours, or a newer harness wrote it.
    """
    file = path / FILE if path.is_dir() else path
    try:
        data = files.contents(file, _LARGEST)
    except FileNotFoundError:
        raise UsageError(f"{file} cannot be read: it is not there; name a folder below the runs folder") from None
    lines = data.split(b"\n")
    cut = lines.pop() != b""
    if cut:
        raise _damaged(file, [*lines, b""], len(lines) + 1, "it is cut")
    return _assemble(file, list(_parsed(file, lines)))


def _parsed(file: Path, lines: list[bytes]) -> Iterator[Line]:
    """The parsed ``lines``; the first one names the schema of the others."""
    head: Line | None = None
    for number in range(1, len(lines) + 1):
        parsed = _parse(file, number, lines, head)
        head = head or parsed
        yield parsed


def _parse(file: Path, number: int, lines: list[bytes], head: Line | None) -> Line:
    """The line ``number`` of ``lines``."""
    try:
        value = untrusted.parse(lines[number - 1])
        if isinstance(head, Header) and head.schema < SCHEMA:
            value = schema1.as_now(value, head.settings)
        kind = KINDS[value["kind"]]
    except untrusted.NotBelieved as error:
        raise _damaged(file, lines, number, str(error)) from None
    except (KeyError, TypeError):
        raise _damaged(file, lines, number, "it is not a record") from None
    _check_schema(file, kind, value)
    if unknown := set(value) - {"kind"} - {one.name for one in dataclasses.fields(kind)}:
        raise _damaged(file, lines, number, f"unknown field {min(unknown)}")
    from pydantic import ValidationError

    try:
        parsed: Line = _adapter(value["kind"]).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(file, lines, number, f"{where}: {first['msg']}") from None
    if why := _unbelievable(parsed):
        raise _damaged(file, lines, number, why)
    return parsed


def _unbelievable(line: Line) -> str:
    """Why no run can have written ``line``; empty where a run can."""
    if field_ := untrusted.out_of_range(line):
        return f"{field_} is out of range"
    if not isinstance(line, Record):
        return ""
    if line.samples and line.outcome is not Outcome.PASS:
        return f"it has times, and its outcome is {line.outcome}"
    return evidence.fault_of(line.evidence)


def _check_schema(file: Path, kind: type[Any], value: dict[str, Any]) -> None:
    schema = value.get("schema")
    if kind is not Header or not isinstance(schema, int):
        return
    if schema > SCHEMA:
        raise UsageError(
            f"{file} has schema {schema} and this lakebench reads up to {SCHEMA}: upgrade lakebench-harness"
        )
    if schema < 1:
        raise UsageError(
            f"{file} has schema {schema}, which there never was: it is no run of lakebench, start a new run"
        )


@functools.cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(KINDS[kind])


def _damaged(file: Path, lines: list[bytes], number: int, why: str) -> UsageError:
    """The error that says how to continue: remove the line, and the end line if the run was complete."""
    if number == 1:
        return UsageError(f"{file} line 1 is damaged ({why}): nothing can be resumed from it, start a new run")
    ends = [at for at, line in enumerate(lines, 1) if at != number and b'"kind": "end"' in line]
    which = "".join(f"{'$' if at == len(lines) else at}d;" for at in sorted({number, *ends})).removesuffix(";")
    what = "it, and the end of the run," if ends else "it"
    return UsageError(
        f"{file} line {number} is damaged ({why}): remove {what} with sed -i '{which}' {shlex.quote(str(file))}, "
        f"then lakebench run --resume {run_name(file.parent)} runs what it said again"
    )


def _assemble(file: Path, lines: list[Line]) -> Run:
    if not lines or not isinstance(lines[0], Header):
        raise UsageError(f"{file} does not begin with a run: nothing can be read from it, start a new run")
    end: End | None = None
    for line in lines:
        if isinstance(line, End | Resume):
            end = line if isinstance(line, End) else None
    return Run(
        path=file,
        header=lines[0],
        datasets=_latest(lines, Dataset, "dataset", "scale_factor", "writer", "storage", "format"),
        services=_latest(lines, ServiceFacts, "service"),
        engines=_as_asked(_latest(lines, EngineFacts, "engine"), lines[0]),
        cases=_latest(lines, Record, "case"),
        field_reports=_latest(lines, FieldReport, "report"),
        features=_latest(lines, FeatureFacts, "feature"),
        resumes=tuple(line for line in lines if isinstance(line, Resume)),
        end=end,
        running=run_lock.process(file.parent),
    )


def _latest(lines: list[Line], kind: type[_T], *key: str) -> tuple[_T, ...]:
    latest: dict[tuple[Any, ...], _T] = {}
    for line in lines:
        if isinstance(line, kind):
            latest[tuple(getattr(line, name) for name in key)] = line
    return tuple(latest.values())


def _as_asked(engines: tuple[EngineFacts, ...], header: Header) -> tuple[EngineFacts, ...]:
    """``engines`` in the order of the command; the file has them in the order in which they opened."""
    named = header.settings.get("engines")
    asked = named if isinstance(named, list) else []
    return tuple(sorted(engines, key=lambda one: asked.index(one.engine) if one.engine in asked else len(asked)))
