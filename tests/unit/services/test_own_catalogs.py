"""The user's own catalogs: what the settings take, and the lakes that they become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.execution.settings import load
from lakebench.model import (
    BearerToken,
    Catalog,
    CatalogKind,
    Delegation,
    Endpoint,
    OAuth2,
    Runtime,
    Selection,
    SigV4,
)
from lakebench.services import SERVICES
from lakebench.services.catalog import CatalogService
from lakebench.services.java import JavaService
from lakebench.services.lakes import CATALOGS, catalog_choice, catalog_lake, check_catalog

REST = 'kind = "rest"\nuri = "https://ours/api/catalog/"\nwarehouse = "mine"\n'
LOGIN = (
    'authentication = "oauth2"\ntoken_uri = "https://ours/token"\nclient_id = "me"\nclient_secret = "a-secret"\n'
    'scope = "PRINCIPAL_ROLE:ALL"\n'
)
STORES = {
    name: Endpoint(
        name, Runtime.EXTERNAL, f"http://{name}", "h", 1, "", "key", "secret", {"bucket": "b", "region": "r"}
    )
    for name in ("object-store", "object-store@minio")
}


def settings(folder: Path, text: str) -> Settings:
    """The settings that ``text`` makes."""
    file = folder / "lakebench.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_a_catalog_becomes_a_lake(tmp_path: Path) -> None:
    loaded = settings(tmp_path, f'[catalog.ours]\n{REST}{LOGIN}prefix = "p"\nstorage = "minio"\n')
    chosen = catalog_choice(loaded, "ours")
    assert chosen.services == ("object-store@minio",)
    lake = chosen.lake(STORES.__getitem__)
    login = OAuth2("https://ours/token", "me", "a-secret", "PRINCIPAL_ROLE:ALL")
    wanted = Catalog(CatalogKind.REST, "https://ours/api/catalog", "mine", authentication=login, prefix="p")
    assert lake.catalog == wanted
    assert (lake.name, lake.objects.endpoint, lake.objects.access_key) == (
        "ours",
        "http://object-store@minio",
        "key",
    )
    assert chosen.observer(STORES.__getitem__) == lake


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("", None),
        ('authentication = "bearer"\ntoken = "t"', BearerToken("t")),
        (
            'authentication = "sigv4"\nregion = "r"\nservice = "s3tables"\naccess_key = "a"\nsecret_key = "b"',
            SigV4("r", "s3tables", "a", "b"),
        ),
    ],
)
def test_the_other_logins(tmp_path: Path, text: str, login: Any) -> None:
    loaded = settings(tmp_path, f"[catalog.mine]\n{REST}{text}\n")
    assert catalog_choice(loaded, "mine").lake(STORES.__getitem__).catalog.authentication == login
    check_catalog(loaded, "mine")


@pytest.mark.parametrize("delegation", ["vended-credentials", "remote-signing"])
def test_where_a_catalog_gives_access_engines_have_no_keys(tmp_path: Path, delegation: str) -> None:
    loaded = settings(tmp_path, f'[catalog.mine]\n{REST}delegation = "{delegation}"\n')
    chosen = catalog_choice(loaded, "mine")
    lake = chosen.lake(STORES.__getitem__)
    assert lake.catalog.delegation is Delegation(delegation)
    assert (lake.objects.access_key, lake.objects.secret_key) == ("", "")
    assert chosen.observer(STORES.__getitem__).objects.access_key == "key"


@pytest.mark.parametrize(
    ("text", "catalog"),
    [
        (
            'kind = "jdbc"\nuri = "jdbc:postgresql://h/d"\nuser = "u"\npassword = "p"',
            Catalog(CatalogKind.JDBC, "jdbc:postgresql://h/d", "", None, "u", "p"),
        ),
        ('kind = "hive"\nuri = "thrift://h:9083"', Catalog(CatalogKind.HIVE, "thrift://h:9083", "")),
        ('kind = "glue"\nregion = "r"', Catalog(CatalogKind.GLUE, "", "", authentication=SigV4("r", "glue", "", ""))),
    ],
)
def test_the_inspector_reads_a_catalog_of_another_kind_by_rest(tmp_path: Path, text: str, catalog: Catalog) -> None:
    loaded = settings(tmp_path, f'[catalog.mine]\n{text}\nobserver = "seen"\n[catalog.seen]\n{REST}')
    check_catalog(loaded, "mine")
    chosen = catalog_choice(loaded, "mine")
    lake = chosen.lake(STORES.__getitem__)
    assert lake.catalog == catalog
    assert chosen.observer(STORES.__getitem__) == replace(lake, catalog=loaded.catalogs["seen"].described())
    with pytest.raises(UsageError, match=r"by a REST catalog, which mine is not.*observer under \[catalog.mine\]"):
        check_catalog(settings(tmp_path, f"[catalog.mine]\n{text}\n"), "mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "rst"', "catalog.mine.kind: Input should be 'rest', 'jdbc', 'hive' or 'glue'"),
        ('kind = "rest"\nwharehouse = "x"', "unknown key catalog.mine.wharehouse: did you mean warehouse?"),
        ('kind = "rest"\nauthentication = "oauth"', "'none', 'bearer', 'oauth2' or 'sigv4'"),
        (
            'kind = "rest"\ntoken = "x"',
            'token is no key of kind rest with authentication = "none": it has uri, warehouse',
        ),
        ('kind = "hive"\nprefix = "x"', "prefix is no key of kind hive: it has uri, warehouse, storage, observer"),
        ('kind = "rest"\ndelegation = "vended"', "'none', 'vended-credentials' or 'remote-signing'"),
        ('kind = "rest"\nuri = 3', "catalog.mine.uri: Input should be a valid string"),
    ],
)
def test_a_key_that_a_catalog_does_not_have_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(tmp_path, f"[catalog.mine]\n{text}\n")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "rest"', r"the catalog mine needs uri under \[catalog.mine\] in lakebench.toml"),
        (f'{REST}authentication = "oauth2"\nclient_id = "x"', "needs token_uri, client_secret under"),
        ('kind = "glue"', "needs region under"),
        (f'{REST}storage = "minoi"', "unknown storage 'minoi'"),
        (f'{REST}observer = "else"', "by a REST catalog, which else is not"),
    ],
)
def test_a_key_that_a_catalog_lacks_is_an_error_before_a_run(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_catalog(settings(tmp_path, f"[catalog.mine]\n{text}\n"), "mine")


def test_a_wrong_name_has_the_nearest(tmp_path: Path) -> None:
    loaded = settings(tmp_path, f"[catalog.ours]\n{REST}")
    with pytest.raises(UsageError, match=r"unknown catalog 'our': did you mean ours\? valid names are nessie, rest"):
        check_catalog(loaded, "our")


@pytest.mark.parametrize("name", ["rest", "nessie"])
def test_a_name_of_lakebenchs_own_is_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"catalog.{name} is lakebench's own"):
        settings(tmp_path, f"[catalog.{name}]\n{REST}")


def test_a_name_is_one_that_sql_can_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="small letters, digits"):
        settings(tmp_path, f'[catalog."a b"]\n{REST}')


def test_no_secret_of_a_catalog_is_in_a_record(tmp_path: Path) -> None:
    loaded = settings(tmp_path, f"[catalog.ours]\n{REST}{LOGIN}")
    request = Request(("interop",), (), "", PROFILES["quick"], 1, loaded, "", Selection(catalog="ours"))
    assert loaded.secrets() == ("a-secret",)
    assert "a-secret" not in repr(loaded)
    catalogs = request.to_json()["catalogs"]
    assert catalogs == {
        "ours": {
            "kind": "rest",
            "uri": "https://ours/api/catalog/",
            "warehouse": "mine",
            "authentication": "oauth2",
            "token_uri": "https://ours/token",
            "scope": "PRINCIPAL_ROLE:ALL",
        }
    }
    again = Settings.model_validate({"catalog": catalogs})
    assert catalog_choice(again, "ours").services == ("object-store",), "as accept reads it"


def test_a_server_names_its_own_postgresql(tmp_path: Path) -> None:
    loaded = settings(tmp_path, 'pg_config = "/a/pg_config"\n[services.trino]\nmemory = "2GiB"\n')
    assert loaded.service("postgres").pg_config == Path("/a/pg_config")
    assert loaded.service("trino").pg_config is None
    named = settings(tmp_path, 'pg_config = "/a/pg_config"\n[services.postgres]\npg_config = "/b/pg_config"\n')
    assert named.service("postgres").pg_config == Path("/b/pg_config")


def test_a_server_that_is_no_postgresql_has_none(tmp_path: Path) -> None:
    file = tmp_path / "lakebench.toml"
    file.write_text('[services.trino]\npg_config = "/b/pg_config"\n')
    with pytest.raises(
        UsageError, match=r"services.trino.pg_config: trino is no PostgreSQL server: those are postgres, .*citus"
    ):
        load(file)


def test_a_server_on_java_takes_options_of_it(tmp_path: Path) -> None:
    text = '[services.{}]\njava_options = ["-XX:+UseSerialGC"]\n'
    assert settings(tmp_path, text.format("trino")).service("trino").java_options == ("-XX:+UseSerialGC",)
    (tmp_path / "lakebench.toml").write_text(text.format("postgres"))
    with pytest.raises(UsageError, match=r"postgres.java_options: postgres does not run on Java: those are .*trino"):
        load(tmp_path / "lakebench.toml")


class NewCatalog(JavaService, CatalogService):
    """A catalog with a login of its own: all that its file says of it."""

    name = "new-catalog"
    title = "a new catalog"
    version = "1"
    choice = "new"

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        login = OAuth2(f"{endpoint.uri}/token", endpoint.user, endpoint.password, "all")
        return Catalog(CatalogKind.REST, endpoint.uri, "w", authentication=login)


def test_a_catalog_service_is_a_lake_by_its_own_file() -> None:
    endpoint = Endpoint("new-catalog", Runtime.LOCAL, "http://c", "c", 1, "1", "id", "a-secret")
    lake = catalog_lake({**STORES, "new-catalog": endpoint}.__getitem__, NewCatalog)
    assert (lake.name, lake.objects.bucket, lake.catalog.uri) == ("new", "b", "http://c")
    assert lake.catalog.authentication == OAuth2("http://c/token", "id", "a-secret", "all")


def test_every_catalog_service_that_is_written_to_is_a_choice() -> None:
    services = {one.choice: name for name, one in SERVICES.items() if issubclass(one, CatalogService) and one.choice}
    assert services == {
        "nessie": "nessie",
        "rest": "rest-catalog",
        "rest-bridge": "rest-bridge",
        "seaweedfs": "seaweedfs",
        "hive": "hive",
        "hive-bridge": "hive-bridge",
        "glue": "glue",
        "glue-bridge": "glue-bridge",
        "duckicelake": "duckicelake",
        "polaris": "polaris",
        "lakekeeper": "lakekeeper",
    }
    assert CATALOGS.keys() == {*services, "jdbc"}
    for choice, service in services.items():
        assert service in CATALOGS[choice].services
