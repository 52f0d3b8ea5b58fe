# The first answer by Smallpond: Parquet files on S3, below ``read_parquet``, which takes each path for a local one.

import os
from importlib.resources import files

import duckdb
import smallpond
from smallpond.dataframe import DataFrame
from smallpond.logical.dataset import ParquetDataSet
from smallpond.logical.node import DataSourceNode

duckdb.install_extension(
    str(files("duckdb_extension_httpfs") / f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension")
)
scheme, _, host = os.environ["AWS_ENDPOINT_URL"].partition("://")
duckdb.execute(
    f"""
    CREATE PERSISTENT SECRET (
        TYPE s3,
        KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}',
        SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}',
        REGION '{os.environ["AWS_REGION"]}',
        ENDPOINT '{host}',
        URL_STYLE 'path',
        USE_SSL {scheme == "https"}
    )
    """
)
pond = smallpond.init()
paths = os.environ["PARQUET_FILES"].split(",")
sales = DataFrame(pond, DataSourceNode(pond._ctx, ParquetDataSet(paths, root_dir=None)))
query = "SELECT region, count(*), sum(amount)::BIGINT FROM {0} GROUP BY region"
for row in pond.partial_sql(query, sales.repartition(2, hash_by="region")).to_arrow().to_pylist():
    print(*row.values())
