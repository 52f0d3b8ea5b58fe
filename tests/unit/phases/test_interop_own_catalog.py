"""The interop matrix and engines that keep their tables in a catalog of their own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from run_requests import request

from lakebench.datasets.interop.features import FEATURES
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.operations import Append, Concurrent, Delete
from lakebench.model import EngineRef
from lakebench.phases.interop.written import Written, _WriteProgress

FEATURE = {one.id: one for one in FEATURES}
PG_LAKE = EngineRef("pg_lake")


def _context(*names: str) -> Any:
    return SimpleNamespace(request=request(*map(EngineRef, names)))


def test_such_an_engine_changes_no_table_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Written, "_claims_to_write", lambda *_: True)
    written = Written(FEATURE["delete-by-another"], EngineRef("spark"), ())
    another = Delete(where=(), by="another")
    assert written._who(_context("pg_lake", "spark", "trino"), another) == EngineRef("trino")
    with pytest.raises(EngineUnavailable, match="no second engine"):
        written._who(_context("pg_lake", "spark"), another)


def test_another_engine_may_change_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Written, "_claims_to_write", lambda *_: True)
    written = Written(FEATURE["delete-by-another"], PG_LAKE, ())
    assert written._who(_context("pg_lake", "spark"), Delete(where=(), by="another")) == EngineRef("spark")


def test_nobody_commits_to_its_catalog_at_once() -> None:
    written = Written(FEATURE["concurrent-appends-of-two-engines"], PG_LAKE, ())
    parts = Concurrent(operations=(Append(rows=()), Append(rows=(), by="another")))
    with pytest.raises(EngineUnavailable, match="a catalog of its own"):
        written._carry_out(_context("pg_lake", "spark"), parts, _WriteProgress(PG_LAKE))
