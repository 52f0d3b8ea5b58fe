"""Answers are checked after the clock, in a process that is neither an engine's nor the parent.

``python -m lakebench.verification.checker`` reads requests from standard input and answers on standard output, one JSON
object a line; tables are files (Arrow IPC, or Parquet), whose paths stand in the requests. The end of standard input
ends it. :class:`Checker` is the parent's end of it, which never reads a row; small tables are written here for the same
reason.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lakebench.datasets import answers, postgresql
from lakebench.datasets import rows as small
from lakebench.datasets.concurrency import history
from lakebench.datasets.ducklake import catalog as ducklake
from lakebench.datasets.ducklake import expected as by_hand
from lakebench.datasets.ducklake import inspector as of_ducklake
from lakebench.datasets.interop import inspector, oracle
from lakebench.datasets.interop.feature import Proof
from lakebench.datasets.interop.same import same_read as same_as_expected
from lakebench.datasets.interop.store import Files
from lakebench.datasets.rules import Rules
from lakebench.datasets.tpch.refresh import Refresh
from lakebench.datasets.tpch.refresh import write_insert as insert
from lakebench.datasets.workload import TableData
from lakebench.errors import CheckerLost, HarnessFault
from lakebench.iceberg.operations import Operation, Read, from_json, to_json
from lakebench.model import Lake, ObjectStore
from lakebench.processes.child import Child, Died, Silent, raised
from lakebench.processes.guard import Guard
from lakebench.processes.worker import lake_from

if TYPE_CHECKING:
    import pyarrow as pa

_LIMIT_S = 600.0
_TOLD_ROWS = 1000
_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"


@dataclass(frozen=True)
class Checked:
    """What the checker found: ``diff`` is :meth:`~lakebench.datasets.answers.Diff.to_json` where ``ok`` is false.

    A file that cannot be read is a diff of kind ``unreadable``. ``sources`` are what the answer was compared with;
    ``sha256`` is the hash of the answer's rows in canonical form.
    """

    ok: bool
    diff: Mapping[str, Any] | None = None
    sha256: str = ""
    rows: int = 0
    sources: tuple[str, ...] = ()
    type_differences: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """One line: what is wrong, or nothing."""
        return str(self.diff["message"]) if self.diff else ""


@dataclass(frozen=True)
class Agreed:
    """:class:`~lakebench.datasets.answers.Agreement` as the parent sees it; ``unreadable`` engines are in no group."""

    groups: tuple[tuple[str, ...], ...]
    verified: tuple[str, ...]
    diffs: Mapping[str, Mapping[str, Any]]
    unreadable: Mapping[str, str]


@dataclass(frozen=True)
class Inspected:
    """What the inspector found: facts, what the specification forbids, and the proofs that do not hold, in words.

    ``files`` are the live data and delete files: ``path``, ``content``, ``format``, ``records``, ``bytes``.
    """

    facts: Mapping[str, Any]
    violations: tuple[str, ...]
    missing: tuple[str, ...]
    files: tuple[Mapping[str, Any], ...] = ()


class Checker:
    """The checker process, started with the first question, and anew where it died. Threads take turns.

    Each question raises :class:`~lakebench.errors.HarnessFault` where the checker itself fails, and
    :class:`~lakebench.errors.CheckerLost` where it dies twice of it.
    """

    def __init__(self, guard: Guard) -> None:
        self._child = Child(guard, "lakebench.verification.checker", guard.folder / "checker.log")

    def answer(self, actual: Path, expected: Mapping[str, Path], rules: Rules) -> Checked:
        """Compare the answer in ``actual`` with each of ``expected`` (source → file).

        A source whose name starts with :data:`~lakebench.datasets.answers.FULL` has the answer without LIMIT and
        OFFSET.
        """
        sources = [{"source": source, "path": str(path)} for source, path in expected.items()]
        return _checked(self._ask("answer", actual=str(actual), expected=sources, rules=dataclasses.asdict(rules)))

    def rows(self, actual: Path, expected: Path) -> Checked:
        """Compare all rows of two tables exactly, in any order."""
        return _checked(self._ask("rows", actual=str(actual), expected=str(expected)))

    def agree(self, tables: Mapping[str, Path], rules: Rules) -> Agreed:
        """Which engines' answers (engine → file) agree; of full answers see :meth:`answer`."""
        paths = {engine: str(path) for engine, path in tables.items()}
        reply = self._ask("agree", tables=paths, rules=dataclasses.asdict(rules))
        return Agreed(
            tuple(tuple(group) for group in reply["groups"]),
            tuple(reply["verified"]),
            reply["diffs"],
            reply["unreadable"],
        )

    def write_schema(self, parquet: Path, into: Path) -> None:
        """Write an Arrow IPC file with no rows and the plain schema of the TPC-H file ``parquet``."""
        self._ask("write_schema", parquet=str(parquet), into=str(into))

    def write_rows(self, seed: int, numbers: Sequence[int], into: Path) -> None:
        """Write the small rows of these writers (:func:`lakebench.datasets.rows.rows`) as an Arrow IPC file."""
        self._ask("write_rows", seed=seed, numbers=list(numbers), into=str(into))

    def write_small(self, table: str, into: Path) -> None:
        """Write the rows of a small table (:mod:`lakebench.datasets.postgresql`) as an Arrow IPC file."""
        self._ask("write_small", table=table, into=str(into))

    def told(self, actual: Path) -> list[list[str | None]]:
        """The cells of a small answer as text, for evidence and plans: 1,000 rows at most.

        Raises:
            HarnessFault: the file is not a table.
        """
        found: list[list[str | None]] = self._ask("told", actual=str(actual))["rows"]
        return found

    def write_expected(
        self,
        program: Sequence[Operation],
        reads: Sequence[Read],
        succeeded: Sequence[Sequence[bool]],
        metadata: Mapping[str, Any],
        store: ObjectStore,
        into: Sequence[Path],
    ) -> None:
        """Write what each of ``reads`` has to give after ``program`` as Arrow IPC files, by the oracle.

        Names are those of the program. ``succeeded`` says of each concurrent operation, in order, which of its parts
        count. A metadata table is what the table's ``metadata`` JSON and the manifests in ``store`` say.
        """
        self._ask(
            "write_expected",
            program=[to_json(one) for one in program],
            reads=[oracle.read_to_json(one) for one in reads],
            succeeded=succeeded,
            metadata=metadata,
            store=dataclasses.asdict(store),
            into=[str(one) for one in into],
        )

    def inspect(self, metadata: Mapping[str, Any], store: ObjectStore, proof: Sequence[Proof] = ()) -> Inspected:
        """What the table with this ``metadata`` JSON physically is."""
        proofs = [dataclasses.asdict(one) for one in proof]
        reply = self._ask("inspect", metadata=metadata, store=dataclasses.asdict(store), proof=proofs)
        return Inspected(reply["facts"], tuple(reply["violations"]), tuple(reply["missing"]), tuple(reply["files"]))

    def data_files(self, metadata: Mapping[str, Any], store: ObjectStore | None) -> list[str]:
        """The addresses of the data files of the current snapshot, which has no deletes, by its manifests.

        Raises:
            HarnessFault: it has some, or cannot be read.
        """
        told = None if store is None else dataclasses.asdict(store)
        found: list[str] = self._ask("data_files", metadata=metadata, store=told)["files"]
        return found

    def upload(self, files: Sequence[Path], store: ObjectStore, folder: str) -> tuple[str, ...]:
        """Copy local ``files`` below the address ``folder`` of ``store``; their addresses there."""
        named = {f"{folder}/{number:05d}.parquet": str(file) for number, file in enumerate(files)}
        self._ask("upload", files=named, store=dataclasses.asdict(store))
        return tuple(named)

    def write_table(self, columns: Mapping[str, str], rows: Sequence[Sequence[Any]], into: Path) -> None:
        """Write rows that were written by hand (:mod:`lakebench.datasets.ducklake.expected`) as an Arrow IPC file."""
        self._ask("write_table", columns=dict(columns), rows=[list(one) for one in rows], into=str(into))

    def inspect_ducklake(self, lake: Lake, table: str, proof: Sequence[Proof] = ()) -> Inspected:
        """What the DuckLake ``lake`` and its ``table`` physically are."""
        proofs = [dataclasses.asdict(one) for one in proof]
        reply = self._ask("inspect_ducklake", lake=dataclasses.asdict(lake), table=table, proof=proofs)
        return Inspected(reply["facts"], (), tuple(reply["missing"]))

    def ducklake_files(self, lake: Lake, table: str) -> tuple[list[str], list[str]]:
        """The live data files of a DuckLake's ``table`` by its catalog, and every Parquet file below its data path."""
        reply = self._ask("ducklake_files", lake=dataclasses.asdict(lake), table=table)
        return reply["live"], reply["all"]

    def forget_ducklake(self, lake: Lake) -> None:
        """Drop the catalog of a DuckLake that nobody needs (:func:`lakebench.datasets.ducklake.catalog.forget`)."""
        self._ask("forget_ducklake", lake=dataclasses.asdict(lake))

    def write_insert(
        self, orders: Sequence[Path], lineitem: Sequence[Path], pair: Refresh, folder: Path
    ) -> tuple[Path, Path]:
        """Write what RF1 of ``pair`` inserts (:func:`lakebench.datasets.tpch.refresh.write_insert`)."""
        files = {"orders": [str(one) for one in orders], "lineitem": [str(one) for one in lineitem]}
        reply = self._ask("write_insert", **files, refresh=dataclasses.asdict(pair), folder=str(folder))
        return Path(reply["orders"]), Path(reply["lineitem"])

    def writers(
        self,
        workload: str,
        writers: Mapping[int, Path],
        readers: Mapping[str, Path],
        final: Path,
        facts: Path | None,
        lost: Sequence[int],
    ) -> Any:
        """What concurrent writers and readers came to (:func:`lakebench.datasets.concurrency.history.told`).

        ``facts`` is a table of one row that is told as it is, ``lost`` when answers to commits were lost.
        """
        return self._ask(
            "writers",
            workload=workload,
            writers={str(number): str(path) for number, path in writers.items()},
            readers={name: str(path) for name, path in readers.items()},
            final=str(final),
            facts=str(facts or ""),
            lost=list(lost),
        )

    def processes(self) -> list[int]:
        """The process, where there is one."""
        return self._child.processes()

    def same_read(self, actual: Path, expected: Path) -> Checked:
        """Compare a reader's answer with what :meth:`write_expected` wrote."""
        return _checked(self._ask("same_read", actual=str(actual), expected=str(expected)))

    def start(self) -> None:
        """Start the process, where there is none; it imports what it needs at once."""
        self._child.start()

    def close(self) -> None:
        """End the process, where there is one."""
        self._child.close()

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            return self._child.ask_again({"op": operation, **arguments}, _LIMIT_S)
        except Silent:
            raise HarnessFault(f"the checker gave no answer to {operation} within {_LIMIT_S:g} s") from None
        except Died as error:
            raise CheckerLost(f"the checker {error} (twice of the same question, {operation})") from None


def _checked(reply: Mapping[str, Any]) -> Checked:
    return Checked(
        ok=reply["ok"],
        diff=reply["diff"],
        sha256=reply["sha256"],
        rows=reply["rows"],
        sources=tuple(reply.get("sources", ())),
        type_differences=tuple(reply.get("type_differences", ())),
    )


class _Unreadable(Exception):
    """A file is not a whole table."""


def read(path: str) -> pa.Table:
    """The table in an Arrow IPC file or stream, or in a Parquet file; every value is looked at once.

    Raises:
        _Unreadable: the file is missing, cut or damaged.
    """
    import pyarrow as pa

    try:
        table = _opened(path)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _Unreadable(
            f"{path} cannot be read as a table: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from None
    return table


def _opened(path: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(path, "rb") as source:
        start = source.read(len(_ARROW_FILE))
        source.seek(0)
        if start.startswith(_PARQUET):
            return pq.read_table(source)
        opened = pa.ipc.open_file(source) if start == _ARROW_FILE else pa.ipc.open_stream(source)
        return opened.read_all()


def _read_actual(path: str) -> pa.Table | answers.Diff:
    try:
        return read(path)
    except _Unreadable as error:
        return answers.Diff("unreadable", str(error), expected_rows=-1, actual_rows=-1)


def _reply(diff: answers.Diff | None, actual: pa.Table | None, **more: Any) -> dict[str, Any]:
    return {
        "ok": diff is None,
        "diff": diff.to_json() if diff else None,
        "sha256": "" if actual is None else answers.content_hash(actual),
        "rows": 0 if actual is None else actual.num_rows,
        **more,
    }


def answer(actual: str, expected: list[dict[str, str]], rules: dict[str, Any]) -> dict[str, Any]:
    """The operation ``answer``."""
    got = _read_actual(actual)
    if isinstance(got, answers.Diff):
        return _reply(got, None)
    sources = [one["source"] for one in expected]
    for one in expected:
        diff = answers.compare_with(one["source"], got, read(one["path"]), Rules.from_json(rules))
        if diff:
            against = dataclasses.replace(diff, message=f"{diff.message} (against {one['source']})")
            return _reply(against, got, sources=sources)
    return _reply(None, got, sources=sources)


def rows(actual: str, expected: str) -> dict[str, Any]:
    """The operation ``rows``."""
    got = _read_actual(actual)
    if isinstance(got, answers.Diff):
        return _reply(got, None)
    same = answers.same_rows(got, read(expected))
    return _reply(same.diff, got, type_differences=same.type_differences)


def agree(tables: dict[str, str], rules: dict[str, Any]) -> dict[str, Any]:
    """The operation ``agree``."""
    found = {engine: _read_actual(path) for engine, path in tables.items()}
    unreadable = {engine: one.message for engine, one in found.items() if isinstance(one, answers.Diff)}
    readable = {engine: one for engine, one in found.items() if not isinstance(one, answers.Diff)}
    agreed = answers.agreement(readable, Rules.from_json(rules))
    return {
        "groups": agreed.groups,
        "verified": agreed.verified,
        "diffs": {engine: diff.to_json() for engine, diff in agreed.diffs.items()},
        "unreadable": unreadable,
    }


def write_schema(parquet: str, into: str) -> dict[str, Any]:
    """The operation ``write_schema``."""
    _write(TableData("", (Path(parquet),), 0, 0).schema().empty_table(), into)
    return {}


def write_rows(seed: int, numbers: list[int], into: str) -> dict[str, Any]:
    """The operation ``write_rows``."""
    import pyarrow as pa

    _write(pa.concat_tables([small.rows(seed, number) for number in numbers]), into)
    return {}


def write_small(table: str, into: str) -> dict[str, Any]:
    """The operation ``write_small``."""
    _write(postgresql.expected(table), into)
    return {}


def told(actual: str) -> dict[str, Any]:
    """The operation ``told``."""
    found = read(actual).slice(0, _TOLD_ROWS).to_pylist()
    return {"rows": [[None if cell is None else str(cell) for cell in row.values()] for row in found]}


def write_expected(
    program: list[dict[str, Any]],
    reads: list[dict[str, Any]],
    succeeded: list[list[bool]],
    metadata: dict[str, Any],
    store: dict[str, Any],
    into: list[str],
) -> dict[str, Any]:
    """The operation ``write_expected``."""
    known = oracle.Oracle([from_json(one) for one in program], succeeded)
    for one, path in zip(map(oracle.read_from_json, reads), into, strict=True):
        of_metadata = inspector.metadata_rows(metadata, ObjectStore(**store), one) if one.metadata else None
        _write(known.answer(one) if of_metadata is None else of_metadata, path)
    return {}


def inspect(metadata: dict[str, Any], store: dict[str, Any], proof: list[dict[str, Any]]) -> dict[str, Any]:
    """The operation ``inspect``."""
    return inspector.inspected(metadata, ObjectStore(**store), [Proof(**one) for one in proof])


def data_files(metadata: dict[str, Any], store: dict[str, Any] | None) -> dict[str, Any]:
    """The operation ``data_files``."""
    return {"files": inspector.data_files(metadata, ObjectStore(**store) if store else None)}


def upload(files: dict[str, str], store: dict[str, Any]) -> dict[str, Any]:
    """The operation ``upload``."""
    objects = Files(ObjectStore(**store))
    for address, file in files.items():
        objects.put(file, address)
    return {}


def write_table(columns: dict[str, str], rows: list[list[Any]], into: str) -> dict[str, Any]:
    """The operation ``write_table``."""
    _write(by_hand.table(columns, rows), into)
    return {}


def inspect_ducklake(lake: dict[str, Any], table: str, proof: list[dict[str, Any]]) -> dict[str, Any]:
    """The operation ``inspect_ducklake``."""
    facts = of_ducklake.facts(lake_from(lake), table)
    return {"facts": facts, "missing": inspector.missing([Proof(**one) for one in proof], facts)}


def ducklake_files(lake: dict[str, Any], table: str) -> dict[str, Any]:
    """The operation ``ducklake_files``."""
    of = lake_from(lake)
    scheme = "" if of.store is None else "s3://"
    return {"live": ducklake.addresses(of, table), "all": sorted(f"{scheme}{one}" for one in of_ducklake.listed(of))}


def forget_ducklake(lake: dict[str, Any]) -> dict[str, Any]:
    """The operation ``forget_ducklake``."""
    ducklake.forget(lake_from(lake))
    return {}


def write_insert(orders: list[str], lineitem: list[str], refresh: dict[str, int], folder: str) -> dict[str, Any]:
    """The operation ``write_insert``."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    made = insert(orders, lineitem, refresh, folder)
    return {"orders": str(made[0]), "lineitem": str(made[1])}


def writers(
    workload: str, writers: dict[str, str], readers: dict[str, str], final: str, facts: str, lost: list[int]
) -> dict[str, Any]:
    """The operation ``writers``."""
    by_number = {int(number): path for number, path in writers.items()}
    more: dict[str, Any] = read(facts).to_pylist()[0] if facts else {}
    return {**history.told(workload, by_number, readers, read(final), lost), **more}


def same_read(actual: str, expected: str) -> dict[str, Any]:
    """The operation ``same_read``."""
    got = _read_actual(actual)
    if isinstance(got, answers.Diff):
        return _reply(got, None)
    same = same_as_expected(got, read(expected))
    return _reply(same.diff, got, type_differences=same.type_differences)


def _write(table: pa.Table, into: str) -> None:
    import pyarrow as pa

    with pa.OSFile(into, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


_OPERATIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "answer": answer,
    "rows": rows,
    "agree": agree,
    "write_schema": write_schema,
    "write_rows": write_rows,
    "write_small": write_small,
    "told": told,
    "write_expected": write_expected,
    "inspect": inspect,
    "data_files": data_files,
    "upload": upload,
    "write_table": write_table,
    "inspect_ducklake": inspect_ducklake,
    "ducklake_files": ducklake_files,
    "forget_ducklake": forget_ducklake,
    "write_insert": write_insert,
    "same_read": same_read,
    "writers": writers,
}


def reply_to(line: bytes) -> dict[str, Any]:
    """The reply to one request; one that cannot be carried out is answered by what was raised."""
    try:
        request = json.loads(line)
        return _OPERATIONS[request.pop("op")](**request)
    except Exception as error:  # noqa: BLE001 - one bad request must not end the checks of the others
        return raised(error)


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    import pyarrow.parquet  # noqa: F401 - before the first request waits for it

    for line in requests:
        replies.write(json.dumps(reply_to(line)).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
