"""TPC-H: data, the 22 queries and their reference answers. Derived from TPC-H, not comparable to published results."""

from lakebench.datasets.tpch.data import Dataset, generate, scale_factor
from lakebench.datasets.tpch.queries import Query, is_variant, queries, sql_for, workload_hash
from lakebench.datasets.tpch.references import reference

__all__ = [
    "Dataset",
    "Query",
    "generate",
    "is_variant",
    "queries",
    "reference",
    "scale_factor",
    "sql_for",
    "workload_hash",
]
