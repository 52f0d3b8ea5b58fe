"""A second opinion on an answer: DuckDB over plain Parquet files, without Iceberg, catalog or object store.

``python -m lakebench.witness`` reads requests from standard input and answers on standard output, one JSON object a
line. The end of standard input ends it. :class:`Witness` is the parent's end of it. It works outside the clock, in a
process that is neither an engine's nor the parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from lakebench.errors import EngineCrash, HarnessBug, LakebenchError, OutOfMemory, Refused, Timeout
from lakebench.guard import Guard

_SHARE = 0.8  # of the memory, for DuckDB itself; the rest is Python and Arrow
_KILLED = -9
_OUT_OF_MEMORY = {"OutOfMemoryException", "MemoryError", "ArrowMemoryError"}  # of DuckDB, Python and Arrow
_CONFIG = {
    "preserve_insertion_order": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class Witness:
    """The witness process, started with the first question and again after one that ended it. Threads take turns.

    It spills to ``folder``, and holds no more than ``memory_bytes`` in ``threads`` threads.
    """

    def __init__(self, guard: Guard, folder: Path, memory_bytes: int, threads: int) -> None:
        self._guard, self._folder, self._memory, self._threads = guard, folder, memory_bytes, threads
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    def answer(self, sql: str, views: Mapping[str, str], into: Path, limit_s: float) -> None:
        """Write the answer to ``sql`` into ``into`` as an Arrow IPC file; ``views`` are its tables, name → SELECT text.

        Raises:
            OutOfMemory: it needs more memory than the witness has, or more room to spill than there is.
            Timeout: it took longer than ``limit_s``.
            Refused: DuckDB cannot answer it.
            EngineCrash: the process died.
        """
        request = {"sql": sql, "views": dict(views), "into": str(into)}
        with self._turn:
            reply = self._reply(json.dumps(request).encode() + b"\n", limit_s)
        if "error" in reply:
            raise self._error(reply)

    def processes(self) -> list[int]:
        """The process, where there is one."""
        return [self._process.pid] if self._process else []

    def close(self) -> None:
        """End the process, and remove what it spilled."""
        with self._turn:
            self._end()

    def _error(self, reply: Mapping[str, str]) -> LakebenchError:
        message = f"the witness cannot answer: {reply['error']}"
        if reply["kind"] in _OUT_OF_MEMORY:
            return OutOfMemory(message, limit_bytes=self._memory)
        return Refused(message)

    def _reply(self, request: bytes, limit_s: float) -> dict[str, str]:
        process = self._process = self._process or self._start()
        if process.stdin is None or process.stdout is None:  # pragma: no cover - Popen was given pipes
            raise HarnessBug("the witness has no pipes")
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except BrokenPipeError:
            raise self._died(process) from None
        reply: dict[str, str] = json.loads(self._line(process, process.stdout, limit_s))
        return reply

    def _line(self, process: subprocess.Popen[bytes], replies: IO[bytes], limit_s: float) -> bytes:
        """One line of the reply; the pipe is read unbuffered, as ``select`` sees only what is in the pipe."""
        deadline = time.monotonic() + limit_s
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([replies], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self._end()
                raise Timeout(f"the witness gave no answer within {limit_s:g} s", limit_s=limit_s)
            data = os.read(replies.fileno(), 1 << 16)
            if not data:
                raise self._died(process)
            line += data
        return line

    def _start(self) -> subprocess.Popen[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "threads": self._threads,
            "memory_limit": f"{int(self._memory * _SHARE) // 2**20}MiB",
            "temp_directory": str(self._folder / "spilled"),
        }
        with self._log.open("ab") as log:
            return self._guard.spawn(
                [sys.executable, "-m", "lakebench.witness", json.dumps(settings)],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _died(self, process: subprocess.Popen[bytes]) -> LakebenchError:
        said = " ".join(self._log.read_text("utf-8", "replace").split())[-300:] or "it said nothing"
        code = process.wait()
        self._end()
        if code == _KILLED:
            return OutOfMemory("the witness was killed; where nobody did, the machine ran out of memory")
        return EngineCrash(f"the witness ended with code {code}: {said}", code=code)

    def _end(self) -> None:
        if self._process:
            self._guard.kill(self._process)
        self._process = None
        shutil.rmtree(self._folder / "spilled", ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self._folder / "witness.log"


def _answer(settings: Mapping[str, Any], sql: str, views: Mapping[str, str], into: str) -> None:
    """Write the answer to ``sql`` into ``into``, which is there only when it is whole."""
    import duckdb
    import pyarrow as pa

    partial = Path(f"{into}.partial")
    with duckdb.connect(
        config={**_CONFIG, **settings}
    ) as connection:  # a database a question: nothing is left of the one before
        connection.execute("SET TimeZone = 'UTC'")
        for name, select_ in views.items():
            connection.execute(f'CREATE VIEW "{name.replace(chr(34), chr(34) * 2)}" AS {select_}')
        reader = connection.execute(sql).to_arrow_reader()
        try:
            with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
            partial.rename(into)
        finally:
            partial.unlink(missing_ok=True)


def _reply_to(line: bytes, settings: Mapping[str, Any]) -> dict[str, str]:
    """The reply to one request: empty, or the ``kind`` of the error and what it says."""
    try:
        _answer(settings, **json.loads(line))
    except Exception as error:  # noqa: BLE001 - one question without an answer must not end the others
        said = str(error).strip().splitlines()
        return {"kind": type(error).__name__, "error": said[0] if said else repr(error)}
    return {}


def serve(requests: IO[bytes], replies: IO[bytes], settings: Mapping[str, Any]) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        replies.write(json.dumps(_reply_to(line, settings)).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer, json.loads(sys.argv[1]))
