"""The files of a columnstore table: what its Delta Lake log lists, and what else lies in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakebench.errors import EngineUnavailable
from lakebench.model import Runtime
from lakebench.phases.pg_mooncake.sides import ColumnarTwins

_LOG = "_delta_log"


@dataclass(frozen=True)
class DeltaFiles:
    """A Delta Lake table on disk: its ``versions``, the data files that the log lists now, and those that it does not.

    Both map a file's name to its size in bytes.
    """

    versions: int
    active: Mapping[str, int]
    others: Mapping[str, int]

    @property
    def active_bytes(self) -> int:
        """Bytes of the files that are listed."""
        return sum(self.active.values())

    @property
    def written(self) -> Mapping[str, int]:
        """Every data file that was written and is still there."""
        return {**self.active, **self.others}


def list_delta(folder: Path) -> DeltaFiles:
    """The files below ``folder`` (Delta Lake protocol, *Delta Log Entries*, without checkpoints).

    A function for the checker.
    """
    versions = sorted((folder / _LOG).glob("*.json"))
    active: set[str] = set()
    for version in versions:
        for line in version.read_text("utf-8").splitlines():
            action = json.loads(line)
            if "add" in action:
                active.add(action["add"]["path"])
            elif "remove" in action:
                active.discard(action["remove"]["path"])
    sizes = {one.name: one.stat().st_size for one in folder.glob("*.parquet")}
    return DeltaFiles(
        len(versions),
        {name: size for name, size in sizes.items() if name in active},
        {name: size for name, size in sizes.items() if name not in active},
    )


def row_counts(folder: Path, names: tuple[str, ...]) -> dict[str, int]:
    """The rows of each of the Parquet files ``names`` in ``folder``. A function for the checker."""
    import pyarrow.parquet as pq

    return {name: pq.read_metadata(folder / name).num_rows for name in names}


def folder_of(twins: ColumnarTwins) -> Path:
    """Where the table lies on this machine, as pg_mooncake's view says.

    Raises:
        EngineUnavailable: the server is not ours to look into, or the files are in a bucket.
    """
    server = twins.server
    sql = f"SELECT path FROM mooncake.columnstore_tables WHERE table_name = '{twins.name}'"
    if server.context.services.endpoint(server.service).runtime is not Runtime.LOCAL:
        raise EngineUnavailable("the table's files lie with a server of another machine or container")
    paths = [str(path) for (path,) in server.cells(sql)]
    ((data,),) = server.cells("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    folders = [one for one in (Path(str(data)) / path for path in paths) if one.is_dir()]
    if not folders:
        raise EngineUnavailable(f"the files of the table are not on this machine: {', '.join(paths) or 'no path'}")
    return folders[-1]


def of_table(twins: ColumnarTwins) -> DeltaFiles | None:
    """The files of the table now; ``None`` where they cannot be looked at."""
    try:
        folder = folder_of(twins)
    except EngineUnavailable:
        return None
    return twins.server.context.checker.call(list_delta, folder)
