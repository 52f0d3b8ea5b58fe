"""Operations of engines, and what failures mean: after one the next case has a new connection or process."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebench.errors import CaseEnd, CaseError, HarnessFault
from lakebench.execution.diagnosis import Remedy, diagnose
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.prerequisites import Prerequisites
from lakebench.execution.run_files import RunFiles
from lakebench.execution.workers import WorkerPool
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef, Lake
from lakebench.processes.replies import error_from
from lakebench.services import Services


@dataclass(frozen=True)
class AnswerFile:
    """The rows of a query in an Arrow IPC file, and the time that they took by the worker's clock, in nanoseconds."""

    path: Path
    ns: int


class EngineClient:
    """Calls operations of engines in their workers. Several threads may call, each in sessions of its own.

    ``limit_s`` is the time limit in seconds of an operation that has none of its own. Failures are diagnosed one at a
    time, so that a server that died is restarted once.
    """

    def __init__(
        self,
        workers: WorkerPool,
        services: Services,
        prerequisites: Prerequisites,
        faults: FaultLog,
        files: RunFiles,
        limit_s: float,
    ) -> None:
        self._workers, self._services, self._prerequisites, self._faults = workers, services, prerequisites, faults
        self._files, self._limit_s = files, limit_s
        self._diagnosing = threading.Lock()

    def call(
        self,
        ref: EngineRef,
        lake: Lake,
        operation: str,
        limit_s: float | None = None,
        *,
        session: str = "",
        lasting: bool = False,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Ask ``ref`` for ``operation`` on ``lake``; see :class:`~lakebench.processes.worker.Worker`.

        After a failure the next call has a new connection, unless the session is ``lasting``: then it goes on after a
        refusal, and the caller closes it.

        Raises:
            LakebenchError: the engine cannot run here or failed, or a service is gone that the run needs.
        """
        raised_by = "" if limit_s else "--time-limit"
        limit_s = limit_s or self._limit_s
        try:
            remote = self._workers.open(ref, lake, session)
            return remote.call(operation, limit_s=limit_s, raised_by=raised_by, **arguments)
        except CaseError as error:
            raise self.diagnose_failure(ref, error, session, lasting=lasting) from None
        except HarnessFault:
            self._workers.retire(ref, session)  # its state is unknown
            raise

    def query(self, ref: EngineRef, lake: Lake, sql: str, *, session: str = "") -> AnswerFile:
        """The answer of ``ref`` to ``sql``; see :meth:`call`."""
        into = self._files.new(f"{ref}-query")
        reply = self.call(ref, lake, "query", session=session, sql=sql, into=str(into))
        return AnswerFile(into, reply["ns"])

    def scan(self, ref: EngineRef, lake: Lake, scan: Scan, *, session: str = "") -> Path:
        """The rows that ``ref`` reads, in an Arrow IPC file; see :meth:`call`."""
        into = self._files.new(f"{ref}-{scan.table}")
        self.call(ref, lake, "scan", session=session, scan=scan.to_json(), into=str(into))
        return into

    def scans(
        self,
        ref: EngineRef,
        lake: Lake,
        scans: Sequence[Mapping[str, Any]],
        into: Sequence[Path],
        limit_s: float,
        *,
        session: str = "",
    ) -> list[dict[str, Any]]:
        """What became of each of ``scans``: the worker's reply, with the engine's ``calls``.

        A read after one that failed has a new connection.

        Raises:
            LakebenchError: the worker could not be asked, or died.
        """
        replies: list[dict[str, Any]] = []
        while len(replies) < len(scans):
            at = len(replies)
            arguments: dict[str, Any] = {"scans": list(scans[at:]), "into": [str(path) for path in into[at:]]}
            reply = self.call(ref, lake, "scans", limit_s, session=session, **arguments)
            replies += [{**one, "calls": calls} for one, calls in zip(reply["replies"], reply["calls"], strict=True)]
            if not replies[-1]["ok"]:
                self.case_end(error_from(replies[-1]["error"]), ref, session)
        return replies

    def case_end(self, error: Exception, ref: EngineRef | None = None, session: str = "") -> CaseEnd:
        """What ``error`` makes of a case, which the worker of ``ref`` in ``session`` may have had a part in.

        Raises:
            LakebenchError: it ends the run, and not the case.
        """
        if isinstance(error, CaseError):
            return self.diagnose_failure(ref, error, session) if ref else error
        if ref is not None:
            self._workers.retire(ref, session)  # its state is unknown
        return self._faults.fault(error)

    def diagnose_failure(
        self, ref: EngineRef, error: CaseError, session: str = "", *, lasting: bool = False
    ) -> CaseError:
        """What ``error`` means after a look at the servers; a server that died is started again.

        The connection that the error came over is not used again, unless the session is ``lasting``.

        Raises:
            ServiceLost: one of the services that the run needs is gone.
        """
        with self._diagnosing:
            self._prerequisites.check_services(f" while {ref} ran")
            meaning, remedy = diagnose(self._services, ref, error, lasting=lasting)
            if remedy is Remedy.NEW_SERVER:
                self._workers.restart(ref)
            elif remedy is Remedy.NEW_PROCESS:
                self._workers.retire(ref, session)
            elif remedy is Remedy.NEW_CONNECTION:
                self._workers.disconnect(ref, session)
            return meaning
