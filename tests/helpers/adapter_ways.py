"""The ways through our adapters to their engines, on which tests plant exceptions."""

from __future__ import annotations

from lakebench.iceberg.scan import Scan
from lakebench.testing import Way

SQL = "SELECT n FROM t"
DUCKDB = Way("_connection", "execute", SQL, "lakebench.engines.duckdb.engine:DuckDB._see", state={"_using": True})
ICEBERG_SCAN = Way(
    "_connection", "get_table_names", SQL, "lakebench.engines.duckdb.engine:IcebergScan._make_views",
    state={"_using": True},
)  # fmt: skip
PYICEBERG = Way("_catalog", "load_table", Scan("t"), "lakebench.engines.pyiceberg.engine:schemas.expression")
POLARS = Way("_context", "execute", SQL, "lakebench.engines.polars.engine:_answer")
DAFT = Way("_session", "sql", SQL, "lakebench.engines.daft.engine:_answer")
CLICKHOUSE = Way("_connection", "query", Scan("t"), "lakebench.engines.clickhouse.engine:ClickHouse._source")
DATAFUSION = Way("_context", "sql", SQL, "lakebench.engines.datafusion.engine:_answer")
FLINK = Way("_session", "pages", Scan("t"), "lakebench.engines.flink.engine:Flink._target")
SPARK = Way("_session", "sql", SQL, "lakebench.engines.spark.engine:_fetched")
TRINO = Way("_connection", "cursor", SQL, "lakebench.engines.trino.engine:types.schema", {"description": []})
POSTGRES = Way(
    "_connection", "cursor", SQL, "lakebench.engines.postgres.engine:arrow_table",
    {"description": [], "broken": False},
)  # fmt: skip
PG_DUCKDB = Way(
    "_connection", "cursor", SQL, "lakebench.engines.pg_duckdb.engine:_with", {"description": [], "broken": False},
    instead={"lakebench.engines.pg_duckdb.engine:_tables": []},
)  # fmt: skip
PG_LAKE = Way(
    "_connection", "cursor", Scan("t"), "lakebench.engines.pg_lake.engine:selected",
    {"description": [], "broken": False},
    instead={"lakebench.iceberg.catalogs:table_metadata": {"metadata-location": "s3://lake/t.metadata.json"}},
)  # fmt: skip
RAY_DUCKDB = Way(
    "_run", "options", SQL, "lakebench.engines.ray_duckdb.engine:stages",
    instead={"lakebench.engines.ray_duckdb.engine:_named": []},
)  # fmt: skip
