"""Parts of TPC-H as a worker of a cluster makes them, and what is checked of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark import cloudpickle
from run_requests import request

from lakebench.config import Settings
from lakebench.datasets import tpch, tpch_part
from lakebench.datasets.workload import TableData, Workload
from lakebench.engines.spark.distribution import tasks_of
from lakebench.errors import Refused, UsageError, WrongAnswer
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, Selection
from lakebench.phases.options import Asked
from lakebench.phases.tpch import cluster_data
from lakebench.phases.tpch.phase import Tpch
from lakebench.progress import Quiet
from lakebench.results.records import TableFacts

SIZE = Decimal("0.01")
LAKE = Lake("local", None, Catalog(CatalogKind.REST, "", ""))
ON_A_WORKER = """
import json, pickle, sys
sys.modules["lakebench"] = None  # it is not there
import pyarrow as pa
run = pickle.loads(open(sys.argv[1], "rb").read())
(batch,) = run([pa.RecordBatch.from_arrays([pa.array([0, 1])], names=["id"])])
print(json.dumps([json.loads(text) for text in batch.column(0).to_pylist()]))
"""


def _task(folder: Path, **other: Any) -> dict[str, Any]:
    files = {table: f"file://{folder}/{table}/data/{table}.1.parquet" for table in ("orders", "lineitem")}
    usual = {"version": tpch.generator_version(), "scale_factor": "0.01", "part": 1, "parts": 2, "store": None}
    return {**usual, "files": files, "note": f"file://{folder}/parts/1.json", **other}


def test_a_part_is_made_once_and_again_where_a_file_is_damaged(tmp_path: Path) -> None:
    made, again = tpch_part.make(_task(tmp_path)), tpch_part.make(_task(tmp_path))
    assert (made.pop("made"), again.pop("made")) == (True, False)
    assert made == again
    here = tpch.make_part(SIZE, tpch.Part(("orders", "lineitem"), 1, 2), _new(tmp_path / "here"))
    assert [{**tpch_part.facts_of(one["table"], here[one["table"]]), "address": one["address"]}
            for one in made["files"]] == made["files"]  # fmt: skip
    Path(made["files"][1]["address"].removeprefix("file://")).write_bytes(b"half of it")
    mended = tpch_part.make(_task(tmp_path))
    assert (mended["made"], mended["files"]) == (True, made["files"])


def test_a_worker_without_the_generator_of_this_version_says_so_in_one_line(tmp_path: Path) -> None:
    made = tpch_part.make(_task(tmp_path, version="1.2.3"))
    assert made["part"] == 1
    assert made["error"].startswith("ValueError: this worker has tpchgen-cli ")
    assert "\n" not in made["error"]
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_spark_is_sent_needs_no_lakebench(tmp_path: Path) -> None:
    cloudpickle.register_pickle_by_value(tpch_part)
    tasks = [json.dumps(_task(tmp_path)), json.dumps(_task(tmp_path / "other", version="1.2.3"))]
    (tmp_path / "sent").write_bytes(cloudpickle.dumps(tasks_of(tpch_part.make, tasks)))
    command = [sys.executable, "-P", "-c", ON_A_WORKER, str(tmp_path / "sent")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    made, refused = json.loads(done.stdout)
    assert [one["table"] for one in made["files"]] == ["orders", "lineitem"]
    assert "this worker has tpchgen-cli" in refused["error"]


def test_what_a_cluster_makes_is_the_same_data() -> None:
    local = tpch.generate(SIZE, Quiet())
    facts = [{**tpch_part.facts_of(name, table.files[0]), "part": 1} for name, table in local.tables.items()]
    made = tpch.made_elsewhere(SIZE, facts[::-1])
    assert (made.content_hash, made.generator) == (local.content_hash, local.generator)
    assert {name: (one.rows, one.bytes, one.file_rows, one.files) for name, one in made.tables.items()} == {
        name: (one.rows, one.bytes, one.file_rows, ()) for name, one in local.tables.items()
    }
    cluster_data._require_rows(made)
    (orders,) = (one for one in facts if one["table"] == "orders")
    orders["rows"] -= 1
    with pytest.raises(WrongAnswer, match="orders have 14999 rows together, and 15000 are to be there"):
        cluster_data._require_rows(tpch.made_elsewhere(SIZE, facts))


def _context(folder: Path, call: Callable[..., Any] = lambda *_, **__: {}) -> Any:
    """What the phase needs of a run's context, without a process; ``call`` is what engines are asked."""
    return SimpleNamespace(
        request=request(EngineRef("duckdb"), writer="pyiceberg"),
        files=SimpleNamespace(new=lambda name: folder / f"{name}.arrow"),
        checker=SimpleNamespace(call=lambda function, *given: function(*given)),
        client=SimpleNamespace(call=call),
        progress=Quiet(),
    )


@pytest.mark.parametrize("key", ["rows", "bytes", "sha256", "sums"])
def test_a_part_that_differs_from_the_one_made_here_is_wrong(tmp_path: Path, key: str) -> None:
    local = tpch.generate(SIZE, Quiet())
    facts = [{**tpch_part.facts_of(name, table.files[0]), "part": 1} for name, table in local.tables.items()]
    cluster_data._require_alike(_context(_new(tmp_path / "alike")), SIZE, tpch.parts_of(SIZE), facts)
    facts[-1][key] = "another"
    with pytest.raises(WrongAnswer, match=f"part 1 of lineitem is not what is made here: {key} another, here "):
        cluster_data._require_alike(_context(_new(tmp_path / "not")), SIZE, tpch.parts_of(SIZE), facts)


def test_a_part_that_is_not_made_is_told_with_its_reason(tmp_path: Path) -> None:
    def call(*_: Any, into: str, **__: Any) -> None:
        Path(into).write_text('{"part": 1, "files": [], "made": true}\n{"part": 2, "error": "OSError: full"}\n')

    with pytest.raises(Refused, match="1 of 2 parts were not made, part 2: OSError: full"):
        cluster_data._distributed(_context(tmp_path, call), LAKE, EngineRef("spark"), [{}, {}])


@pytest.mark.parametrize(("there", "added"), [(0, True), (15_000, False), (7, False)])
def test_a_table_is_committed_once_and_never_to_rows_of_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: int, added: bool
) -> None:
    asked: list[Any] = []
    context = _context(tmp_path, lambda *_, **named: asked.append(named))
    facts = TableFacts("orders", there)
    monkeypatch.setattr(cluster_data, "snapshot", lambda *_: SimpleNamespace(facts=lambda: facts))
    orders = {"orders": TableData("orders", (), 15_000, 1)}
    made = cluster_data.ClusterData(tpch.made_elsewhere(SIZE, []), {"orders": ("file:///orders.1.parquet",)}, 1.0)
    workload = Workload("tpch", "TPC-H", orders, (), made.data.content_hash, "hash", "seed", "generator")
    if there == 7:
        with pytest.raises(Refused, match="orders in local has 7 rows of something else: drop it"):
            cluster_data.commit(context, LAKE, made, workload, "local", "spark")
    else:
        loaded = cluster_data.commit(context, LAKE, made, workload, "local", "spark")
        assert (loaded.facts.generated_on, loaded.facts.writer) == ("spark", "pyiceberg")
    assert [one["files"] for one in asked] == ([["file:///orders.1.parquet"]] if added else [])
    with pytest.raises(WrongAnswer, match="other than those of the first storage"):
        cluster_data.commit(context, LAKE, made, replace(workload, content_hash="other"), "local", "spark")


def test_a_local_storage_of_workers_elsewhere_is_an_error(tmp_path: Path) -> None:
    there, away = [{"address": f"file://{tmp_path}"}], [{"address": f"file://{tmp_path}/away.parquet"}]
    cluster_data._require_here(LAKE, "spark", there)
    with pytest.raises(UsageError, match=r"the workers of spark wrote to disks of their own: .*away.parquet"):
        cluster_data._require_here(LAKE, "spark", [*there, *away])


def test_the_parts_of_a_scale_factor() -> None:
    assert [(len(one.tables), one.number, one.parts) for one in tpch.parts_of(Decimal("0.1"))] == [(8, 1, 1)]
    assert [(len(one.tables), one.number, one.parts) for one in tpch.parts_of(Decimal("2.5"))] == [
        (2, 1, 1), (6, 1, 3), (6, 2, 3), (6, 3, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "writer", "message"),
    [
        (Selection(formats=("iceberg", "duckdb")), "pyiceberg", "from which duckdb is loaded: name --formats iceberg"),
        (Selection(formats=("iceberg",), tests=("power",)), "pyiceberg", "which the tests power and throughput need"),
        (Selection(formats=("iceberg",)), "duckdb", "'duckdb' cannot commit the files that --generate-on spark makes"),
    ],
)
def test_what_needs_the_files_here_is_refused(chosen: Selection, writer: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cluster_data.require_possible(request(EngineRef("duckdb"), selection=chosen, writer=writer), "spark")


def test_the_option_takes_engines_that_have_a_cluster_their_services_and_addresses() -> None:
    external = {"runtime": "external", "uri": "tcp://head.example.org:6379"}
    asked = Asked(settings=Settings.model_validate({"services": {"ray": external}}))
    texts = ("", "spark", "ray", "ray_duckdb", "ray_duckdb@2.55.0", "tcp://head.example.org:6379/")
    assert [cluster_data.GENERATE_ON.read(text, asked) for text in texts] == [
        *("", "spark", "ray_duckdb", "ray_duckdb", "ray_duckdb@2.55.0", "ray_duckdb")
    ]
    with pytest.raises(UsageError, match=r"'duckdb' cannot run our code on the workers of a cluster: .*spark"):
        cluster_data.GENERATE_ON.read("duckdb", Asked())
    with pytest.raises(UsageError, match="unknown engine 'sparc': did you mean spark"):
        cluster_data.GENERATE_ON.read("sparc", Asked())
    with pytest.raises(UsageError, match=r"^--generate-on sc://u:\*\*\*@h:1: no cluster of .*\[services.ray\] or "):
        cluster_data.GENERATE_ON.read("sc://u:secret@h:1", asked)


def test_a_cluster_is_a_service_that_the_phase_needs_then() -> None:
    chosen = request(EngineRef("duckdb"))
    on = Selection(formats=("iceberg",), options={"phase3": {"generate-on": "spark"}})
    assert "spark" not in Tpch().services(Selection(), chosen.settings)
    assert "spark" in Tpch().services(on, chosen.settings)
    ray = Selection(formats=("iceberg",), options={"phase3": {"generate-on": "ray_duckdb@2.55.0"}})
    assert "ray" in Tpch().services(ray, chosen.settings)
    with_it = request(EngineRef("duckdb"), selection=on, writer="pyiceberg")
    assert [need.what for need in Tpch().disk_space(with_it)] == ["tables on local"]


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
