from __future__ import annotations

from dataclasses import replace

import pytest
from run_requests import request

from lakebench.execution.protocol import PROFILES
from lakebench.model import Selection, TableFormat
from lakebench.phases import find
from lakebench.phases.query_workloads.base import GROWTH
from lakebench.phases.table_loading import may_register


@pytest.mark.parametrize(
    ("profile", "chosen", "writer", "registered"),
    [
        ("quick", (), "pyiceberg", True),
        ("once", ("sf",), "pyiceberg", True),
        ("quick", ("repeat",), "pyiceberg", False),
        ("standard", (), "pyiceberg", False),
        ("regression", (), "pyiceberg", False),
        ("quick", (), "trino", False),
    ],
)
def test_files_are_registered_where_no_times_are_compared(
    profile: str, chosen: tuple[str, ...], writer: str, *, registered: bool
) -> None:
    asked = request(writer=writer, profile=replace(PROFILES[profile], chosen=chosen), selection=Selection())
    assert may_register(asked) is registered
    growth = find("phase3").growth(asked, TableFormat.ICEBERG)  # type: ignore[attr-defined]
    assert growth == (1.0 if registered else GROWTH[TableFormat.ICEBERG])
