"""What each command prints with ``--json``: the types, and ``outputs.schema.json`` made from them.

Every output has ``output`` (which of these it is), ``version`` (of all of them: it grows where a key goes or changes
its meaning, not where one is added) and ``lakebench`` (the version of the package).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

FILE = Path(__file__).with_name("outputs.schema.json")
VERSION = 1

Counts = dict[str, int]
Row = dict[str, str]


class GoneJson(TypedDict):
    """Something that should have run and did not."""

    what: Literal["engine", "service", "cases"]
    name: str
    reason: str
    cases: int


class RunOutput(TypedDict):
    """``run``: ``outcomes`` counts the cases; ``changes`` has lines by better, worse, new and gone."""

    run: str
    folder: str
    exit_code: int
    error: str | None
    outcomes: Counts
    gone: list[GoneJson]
    changes: dict[str, list[str]]
    stale: list[str]


class ReportOutput(TypedDict):
    """``report``: the files."""

    markdown: str
    html: str
    summary: str


class CellChangeJson(TypedDict):
    """A cell of the interop matrix that differs."""

    case: str
    change: str
    before: str | None
    now: str | None
    reason: str


class CompareOutput(TypedDict):
    """``compare``: times in seconds, ratios of RUN to BASE."""

    base: str
    run: str
    interleaved: bool
    worse: bool
    verdict: str
    rows: list[dict[str, Any]]
    means: list[dict[str, Any]]
    floors: dict[str, Any]
    gone: list[dict[str, Any]]
    broken: list[dict[str, Any]]
    mended: list[dict[str, Any]]
    cells: list[CellChangeJson]
    left: list[dict[str, Any]]
    differences: list[dict[str, str]]
    markdown: str
    html: str


class AcceptOutput(TypedDict):
    """``accept``: how many cases of each outcome, and what changed in the file."""

    file: str
    new: int
    changed: int
    gone: int
    faults: int
    outcomes: Counts


class ListOutput(TypedDict):
    """``list``: what was listed, a row each."""

    what: str
    rows: list[Row]


class ReadinessJson(TypedDict):
    """An engine or a service, and whether it would run now."""

    kind: str
    name: str
    version: str
    how: str
    ready: bool
    missing: str
    mend: str


class UntestedJson(TypedDict):
    """A package at another version than the tested one; ``part``: names of engines, ``direct`` or ``dependency``."""

    package: str
    installed: str
    tested: str
    part: str


class EndpointJson(TypedDict):
    """An endpoint of the settings that was tried; ``clock_s``: seconds by which its clock is ahead of ours."""

    table: str
    address: str
    ok: bool
    version: str
    writes: Literal["yes", "no", "not tried"]
    clock_s: float | None
    problem: str


class DoctorOutput(TypedDict):
    """``doctor``: what would run here, the packages at other than the tested versions; with --settings endpoints."""

    rows: list[ReadinessJson]
    untested: list[UntestedJson]
    endpoints: list[EndpointJson]


class InstallOutput(TypedDict):
    """``install``: the environment's folder, the command in it, and its packages with their versions."""

    environment: str
    command: str
    packages: dict[str, str]


class DataOutput(TypedDict):
    """``data``: a dataset's tables."""

    scale_factor: str
    content_hash: str
    tables: list[dict[str, Any]]


class UpOutput(TypedDict):
    """``up``: service → its endpoint, with credentials; client → its snippet."""

    services: dict[str, dict[str, Any]]
    snippets: dict[str, str]


class DownOutput(TypedDict):
    """``down``: whether anything was up."""

    ended: bool


class EngineJson(TypedDict):
    """An engine at a version."""

    name: str
    version: str | None


class StepJson(TypedDict):
    """An engine's part in a feature; ``case``, ``run`` and ``date`` say where the outcome comes from.

    ``misled`` is a read that failed because the table is wrong: the writer's fault.
    """

    writer: EngineJson
    reader: EngineJson | None
    advice: str
    outcome: str | None
    reason: str
    misled: bool
    link: str
    case: str | None
    run: str | None
    date: str | None


class FeatureAdviceJson(TypedDict):
    """A feature, and what to do about it."""

    feature: str
    title: str
    advice: str
    steps: list[StepJson]


class StackOutput(TypedDict):
    """``stack``: what to avoid."""

    writers: list[EngineJson]
    readers: list[EngineJson]
    verdict: str
    counts: Counts
    notes: list[str]
    features: list[FeatureAdviceJson]


class SideJson(TypedDict):
    """A cell at one of the two versions."""

    outcome: str
    reason: str
    writer: EngineJson
    reader: EngineJson | None
    link: str
    case: str | None
    run: str | None
    date: str | None


class PairJson(TypedDict):
    """A cell at both versions; ``change`` is ``None`` where it is not known."""

    change: str | None
    feature: str
    title: str
    what: str
    counterpart: str
    before: SideJson | None
    now: SideJson | None


class UpgradeOutput(TypedDict):
    """``upgrade``: what changes."""

    engine: str
    before: str
    now: str
    verdict: str
    counts: Counts
    same: int
    old_tables: bool
    notes: list[str]
    changed: list[PairJson]
    unknown: list[PairJson]
    times: list[dict[str, Any]]


class VersionJson(TypedDict):
    """A part whose version changed."""

    part: str
    before: str
    now: str


class HistoryStepJson(TypedDict):
    """A step of times (``before_s`` …) or a change of an outcome (``before`` …)."""

    case: str
    engine: str
    run_before: str
    run: str
    date: str
    changed: list[VersionJson]
    before_s: NotRequired[float]
    now_s: NotRequired[float]
    ratio: NotRequired[float]
    interval: NotRequired[list[float] | str]
    confirmed: NotRequired[bool]
    change: NotRequired[str]
    before: NotRequired[str]
    now: NotRequired[str]
    reason: NotRequired[str]


class SiteOutput(TypedDict):
    """``site``: the folder, or the file."""

    path: str


class HistoryOutput(TypedDict):
    """``history``: the runs, the steps, and every case in every run."""

    verdict: str
    notes: list[str]
    runs: list[dict[str, str]]
    times: list[HistoryStepJson]
    outcomes: list[HistoryStepJson]
    trends: list[dict[str, Any]]


class CheckAnswerJson(TypedDict):
    """What a reader gave: ``columns`` by name with counts, extremes, sum and hash; times with ``--time`` alone."""

    reader: str
    version: str
    source: str
    read: str
    outcome: str
    reason: str
    rows: int | None
    hash: str | None
    columns: dict[str, Any]
    seconds: float | None


class CheckDifferenceJson(TypedDict):
    """A reader whose rows are not those of ``expected``: rows in words, and data files with numbers of lacking rows."""

    reader: str
    source: str
    read: str
    expected: str
    columns: list[str]
    lacking: list[str]
    extra: list[str]
    files: dict[str, int]
    note: str


class CheckedTableJson(TypedDict):
    """One table: ``exit_code`` is what it alone would give."""

    table: str
    location: str
    format: Literal["iceberg", "parquet"]
    exit_code: int
    error: str
    violations: list[str]
    features: dict[str, str]
    layout: dict[str, int]
    remarks: list[str]
    answers: list[CheckAnswerJson]
    differences: list[CheckDifferenceJson]
    known_failures: list[dict[str, Any]]


class CheckOutput(TypedDict):
    """``check``: each table."""

    verdict: str
    tables: list[CheckedTableJson]


class FuzzFindingJson(TypedDict):
    """A new failure: its folder below ``output``, and how many operations its smallest program has."""

    failure: str
    folder: str
    operations: int


class FuzzKnownJson(TypedDict):
    """A known failure: how often it was met, and the accepted cell that it is like."""

    failure: str
    times: int
    like: str


class FuzzOutput(TypedDict):
    """``fuzz``: what was run, and what failed."""

    output: str
    exit_code: int
    programs: int
    steps: int
    seconds: float
    findings: list[FuzzFindingJson]
    known: list[FuzzKnownJson]
    faults: list[str]


OUTPUTS: dict[str, Any] = {
    "check": CheckOutput,
    "run": RunOutput,
    "report": ReportOutput,
    "compare": CompareOutput,
    "accept": AcceptOutput,
    "list": ListOutput,
    "doctor": DoctorOutput,
    "install": InstallOutput,
    "data": DataOutput,
    "up": UpOutput,
    "down": DownOutput,
    "stack": StackOutput,
    "upgrade": UpgradeOutput,
    "history": HistoryOutput,
    "site": SiteOutput,
    "fuzz": FuzzOutput,
}
"""Name of the command → the type of its output."""


def generated() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of every output."""
    from pydantic import TypeAdapter

    adapters = [(name, "serialization", TypeAdapter(one)) for name, one in OUTPUTS.items()]
    _, made = TypeAdapter.json_schemas(adapters, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    head = {"version": {"const": VERSION}, "lakebench": {"type": "string"}}
    for name, type_ in OUTPUTS.items():
        one = made["$defs"][type_.__name__]
        one["properties"] = {"output": {"const": name}, **head, **one["properties"]}
        one["required"] = ["output", *head, *one["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What lakebench prints with --json, version {VERSION}",
        "oneOf": [{"$ref": f"#/$defs/{one.__name__}"} for one in OUTPUTS.values()],
        "$defs": made["$defs"],
    }


def text() -> str:
    """The text of the schema file."""
    return json.dumps(generated(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
