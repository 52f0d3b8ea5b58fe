# The first answer by Daft: PyIceberg opens the catalog, and hands the store's keys on.

import os

import daft
from pyiceberg.catalog import load_catalog

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
sales = daft.read_iceberg(catalog.load_table(os.environ["ICEBERG_TABLE"]))
answer = daft.sql("SELECT region, count(*) AS n, sum(amount) AS amount FROM sales GROUP BY region", sales=sales)
for row in answer.to_pylist():
    print(*row.values())
