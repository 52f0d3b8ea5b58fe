"""Lakes, sessions and steps of phase 1: what its features, readers and versions have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.ducklake import expected as written_by_hand
from lakebench.datasets.ducklake import inspector
from lakebench.datasets.ducklake.feature import Look, Step
from lakebench.datasets.interop.feature import Proof
from lakebench.engines import CanExecute, CanQuery
from lakebench.engines.ducklake import unverified
from lakebench.errors import EngineCrash, Refused, Timeout, WrongAnswer
from lakebench.execution.cases import same
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.execution.run_files import RunFiles
from lakebench.model import CatalogKind, EngineRef, Lake, ObjectStore, TableFormat
from lakebench.phases.table_loading import word
from lakebench.services import Services, lakes
from lakebench.services.object_store import store
from lakebench.verification.checker import Checker

_LIMIT_S = 60.0
_STORAGES = ("local", "s3")
_SHOWN = 400
_SETTINGS = {"threads": "1"}  # many small lakes are in use at once; nothing is timed here


def opens(engine: type[engines.Engine]) -> bool:
    """Whether ``engine`` opens a DuckLake and runs any statement on it."""
    return TableFormat.DUCKLAKE in engine.formats and issubclass(engine, CanExecute) and issubclass(engine, CanQuery)


def writers(request: Request) -> list[EngineRef]:
    """The engines of the run that open a DuckLake and run any statement on it."""
    return [ref for ref in request.able(CanExecute, CanQuery) if opens(engines.find(ref.name))]


@dataclass(frozen=True)
class CatalogStorage:
    """Where a DuckLake lies: the kind of its catalog, and ``local`` or ``s3``."""

    catalog: CatalogKind
    storage: str

    @property
    def title(self) -> str:
        """As a column of the report."""
        return f"{self.catalog} / {self.storage}"

    def lake(self, services: Services, files: RunFiles, name: str, options: Mapping[str, str]) -> Lake:
        """A DuckLake that is not there yet, its tables in ``main``."""
        folder = files.scratch / "ducklake"
        folder.mkdir(mode=0o700, exist_ok=True)
        objects = self.store(services)
        postgres = services.endpoint("postgres") if self.catalog is CatalogKind.POSTGRES else None
        unique_name = f"{word(name)}_{self.catalog}_{self.storage}"
        settings = {**_SETTINGS, **options}
        return replace(lakes.ducklake(self.catalog, unique_name, folder, objects, postgres, settings), namespace="main")

    def store(self, services: Services) -> ObjectStore | None:
        """The object store, ``None`` where files are local."""
        return store(services.endpoint("object-store")) if self.storage == "s3" else None


CATALOG_STORAGES = tuple(
    CatalogStorage(catalog, storage) for catalog in lakes.DUCKLAKE_CATALOGS for storage in _STORAGES
)


@dataclass
class StepRunner:
    """Runs steps of one or more sessions on one lake; ``log`` is what was done, in words.

    Each session is a worker process of its own, which serves one lake after the other.
    """

    context: RunContext
    ref: EngineRef
    lake: Lake
    sessions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    _open: dict[str, Lake] = field(default_factory=dict)

    def run(self, step: Step | Look) -> None:
        """Run ``step``.

        Raises:
            WrongAnswer: other rows or types than expected, or nothing was refused.
            Refused: the engine refused what it was to do, or in other words, or did something else.
        """
        if isinstance(step, Look):
            self._look(step)
            return
        sql = self._with_paths(step.sql)
        self.log.append(f"{step.session}: {sql[:_SHOWN]}")
        if step.columns:
            self.answer(step)
        elif step.refusal:
            self._refuse(step, sql)
        else:
            self._call(step.session, "execute", sql=sql)

    def answer(self, step: Step) -> None:
        """Ask for rows, and compare them."""
        actual, expected = self.context.files.new(f"{self.ref}-actual"), self.context.files.new("expected")
        self._call(step.session, "query", sql=self._with_paths(step.sql), into=str(actual))
        self.context.checker.call(written_by_hand.write, step.columns, step.rows, expected)
        compare(self.context.checker, actual, expected, self.log[-1] if self.log else step.sql)

    def end(self) -> None:
        """Close the sessions that are open, so that others may read the catalog."""
        for session in list(self._open):
            self._open.pop(session)
            self.context.workers.close(self.ref, self._worker_session(session))

    def _refuse(self, step: Step, sql: str) -> None:
        try:
            self._call(step.session, "execute", sql=sql, lasting=True)
        except (EngineCrash, Timeout):
            raise
        except Refused as error:
            if not re.search(step.refusal, str(error)):
                raise
            self.log.append(f"{step.session}: refused: {str(error)[:_SHOWN]}")
            return
        raise WrongAnswer(f"was to be refused, and succeeded: {sql[:_SHOWN]}")

    def _look(self, step: Look) -> None:
        self.end()
        if step.proofs:
            self._must_be_there(step.table, step.proofs)

    def _must_be_there(self, table: str, proofs: Sequence[Proof]) -> None:
        inspected = self.context.checker.call(inspector.inspect, self.lake, table, proofs)
        self.log.append(f"inspected: {', '.join(f'{one.fact} {inspected.facts.get(one.fact)}' for one in proofs)}")
        if inspected.missing:
            raise Refused(f"the statements were taken, but the feature is not there: {'; '.join(inspected.missing)}")

    def _call(self, session: str, operation: str, **arguments: Any) -> None:
        lake = self._open.setdefault(session, self._lake(session))
        self.context.client.call(
            self.ref, lake, operation, _LIMIT_S, session=self._worker_session(session), **arguments
        )

    def _lake(self, session: str) -> Lake:
        """The lake as ``session`` attaches it."""
        options = {key: self._with_paths(value) for key, value in self.sessions.get(session, {}).items()}
        path = options.pop("DATA_PATH", self.lake.catalog.warehouse)
        catalog = replace(self.lake.catalog, warehouse=path)
        return replace(self.lake, catalog=catalog, options={**unverified(self.ref), **self.lake.options, **options})

    def _worker_session(self, session: str) -> str:
        """The pool's name of ``session``: lakes on different catalogs and storages are in use at once."""
        where = "local" if self.lake.store is None else "s3"
        return f"ducklake {session} {self.lake.catalog.kind} {where}"

    def _with_paths(self, text: str) -> str:
        """``text`` with the lake's data path, and with a folder beside it."""
        data = self.lake.catalog.warehouse
        beside = f"{data.rstrip('/')}_beside/"
        if "{beside}" in text and self.lake.store is None:
            Path(beside).mkdir(mode=0o700, exist_ok=True)
        return text.replace("{data}", data).replace("{beside}", beside)


def compare(checker: Checker, actual: Path, expected: Path, what: str, *, types: bool = True) -> Mapping[str, Any]:
    """The evidence that the rows of ``actual`` are those of ``expected``, and its ``types`` too where they count.

    Raises:
        WrongAnswer: they are others.
    """
    try:
        comparison = same(checker.call(answer_files.compare_rows, actual, expected))
    except WrongAnswer as error:
        raise WrongAnswer(f"{what}: {error}", **error.details) from None
    if types and "type_differences" in comparison:
        raise WrongAnswer(f"{what}: other types: {'; '.join(comparison['type_differences'])}")
    return comparison
