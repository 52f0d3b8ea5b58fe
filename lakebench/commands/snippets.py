"""What to paste into a client to reach the lake that is up."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.model import Endpoint, Lake


def snippets(lake: Lake, endpoints: Mapping[str, Endpoint]) -> dict[str, str]:
    """Client → lines that connect it to ``lake``; Spark and Trino where their servers are among ``endpoints``."""
    told = {"DuckDB": _duckdb(lake), "PyIceberg": _pyiceberg(lake)}
    if "spark" in endpoints:
        told["Spark"] = _spark(lake, endpoints["spark"])
    if "trino" in endpoints:
        told["Trino"] = _trino(lake, endpoints["trino"])
    return told


def _duckdb(lake: Lake) -> str:
    store, token = lake.objects, lake.catalog.token
    secret = f"\nCREATE SECRET lake_catalog (TYPE iceberg, TOKEN '{token}');" if token else ""
    authentication = "SECRET lake_catalog" if token else "AUTHORIZATION_TYPE 'none'"
    return f"""\
# Python: pip install duckdb duckdb-extensions duckdb-extension-iceberg duckdb-extension-httpfs duckdb-extension-avro
import duckdb
from duckdb_extensions import import_extension
con = duckdb.connect()
for name in ("httpfs", "avro", "iceberg"):
    import_extension(name, con=con)
    con.load_extension(name)
con.sql(\"\"\"
CREATE SECRET (TYPE s3, KEY_ID '{store.access_key}', SECRET '{store.secret_key}', REGION '{store.region}',
    ENDPOINT '{store.endpoint.partition("://")[2]}', URL_STYLE 'path', USE_SSL false);{secret}
ATTACH '{lake.catalog.warehouse}' AS lake (TYPE iceberg, ENDPOINT '{lake.catalog.uri}',
    {authentication}, ACCESS_DELEGATION_MODE 'none', READ_ONLY false);
\"\"\")"""


def _pyiceberg(lake: Lake) -> str:
    token = f' "token": "{lake.catalog.token}",' if lake.catalog.token else ""
    return f"""\
from pyiceberg.catalog import load_catalog
catalog = load_catalog("lake", **{{
    "type": "rest", "uri": "{lake.catalog.rest_uri}", "warehouse": "{lake.catalog.warehouse}",{token}
    "s3.endpoint": "{lake.objects.endpoint}", "s3.region": "{lake.objects.region}",
    "s3.access-key-id": "{lake.objects.access_key}", "s3.secret-access-key": "{lake.objects.secret_key}",
}})"""


def _spark(lake: Lake, server: Endpoint) -> str:
    key = "spark.sql.catalog.lake"
    settings = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "rest",
        ".uri": lake.catalog.rest_uri,
        ".warehouse": lake.catalog.warehouse,
        **({".token": lake.catalog.token, ".token-refresh-enabled": "false"} if lake.catalog.token else {}),
        ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        ".s3.endpoint": lake.objects.endpoint,
        ".s3.path-style-access": "true",
        ".s3.access-key-id": lake.objects.access_key,
        ".s3.secret-access-key": lake.objects.secret_key,
        ".client.region": lake.objects.region,
    }
    lines = "\n".join(f'spark.conf.set("{key}{name}", "{value}")' for name, value in settings.items())
    return f"""\
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote("{server.uri}/;token={server.password}").getOrCreate()
{lines}"""


def _trino(lake: Lake, server: Endpoint) -> str:
    settings = {
        "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.uri": lake.catalog.rest_uri,
        "iceberg.rest-catalog.warehouse": lake.catalog.warehouse,
        **(_trino_token(lake.catalog.token) if lake.catalog.token else {}),
        "fs.native-s3.enabled": "true",
        "s3.endpoint": lake.objects.endpoint,
        "s3.region": lake.objects.region,
        "s3.path-style-access": "true",
        "s3.aws-access-key": lake.objects.access_key,
        "s3.aws-secret-key": lake.objects.secret_key,
    }
    lines = ",\n    ".join(f"\"{name}\" = '{value}'" for name, value in settings.items())
    return f"""\
-- trino --server {server.uri} --user {server.user}
-- or, in Python, trino.dbapi.connect(host="{server.host}", port={server.port}, user="{server.user}")
CREATE CATALOG lake USING iceberg WITH (
    {lines});"""


def _trino_token(token: str) -> dict[str, str]:
    oauth2 = "iceberg.rest-catalog.oauth2"
    return {
        "iceberg.rest-catalog.security": "OAUTH2",
        f"{oauth2}.token": token,
        f"{oauth2}.token-refresh-enabled": "false",
    }
