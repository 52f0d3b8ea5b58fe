"""The child process that holds one engine.

It answers its parent (:mod:`lakebench.processes.pipe`); tables travel as Arrow IPC files whose paths are in the
messages.

The clock runs here, around the engine's own call up to the last row fetched.

:mod:`lakebench.engines.boundary` says what the exceptions of an engine's own functions mean. Any other exception here,
if not raised on purpose, is a fault of ours: the reply says so, with the traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.engines import boundary
from lakebench.engines.boundary import engine_call
from lakebench.engines.filtered import numbered
from lakebench.engines.listening import listening
from lakebench.engines.summaries import summarised
from lakebench.errors import EngineUnavailable, LakebenchError, WrongAnswer
from lakebench.iceberg.operations import Concurrent, Operation, Transaction, from_json, with_all_rows
from lakebench.iceberg.scan import Scan
from lakebench.model import (
    ZONE,
    Catalog,
    CatalogKind,
    Delegation,
    Endpoint,
    EngineSettings,
    Lake,
    ObjectStore,
    Runtime,
    TableFormat,
    authentication_from_json,
)
from lakebench.processes import concurrent_tasks
from lakebench.processes.digests import FilteredRows, digest_of, with_parts
from lakebench.processes.pipe import failure, serve_parent

_MACHINES_ZONE = os.environ.get("TZ")


def lake_from(value: Mapping[str, Any]) -> Lake:
    """The :class:`~lakebench.model.Lake` from the JSON that ``dataclasses.asdict`` made of it."""
    fields = value["catalog"]
    typed = {
        "kind": CatalogKind(fields["kind"]),
        "authentication": authentication_from_json(fields["authentication"]),
        "delegation": Delegation(fields["delegation"]),
    }
    catalog = Catalog(**{**fields, **typed})
    store = None if value["store"] is None else ObjectStore(**value["store"])
    files = {table: tuple(addresses) for table, addresses in value["files"].items()}
    return Lake(**{**value, "store": store, "catalog": catalog, "format": TableFormat(value["format"]), "files": files})


def settings_from(value: Mapping[str, Any]) -> EngineSettings:
    """The :class:`~lakebench.model.EngineSettings` from the JSON that ``dataclasses.asdict`` made of it."""
    server = value["server"]
    if server is not None:
        server = Endpoint(**{**server, "runtime": Runtime(server["runtime"])})
    return EngineSettings(**{**value, "server": server})


def drain(result: Any) -> tuple[list[Any], Any]:
    """Every record batch of an engine's answer, and its Arrow schema.

    Raises:
        WrongAnswer: the answer is not Arrow batches; something printed or promised is no answer.
    """
    import pyarrow as pa

    schema, batches = getattr(result, "schema", None), list(_batches(result))
    if schema is None:
        schema = batches[0].schema if batches else pa.schema([])
    return batches, schema


def _batches(result: Any) -> Iterator[Any]:
    """The record batches of an engine's answer, as they come.

    Raises:
        WrongAnswer: the answer is not Arrow batches.
    """
    import pyarrow as pa

    if isinstance(result, pa.Table):
        result = result.to_batches()
    if isinstance(result, pa.RecordBatchReader):
        result = engine_call.rows(result)
    if not isinstance(result, Iterable) or isinstance(result, str | bytes | Mapping):
        raise WrongAnswer(f"the engine returned {_kind(result)}, not rows")
    for batch in result:
        if not isinstance(batch, pa.RecordBatch):
            raise WrongAnswer(f"the engine returned {_kind(batch)} among its rows, not an Arrow record batch")
        yield batch


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"


class Worker:
    """One engine and its operations. Each public method but the first two is an operation of the protocol."""

    def __init__(self, engine: engines.Engine | None = None) -> None:
        self._engine = engine
        self._adapter = f"{type(engine).__module__}:{type(engine).__name__}" if engine else ""
        self._lake: Lake | None = None
        self._writer: concurrent_tasks.TaskWriter | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request: ``ok`` and the results of the operation, or ``error``."""
        try:
            operation: Callable[..., dict[str, Any]] = getattr(self, request.pop("op"))
            return {"ok": True, **operation(**request)}
        except Exception as error:  # noqa: BLE001 - whatever is raised is an outcome or a fault, never the end of a run
            return failure(self.meaning(error))

    def meaning(self, error: Exception) -> LakebenchError:
        """What an exception that comes out of the engine's adapter, or of code of ours, means."""
        return boundary.meaning(error, self._adapter)

    def preload(self, engine: str) -> dict[str, Any]:
        """Import the adapter ``module:Class`` and what its engine needs; ``open`` reports what is missing."""
        with contextlib.suppress(Exception):
            for name in _adapter(engine).preload:
                importlib.import_module(name)
        return {}

    def make(self, engine: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Make the adapter ``module:Class``."""
        self._adapter = engine
        self._engine = _adapter(engine)(settings_from(settings))
        return {}

    def open(self, lake: Mapping[str, Any]) -> dict[str, Any]:
        """Open ``lake`` and report what the running engine is."""
        engine, self._lake = self._made, lake_from(lake)
        _set_zone(self._lake.options.get(ZONE) if self._lake.format is TableFormat.ICEBERG else None)
        engine.open(self._lake)
        return {"versions": engine.versions(), "settings": engine.settings_used()}

    def close(self) -> dict[str, Any]:
        """End the engine's connection."""
        self._made.close()
        return {}

    def query(self, sql: str, into: str) -> dict[str, Any]:
        """Run ``sql``; the rows go to the Arrow IPC file ``into`` after the clock has stopped."""
        return self._timed(lambda: self._able(engines.CanQuery).query(sql), into)

    def names(self, word: str) -> dict[str, Any]:
        """How many public names the engine's ``package`` and its classes have, and those ``found`` with ``word``."""
        package = engine_call(importlib.import_module, self._made.distribution)
        members = {name: engine_call(getattr, package, name, None) for name in dir(package)}
        names = [
            *members,
            *(f"{name}.{one}" for name, kind in members.items() if isinstance(kind, type) for one in dir(kind)),
        ]
        public = [name for name in names if "_" not in {name[0], name.rpartition(".")[2][0]}]
        matches = [name for name in public if word in name.lower()]
        return {"package": self._made.distribution, "names": len(public), "found": matches}

    def expire_caches(self) -> dict[str, Any]:
        """Let what the engine keeps of earlier reads expire."""
        self._able(engines.CanCache).expire_caches()
        return {}

    def execute(self, sql: str) -> dict[str, Any]:
        """Run ``sql``, which changes something."""
        return self._done(lambda: self._able(engines.CanExecute).execute(sql))

    def scan(self, scan: Mapping[str, Any], into: str) -> dict[str, Any]:
        """Read what ``scan`` asks for into the Arrow IPC file ``into``."""
        wanted, engine = Scan.from_json(scan), self._able(engines.CanScan)
        if wanted.fetched:
            return self._timed(lambda: summarised(_batches(engine.scan(wanted.rows_to_fetch)), wanted.summary), into)
        if wanted.filters and not engine.one_statement:
            return self._timed(lambda: numbered(engine.scan_each(wanted), drain), into)
        return self._timed(lambda: engine.scan(wanted), into)

    def digest(self, scan: Mapping[str, Any], parts: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """The digest (:mod:`lakebench.processes.digests`) of the rows of ``scan``, as they come; ``calls`` as heard.

        ``parts`` has that of each part of these rows.
        """
        asked, engine = Scan.from_json(scan), self._able(engines.CanScan)
        wanted = [FilteredRows.from_json(one) for one in parts]
        began = time.perf_counter_ns()
        with listening() as heard:
            whole, digests = with_parts(_batches(engine.scan(asked)), asked.fields, wanted)
        ns = time.perf_counter_ns() - began
        return {"ns": ns, "digest": whole.to_json(), "parts": [one.to_json() for one in digests], "calls": heard}

    def rows_of_buckets(
        self, scan: Mapping[str, Any], wanted: Sequence[int], limit: int, into: str, part: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """At most ``limit`` rows of ``scan``, or of a ``part`` of it, of the buckets ``wanted``, in an Arrow IPC file.

        The file is not made where there are none.
        """
        asked, engine = Scan.from_json(scan), self._able(engines.CanScan)
        chosen = None if part is None else FilteredRows.from_json(part)
        kept = digest_of(_batches(engine.scan(asked)), asked.fields, wanted, limit, chosen).kept
        if kept:
            _write(into, kept, kept[0].schema)
        return {"ns": 0, "rows": sum(one.num_rows for one in kept)}

    def scans(self, scans: Sequence[Mapping[str, Any]], into: Sequence[str]) -> dict[str, Any]:
        """Each of ``scans`` into its file, up to the first that fails; ``replies`` has what :meth:`scan` would reply.

        ``calls`` has the statements and calls that the engine got for each.
        A connection in which a read failed must not answer the next one.
        """
        replies: list[dict[str, Any]] = []
        calls: list[list[str]] = []
        for scan, file in zip(scans, into, strict=True):
            with listening() as heard:
                replies.append(self.answer({"op": "scan", "scan": scan, "into": file}))
            calls.append(heard)
            if not replies[-1]["ok"]:
                break
        return {"replies": replies, "calls": calls}

    def operate(self, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Carry out operations in order (:mod:`lakebench.iceberg.operations`).

        ``statements`` are those that the engine was given, ``succeeded`` says which parts of concurrent operations did,
        ``ns`` the time that all took. An error has the statements so far, and the name of the operation that failed.
        """
        engine = self._able(engines.CanOperate)
        statements: list[str] = []
        succeeded: list[list[bool]] = []
        began = time.perf_counter_ns()
        for encoded in operations:
            operation = with_all_rows(from_json(encoded))
            try:
                _must_know(engine, operation)
                done = engine.operate(operation, statements.append)
            except Exception as error:
                meant = self.meaning(error)
                meant.details.update(statements=statements, operation=encoded["op"])
                if meant is error:
                    raise
                raise meant from error
            if done is not None:
                succeeded.append(done)
        return {"statements": statements, "succeeded": succeeded, "ns": time.perf_counter_ns() - began}

    def enter(self, lake: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
        """Become a writer (:mod:`lakebench.processes.concurrent_tasks`), connected where ``shape`` keeps a connection.

        ``refused`` says why it could not connect; its tasks try again.
        """
        self._writer = concurrent_tasks.TaskWriter(self._made, lake_from(lake), concurrent_tasks.shape_from(shape))
        try:
            self._writer.enter()
        except LakebenchError as error:
            return {"refused": str(error)}
        return {"refused": ""}

    def work(self, tasks: Sequence[Mapping[str, Any]], into: str, start_ns: int, seconds: float) -> dict[str, Any]:
        """Carry out operations, each a task, for ``seconds`` from ``start_ns`` on; ends go to the file ``into``."""
        operations = [from_json(one) for one in tasks]
        for operation in operations:
            _must_know(self._able(engines.CanOperate), operation)
        if self._writer is None:
            raise EngineUnavailable("this worker has not entered as a writer")
        with open(into, "a", encoding="utf-8") as log:  # noqa: PTH123 - a path in a message
            self._writer.work(list(enumerate(operations)), log, start_ns, seconds)
        return {}

    def leave(self) -> dict[str, Any]:
        """Be no writer any more."""
        if self._writer is not None:
            self._writer.leave()
            self._writer = None
        return {}

    def watch(self, scan: Mapping[str, Any], into: str, stop: str) -> dict[str, Any]:
        """Read what ``scan`` asks for again and again until the file ``stop`` is there; rows go to ``into``."""
        with open(into, "a", encoding="utf-8") as log:  # noqa: PTH123 - likewise
            wanted = Scan.from_json(scan)
            concurrent_tasks.watch(self._able(engines.CanScan), wanted, log, Path(stop), _plain_rows, self._reopen)
        return {}

    def create(self, table: str, rows: str) -> dict[str, Any]:
        """Create ``table`` with the schema of the Arrow IPC file ``rows``."""
        schema = _read(rows).schema
        return self._done(lambda: self._able(engines.CanCreate).create(table, schema))

    def drop(self, table: str) -> dict[str, Any]:
        """Drop ``table``."""
        return self._done(lambda: self._able(engines.CanCreate).drop(table))

    def append(self, table: str, rows: str) -> dict[str, Any]:
        """Append the rows of the Arrow IPC file ``rows``."""
        data = _read(rows)
        return self._done(lambda: self._able(engines.CanAppend).append(table, data))

    def load(self, table: str, files: list[str]) -> dict[str, Any]:
        """Load local Parquet ``files``; ``peak_bytes`` is the process's own peak so far."""
        return {**self._done(lambda: self._able(engines.CanLoad).load(table, files)), "peak_bytes": _peak()}

    def register(self, table: str, metadata_location: str) -> dict[str, Any]:
        """Register ``table`` by its metadata file."""
        return self._done(lambda: self._able(engines.CanRegister).register(table, metadata_location))

    def add_files(self, table: str, files: list[str]) -> dict[str, Any]:
        """Make ``files``, which lie in the storage, part of ``table``."""
        return self._done(lambda: self._able(engines.CanAddFiles).add_files(table, files))

    def distribute(self, function: str, tasks: Sequence[Mapping[str, Any]], into: str) -> dict[str, Any]:
        """Call ``module:name`` for each of ``tasks`` on the cluster; a line of JSON each goes to the file ``into``."""
        module, _, name = function.partition(":")
        called = getattr(importlib.import_module(module), name)
        with open(into, "a", encoding="utf-8", buffering=1) as log:  # noqa: PTH123 - a path in a message
            results = self._able(engines.CanDistribute).distribute(called, tasks)
            log.writelines(f"{json.dumps(one)}\n" for one in results)
        return {}

    def _reopen(self) -> None:
        if self._lake is not None:
            self._made.open(self._lake)

    @property
    def _made(self) -> engines.Engine:
        if self._engine is None:
            raise EngineUnavailable("no engine was made")
        return self._engine

    def _able(self, ability: type[Any]) -> Any:
        if not isinstance(self._made, ability):
            raise EngineUnavailable(f"{self._made.name} has no {ability.__name__}")
        return self._made

    @staticmethod
    def _done(call: Callable[[], None]) -> dict[str, Any]:
        began, cpu = time.perf_counter_ns(), time.process_time_ns()
        call()
        return {"ns": time.perf_counter_ns() - began, "cpu_ns": time.process_time_ns() - cpu}

    @staticmethod
    def _timed(call: Callable[[], Any], into: str) -> dict[str, Any]:
        began, cpu = time.perf_counter_ns(), time.process_time_ns()
        batches, schema = drain(call())
        ns, cpu_ns = time.perf_counter_ns() - began, time.process_time_ns() - cpu
        rows, size = _write(into, batches, schema)
        return {"ns": ns, "cpu_ns": cpu_ns, "offset_ns": began, "rows": rows, "bytes": size}


def _set_zone(zone: str | None) -> None:
    """Make ``zone`` that of this process; without one it is the machine's, as it was at the start."""
    if (wanted := zone or _MACHINES_ZONE) is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = wanted
    time.tzset()


def _adapter(engine: str) -> type[engines.Engine]:
    module, _, name = engine.partition(":")
    adapter: type[engines.Engine] = getattr(importlib.import_module(module), name)
    return adapter


def _must_know(engine: Any, operation: Operation) -> None:
    """Check that the engine has a way to express ``operation`` and each part of it.

    Raises:
        EngineUnavailable: it has none.
    """
    if type(operation) not in engine.operations:
        raise EngineUnavailable(f"{engine.name} has no way to ask for {type(operation).__name__}")
    if isinstance(operation, Concurrent | Transaction):
        for part in operation.operations:
            _must_know(engine, part)


def _write(path: str, batches: list[Any], schema: Any) -> tuple[int, int]:
    import pyarrow as pa

    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sum(batch.num_rows for batch in batches), sum(batch.nbytes for batch in batches)


def _read(path: str) -> Any:
    import pyarrow as pa

    with pa.OSFile(path, "rb") as source:
        return pa.ipc.open_file(source).read_all()


def _plain_rows(answer: Any) -> list[list[Any]]:
    """The rows of an answer as lists of plain values."""
    batches, _ = drain(answer)
    return [list(row.values()) for batch in batches for row in batch.to_pylist()]


def _peak() -> int:
    """The peak resident memory of this process in bytes (Linux, proc(5): VmHWM), 0 where the kernel does not say."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - proc
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    worker = Worker()
    serve_parent(worker.answer, worker.meaning)
