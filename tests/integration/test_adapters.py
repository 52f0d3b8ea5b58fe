"""The base tests of lakebench.testing at a real lake, for every engine of ours that a REST catalog and PyPI suffice."""

from __future__ import annotations

import pytest

from lakebench.engines.daft.engine import Daft
from lakebench.engines.datafusion.engine import DataFusion
from lakebench.engines.duckdb.engine import DuckDB, IcebergScan
from lakebench.engines.polars.engine import Polars
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.engines.reference.engine import Reference
from lakebench.engines.spark.engine import Spark, SparkJdbc
from lakebench.engines.trino.engine import Trino
from lakebench.services import lakes
from lakebench.testing import (
    AddFilesTests,
    AppendTests,
    CreateTests,
    DistributeTests,
    ExecuteTests,
    LoadTests,
    OperateTests,
    QueryTests,
    RegisterTests,
    ScanTests,
)

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]


class TestDuckDB(QueryTests, ExecuteTests, ScanTests, CreateTests, AppendTests, LoadTests, OperateTests):
    engine, holder = DuckDB, "_connection"


class TestIcebergScan(QueryTests, ScanTests):
    engine, holder = IcebergScan, "_connection"


class TestPyIceberg(
    QueryTests, ScanTests, CreateTests, AppendTests, LoadTests, AddFilesTests, RegisterTests, OperateTests
):
    engine, holder = PyIceberg, "_catalog"


class TestDaft(QueryTests, ScanTests, CreateTests, AppendTests, OperateTests):
    engine, holder, session = Daft, "_catalog", "_session"


class TestPolars(QueryTests, ScanTests, AppendTests, OperateTests):
    engine, holder, session = Polars, "_catalog", "_context"


class TestDataFusion(QueryTests, ScanTests):
    engine, holder, travels = DataFusion, "_context", False


class TestReference(OperateTests):
    engine, holder = Reference, "_catalog"


class TestTrino(QueryTests, ExecuteTests, ScanTests, CreateTests, AppendTests, LoadTests, RegisterTests, OperateTests):
    engine, holder = Trino, "_connection"


class TestSpark(
    QueryTests,
    ExecuteTests,
    ScanTests,
    CreateTests,
    AppendTests,
    LoadTests,
    RegisterTests,
    OperateTests,
    DistributeTests,
):
    engine, holder = Spark, "_session"


class TestSparkJdbc(
    QueryTests,
    ExecuteTests,
    ScanTests,
    CreateTests,
    AppendTests,
    LoadTests,
    RegisterTests,
    OperateTests,
    DistributeTests,
):
    engine, holder = SparkJdbc, "_session"
    lake_of, library_lake_of = staticmethod(lakes.jdbc_lake), staticmethod(lakes.bridge_lake)
    needs = ("object-store", "rest-bridge")
