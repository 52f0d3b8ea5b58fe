# The first answer by DuckDB: its extensions come from the Python package index, the catalog is attached.

import os
from importlib.resources import files

import duckdb

connection = duckdb.connect()
for name in ("httpfs", "avro", "iceberg"):
    extension = files(f"duckdb_extension_{name}") / f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"
    connection.load_extension(str(extension))
scheme, _, host = os.environ["AWS_ENDPOINT_URL"].partition("://")
connection.execute(
    f"""
    CREATE SECRET (
        TYPE s3,
        KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}',
        SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}',
        REGION '{os.environ["AWS_REGION"]}',
        ENDPOINT '{host}',
        URL_STYLE 'path',
        USE_SSL {scheme == "https"}
    );
    ATTACH '{os.environ["ICEBERG_WAREHOUSE"]}' AS lake (
        TYPE iceberg,
        ENDPOINT '{os.environ["ICEBERG_URI"]}',
        AUTHORIZATION_TYPE none,
        ACCESS_DELEGATION_MODE none
    );
    """
)
query = f"SELECT region, count(*), sum(amount) FROM lake.{os.environ['ICEBERG_TABLE']} GROUP BY region"
for row in connection.execute(query).fetchall():
    print(*row)
