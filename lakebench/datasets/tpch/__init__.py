"""TPC-H: data, the 22 queries and their reference answers. Derived from TPC-H, not comparable to published results."""

from lakebench.datasets.tpch.data import (
    Part,
    TpchData,
    bytes_of,
    generate,
    generator_version,
    made_elsewhere,
    make_part,
    parts_of,
    scale_factor,
    to_make,
)
from lakebench.datasets.tpch.queries import (
    Query,
    is_variant,
    queries,
    sql_for,
    stream_queries,
    workload_hash,
)
from lakebench.datasets.tpch.references import reference
from lakebench.datasets.tpch.streams import stream_count
from lakebench.datasets.tpch.workload import questions, workload

__all__ = [
    "Part",
    "Query",
    "TpchData",
    "bytes_of",
    "generate",
    "generator_version",
    "is_variant",
    "made_elsewhere",
    "make_part",
    "parts_of",
    "queries",
    "questions",
    "reference",
    "scale_factor",
    "sql_for",
    "stream_count",
    "stream_queries",
    "to_make",
    "workload",
    "workload_hash",
]
