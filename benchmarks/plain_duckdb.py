"""DuckDB on an Iceberg catalog as a user would write it, with a clock: the other side of ``harness_cost.py``.

Reads one JSON object a line from standard input: first how to connect, then ``{"sql": …}``; answers ``{"ns": …}``.
"""

from __future__ import annotations

import json
import sys
import time

import duckdb
from duckdb_extensions import import_extension

lake = json.loads(sys.stdin.readline())
con = duckdb.connect(config=lake["config"])  # the settings that the adapter reports, or two settings are compared
for extension in ("httpfs", "avro", "iceberg"):
    import_extension(extension, con=con)
    con.load_extension(extension)
con.execute(
    f"CREATE SECRET (TYPE s3, KEY_ID '{lake['key']}', SECRET '{lake['secret']}', REGION '{lake['region']}', "
    f"ENDPOINT '{lake['endpoint']}', URL_STYLE 'path', USE_SSL false)"
)
con.execute(f"CREATE SECRET catalog (TYPE iceberg, TOKEN '{lake['token']}')")
con.execute(
    f"ATTACH '{lake['warehouse']}' AS lake (TYPE iceberg, ENDPOINT '{lake['catalog']}', SECRET catalog, "
    "ACCESS_DELEGATION_MODE 'none', READ_ONLY false)"
)
con.execute(f"USE lake.{lake['namespace']}")
sys.stdout.write('{"ns": 0}\n')
sys.stdout.flush()
for line in sys.stdin:
    sql = json.loads(line)["sql"]
    began = time.perf_counter_ns()
    batches = list(con.execute(sql).to_arrow_reader())
    ns = time.perf_counter_ns() - began
    del batches
    sys.stdout.write(json.dumps({"ns": ns}) + "\n")
    sys.stdout.flush()
