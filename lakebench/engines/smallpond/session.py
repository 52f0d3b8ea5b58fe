"""One session of Smallpond as a program of its own, in a network of its own: it answers questions, one a line.

Smallpond starts a Ray of 2.44, whose ports and dashboard take what anybody sends: here nobody else reaches them. The
store is reached through a socket (:mod:`lakebench.private_network`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lakebench import private_network
from lakebench.engines.ducklake import store_secret
from lakebench.model import ObjectStore

_HOME = "home"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def main(given: Mapping[str, Any]) -> None:
    """Prepare the network, start Smallpond, and answer."""
    folder, store = Path(given["folder"]), ObjectStore(**given["store"])
    private_network.switch_on_loopback()
    host, _, port = store.endpoint.partition("://")[2].rpartition(":")
    private_network.serve(private_network.listen_at(host, int(port)), private_network.to_path(Path(given["socket"])))
    _install(folder)
    try:
        pond = _started(folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        _say({"ok": False, "error": _words(error)})
        return
    _say({"ok": True})
    for line in sys.stdin:
        _say(_answer(pond, store, json.loads(line)))
    pond.shutdown()


def _started(folder: Path) -> Any:
    import smallpond

    return smallpond.init(data_root=str(folder / "data"))


def _answer(pond: Any, store: ObjectStore, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        _ask(pond, store, question)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return {"ok": False, "error": _words(error)}
    return {"ok": True}


def _ask(pond: Any, store: ObjectStore, question: Mapping[str, Any]) -> None:
    """The tables of the question by its way, each in one part; the SQL names them by their place."""
    read = _WAYS[question["way"]]
    frames = [read(pond, store, list(files)).repartition(1) for files in question["tables"].values()]
    sql = _by_place(question["sql"], list(question["tables"]))
    _write(pond.partial_sql(sql, *frames).to_arrow(), question["into"])


def _by_place(sql: str, tables: list[str]) -> str:
    """``sql`` over common table expressions, as Smallpond knows tables by their place alone."""
    named = ", ".join(f"{table} AS (SELECT * FROM {{{number}}})" for number, table in enumerate(tables))
    rest = sql.lstrip()
    own = rest[:4].upper() == "WITH"
    return f"WITH {named}{',' if own else ''} {rest[4:].lstrip() if own else rest}"


def _endpoint_url(pond: Any, store: ObjectStore, files: list[str]) -> Any:
    return pond.read_parquet(files, endpoint_url=store.endpoint)


def _filesystem(pond: Any, store: ObjectStore, files: list[str]) -> Any:
    return pond.read_parquet(files, filesystem=_s3fs(store))


def _plain(pond: Any, store: ObjectStore, files: list[str]) -> Any:  # noqa: ARG001 - the way is in the variables
    return pond.read_parquet(files)


def _with_secret(pond: Any, store: ObjectStore, files: list[str]) -> Any:
    _make_secret(store)
    return pond.read_parquet(files)


def _dataset(pond: Any, store: ObjectStore, files: list[str]) -> Any:
    """Below the session's own call, which takes every path for one of this machine (``root_dir``)."""
    from smallpond.dataframe import DataFrame
    from smallpond.logical.dataset import ParquetDataSet
    from smallpond.logical.node import DataSourceNode

    _make_secret(store)
    return DataFrame(pond, DataSourceNode(pond._ctx, ParquetDataSet(files, root_dir=None)))  # noqa: SLF001 - no other way


def _arrow(pond: Any, store: ObjectStore, files: list[str]) -> Any:
    """The driver reads all rows, by PyArrow through s3fs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    system = _s3fs(store)
    tables = [pq.read_table(one.removeprefix("s3://"), filesystem=system) for one in files]
    return pond.from_arrow(pa.concat_tables(tables))


_WAYS: Mapping[str, Callable[[Any, ObjectStore, list[str]], Any]] = {
    "endpoint-url": _endpoint_url,
    "filesystem": _filesystem,
    "plain": _plain,
    "variables": _plain,
    "secret": _with_secret,
    "dataset": _dataset,
    "arrow": _arrow,
}


def _s3fs(store: ObjectStore) -> Any:
    import s3fs

    client = {"endpoint_url": store.endpoint, "region_name": store.region}
    return s3fs.S3FileSystem(key=store.access_key, secret=store.secret_key, client_kwargs=client)


def _install(folder: Path) -> None:
    """DuckDB's extension for S3 in the home folder, as ``INSTALL httpfs`` puts it there."""
    from importlib.resources import files

    import duckdb

    with duckdb.connect() as connection:
        ((version, platform),) = connection.execute(
            "SELECT library_version, platform FROM pragma_version(), pragma_platform()"
        ).fetchall()
    bundled = files("duckdb_extension_httpfs") / "extensions" / version / "httpfs.duckdb_extension"
    into = folder / _HOME / ".duckdb" / "extensions" / version / platform
    into.mkdir(parents=True, exist_ok=True)
    shutil.copy(str(bundled), into / "httpfs.duckdb_extension")


def _make_secret(store: ObjectStore) -> None:
    """A secret of DuckDB in the home folder, which every later connection of this user has."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("LOAD httpfs")
        connection.execute(store_secret(store, "PERSISTENT"))


def _write(table: Any, into: str) -> None:
    import pyarrow as pa

    with pa.OSFile(into, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _words(error: BaseException) -> str:
    """What the error says, and what its causes do, the first cause last."""
    texts = []
    one: BaseException | None = error
    while one is not None:
        # The lines of a traceback that begin with blanks are places in files: they would push out what is said.
        lines = [line for line in _COLOUR.sub("", str(one)).splitlines() if line.strip() and not line.startswith("  ")]
        shown = dict.fromkeys([*lines[:3], *lines[-2:]])
        texts.append(f"{type(one).__name__}: {' | '.join(shown)}"[:600])
        one = one.__cause__
    return "; caused by ".join(dict.fromkeys(texts))[:2000]


def _say(reply: Mapping[str, Any]) -> None:
    os.write(_REPLIES, json.dumps(reply).encode() + b"\n")


if __name__ == "__main__":
    _REPLIES = os.dup(1)  # Smallpond prints much
    os.dup2(2, 1)
    main(json.loads(sys.stdin.readline()))
