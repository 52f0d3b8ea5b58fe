"""TPC-H by LakeBench of Microsoft as its README shows it, with its defaults: the other side of ``peer.py``.

Runs in an environment of its own with the distribution ``lakebench`` 2.2.0, from an empty folder. Prints one JSON
object: the monotonic clock when the imports, the generator, the engine, the load and the queries were done, what its
own results say of each item, and the versions. Nothing here verifies an answer: the package has no such step.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

# Theirs: a type checker sees the package of this checkout, which has the same name.
from lakebench.benchmarks import TPCH  # type: ignore[import-not-found]
from lakebench.datagen import TPCHDataGenerator  # type: ignore[import-not-found]

from lakebench.engines import DuckDB  # type: ignore[attr-defined]

IMPORTED = time.monotonic()


def run(folder: Path, scale_factor: float, threads: int, memory_limit: str) -> dict[str, object]:
    """One run in ``folder``, which is empty: data as Parquet, tables as Delta, 22 queries."""
    stamps = {"imports": IMPORTED}
    data, tables = folder / "data", folder / "tables"
    scale = int(scale_factor) if scale_factor == int(scale_factor) else scale_factor
    TPCHDataGenerator(scale_factor=scale, target_folder_uri=str(data)).run()
    stamps["generation"] = time.monotonic()
    engine = DuckDB(schema_or_working_directory_uri=str(tables))
    engine.duckdb.execute(f"SET threads = {threads}; SET memory_limit = '{memory_limit}'")
    stamps["engine"] = time.monotonic()
    benchmark = TPCH(engine=engine, scenario_name="peer", scale_factor=scale, input_folder_uri=str(data))
    benchmark.run(mode="load")
    stamps["load"] = time.monotonic()
    benchmark.run(mode="query")
    stamps["queries"] = time.monotonic()
    return {
        "stamps": stamps,
        "items": [
            {"phase": one["phase"], "item": one["test_item"], "ms": one["duration_ms"], "error": one["error_message"]}
            for one in benchmark.results
        ],
        "versions": {one: version(one) for one in ("lakebench", "duckdb", "deltalake", "pyarrow")},
        "settings": dict(
            engine.duckdb.execute(
                "SELECT name, value FROM duckdb_settings() WHERE name IN ('threads', 'memory_limit')"
            ).fetchall()
        ),
    }


def install_delta() -> None:
    """Put DuckDB's extension ``delta`` from the package index where DuckDB looks for it: below ``$HOME``."""
    from duckdb_extensions import import_extension

    import_extension("delta")


def main() -> None:
    """Install the extension, or run."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--install", action="store_true")
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--sf", type=float, default=1)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--memory-limit", default="4GiB", help="as DuckDB writes it")
    options = arguments.parse_args()
    if options.install:
        install_delta()
        return
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.stdout.write(json.dumps(run(options.folder, options.sf, options.threads, options.memory_limit)) + "\n")


if __name__ == "__main__":
    main()
