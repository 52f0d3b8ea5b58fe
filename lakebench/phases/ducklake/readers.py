"""Phase 1: which engines read a DuckLake, attached, by its Parquet files or by a connector; and across versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lakebench import engines
from lakebench.datasets.ducklake import expected as written_by_hand
from lakebench.datasets.ducklake import inspector
from lakebench.datasets.ducklake.feature import Step
from lakebench.datasets.ducklake.states import CONNECTORS, IMPORTS, LISTINGS, STATES, TABLE, State
from lakebench.engines import CanQuery
from lakebench.errors import CaseError, EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence, SideBySide
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.request import Request
from lakebench.execution.run_files import RunFiles
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, TableFormat
from lakebench.phases.ducklake.sessions import CatalogStorage, StepRunner, compare, writers
from lakebench.phases.table_loading import word
from lakebench.services import lakes

_CATALOG_STORAGE = CatalogStorage(CatalogKind.POSTGRES, "s3")
_READ = "Who else reads a DuckLake (catalog in PostgreSQL, files on S3)"
_LIMIT_S = 60.0
WAYS = {
    "attached": "attached",
    "live": "live files",
    "folder": "all files of the folder",
    "imported": "all files, into a table of its own",
    "jdbc": "files listed by JDBC",
}
"""How a reader comes to the rows: id → words."""


def reads(request: Request) -> Iterator[Block]:
    """Every state by every reader in every way that it has, and the check for a connector."""
    yield SideBySide(
        tuple(
            tuple(
                Check(_case(state, way, ref), partial(_reads, state=state, way=way, ref=ref))
                for state in STATES
                for way in ways(ref)
            )
            for ref in request.able(CanQuery)
        )
    )
    for ref in request.able(CanQuery):
        engine = engines.find(ref.name)
        if TableFormat.DUCKLAKE not in engine.formats and (ref.name in CONNECTORS or engine.service is None):
            yield Check(_connector_case(ref), partial(_connects, ref=ref))


def ways(ref: EngineRef) -> tuple[str, ...]:
    """The ways that ``ref`` has to the rows."""
    formats = engines.find(ref.name).formats
    plain = ("live", "folder") if TableFormat.PARQUET in formats else ()
    return (
        *(("attached",) if TableFormat.DUCKLAKE in formats else ()),
        *plain,
        *(("imported",) if ref.name in IMPORTS else ()),
        *(("jdbc",) if ref.name in LISTINGS else ()),
    )


def _case(state: State, way: str, ref: EngineRef) -> Case:
    return Case(
        id=f"phase1/read/{state.id}/{way}/{ref}",
        phase="phase1",
        title=f"{ref} reads a DuckLake {state.title}: {WAYS[way]}",
        engine=ref,
        group=_READ,
        row=state.title,
        column=f"{ref}: {WAYS[way]}",
        coordinates=Coordinates(
            engine=ref.name, version=ref.version, check="read", more={"state": state.id, "way": way}
        ),
    )


def _connector_case(ref: EngineRef) -> Case:
    return Case(
        id=f"phase1/connector/{ref}",
        phase="phase1",
        title=f"{ref} is asked for a connector to DuckLake",
        engine=ref,
        group="A connector to DuckLake",
        row="asked for one",
        column=str(ref),
        coordinates=Coordinates(engine=ref.name, version=ref.version, check="connector"),
    )


@dataclass(frozen=True)
class _MadeLake:
    """A lake in a state, and its files: the live ones by the catalog, and all below the data path."""

    lake: Lake
    writer: EngineRef
    live: tuple[str, ...]
    all: tuple[str, ...]
    steps: tuple[str, ...]


def _made(context: RunContext, state: State) -> _MadeLake:
    return context.prepared.once(f"ducklake/{state.id}", lambda: _make(context, state))


def _make(context: RunContext, state: State) -> _MadeLake:
    refs = writers(context.request)
    if not refs:
        raise EngineUnavailable("no engine of this run writes a DuckLake: add duckdb to --engines")
    runner = StepRunner(
        context, refs[0], _CATALOG_STORAGE.lake(context.services, context.files, f"state_{state.id}", state.options)
    )
    try:
        for step in state.steps:
            runner.run(step)
        runner.run(Step(state.query, columns=state.types, rows=state.rows))
    finally:
        runner.end()
    live, every = context.checker.call(inspector.files, runner.lake, TABLE)
    return _MadeLake(runner.lake, refs[0], tuple(live), tuple(every), tuple(runner.log))


def _written(context: RunContext, state: State) -> _MadeLake:
    """The lake in ``state``. A failure to make it says nothing of a reader.

    Raises:
        EngineUnavailable: it could not; the writer's own cases say why.
    """
    try:
        return _made(context, state)
    except CaseError as error:
        raise EngineUnavailable(f"there was nothing to read: {error}") from error


def _reads(context: RunContext, state: State, way: str, ref: EngineRef) -> Evidence:
    made = _written(context, state)
    asked = {"attached": _attached, "live": _files, "folder": _files, "imported": _imported, "jdbc": _listed}[way]
    answer = context.files.new(f"{ref}-{state.id}-{way}")
    steps = asked(context, made, state, way, ref, str(answer))
    wanted = context.files.new(f"expected-{state.id}")
    context.checker.call(written_by_hand.write, state.types, state.rows, wanted)
    evidence = {"steps": [*(f"{made.writer}: {one}" for one in made.steps), *steps]}
    try:
        comparison = compare(context.checker, answer, wanted, f"{ref}, {WAYS[way]}", types=False)
    except WrongAnswer as error:
        error.details.update(evidence)
        raise
    return {**evidence, **comparison, "checked_against": ["rows written by hand, which the DuckLake gives"]}


def _query(client: EngineClient, files: RunFiles, ref: EngineRef, lake: Lake, sql: str, into: str = "") -> str:
    """Run ``sql``; returns the step, for the record."""
    into = into or str(files.new(f"{ref}-nothing"))
    client.call(ref, lake, "query", _LIMIT_S, session="ducklake", sql=sql, into=into)
    return f"{ref}: {sql}"


def _attached(context: RunContext, made: _MadeLake, state: State, way: str, ref: EngineRef, into: str) -> list[str]:  # noqa: ARG001 - one of a kind
    return [_query(context.client, context.files, ref, made.lake, state.query, into)]


def _files(context: RunContext, made: _MadeLake, state: State, way: str, ref: EngineRef, into: str) -> list[str]:
    files = made.live if way == "live" else made.all
    return [
        f"{ref}: {len(files)} files",
        _query(context.client, context.files, ref, _plain(made, files), state.query, into),
    ]


def _plain(made: _MadeLake, files: tuple[str, ...]) -> Lake:
    return replace(made.lake, name="files", format=TableFormat.PARQUET, files={TABLE: files}, options={})


def _imported(context: RunContext, made: _MadeLake, state: State, way: str, ref: EngineRef, into: str) -> list[str]:  # noqa: ARG001 - one of a kind
    lake = lakes.rest_lake(context.services)
    names = {
        "namespace": "ducklake_files",
        "table": word(f"{state.id}_{ref}"),
        "folder": f"{made.lake.catalog.warehouse}main/{TABLE}",
        "first": state.columns[0],
        "second": state.columns[1],
    }
    steps = [_query(context.client, context.files, ref, lake, one.format(**names)) for one in IMPORTS[ref.name]]
    sql = state.query.replace(f"FROM {TABLE}", f"FROM {names['namespace']}.{names['table']}")
    return [*steps, _query(context.client, context.files, ref, lake, sql, into)]


def _listed(context: RunContext, made: _MadeLake, state: State, way: str, ref: EngineRef, into: str) -> list[str]:  # noqa: ARG001 - one of a kind
    """The engine lists the live files by JDBC, the checker compares the list, and the engine reads them."""
    catalog, plain = made.lake.catalog, _plain(made, made.live)
    login = {"uri": catalog.uri, "user": catalog.user, "password": catalog.password}
    _query(
        context.client,
        context.files,
        ref,
        plain,
        LISTINGS[ref.name].format(**login, schema=made.lake.options["METADATA_SCHEMA"]),
    )
    listed, wanted = context.files.new(f"{ref}-listed"), context.files.new("live")
    _query(context.client, context.files, ref, plain, "SELECT path FROM live_files", str(listed))
    home = f"{catalog.warehouse}main/{TABLE}/"
    expected = [(one.removeprefix(home),) for one in made.live]
    context.checker.call(written_by_hand.write, {"path": "string"}, expected, wanted)
    compare(context.checker, listed, wanted, f"{ref} lists the live files by JDBC")
    return [
        f"{ref}: listed {len(made.live)} files by JDBC",
        _query(context.client, context.files, ref, plain, state.query, into),
    ]


# A connector.


def _connects(context: RunContext, ref: EngineRef) -> Evidence:
    """Ask the server by its own statement, or search the library's public names.

    Raises:
        Refused: it has none.
    """
    made = _written(context, STATES[0])
    if ref.name in CONNECTORS:
        lake = lakes.rest_lake(context.services) if ref.name in IMPORTS else _plain(made, made.live)
        return {
            "steps": [
                _query(context.client, context.files, ref, lake, CONNECTORS[ref.name].format(uri=made.lake.catalog.uri))
            ]
        }
    reply: dict[str, Any] = context.client.call(
        ref, _plain(made, made.live), "names", _LIMIT_S, session="ducklake", word="ducklake"
    )
    if not reply["found"]:
        raise Refused(f"none of the {reply['names']} public names of the package {reply['package']} has ducklake in it")
    return {"steps": [f"{ref}: {', '.join(reply['found'])}"]}


# Versions.


def versions(request: Request) -> Iterator[Block]:
    """Each engine opens what each other version of it has written, on every kind of catalog."""
    refs = writers(request)
    for kind in lakes.DUCKLAKE_CATALOGS:
        for writer in refs:
            for reader in [one for one in refs if one != writer]:
                case = Case(
                    id=f"phase1/versions/{kind}/{writer}→{reader}",
                    phase="phase1",
                    title=f"{reader} opens a DuckLake on {kind} that {writer} wrote",
                    engine=reader,
                    group="DuckLake across versions",
                    row=f"{writer} → {reader}",
                    column=str(kind),
                    coordinates=Coordinates(writer=str(writer), reader=str(reader), catalog=kind, check="versions"),
                )
                yield Check(
                    case, partial(_opens, catalog_storage=CatalogStorage(kind, "local"), writer=writer, reader=reader)
                )


def _opens(context: RunContext, catalog_storage: CatalogStorage, writer: EngineRef, reader: EngineRef) -> Evidence:
    """``writer`` writes; ``reader`` reads and writes, and may migrate the catalog where it has to."""
    state = STATES[0]
    lake = catalog_storage.lake(context.services, context.files, f"versions_{writer}_{reader}", {})
    writing = StepRunner(context, writer, lake)
    try:
        for step in state.steps:
            writing.run(step)
    except CaseError as error:
        raise EngineUnavailable(f"{writer} could not write: {error}") from error
    finally:
        writing.end()
    written = [f"{writer}: {step}" for step in writing.log]
    reading, refusal = StepRunner(context, reader, lake, {"b": {"AUTOMATIC_MIGRATION": "true"}}), ""
    try:
        try:
            reading.run(Step(state.query, columns=state.types, rows=state.rows))
        except Refused as error:
            refusal = str(error)
            reading.end()
            reading.run(Step(state.query, "b", state.types, state.rows))
        reading.run(Step("INSERT INTO t VALUES (4, 'four')", "b" if refusal else "a"))
        rows = (*state.rows, (4, "four"))
        reading.run(Step(state.query, "b" if refusal else "a", state.types, rows))
    finally:
        reading.end()
    without = [f"{reader}, without AUTOMATIC_MIGRATION: {refusal}"] if refusal else []
    return {"steps": [*written, *without, *(f"{reader}: {step}" for step in reading.log)]}
