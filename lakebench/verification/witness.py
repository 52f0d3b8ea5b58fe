"""A second opinion on an answer: DuckDB over plain Parquet files, without Iceberg, catalog or object store.

``python -m lakebench.verification.witness`` reads requests from standard input and answers on standard output, one JSON
object a line. The end of standard input ends it. :class:`Witness` is the parent's end of it. It works outside the
clock, in a process that is neither an engine's nor the parent.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from lakebench.errors import CaseError, HarnessFault, OutOfMemory, Refused, Timeout
from lakebench.processes.child import Child, Died, Silent, raised
from lakebench.processes.guard import Guard

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
        self._memory, self._spilled = memory_bytes, folder / "spilled"
        settings = {
            "threads": threads,
            "memory_limit": f"{int(memory_bytes * _SHARE) // 2**20}MiB",
            "temp_directory": str(self._spilled),
        }
        self._child = Child(guard, "lakebench.verification.witness", folder / "witness.log", [json.dumps(settings)])

    def answer(self, sql: str, views: Mapping[str, str], into: Path, limit_s: float) -> None:
        """Write the answer to ``sql`` into ``into`` as an Arrow IPC file; ``views`` are its tables, name → SELECT text.

        Raises:
            OutOfMemory: it needs more memory than the witness has, or more disk than there is.
            Timeout: it took longer than ``limit_s``.
            Refused: DuckDB cannot answer it.
            HarnessFault: the process died twice of it, or code of ours failed there.
        """
        request = {"sql": sql, "views": dict(views), "into": str(into)}
        try:
            reply = self._ask(request, limit_s) or self._ask(request, limit_s)
        except Silent:
            self._forget()
            raise Timeout(f"the witness gave no answer within {limit_s:g} s", limit_s=limit_s) from None
        if reply is None:
            raise HarnessFault(f"the witness {self._died} (twice of the same question)")
        if "error" in reply:
            raise self._error(reply)

    def _ask(self, request: Mapping[str, Any], limit_s: float) -> dict[str, Any] | None:
        """The reply, ``None`` where the process died of the question."""
        try:
            return {"answered": True, **self._child.ask(request, limit_s)}
        except Died as error:
            self._forget()
            if error.code == _KILLED:
                said = "the witness was killed; where nobody did, the machine ran out of memory"
                raise OutOfMemory(said) from None
            self._died = error
            return None

    def processes(self) -> list[int]:
        """The process, where there is one."""
        return self._child.processes()

    def close(self) -> None:
        """End the process, and remove what it spilled."""
        self._child.close()
        self._forget()

    def _forget(self) -> None:
        shutil.rmtree(self._spilled, ignore_errors=True)

    def _error(self, reply: Mapping[str, str]) -> CaseError:
        message = f"the witness cannot answer: {reply['error']}"
        if reply["kind"] in _OUT_OF_MEMORY:
            return OutOfMemory(message, limit_bytes=self._memory)
        return Refused(message)


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
    """The reply to one request: empty, or the ``kind`` of DuckDB's or Arrow's error and what it says."""
    import duckdb
    import pyarrow as pa

    try:
        _answer(settings, **json.loads(line))
    except (duckdb.Error, pa.ArrowException, MemoryError) as error:
        said = str(error).strip().splitlines()
        return {"kind": type(error).__name__, "error": said[0] if said else repr(error)}
    except Exception as error:  # noqa: BLE001 - one question without an answer must not end the others
        return raised(error)
    return {}


def serve(requests: IO[bytes], replies: IO[bytes], settings: Mapping[str, Any]) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        replies.write(json.dumps(_reply_to(line, settings)).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer, json.loads(sys.argv[1]))
