"""By which way Smallpond comes to an S3 endpoint that is not Amazon's (field report C19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.model import EngineRef, TableFormat
from lakebench.phases.distributed.case import case_of
from lakebench.phases.distributed.deletes import read_rows
from lakebench.phases.distributed.lake_tables import SALES, small

CHECK = "ways"
_GROUP = "Ways to S3"
_ENGINE = "smallpond"
# Those of one session follow each other: a session is a cluster that has to start.
_WAYS: Mapping[str, str] = {
    "endpoint-url": 'read_parquet("s3://…", endpoint_url=…), as the field report has it',
    "filesystem": 'read_parquet("s3://…", filesystem=s3fs)',
    "plain": 'read_parquet("s3://…") and nothing else',
    "arrow": "the driver reads through s3fs, then from_arrow",
    "variables": "the variables AWS_* and DUCKDB_S3_*",
    "secret": "the same variables, and a persistent secret of DuckDB",
    "dataset": "the same, and ParquetDataSet(…, root_dir=None) in place of read_parquet",
}


def blocks(request: Request) -> Iterator[Check]:
    """Each way, by each Smallpond of the run."""
    for ref in request.refs:
        if ref.name == _ENGINE:
            for way, title in _WAYS.items():
                yield Check(case_of(ref, CHECK, way, _GROUP, title), partial(_reads, ref=ref, way=way))


def _reads(context: RunContext, ref: EngineRef, way: str) -> Evidence:
    lake = replace(small(context, TableFormat.PARQUET), options={"way": way})
    return read_rows(context, ref, lake, SALES, deleted=False)
