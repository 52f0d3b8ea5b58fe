"""The read-only REST catalog: tables as they were at one moment, and nothing that changes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import own_tables
import pytest
from pyiceberg.catalog import load_catalog

from lakebench.errors import Refused
from lakebench.iceberg import catalogs
from lakebench.services.pinned_catalog import NAMESPACE, pinned_catalog


def test_a_client_reads_the_rows(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    with pinned_catalog({"t": (f"file://{file}", own_tables.content(file))}) as catalog:
        table = load_catalog("pinned", uri=catalog.uri).load_table((NAMESPACE, "t"))
        assert table.scan().to_arrow().num_rows == own_tables.ROWS.num_rows
        assert catalogs.table_names(catalog, NAMESPACE) == ["t"]


def test_nothing_changes_a_table(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    before = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    with pinned_catalog({"t": (f"file://{file}", own_tables.content(file))}) as catalog:
        for change in (
            lambda: catalogs.drop(catalog, NAMESPACE, "t"),
            lambda: catalogs.roll_back(catalog, NAMESPACE, "t", 1),
            lambda: catalogs.register(catalog, NAMESPACE, "other", f"file://{file}"),
        ):
            with pytest.raises(Refused, match="403"):
                change()
    assert {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()} == before


def test_without_the_secret_there_is_nothing(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    with pinned_catalog({"t": (f"file://{file}", own_tables.content(file))}) as catalog:
        other = dataclasses.replace(catalog, uri=f"{catalog.uri[:-1]}{'0' if catalog.uri[-1] != '0' else '1'}")
        with pytest.raises(Refused, match="404"):
            catalogs.table_names(other, NAMESPACE)
