"""A process of ours calls what is ours by name, and nothing else."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import validate_call
from pydantic_core import to_jsonable_python

from lakebench.datasets import answer_files, postgresql, rows, workload
from lakebench.datasets.concurrency import history
from lakebench.datasets.ducklake import catalog
from lakebench.datasets.ducklake import expected as written_by_hand
from lakebench.datasets.ducklake import inspector as of_ducklake
from lakebench.datasets.interop import expected as of_the_oracle
from lakebench.datasets.interop import inspector, same, store
from lakebench.datasets.rules import Rules
from lakebench.datasets.tpch import refresh
from lakebench.errors import HarnessFault, Refused
from lakebench.model import (
    Authentication,
    BearerToken,
    Catalog,
    CatalogKind,
    Lake,
    OAuth2,
    ObjectStore,
    SigV4,
    TableFormat,
)
from lakebench.processes import child, functions
from lakebench.processes.child import Child
from lakebench.processes.functions import find, meaning, name_of
from lakebench.processes.guard import Guard
from lakebench.processes.pipe import serve
from lakebench.verification import witness


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "lakebenchmark.module:function",
        "lakebench.datasets.answers:dataclass",  # imported there, and another's
        "lakebench.datasets.answer_files:Checked",  # no function
        "lakebench.datasets.answer_files:Checked.message",
        "lakebench.datasets.answer_files:nothing",
        "lakebench.datasets.answer_files",
        "lakebench.no.such.module:function",
        ":function",
        "",
    ],
)
def test_what_is_no_function_of_ours_is_not_called(name: str) -> None:
    reply = _reply_to({"function": name, "arguments": {}})
    assert reply["ok"] is False
    assert reply["error"]["kind"] == "HarnessFault"


def test_a_request_that_makes_no_sense_is_a_fault_and_not_the_end() -> None:
    requests: list[Any] = [{}, {"function": name_of(rows.write), "arguments": {"seed": "no number"}}, []]
    for request in requests:
        assert _reply_to(request)["error"]["kind"] == "HarnessFault"


def test_the_package_of_an_installed_phase_is_ours_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a_phase_of_others.py").write_text("def twice(n: int) -> int: return 2 * n\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HarnessFault, match="no function of lakebench or of an installed phase"):
        find("a_phase_of_others:twice")
    point = EntryPoint("others", "a_phase_of_others:Phase", functions.PHASES)
    monkeypatch.setattr(functions, "entry_points", lambda group: [point] if group == functions.PHASES else [])
    assert find("a_phase_of_others:twice")(n=4) == 8


@pytest.mark.parametrize(
    "authentication", [None, BearerToken("t"), OAuth2("uri", "id", "secret"), SigV4("region", "glue", "key", "secret")]
)
def test_arguments_have_the_types_of_the_signature(authentication: Authentication | None) -> None:
    lake = replace(LAKE, catalog=replace(LAKE.catalog, authentication=authentication))
    arguments = json.loads(json.dumps(to_jsonable_python({"one": lake, "rules": RULES, "into": Path("a/b")})))
    assert validate_call(_typed)(**arguments) == (lake, RULES, Path("a/b"))


def _typed(one: Lake, rules: Rules, into: Path) -> tuple[Lake, Rules, Path]:
    return one, rules, into


STORE = ObjectStore("http://127.0.0.1:1", "bucket", "key", "secret")
LAKE = Lake(
    "lake",
    STORE,
    Catalog(CatalogKind.SQLITE, "/a.sqlite", "s3://a/", ref=None),
    format=TableFormat.DUCKLAKE,
    files={"t": ("a", "b")},
    options={"A": "b"},
)
RULES = Rules(order=(0, 1), average=(2,), limit=5, full_order=(0, -1))


@pytest.mark.parametrize(
    "function",
    [
        answer_files.agree,
        answer_files.cells,
        answer_files.compare,
        answer_files.compare_rows,
        catalog.forget,
        history.of_files,
        inspector.data_files,
        inspector.inspect,
        of_ducklake.files,
        of_ducklake.inspect,
        of_the_oracle.write,
        postgresql.write_expected,
        refresh.write_insert,
        rows.write,
        same.compare,
        store.upload,
        witness.write_answer,
        workload.write_schema,
        written_by_hand.write,
    ],
)
def test_a_function_that_phases_call_is_found_and_its_result_has_a_type(function: Any) -> None:
    assert find(name_of(function)).__wrapped__ is function  # type: ignore[attr-defined]
    child._result_type(function)


def test_what_is_raised_keeps_its_kind_and_details() -> None:
    assert type(meaning(KeyError("x"))) is HarnessFault
    assert str(meaning(KeyError("x"))) == "KeyError: 'x'"
    refused = Refused("no", limit=3)
    assert meaning(refused) is refused


def _reply_to(request: Any) -> dict[str, Any]:
    written = io.BytesIO()
    serve(io.BytesIO(json.dumps(request).encode() + b"\n"), written, functions.answer, meaning)
    reply: dict[str, Any] = json.loads(written.getvalue())
    return reply


def test_a_value_that_is_not_what_the_function_says_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Guard("functions") as guard:
        process = Child(guard, tmp_path / "log")
        monkeypatch.setattr(Child, "_reply", lambda *_: b'{"ok": true, "value": [[5]]}')
        with pytest.raises(HarnessFault, match=r"answer_files:cells did not return what its annotation says"):
            process.call(1.0, answer_files.cells, tmp_path)
        monkeypatch.setattr(Child, "_reply", lambda *_: b'{"value": []}')
        with pytest.raises(HarnessFault, match=r"the reply of a process of ours to .*answer_files:cells is not what"):
            process.call(1.0, answer_files.cells, tmp_path)
