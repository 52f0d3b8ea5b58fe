"""A run in servers of the user's: what is there already stays, and what the run made is gone at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lakebench import engines, harness
from lakebench.config import CatalogSettings, ServiceSettings, Settings, StorageKind, StorageSettings
from lakebench.datasets.interop import features
from lakebench.errors import Refused, UsageError
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.execution.users_servers import of_run
from lakebench.iceberg import catalogs
from lakebench.iceberg.operations import CreateView
from lakebench.model import Runtime, Selection
from lakebench.outcomes import Outcome
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.results.records import read
from lakebench.services import Services
from lakebench.services.postgres import administer, schema_names

pytestmark = pytest.mark.integration
NAMESPACE = "of_the_user"


@pytest.fixture
def users(settings_up: Settings) -> Settings:
    """What is up as the user's own: a catalog and a storage by their addresses."""
    store, rest = settings_up.services["object-store"], settings_up.services["rest-catalog"]
    mine = StorageSettings(kind=StorageKind.S3, uri=store.uri, user=store.user, password=store.password, bucket="lake")
    warehouse = rest.properties["warehouse"]
    catalog = CatalogSettings(kind="rest", uri=rest.uri, warehouse=warehouse, storage="mine")
    return Settings(storage={"mine": mine}, catalog={"mine": catalog})


@pytest.fixture
def request_of(users: Settings, monkeypatch: pytest.MonkeyPatch) -> Request:
    """A run of a table and a view in a namespace of its own."""
    view = next(one for one in features.FEATURES if any(isinstance(step, CreateView) for step in one.program))
    monkeypatch.setattr(features, "FEATURES", (replace(view, id="users-view", namespace=NAMESPACE),))
    refs = tuple(engines.parse(name) for name in ("reference", "pyiceberg", "duckdb"))
    selection = Selection(("users-view",), ("pyiceberg", "reference"), ("duckdb",), catalog="mine")
    return Request(("interop",), refs, "", PROFILES["quick"], 1, users, "test", selection)


def test_what_a_run_made_is_gone(request_of: Request, users: Settings, tmp_path: Path) -> None:
    harness.run(request_of, tmp_path / "run", Quiet())
    written = [one for one in read(tmp_path / "run").cases if not one.coordinates.reader]
    assert Outcome.PASS in {one.outcome for one in written}
    catalog = users.catalogs["mine"].described()
    assert NAMESPACE not in catalogs.namespace_names(catalog)


def test_a_namespace_of_the_users_is_not_touched(request_of: Request, users: Settings, tmp_path: Path) -> None:
    catalog = users.catalogs["mine"].described()
    catalogs.create_namespace(catalog, NAMESPACE)
    try:
        with pytest.raises(UsageError, match=rf"the catalog mine has {NAMESPACE} already"):
            harness.run(request_of, tmp_path / "run", Quiet())
        assert catalogs.table_names(catalog, NAMESPACE) == []
    finally:
        catalogs.drop_namespace(catalog, NAMESPACE)
    with pytest.raises(Refused):
        catalogs.drop_with_tables(catalog, NAMESPACE)


def test_schemas_in_a_postgresql_of_the_users() -> None:
    with Guard("theirs") as other, Guard("users") as guard:
        ours = Services(Settings(), other, Quiet())
        ours.start(["postgres"])
        at = ours.endpoint("postgres")
        named = ServiceSettings(runtime=Runtime.EXTERNAL, uri=at.uri, user=at.user, password=at.password)
        settings = Settings(services={"postgres": named})
        services = Services(settings, guard, Quiet())
        services.start(["postgres"])
        servers = of_run(settings, services, ["postgres"], "rest", (), ("tpch", "small"))
        servers.check_free()
        administer(at, "CREATE SCHEMA tpch", "CREATE TABLE tpch.lineitem (n int)", "CREATE SCHEMA theirs")
        with pytest.raises(UsageError, match="postgres has tpch already"):
            servers.check_free()
        assert servers.clear() == []
        assert {"tpch", "theirs"}.intersection(schema_names(at)) == {"theirs"}
        ours.stop()
        assert "may stay" in servers.clear()[0]
