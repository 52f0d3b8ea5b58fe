# The first answer by Ray and DuckDB: PyIceberg plans files and deletes, a task for each file has a DuckDB.

import os

import duckdb
import pyarrow as pa
import ray
from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan


@ray.remote
def part(scan, file):
    rows = scan.to_table([file])
    return duckdb.sql("SELECT region, count(*) AS n, sum(amount) AS amount FROM rows GROUP BY region").to_arrow_table()


ray.init()
catalog = load_catalog(
    "lake",
    type="rest",
    uri=os.environ["ICEBERG_URI"],
    warehouse=os.environ["ICEBERG_WAREHOUSE"],
    **{
        "s3.endpoint": os.environ["AWS_ENDPOINT_URL"],
        "s3.access-key-id": os.environ["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "s3.region": os.environ["AWS_REGION"],
    },
)
table = catalog.load_table(os.environ["ICEBERG_TABLE"])
scan = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
parts = pa.concat_tables(ray.get([part.remote(scan, file) for file in table.scan().plan_files()]))
for row in duckdb.sql("SELECT region, sum(n), sum(amount) FROM parts GROUP BY region").fetchall():
    print(*row)
