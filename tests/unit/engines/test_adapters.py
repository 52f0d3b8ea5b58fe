"""The base tests of lakebench.testing that start nothing, for every engine of ours."""

from __future__ import annotations

import adapter_ways as ways

from lakebench import engines
from lakebench.engines.arrow_files.engine import Lance, PyArrow, Vortex
from lakebench.engines.clickhouse.engine import ClickHouse
from lakebench.engines.daft.engine import Daft, DaftRay
from lakebench.engines.datafusion.engine import DataFusion
from lakebench.engines.duckdb.engine import DuckDB, IcebergScan
from lakebench.engines.flink.engine import Flink
from lakebench.engines.pg_duckdb.engine import PgDuckDB
from lakebench.engines.pg_lake.engine import PgLakeEngine
from lakebench.engines.polars.engine import Polars
from lakebench.engines.postgres.columnar import CitusColumnar, PgMooncake, PgMooncake01
from lakebench.engines.postgres.engine import Postgres
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.engines.ray_duckdb.engine import RayDuckDB
from lakebench.engines.reference.engine import Reference
from lakebench.engines.smallpond.engine import Smallpond
from lakebench.engines.spark.engine import Spark, SparkIceberg111, SparkJdbc
from lakebench.engines.trino.engine import Trino
from lakebench.testing import AdapterTests, WayTests


class TestDuckDB(AdapterTests, WayTests):
    engine, way = DuckDB, ways.DUCKDB


class TestIcebergScan(AdapterTests, WayTests):
    engine, way = IcebergScan, ways.ICEBERG_SCAN


class TestPyIceberg(AdapterTests, WayTests):
    engine, way = PyIceberg, ways.PYICEBERG


class TestDaft(AdapterTests, WayTests):
    engine, way = Daft, ways.DAFT


class TestDaftRay(AdapterTests, WayTests):
    engine, way = DaftRay, ways.DAFT


class TestRayDuckDB(AdapterTests, WayTests):
    engine, way = RayDuckDB, ways.RAY_DUCKDB


class TestSmallpond(AdapterTests):  # what it raises comes as text from a program of its own
    engine = Smallpond


class TestPolars(AdapterTests, WayTests):
    engine, way = Polars, ways.POLARS


class TestClickHouse(AdapterTests, WayTests):
    engine, way = ClickHouse, ways.CLICKHOUSE


class TestDataFusion(AdapterTests, WayTests):
    engine, way = DataFusion, ways.DATAFUSION


class TestFlink(AdapterTests, WayTests):
    engine, way = Flink, ways.FLINK


class TestSpark(AdapterTests, WayTests):
    engine, way = Spark, ways.SPARK


class TestSparkIceberg111(AdapterTests, WayTests):
    engine, way = SparkIceberg111, ways.SPARK


class TestSparkJdbc(AdapterTests, WayTests):
    engine, way = SparkJdbc, ways.SPARK


class TestTrino(AdapterTests, WayTests):
    engine, way = Trino, ways.TRINO


class TestPostgres(AdapterTests, WayTests):
    engine, way = Postgres, ways.POSTGRES


class TestCitusColumnar(AdapterTests):
    engine = CitusColumnar


class TestPgMooncake01(AdapterTests):
    engine = PgMooncake01


class TestPgMooncake(AdapterTests):
    engine = PgMooncake


class TestPgDuckDB(AdapterTests, WayTests):
    engine, way = PgDuckDB, ways.PG_DUCKDB


class TestPgLake(AdapterTests, WayTests):
    engine, way = PgLakeEngine, ways.PG_LAKE


class TestReference(AdapterTests):
    engine = Reference


class TestPyArrow(AdapterTests):
    engine = PyArrow


class TestVortex(AdapterTests):
    engine = Vortex


class TestLance(AdapterTests):
    engine = Lance


def test_every_engine_of_ours_is_tested() -> None:
    ours = {one for one in engines.engines().values() if one.__module__.startswith("lakebench.")}
    assert ours == {one.engine for one in AdapterTests.__subclasses__()}
