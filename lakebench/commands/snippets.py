"""Snippets that connect a client to the lake that is up."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lakebench.iceberg import catalog_properties
from lakebench.model import CatalogKind, Endpoint, Lake


def snippets(lake: Lake, endpoints: Mapping[str, Endpoint]) -> dict[str, str]:
    """Client → lines that connect it to ``lake``; Spark and Trino where their servers are among ``endpoints``.

    DuckDB attaches no catalog but a REST catalog.
    """
    by_client = {"DuckDB": _duckdb(lake)} if lake.catalog.kind is CatalogKind.REST else {}
    by_client["PyIceberg"] = _pyiceberg(lake)
    if "spark" in endpoints:
        by_client["Spark"] = _spark(lake, endpoints["spark"])
    if "trino" in endpoints:
        by_client["Trino"] = _trino(lake, endpoints["trino"])
    return by_client


def _duckdb(lake: Lake) -> str:
    store, attachment = lake.objects, catalog_properties.duckdb(lake.catalog)
    secret = f"\nCREATE SECRET {catalog_properties.SECRET} ({_listed(attachment.secret)});" if attachment.secret else ""
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
ATTACH '{lake.catalog.warehouse}' AS lake ({_listed(attachment.options)}, READ_ONLY false);
\"\"\")"""


def _listed(options: Mapping[str, str]) -> str:
    return ", ".join(f"{key} '{value}'" for key, value in options.items())


def _pyiceberg(lake: Lake) -> str:
    properties = catalog_properties.pyiceberg(lake.catalog)
    lines = "\n    ".join(f'"{key}": {json.dumps(value)},' for key, value in properties.items())
    return f"""\
from pyiceberg.catalog import load_catalog
catalog = load_catalog("lake", **{{
    {lines}
    "s3.endpoint": "{lake.objects.endpoint}", "s3.region": "{lake.objects.region}",
    "s3.access-key-id": "{lake.objects.access_key}", "s3.secret-access-key": "{lake.objects.secret_key}",
}})"""


def _spark(lake: Lake, server: Endpoint) -> str:
    key = "spark.sql.catalog.lake"
    settings = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        **{f".{name}": value for name, value in catalog_properties.java(lake.catalog).items()},
        ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        ".s3.endpoint": lake.objects.endpoint,
        ".s3.path-style-access": "true",
        **{f".{name}": value for name, value in catalog_properties.s3_keys(lake.objects).items()},
        ".client.region": lake.objects.region,
    }
    lines = "\n".join(f'spark.conf.set("{key}{name}", "{value}")' for name, value in settings.items())
    return f"""\
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote("{server.uri}/;token={server.password}").getOrCreate()
{lines}"""


def _trino(lake: Lake, server: Endpoint) -> str:
    settings = {
        **catalog_properties.trino(lake.catalog, lake.name, lake.objects),
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
