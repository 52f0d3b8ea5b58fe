"""Damage is seen: whatever is wrong with a table's files, no reader's cell passes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from damaged_tables import DAMAGES, WRITER, Table, make
from run_requests import request
from started import lakebench

from lakebench.errors import LakebenchError
from lakebench.execution.context import RunContext, run_context
from lakebench.model import EngineRef, ObjectStore
from lakebench.outcomes import Outcome
from lakebench.phases.interop.table_lakes import lake_of
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services

pytestmark = pytest.mark.integration

READERS = tuple(
    EngineRef(name)
    for name in ("duckdb", "iceberg_scan", "pyiceberg", "daft", "polars", "datafusion", "trino", "spark")
)
FAILED = {Outcome.WRONG, Outcome.REFUSED, Outcome.CRASH}


@pytest.fixture(scope="module")
def context(lakebench_services: Services) -> Iterator[RunContext]:
    foundation = ("object-store", "rest-catalog")
    lakebench_services.start([*foundation, "trino", "spark"])
    with (
        Guard("damage") as guard,
        run_context(request(WRITER, *READERS), guard, lakebench_services, Quiet(), foundation) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def whole(context: RunContext) -> Callable[[str], dict[str, tuple[Outcome, str]]]:
    """Feature → what each reader makes of its table when nothing is wrong with it; asked once."""
    return functools.cache(lambda feature: outcomes(context, make(context, feature, "whole", READERS)))


def outcomes(context: RunContext, table: Table) -> dict[str, tuple[Outcome, str]]:
    outcomes_by_reader = {}
    for reader in READERS:
        error: LakebenchError | None = table.written._read(context, reader, table.made)[1]
        outcomes_by_reader[str(reader)] = (error.outcome, str(error)) if error else (Outcome.PASS, "")
    return outcomes_by_reader


@pytest.mark.parametrize(("feature", "damage"), DAMAGES, ids=[damage.__name__ for _, damage in DAMAGES])
def test_no_cell_passes_on_a_damaged_table(
    context: RunContext,
    whole: Callable[[str], dict[str, tuple[Outcome, str]]],
    feature: str,
    damage: Callable[[Table], None],
) -> None:
    assert sum(outcome is Outcome.PASS for outcome, _ in whole(feature).values()) >= 3, whole(feature)
    table = make(context, feature, damage.__name__, READERS)
    damage(table)
    damaged = outcomes(context, table)
    assert not {reader: outcome for reader, outcome in damaged.items() if outcome[0] not in FAILED}


def settings(store: ObjectStore) -> str:
    return f"""[services.object-store]
runtime = "external"
uri = "{store.endpoint}"
user = "{store.access_key}"
password = "{store.secret_key}"
properties = {{ bucket = "{store.bucket}", region = "{store.region}" }}
"""


def test_check_sees_each_damage_by_the_address_of_the_metadata(context: RunContext, tmp_path: Path) -> None:
    whole = {feature: make(context, feature, "for-check").made.location for feature in dict(DAMAGES)}
    damaged = {}
    for feature, damage in DAMAGES:
        table = make(context, feature, f"check-{damage.__name__}")
        damage(table)
        damaged[damage.__name__] = table.made.location
    (tmp_path / "lakebench.toml").write_text(settings(lake_of(context.request, context.services, WRITER).store))
    argv = ["check", *whole.values(), *damaged.values(), "--engines", "duckdb,pyiceberg", "--json"]
    done = lakebench(*argv, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    checked = {one["table"]: one for one in json.loads(done.stdout)["tables"]}
    assert {checked[location]["exit_code"] for location in whole.values()} == {0}
    assert {checked[location]["exit_code"] for location in damaged.values()} == {1}
    said = {name: " ".join(_said(checked[location])) for name, location in damaged.items()}
    missing = ("remove_delete_file", "remove_deletion_vector", "remove_data_file", "remove_manifest")
    assert all("is not in the store" in said[name] for name in missing)
    assert "cannot be read: OSError: Couldn't deserialize thrift" in said["flip_byte"]
    assert "but its file_size_in_bytes is" in said["change_value"]


def _said(table: dict[str, Any]) -> list[str]:
    """The violations, and what the reference reader says."""
    return [*table["violations"], *(one["reason"] for one in table["answers"] if one["reader"] == "reference")]
