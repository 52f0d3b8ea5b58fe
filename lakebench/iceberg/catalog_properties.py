"""A catalog as the properties of its clients: one function for each family of clients.

Each raises :class:`~lakebench.errors.EngineUnavailable` where its clients have no property for what the catalog needs.
Sources: Iceberg's documentation, *Catalog properties*, and its classes ``AuthProperties``, ``OAuth2Properties`` and
``AwsProperties``; PyIceberg's documentation, *Configuration*; Trino's, *Metastores* and *Iceberg connector*; DuckDB's,
*Iceberg options*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from lakebench.errors import EngineUnavailable
from lakebench.model import Authentication, BearerToken, Catalog, CatalogKind, Delegation, OAuth2, ObjectStore, SigV4

_DELEGATION = "header.X-Iceberg-Access-Delegation"
_TRINO = "iceberg.rest-catalog"
_REGION = "us-east-1"  # of a Glue without authentication, which is an emulator's
SECRET = "lakebench_catalog"  # noqa: S105 - the name of a secret
"""The name of DuckDB's secret with the login to the catalog."""


def java(catalog: Catalog) -> dict[str, str]:
    """The properties of Iceberg's Java catalogs, as Spark, Flink and Kafka Connect take them."""
    properties = {"type": catalog.kind.value, **_named("warehouse", catalog.warehouse)}
    if catalog.kind is CatalogKind.REST:
        delegation = {} if catalog.delegation is Delegation.NONE else {_DELEGATION: catalog.delegation.value}
        prefix = _named("prefix", catalog.prefix)
        return {**properties, "uri": catalog.rest_uri, **prefix, **_java_login(catalog.authentication), **delegation}
    if catalog.kind is CatalogKind.JDBC:
        user = {"jdbc.user": catalog.user, "jdbc.password": catalog.password}
        return {**properties, "uri": catalog.uri, **user, **jdbc_version(catalog)}
    if catalog.kind is CatalogKind.HIVE:
        return {**properties, "uri": catalog.uri}
    if catalog.authentication is None:
        return {**properties, **_named("glue.endpoint", catalog.uri), "client.region": _REGION}
    login = _glue_login(catalog)
    if login.access_key:
        raise EngineUnavailable(
            "Iceberg's Glue client takes keys from the environment of its Java process alone: leave access_key and "
            "secret_key out, and start the server with them"
        )
    return {**properties, **_named("glue.endpoint", catalog.uri), "client.region": login.region}


def jdbc_version(catalog: Catalog) -> dict[str, str]:
    """The version of the tables of Java's JDBC catalog; one that is asked for 1 alters those of version 0."""
    return {} if catalog.fixed_tables else {"jdbc.schema-version": "V1"}


def _java_login(authentication: Authentication | None) -> dict[str, str]:
    if authentication is None:
        return {}
    if isinstance(authentication, SigV4):
        return {
            "rest.auth.type": "sigv4",
            "rest.auth.sigv4.delegate-auth-type": "none",
            "rest.signing-region": authentication.region,
            "rest.signing-name": authentication.service,
            "rest.access-key-id": authentication.access_key,
            "rest.secret-access-key": authentication.secret_key,
        }
    oauth2 = {"rest.auth.type": "oauth2"}
    if isinstance(authentication, BearerToken):  # not every catalog exchanges it for another one
        return {**oauth2, "token": authentication.token, "token-refresh-enabled": "false"}
    return {
        **oauth2,
        "oauth2-server-uri": authentication.token_uri,
        "credential": authentication.credential,
        "scope": authentication.scope,
        "token-exchange-enabled": "false",  # a new token is requested like the first one, which every server supports
    }


def pyiceberg(catalog: Catalog) -> dict[str, Any]:
    """The properties of PyIceberg's catalogs, for engines that read and write through Arrow's file systems.

    PyIceberg asks each REST catalog for vended credentials, and uses those that it gets.
    """
    if catalog.delegation is Delegation.REMOTE_SIGNING:
        raise EngineUnavailable("Arrow's file systems, by which PyIceberg reads, have no way to let a catalog sign")
    properties = {"type": catalog.kind.value, **_named("warehouse", catalog.warehouse)}
    if catalog.kind is CatalogKind.REST:
        prefix = _named("prefix", catalog.prefix)
        return {**properties, "uri": catalog.rest_uri, **prefix, **_pyiceberg_login(catalog)}
    if catalog.kind is CatalogKind.HIVE:
        return {**properties, "uri": catalog.uri}
    if catalog.kind is CatalogKind.JDBC:
        return {**properties, "type": "sql", "uri": _sqlalchemy(catalog), **_init(catalog)}
    if catalog.kind is not CatalogKind.GLUE:
        raise EngineUnavailable(f"PyIceberg has no way to a {catalog.kind} catalog here")
    login = _glue_login(catalog)
    keys = {"glue.access-key-id": login.access_key, "glue.secret-access-key": login.secret_key}
    return {
        **properties,
        **_named("glue.endpoint", catalog.uri),
        "glue.region": login.region,
        **(keys if login.access_key else {}),
    }


def _sqlalchemy(catalog: Catalog) -> str:
    """The database of a JDBC catalog as SQLAlchemy's address, of PostgreSQL by psycopg."""
    address = urlsplit(catalog.uri.removeprefix("jdbc:"))
    login = f"{quote(catalog.user, safe='')}:{quote(catalog.password, safe='')}@"
    return f"{address.scheme}+psycopg://{login}{address.netloc}{address.path}"


def _init(catalog: Catalog) -> dict[str, str]:
    return {"init_catalog_tables": "false"} if catalog.fixed_tables else {}


def _pyiceberg_login(catalog: Catalog) -> dict[str, Any]:
    authentication = catalog.authentication
    if authentication is None:
        return {}
    if isinstance(authentication, BearerToken):
        return {"token": authentication.token}
    if isinstance(authentication, SigV4):
        return {
            "rest.sigv4-enabled": "true",
            "rest.signing-region": authentication.region,
            "rest.signing-name": authentication.service,
            "client.access-key-id": authentication.access_key,
            "client.secret-access-key": authentication.secret_key,
        }
    # Releases before 0.10 read these alone. Later ones send id and secret in the body with them, as the REST catalog's
    # OpenAPI document has it for the catalog's own address; with "auth" they send a header, as RFC 6749 has it.
    in_body = {
        "oauth2-server-uri": authentication.token_uri,
        "credential": authentication.credential,
        "scope": authentication.scope,
    }
    if authentication.token_uri == f"{catalog.uri}/v1/oauth/tokens":
        return in_body
    return {
        **in_body,
        "auth": {
            "type": "oauth2",
            "oauth2": {
                "client_id": authentication.client_id,
                "client_secret": authentication.client_secret,
                "token_url": authentication.token_uri,
                "scope": authentication.scope,
            },
        },
    }


def s3_keys(store: ObjectStore) -> dict[str, str]:
    """The store's keys, as Java's clients and PyIceberg take them; none where the catalog vends them."""
    if not store.access_key:
        return {}
    return {"s3.access-key-id": store.access_key, "s3.secret-access-key": store.secret_key}


def trino(catalog: Catalog, name: str, store: ObjectStore | None) -> dict[str, str]:
    """The properties of Trino's Iceberg connector for the catalog called ``name``, whose tables lie in ``store``."""
    if catalog.kind is CatalogKind.JDBC:
        return _trino_jdbc(catalog, name)
    if catalog.kind is CatalogKind.HIVE:
        return {"iceberg.catalog.type": "hive_metastore", "hive.metastore.uri": catalog.uri}
    if catalog.kind is CatalogKind.GLUE:
        return _trino_glue(catalog)
    if catalog.delegation is Delegation.REMOTE_SIGNING:
        raise EngineUnavailable("Trino has no way to let a catalog sign its requests to the object store")
    vended = catalog.delegation is Delegation.VENDED_CREDENTIALS
    return {
        "iceberg.catalog.type": "rest",
        f"{_TRINO}.uri": catalog.rest_uri,
        **_named(f"{_TRINO}.warehouse", catalog.warehouse),
        **_named(f"{_TRINO}.prefix", catalog.prefix),
        **_trino_login(catalog.authentication, store),
        **({f"{_TRINO}.vended-credentials-enabled": "true"} if vended else {}),
    }


def _trino_login(authentication: Authentication | None, store: ObjectStore | None) -> dict[str, str]:
    if authentication is None:
        return {}
    if isinstance(authentication, SigV4):
        _must_sign_with_the_stores_keys(authentication, store)
        return {f"{_TRINO}.sigv4-enabled": "true", f"{_TRINO}.signing-name": authentication.service}
    oauth2 = f"{_TRINO}.oauth2"
    if isinstance(authentication, BearerToken):
        token = {f"{oauth2}.token": authentication.token, f"{oauth2}.token-refresh-enabled": "false"}
        return {f"{_TRINO}.security": "OAUTH2", **token}
    return {
        f"{_TRINO}.security": "OAUTH2",
        f"{oauth2}.server-uri": authentication.token_uri,
        f"{oauth2}.credential": authentication.credential,
        f"{oauth2}.scope": authentication.scope,
    }


def _must_sign_with_the_stores_keys(login: SigV4, store: ObjectStore | None) -> None:
    """Check that the store has the keys and region of ``login``: Trino signs with those of ``s3``."""
    has = store and (store.region, store.access_key, store.secret_key)
    if has != (login.region, login.access_key, login.secret_key):
        raise EngineUnavailable("Trino signs requests to a catalog with the object store's region and keys alone")


def _trino_jdbc(catalog: Catalog, name: str) -> dict[str, str]:
    jdbc = "iceberg.jdbc-catalog"
    return {
        "iceberg.catalog.type": "jdbc",
        f"{jdbc}.catalog-name": name,
        f"{jdbc}.driver-class": "org.postgresql.Driver",
        f"{jdbc}.connection-url": catalog.uri,
        f"{jdbc}.connection-user": catalog.user,
        f"{jdbc}.connection-password": catalog.password,
        f"{jdbc}.default-warehouse-dir": catalog.warehouse,
        f"{jdbc}.schema-version": "V0" if catalog.fixed_tables else "V1",
    }


def _trino_glue(catalog: Catalog) -> dict[str, str]:
    login, glue = _glue_login(catalog), "hive.metastore.glue"
    keys = {f"{glue}.aws-access-key": login.access_key, f"{glue}.aws-secret-key": login.secret_key}
    return {
        "iceberg.catalog.type": "glue",
        **_named(f"{glue}.endpoint-url", catalog.uri),
        f"{glue}.region": login.region,
        **(keys if login.access_key else {}),
        **_named(f"{glue}.default-warehouse-dir", catalog.warehouse),
    }


@dataclass(frozen=True)
class Attachment:
    """What DuckDB gets: parameters of CREATE SECRET (empty: no secret is needed), and options of ATTACH."""

    secret: Mapping[str, str] = field(repr=False)
    options: Mapping[str, str]


def duckdb(catalog: Catalog) -> Attachment:
    """A REST catalog as the options of ATTACH; the login is a secret called :data:`SECRET`."""
    if catalog.prefix:
        raise EngineUnavailable("DuckDB takes a catalog's prefix from the catalog alone")
    if catalog.delegation is Delegation.REMOTE_SIGNING:
        raise EngineUnavailable("DuckDB has no way to let a catalog sign its requests to the object store")
    secret, login = _duckdb_login(catalog.authentication)
    return Attachment(
        secret,
        {
            "TYPE": "iceberg",
            "ENDPOINT": catalog.uri,
            **login,
            # Keys that a catalog vends unasked would replace ours.
            "ACCESS_DELEGATION_MODE": catalog.delegation.value.replace("-", "_"),
            # DuckDB stages each table that it creates, and has this option for catalogs that decline that.
            **({} if catalog.stage_tables else {"STAGE_CREATE_TABLES": "false"}),
        },
    )


def _duckdb_login(authentication: Authentication | None) -> tuple[dict[str, str], dict[str, str]]:
    """The secret, and the options of ATTACH that name it."""
    if authentication is None:
        return {}, {"AUTHORIZATION_TYPE": "none"}
    if isinstance(authentication, BearerToken):
        return {"TYPE": "iceberg", "TOKEN": authentication.token}, {"SECRET": SECRET}
    if isinstance(authentication, OAuth2):
        secret = {
            "TYPE": "iceberg",
            "OAUTH2_SERVER_URI": authentication.token_uri,
            "CLIENT_ID": authentication.client_id,
            "CLIENT_SECRET": authentication.client_secret,
            "OAUTH2_SCOPE": authentication.scope,
        }
        return secret, {"SECRET": SECRET}
    keys = {
        "TYPE": "s3",
        "KEY_ID": authentication.access_key,
        "SECRET": authentication.secret_key,
        "REGION": authentication.region,
        "SCOPE": f"s3://{SECRET}",  # no object is read with them
    }
    signed = {"SIGV4_REGION": authentication.region, "SIGV4_SERVICE": authentication.service}
    return keys, {"AUTHORIZATION_TYPE": "sigv4", "SECRET": SECRET, **signed}


def _glue_login(catalog: Catalog) -> SigV4:
    if catalog.authentication is None:
        return SigV4(_REGION, "glue", "none", "none")  # its clients insist on keys
    if not isinstance(catalog.authentication, SigV4):
        raise EngineUnavailable("a Glue catalog needs its region")
    return catalog.authentication


def _named(key: str, value: str) -> dict[str, str]:
    return {key: value} if value else {}
