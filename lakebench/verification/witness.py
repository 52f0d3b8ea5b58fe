"""A second opinion on an answer: DuckDB over plain Parquet files, without Iceberg, catalog or object store.

It works outside the clock, in a process that is neither an engine's nor the parent.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakebench.errors import HarnessFault, OutOfMemory, Refused, Timeout
from lakebench.processes.child import Child, Died, Silent
from lakebench.processes.guard import Guard

_SHARE = 0.8  # of the memory, for DuckDB itself; the rest is Python and Arrow
_KILLED = -9
_ATTEMPTS = 2
_OUT_OF_MEMORY = {"OutOfMemoryException", "MemoryError", "ArrowMemoryError"}  # of DuckDB, Python and Arrow
_CONFIG = {
    "preserve_insertion_order": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class Witness:
    """The witness process, started by the first query and again after one that ended it. Threads take turns.

    It spills to ``folder``, and uses at most ``memory_bytes`` of memory and ``threads`` threads.
    """

    def __init__(self, guard: Guard, folder: Path, memory_bytes: int, threads: int) -> None:
        self._memory, self._spilled = memory_bytes, folder / "spilled"
        self._settings = {
            "threads": threads,
            "memory_limit": f"{int(memory_bytes * _SHARE) // 2**20}MiB",
            "temp_directory": str(self._spilled),
        }
        self._child = Child(guard, folder / "witness.log", ("duckdb", "pyarrow"))

    def answer(self, sql: str, views: Mapping[str, str], into: Path, limit_s: float) -> None:
        """Write the answer to ``sql`` into ``into`` as an Arrow IPC file; ``views`` are its tables, name → SELECT text.

        Raises:
            OutOfMemory: it needs more memory than the witness has, or more disk than there is.
            Timeout: it took longer than ``limit_s``.
            Refused: DuckDB cannot answer it.
            HarnessFault: the process died of it twice, or code of ours failed there.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._child.call(limit_s, write_answer, sql, views, into, self._settings, self._memory)
            except Silent:
                self._forget()
                raise Timeout(f"the witness gave no answer within {limit_s:g} s", limit_s=limit_s) from None
            except Died as error:
                self._forget()
                if error.code == _KILLED:
                    message = "the witness was killed; where nobody did, the machine ran out of memory"
                    raise OutOfMemory(message) from None
                died = error
        raise HarnessFault(f"the witness {died} (twice at the same query)")

    def processes(self) -> list[int]:
        """The process, where there is one."""
        return self._child.processes()

    def close(self) -> None:
        """End the process, and remove what it spilled."""
        self._child.close()
        self._forget()

    def _forget(self) -> None:
        shutil.rmtree(self._spilled, ignore_errors=True)


def write_answer(
    sql: str, views: Mapping[str, str], into: Path, settings: Mapping[str, Any], memory_bytes: int
) -> None:
    """:meth:`Witness.answer` in its process, by DuckDB with these ``settings``.

    Raises:
        OutOfMemory: it needs more memory, or more disk.
        Refused: DuckDB cannot answer it.
    """
    import duckdb
    import pyarrow as pa

    try:
        _write(sql, views, into, settings)
    except (duckdb.Error, pa.ArrowException, MemoryError) as error:
        lines = str(error).strip().splitlines()
        message = f"the witness cannot answer: {lines[0] if lines else repr(error)}"
        if type(error).__name__ in _OUT_OF_MEMORY:
            raise OutOfMemory(message, limit_bytes=memory_bytes) from error
        raise Refused(message) from error


def _write(sql: str, views: Mapping[str, str], into: Path, settings: Mapping[str, Any]) -> None:
    """Write the answer to ``sql`` into ``into``, which exists only when it is complete."""
    import duckdb
    import pyarrow as pa

    partial = Path(f"{into}.partial")
    with duckdb.connect(config={**_CONFIG, **settings}) as connection:  # a new database for each query
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
