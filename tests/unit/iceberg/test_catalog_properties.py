"""Each catalog as the properties of each family of clients, and what a family has no property for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.inprocess import pyiceberg_catalog
from lakebench.errors import EngineUnavailable, Refused
from lakebench.iceberg import catalog_properties as properties
from lakebench.model import (
    Authentication,
    BearerToken,
    Catalog,
    CatalogKind,
    Delegation,
    EngineSettings,
    Lake,
    OAuth2,
    ObjectStore,
    SigV4,
)
from lakebench.processes.worker import lake_from

STORE = ObjectStore("http://127.0.0.1:1", "lake", "key", "secret", "eu-west-1")
TOKEN = BearerToken("a-token")
OAUTH2 = OAuth2("https://login/token", "me", "my-secret", "PRINCIPAL_ROLE:ALL")
SIGV4 = SigV4("eu-west-1", "glue", "key", "secret")
REST = Catalog(CatalogKind.REST, "https://catalog/api", "lake")
JDBC = Catalog(CatalogKind.JDBC, "jdbc:postgresql://host/db", "s3://lake/jdbc", None, "user", "password")
HIVE = Catalog(CatalogKind.HIVE, "thrift://host:9083", "s3://lake/hive")
GLUE = Catalog(CatalogKind.GLUE, "https://glue", "s3://lake/glue", authentication=SIGV4)
KEYLESS = replace(GLUE, authentication=SigV4("eu-west-1", "glue", "", ""))
SECRETS = ("a-token", "my-secret", "secret", "password")


def trino(catalog: Catalog) -> dict[str, str]:
    """Trino's properties of a catalog called ``mine``."""
    return properties.trino(catalog, "mine", STORE)


def test_a_catalog_without_authentication_is_an_address_and_a_warehouse() -> None:
    expected = {"type": "rest", "uri": "https://catalog/api", "warehouse": "lake"}
    assert properties.java(REST) == properties.pyiceberg(REST) == expected
    assert trino(REST) == {
        "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.uri": "https://catalog/api",
        "iceberg.rest-catalog.warehouse": "lake",
    }
    assert properties.duckdb(REST) == properties.Attachment(
        {},
        {
            "TYPE": "iceberg",
            "ENDPOINT": "https://catalog/api",
            "AUTHORIZATION_TYPE": "none",
            "ACCESS_DELEGATION_MODE": "none",
        },
    )


@pytest.mark.parametrize(
    ("authentication", "login"),
    [
        (TOKEN, {"rest.auth.type": "oauth2", "token": "a-token", "token-refresh-enabled": "false"}),
        (
            OAUTH2,
            {
                "rest.auth.type": "oauth2",
                "oauth2-server-uri": "https://login/token",
                "credential": "me:my-secret",
                "scope": "PRINCIPAL_ROLE:ALL",
                "token-exchange-enabled": "false",
            },
        ),
        (
            SIGV4,
            {
                "rest.auth.type": "sigv4",
                "rest.auth.sigv4.delegate-auth-type": "none",
                "rest.signing-region": "eu-west-1",
                "rest.signing-name": "glue",
                "rest.access-key-id": "key",
                "rest.secret-access-key": "secret",
            },
        ),
    ],
)
def test_the_login_of_java(authentication: Authentication, login: Mapping[str, str]) -> None:
    assert properties.java(replace(REST, authentication=authentication)) == {**properties.java(REST), **login}


@pytest.mark.parametrize(
    ("authentication", "login"),
    [
        (TOKEN, {"token": "a-token"}),
        (
            OAUTH2,
            {
                "oauth2-server-uri": "https://login/token",
                "credential": "me:my-secret",
                "scope": "PRINCIPAL_ROLE:ALL",
                "auth": {
                    "type": "oauth2",
                    "oauth2": {
                        "client_id": "me",
                        "client_secret": "my-secret",
                        "token_url": "https://login/token",
                        "scope": "PRINCIPAL_ROLE:ALL",
                    },
                },
            },
        ),
        (
            SIGV4,
            {
                "rest.sigv4-enabled": "true",
                "rest.signing-region": "eu-west-1",
                "rest.signing-name": "glue",
                "client.access-key-id": "key",
                "client.secret-access-key": "secret",
            },
        ),
    ],
)
def test_the_login_of_pyiceberg(authentication: Authentication, login: Mapping[str, Any]) -> None:
    assert properties.pyiceberg(replace(REST, authentication=authentication)) == {**properties.pyiceberg(REST), **login}


@pytest.mark.parametrize(
    ("authentication", "login"),
    [
        (TOKEN, {"security": "OAUTH2", "oauth2.token": "a-token", "oauth2.token-refresh-enabled": "false"}),
        (
            OAUTH2,
            {
                "security": "OAUTH2",
                "oauth2.server-uri": "https://login/token",
                "oauth2.credential": "me:my-secret",
                "oauth2.scope": "PRINCIPAL_ROLE:ALL",
            },
        ),
        (SIGV4, {"sigv4-enabled": "true", "signing-name": "glue"}),
    ],
)
def test_the_login_of_trino(authentication: Authentication, login: Mapping[str, str]) -> None:
    ours = {f"iceberg.rest-catalog.{key}": value for key, value in login.items()}
    assert trino(replace(REST, authentication=authentication)) == {**trino(REST), **ours}


@pytest.mark.parametrize(
    ("authentication", "secret", "options"),
    [
        (TOKEN, {"TYPE": "iceberg", "TOKEN": "a-token"}, {"SECRET": "lakebench_catalog"}),
        (
            OAUTH2,
            {
                "TYPE": "iceberg",
                "OAUTH2_SERVER_URI": "https://login/token",
                "CLIENT_ID": "me",
                "CLIENT_SECRET": "my-secret",
                "OAUTH2_SCOPE": "PRINCIPAL_ROLE:ALL",
            },
            {"SECRET": "lakebench_catalog"},
        ),
        (
            SIGV4,
            {
                "TYPE": "s3",
                "KEY_ID": "key",
                "SECRET": "secret",
                "REGION": "eu-west-1",
                "SCOPE": "s3://lakebench_catalog",
            },
            {
                "AUTHORIZATION_TYPE": "sigv4",
                "SECRET": "lakebench_catalog",
                "SIGV4_REGION": "eu-west-1",
                "SIGV4_SERVICE": "glue",
            },
        ),
    ],
)
def test_the_login_of_duckdb(
    authentication: Authentication, secret: Mapping[str, str], options: Mapping[str, str]
) -> None:
    attachment = properties.duckdb(replace(REST, authentication=authentication))
    assert attachment.secret == secret
    common = {"TYPE": "iceberg", "ENDPOINT": "https://catalog/api", "ACCESS_DELEGATION_MODE": "none"}
    assert attachment.options == {**common, **options}


def test_duckdb_stages_no_table_where_the_catalog_declines_it() -> None:
    assert properties.duckdb(replace(REST, stage_tables=False)).options["STAGE_CREATE_TABLES"] == "false"


def test_clients_that_take_a_prefix_get_it() -> None:
    catalog = replace(REST, prefix="mine")
    assert properties.java(catalog)["prefix"] == properties.pyiceberg(catalog)["prefix"] == "mine"
    assert trino(catalog)["iceberg.rest-catalog.prefix"] == "mine"
    with pytest.raises(EngineUnavailable, match="prefix from the catalog alone"):
        properties.duckdb(catalog)


def test_vended_credentials_are_asked_for() -> None:
    catalog = replace(REST, delegation=Delegation.VENDED_CREDENTIALS)
    assert properties.java(catalog)["header.X-Iceberg-Access-Delegation"] == "vended-credentials"
    assert trino(catalog)["iceberg.rest-catalog.vended-credentials-enabled"] == "true"
    assert properties.duckdb(catalog).options["ACCESS_DELEGATION_MODE"] == "vended_credentials"
    assert properties.pyiceberg(catalog) == properties.pyiceberg(REST)  # it always does


@pytest.mark.parametrize("client", [properties.pyiceberg, trino, properties.duckdb])
def test_only_javas_clients_let_a_catalog_sign(client: Callable[[Catalog], object]) -> None:
    catalog = replace(REST, delegation=Delegation.REMOTE_SIGNING)
    assert properties.java(catalog)["header.X-Iceberg-Access-Delegation"] == "remote-signing"
    with pytest.raises(EngineUnavailable, match="sign"):
        client(catalog)


def test_trino_signs_with_the_stores_keys_or_not_at_all() -> None:
    with pytest.raises(EngineUnavailable, match="region and keys"):
        trino(replace(REST, authentication=replace(SIGV4, region="elsewhere")))


def test_a_jdbc_catalog() -> None:
    assert properties.java(JDBC) == {
        "type": "jdbc",
        "uri": "jdbc:postgresql://host/db",
        "warehouse": "s3://lake/jdbc",
        "jdbc.user": "user",
        "jdbc.password": "password",
        "jdbc.schema-version": "V1",
    }
    short = {key.removeprefix("iceberg.jdbc-catalog."): value for key, value in trino(JDBC).items()}
    assert short == {
        "iceberg.catalog.type": "jdbc",
        "catalog-name": "mine",
        "driver-class": "org.postgresql.Driver",
        "connection-url": "jdbc:postgresql://host/db",
        "connection-user": "user",
        "connection-password": "password",
        "default-warehouse-dir": "s3://lake/jdbc",
        "schema-version": "V1",
    }
    assert properties.pyiceberg(replace(JDBC, password="pass/w")) == {  # noqa: S106 - of nobody
        "type": "sql",
        "uri": "postgresql+psycopg://user:pass%2Fw@host/db",
        "warehouse": "s3://lake/jdbc",
    }


def test_the_tables_of_a_jdbc_catalog_that_another_product_keeps_are_not_altered() -> None:
    fixed = replace(JDBC, fixed_tables=True)
    assert "jdbc.schema-version" not in properties.java(fixed)
    assert trino(fixed)["iceberg.jdbc-catalog.schema-version"] == "V0"
    assert properties.pyiceberg(fixed)["init_catalog_tables"] == "false"


def test_a_hive_metastore() -> None:
    expected = {"type": "hive", "uri": "thrift://host:9083", "warehouse": "s3://lake/hive"}
    assert properties.java(HIVE) == properties.pyiceberg(HIVE) == expected
    assert trino(HIVE) == {"iceberg.catalog.type": "hive_metastore", "hive.metastore.uri": "thrift://host:9083"}


def test_glue() -> None:
    assert properties.pyiceberg(GLUE) == {
        "type": "glue",
        "warehouse": "s3://lake/glue",
        "glue.endpoint": "https://glue",
        "glue.region": "eu-west-1",
        "glue.access-key-id": "key",
        "glue.secret-access-key": "secret",
    }
    short = {key.removeprefix("hive.metastore.glue."): value for key, value in trino(GLUE).items()}
    assert short == {
        "iceberg.catalog.type": "glue",
        "endpoint-url": "https://glue",
        "region": "eu-west-1",
        "aws-access-key": "key",
        "aws-secret-key": "secret",
        "default-warehouse-dir": "s3://lake/glue",
    }
    with pytest.raises(EngineUnavailable, match="from the environment of its Java process alone"):
        properties.java(GLUE)


def test_glue_with_the_keys_of_the_environment() -> None:
    assert properties.java(KEYLESS) == {
        "type": "glue",
        "warehouse": "s3://lake/glue",
        "glue.endpoint": "https://glue",
        "client.region": "eu-west-1",
    }
    assert not [key for key in (*properties.pyiceberg(KEYLESS), *trino(KEYLESS)) if "key" in key]
    with pytest.raises(EngineUnavailable, match="its region"):
        properties.trino(replace(GLUE, authentication=TOKEN), "lake", STORE)


def test_pyiceberg_sends_id_and_secret_in_the_body_to_a_catalog_s_own_address() -> None:
    own = replace(REST, authentication=replace(OAUTH2, token_uri=f"{REST.uri}/v1/oauth/tokens"))
    assert "auth" not in properties.pyiceberg(own)
    assert properties.pyiceberg(own)["credential"] == OAUTH2.credential


def test_glue_without_authentication_is_an_emulator_s_whose_clients_insist_on_keys() -> None:
    emulated = replace(GLUE, authentication=None)
    assert properties.java(emulated)["client.region"] == "us-east-1"
    assert properties.pyiceberg(emulated)["glue.access-key-id"] == "none"
    assert trino(emulated)["hive.metastore.glue.aws-access-key"] == "none"


def test_keys_of_the_store_are_left_out_where_there_are_none() -> None:
    assert set(properties.s3_keys(STORE)) == {"s3.access-key-id", "s3.secret-access-key"}
    assert properties.s3_keys(replace(STORE, access_key="", secret_key="")) == {}


@pytest.mark.parametrize("authentication", [None, TOKEN, OAUTH2, SIGV4])
@pytest.mark.parametrize("delegation", list(Delegation))
def test_a_lake_comes_to_a_worker_as_it_is(authentication: Authentication | None, delegation: Delegation) -> None:
    catalog = replace(REST, authentication=authentication, prefix="mine", delegation=delegation)
    lake = Lake("mine", STORE, catalog)
    assert lake_from(asdict(lake)) == lake


@pytest.mark.parametrize("authentication", [TOKEN, OAUTH2, SIGV4])
def test_no_secret_is_in_the_text_of_a_lake(authentication: Authentication) -> None:
    lake = Lake("mine", STORE, replace(JDBC, authentication=authentication))
    text = repr(lake) + repr(properties.duckdb(replace(REST, authentication=authentication)))
    assert [secret for secret in SECRETS if f"'{secret}'" in text] == []


@pytest.mark.parametrize(("catalog", "package"), [(HIVE, "thrift"), (GLUE, "boto3"), (JDBC, "sqlalchemy")])
def test_pyiceberg_says_which_package_it_lacks(catalog: Catalog, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakebench.engines.inprocess.find_spec", lambda _: None)
    with pytest.raises(EngineUnavailable, match=f"needs {package} for such a catalog: pip install {package}"):
        pyiceberg_catalog(Lake("mine", STORE, catalog))


def test_duckdb_takes_the_options_of_a_signed_catalog(tmp_path: Path) -> None:
    """It connects to the address, where nothing listens: an unknown option it would refuse before."""
    duckdb = DuckDB(EngineSettings(1, 2**30, str(tmp_path)))
    duckdb._lake = Lake("mine", STORE, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "w", authentication=SIGV4))
    duckdb._connection, duckdb._suffix = duckdb._connect(), ""
    with pytest.raises(Refused, match="Could not connect to server"):
        duckdb._attach()
    duckdb.close()
