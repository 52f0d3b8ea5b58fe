"""What an argument of ``lakebench check`` names, and the tables that are found there."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NoReturn

import own_tables
import pyarrow.parquet as pq
import pytest

from lakebench.config import CatalogSettings, ServiceSettings, Settings
from lakebench.errors import UsageError
from lakebench.model import Endpoint, Runtime
from lakebench.table_check import addresses
from lakebench.table_check.addresses import UserTable, named


def no_service(name: str) -> NoReturn:
    raise AssertionError(f"the service {name} was asked for")


def found(text: str) -> UserTable:
    (table,) = addresses.tables(named(text), no_service, Settings(), "")
    return table


def test_a_catalog_a_namespace_and_a_table() -> None:
    one = named("prod:sales.orders")
    assert (one.catalog, one.namespace, one.table, one.address) == ("prod", "sales", "orders", "")
    assert named("prod:sales.*").table == "*"


def test_an_address_of_a_store_is_no_table_of_a_catalog() -> None:
    one = named("s3://bucket/lake/orders/metadata/v1.metadata.json")
    assert one.is_in_store
    assert not one.catalog


def test_what_names_nothing_is_an_error_that_says_how_to_write_it() -> None:
    with pytest.raises(UsageError, match="catalog:namespace"):
        named("no-such-folder/orders")


def test_a_metadata_file_its_folder_and_the_folder_of_the_table_are_the_same_table(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    for place in (file, file.parent, file.parent.parent):
        table = found(str(place))
        assert table.metadata == own_tables.content(file)
        assert table.location == f"file://{file}"


def test_the_newest_metadata_file_is_the_one_of_the_highest_number(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path, own_tables.ROWS, own_tables.ROWS)
    metadata = found(str(file.parent.parent)).metadata
    assert metadata is not None
    assert len(metadata["snapshots"]) == 2


def test_a_hint_wins_over_the_number(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    for number in (1, 2):
        (file.parent / f"v{number}.metadata.json").write_bytes(file.read_bytes())
    (file.parent / "version-hint.text").write_text("1")
    assert found(str(file.parent)).location.endswith("/v1.metadata.json")


def test_metadata_compressed_with_gzip(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    packed = file.with_name("v9.gz.metadata.json")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert found(str(packed)).metadata == own_tables.content(file)


def test_a_folder_of_parquet(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "_hidden.parquet"):
        pq.write_table(own_tables.ROWS, tmp_path / name)
    table = found(str(tmp_path))
    assert table.metadata is None
    assert [one.rpartition("/")[2] for one in table.files] == ["a.parquet", "b.parquet"]


def test_a_folder_with_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither Iceberg metadata"):
        found(str(tmp_path))


def test_a_file_that_is_no_metadata(tmp_path: Path) -> None:
    (tmp_path / "v1.metadata.json").write_text("[1]")
    with pytest.raises(UsageError, match="is no table metadata"):
        found(str(tmp_path))


def test_a_store_that_would_start_empty_is_refused() -> None:
    with pytest.raises(UsageError, match="would start empty"):
        addresses.services_of([named("s3://b/t")], Settings(), "")


def test_the_users_own_store_is_used() -> None:
    own = ServiceSettings(runtime=Runtime.EXTERNAL, uri="http://127.0.0.1:1")
    settings = Settings(services={"object-store": own})
    assert addresses.services_of([named("s3://b/t")], settings, "") == ("object-store",)


def test_a_catalog_that_nobody_knows() -> None:
    settings = Settings(catalog={"prod": CatalogSettings(kind="rest", uri="http://127.0.0.1:1")})
    with pytest.raises(UsageError, match="prod"):
        addresses.services_of([named("prdo:sales.orders")], settings, "")


def test_the_store_of_a_table_is_that_of_the_service(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    endpoint = Endpoint("object-store", Runtime.EXTERNAL, "", "", 0, "", properties={"bucket": "b", "region": "r"})
    (table,) = addresses.tables(named(str(file)), lambda _: endpoint, Settings(), "")
    assert table.store is None
