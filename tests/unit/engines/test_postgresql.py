from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from lakebench.config import ServiceSettings
from lakebench.engines.postgres import engine as postgres
from lakebench.engines.postgresql import arrow_table, conninfo, parameters
from lakebench.engines.spark import jdbc
from lakebench.errors import Refused, ServiceUnavailable, UsageError
from lakebench.model import Catalog, CatalogKind, Lake, TableFormat
from lakebench.services.postgres import _check_way
from lakebench.services.trino import TrinoService

CATALOG = Catalog(CatalogKind.JDBC, "jdbc:postgresql://127.0.0.1:5433/db", "", None, "me", "it's \\ secret")
LAKE = Lake("heap", None, CATALOG, "tpch", TableFormat.POSTGRESQL)


def column(name: str, kind: str, scale: int | None = None, *, precision: int | None = None, array: bool = False) -> Any:
    info = psycopg.adapters.types[kind]
    oid = info.array_oid if array else info.oid
    return SimpleNamespace(name=name, type_code=oid, scale=scale, precision=precision)


def test_an_address_is_read_with_and_without_jdbc() -> None:
    keywords = parameters(CATALOG)
    assert keywords == {"host": "127.0.0.1", "port": "5433", "dbname": "db", "user": "me", "password": "it's \\ secret"}
    assert parameters(Catalog(CatalogKind.POSTGRES, "postgresql://127.0.0.1/db", "")) == {
        "host": "127.0.0.1",
        "dbname": "db",
    }


def test_a_connection_string_says_what_it_was_made_of() -> None:
    assert psycopg.conninfo.conninfo_to_dict(conninfo(parameters(CATALOG))) == parameters(CATALOG)


def test_rows_have_the_types_that_postgresql_says() -> None:
    description = [
        column("n", "numeric"),
        column("d", "numeric", 2, precision=9),
        column("w", "numeric", 2, precision=50),
        column("t", "text"),
        column("a", "int4", array=True),
    ]
    rows = [(Decimal("1.5"), Decimal("2.00"), Decimal("3.00"), "é", [1, None]), (None,) * 5]
    table = arrow_table(description, rows)
    decimals = [pa.decimal128(38, 1), pa.decimal128(9, 2), pa.decimal128(38, 2)]
    assert table.schema.types == [*decimals, pa.string(), pa.list_(pa.int32())]
    assert list(table.to_pylist()[0].values()) == [Decimal("1.5"), Decimal("2.00"), Decimal("3.00"), "é", [1, None]]


def test_what_has_no_arrow_type_is_refused() -> None:
    with pytest.raises(Refused, match="point"):
        arrow_table([column("p", "point")], [(object(),)])


def test_a_partitioned_read_covers_the_key_from_its_least_to_its_greatest() -> None:
    bounds = jdbc.bounds_of([{"name": "orders", "low": -5, "high": 94}, {"name": "none", "low": None, "high": None}],
                       {"orders": "o_key", "none": "k"})  # fmt: skip
    assert bounds == {"orders": ("o_key", -5, 94)}
    assert jdbc.partitioned(bounds, "orders", 4) == {
        "partitionColumn": '"o_key"',
        "lowerBound": "-5",
        "upperBound": "95",
        "numPartitions": "4",
    }
    assert jdbc.partitioned(bounds, "none", 4) == {}


def test_options_of_the_lake_make_views_and_change_those_of_tables() -> None:
    lake = Lake("heap", None, CATALOG, "tpch", TableFormat.POSTGRESQL,
                options={"orders.truncate": "true", "part.dbtable": "(SELECT 1) t"})  # fmt: skip
    views = jdbc.views(lake, ["orders"], {}, 4)
    assert views["orders"]["truncate"] == "true"
    assert views["orders"]["dbtable"] == '"tpch"."orders"'
    assert views["part"] == {**jdbc.source(lake), "dbtable": "(SELECT 1) t"}


def test_names_in_the_query_for_bounds_are_quoted() -> None:
    query = jdbc.bounds("a'b", {'t"1': "k", "u": "l"})
    assert query.count(" UNION ALL ") == 1
    assert """'t"1'::text""" in query
    assert '"a\'b"."t""1"' in query


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.decimal128(15, 2), "numeric(15, 2)"),
        (pa.timestamp("us", "UTC"), "timestamptz"),
        (pa.timestamp("us"), "timestamp"),
        (pa.string_view(), "text"),
        (pa.int64(), "bigint"),
    ],
)
def test_arrow_types_have_names_in_postgresql(kind: pa.DataType, name: str) -> None:
    assert postgres._type(kind) == name


def test_a_type_without_a_name_is_refused() -> None:
    with pytest.raises(Refused, match="struct"):
        postgres._type(pa.struct([("a", pa.int32())]))


def trino(**properties: str) -> Any:
    context = SimpleNamespace(settings=ServiceSettings(properties=properties))
    service = TrinoService.__new__(TrinoService)
    service.context = context  # type: ignore[assignment]
    return service


def test_a_plugin_of_the_users_is_linked_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    assert trino(**{"plugin.postgresql": str(tmp_path)})._own_plugins() == {"postgresql": tmp_path}
    with pytest.raises(UsageError, match="there is no such folder"):
        trino(**{"plugin.postgresql": str(tmp_path / "missing")})._own_plugins()


def test_a_folder_that_postgresqls_account_cannot_reach_is_an_error(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "run").mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(ServiceUnavailable, match=r"the account nobody, .*closed/run: name another folder with TMPDIR"):
        _check_way(closed / "run", "nobody")
    _check_way(Path("/"), "nobody")
