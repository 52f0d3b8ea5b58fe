"""Types: every one that DuckLake's specification lists, through Parquet files and through inlined rows."""

from __future__ import annotations

from lakebench.datasets.ducklake.feature import DOCS, FILES, INLINED, DuckLakeFeature, Step, look, no, rows, run

_SOURCE = f"{DOCS}specification/data_types"
_UNSUPPORTED = f"{DOCS}duckdb/unsupported_features"
_BIG = "9223372036854775807"
_WIDEST, _WIDEST_UNSIGNED = f"{2**127 - 1}", f"{2**128 - 1}"
_WIDER = f"{10**30 + 1}"  # no double is this number

_INTEGERS = (
    *run(
        "CREATE TABLE t (a TINYINT, b SMALLINT, c INTEGER, d BIGINT, e UTINYINT, f USMALLINT, g UINTEGER, h UBIGINT)",
        f"INSERT INTO t VALUES (127, 32767, 2147483647, {_BIG}, 255, 65535, 4294967295, 18446744073709551615), "
        f"(-128, -32768, -2147483648, -{_BIG} - 1, 0, 0, 0, 0), (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    ),
    rows(
        "SELECT * FROM t",
        "a: int8; b: int16; c: int32; d: int64; e: uint8; f: uint16; g: uint32; h: uint64",
        (127, 32767, 2**31 - 1, 2**63 - 1, 255, 65535, 2**32 - 1, 2**64 - 1),
        (-128, -32768, -(2**31), -(2**63), 0, 0, 0, 0),
        (None,) * 8,
    ),
)


def _wide(signed: str, unsigned: str) -> tuple[Step, ...]:
    """Integers of 128 bits, which Arrow has not: they are compared as text."""
    return (
        *run(
            "CREATE TABLE t (i HUGEINT, u UHUGEINT)",
            f"INSERT INTO t VALUES ({signed}, {unsigned}), (-{signed}, 0), (NULL, NULL)",
        ),
        rows(
            "SELECT i::VARCHAR AS i, u::VARCHAR AS u, typeof(i) AS k, typeof(u) AS l FROM t",
            "i: string; u: string; k: string; l: string",
            (signed, unsigned, "HUGEINT", "UHUGEINT"),
            (f"-{signed}", "0", "HUGEINT", "UHUGEINT"),
            (None, None, "HUGEINT", "UHUGEINT"),
        ),
    )


_DECIMALS = (
    *run(
        "CREATE TABLE t (a DECIMAL(4, 1), b DECIMAL(9, 2), c DECIMAL(18, 4), d DECIMAL(38, 10))",
        "INSERT INTO t VALUES (999.9, 1234567.89, 12345678901234.5678, 1234567890123456789012345678.0123456789), "
        "(-0.1, -0.01, -0.0001, -0.0000000001), (NULL, NULL, NULL, NULL)",
    ),
    rows(
        "SELECT * FROM t",
        "a: decimal128(4, 1); b: decimal128(9, 2); c: decimal128(18, 4); d: decimal128(38, 10)",
        ("999.9", "1234567.89", "12345678901234.5678", "1234567890123456789012345678.0123456789"),
        ("-0.1", "-0.01", "-0.0001", "-0.0000000001"),
        (None,) * 4,
    ),
)
_FLOATS = (
    *run(
        "CREATE TABLE t (a FLOAT, b DOUBLE)",
        "INSERT INTO t VALUES (1.5, 0.1), ('NaN', 'NaN'), ('Infinity', '-Infinity'), ('-0.0', '-0.0'), (NULL, NULL)",
    ),
    rows(
        "SELECT * FROM t",
        "a: float; b: double",
        (1.5, 0.1),
        (float("nan"), float("nan")),
        (float("inf"), float("-inf")),
        (-0.0, -0.0),
        (None, None),
    ),
    rows("SELECT count(*) AS n FROM t WHERE b > 1e300", "n: int64", (1,)),
)
_TIMES = (
    *run(
        "CREATE TABLE t (d DATE, h TIME, i INTERVAL)",
        "INSERT INTO t VALUES ('2024-02-29', '23:59:59.999999', INTERVAL '1 year 2 months 3 days 04:05:06'), "
        "('0001-01-01', '00:00:00', INTERVAL '1 day'), (NULL, NULL, NULL)",
    ),
    rows(
        "SELECT d, h, i::VARCHAR AS i FROM t",
        "d: date32; h: time64[us]; i: string",
        ("2024-02-29", "23:59:59.999999", "1 year 2 months 3 days 04:05:06"),
        ("0001-01-01", "00:00:00", "1 day"),
        (None,) * 3,
    ),
)
_ZONED = (
    *run("CREATE TABLE t (z TIMETZ)", "INSERT INTO t VALUES ('12:30:00+02'), ('00:00:00-11'), (NULL)"),
    rows("SELECT z::VARCHAR AS z FROM t", "z: string", ("12:30:00+02",), ("00:00:00-11",), (None,)),
)
_TIMESTAMPS = (
    *run(
        "CREATE TABLE t (a TIMESTAMP, b TIMESTAMPTZ, c TIMESTAMP_S, d TIMESTAMP_MS, e TIMESTAMP_NS)",
        "INSERT INTO t VALUES ('2024-01-15 12:30:00.123456', '2024-01-15 12:30:00.123456+02', '2024-01-15 12:30:01', "
        "'2024-01-15 12:30:00.123', '2024-01-15 12:30:00.123456789'), "
        "('1969-12-31 23:59:59.999999', '1969-12-31 23:59:59-01', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999', "
        "'1969-12-31 23:59:59.999999999'), (NULL, NULL, NULL, NULL, NULL)",
    ),
    rows(
        "SELECT * FROM t",
        "a: timestamp[us]; b: utc; c: timestamp[s]; d: timestamp[ms]; e: timestamp[ns]",
        (
            "2024-01-15 12:30:00.123456",
            "2024-01-15 10:30:00.123456Z",
            "2024-01-15 12:30:01",
            "2024-01-15 12:30:00.123",
            "2024-01-15 12:30:00.123456789",
        ),
        (
            "1969-12-31 23:59:59.999999",
            "1970-01-01 00:59:59Z",
            "1969-12-31 23:59:59",
            "1969-12-31 23:59:59.999",
            "1969-12-31 23:59:59.999999999",
        ),
        (None,) * 5,
    ),
)
_TEXTS = (
    *run(
        "CREATE TABLE t (s VARCHAR, b BLOB, j JSON, u UUID, f BOOLEAN)",
        """INSERT INTO t VALUES ('ä€😀 ''q''', '\\x00\\xFF\\x41'::BLOB, '{"k": [1, null]}',
        '550e8400-e29b-41d4-a716-446655440000', true), ('', ''::BLOB, 'null', '00000000-0000-0000-0000-000000000000',
        false), (NULL, NULL, NULL, NULL, NULL)""",
    ),
    rows(
        "SELECT s, b, j::VARCHAR AS j, u::VARCHAR AS u, f, typeof(j) AS k, typeof(u) AS l FROM t",
        "s: string; b: binary; j: string; u: string; f: bool; k: string; l: string",
        ("ä€😀 'q'", "00ff41", '{"k": [1, null]}', "550e8400-e29b-41d4-a716-446655440000", True, "JSON", "UUID"),
        ("", "", "null", "00000000-0000-0000-0000-000000000000", False, "JSON", "UUID"),
        (None, None, None, None, None, "JSON", "UUID"),
    ),
)
_NESTED = (
    *run(
        "CREATE TABLE t (id INTEGER, l INTEGER[], s STRUCT(a INTEGER, b VARCHAR), m MAP(VARCHAR, INTEGER), "
        "d STRUCT(x INTEGER[], y STRUCT(z VARCHAR)[])[])",
        "INSERT INTO t VALUES (1, [1, NULL, 3], {'a': 1, 'b': 'x'}, MAP {'k': 1, 'o': NULL}, "
        "[{'x': [1, 2], 'y': [{'z': 'deep'}, NULL]}]), (2, [], {'a': NULL, 'b': NULL}, MAP {}, []), "
        "(3, NULL, NULL, NULL, NULL)",
    ),
    rows(
        "SELECT * FROM t",
        "id: int32; l: list<int32>; s: struct<a: int32, b: string>; m: map<string, int32>; "
        "d: list<struct<x: list<int32>, y: list<struct<z: string>>>>",
        (
            1,
            [1, None, 3],
            {"a": 1, "b": "x"},
            [("k", 1), ("o", None)],
            [{"x": [1, 2], "y": [{"z": "deep"}, None]}],
        ),
        (2, [], {"a": None, "b": None}, [], []),
        (3, None, None, None, None),
    ),
)
_VARIANT = (
    *run(
        "CREATE TABLE t (id INTEGER, v VARIANT)",
        "INSERT INTO t VALUES (1, 42::VARIANT), (2, 'text'::VARIANT), (3, {'a': [1, 2]}::VARIANT), (4, NULL)",
    ),
    rows(
        "SELECT id, variant_typeof(v) AS k, v::VARCHAR AS v FROM t",
        "id: int32; k: string; v: string",
        (1, "INT32", "42"),
        (2, "VARCHAR", "text"),
        (3, "OBJECT(a)", "{'a': [1, 2]}"),
        (4, "VARIANT_NULL", None),
    ),
)


def _pair(name: str, title: str, steps: tuple[Step, ...]) -> tuple[DuckLakeFeature, DuckLakeFeature]:
    """The same types in a Parquet file, and inlined in the catalog."""
    in_file = look(("data-files", "=", 1), ("inlined-rows", "=", 0), ("unreadable-files", "=", 0))
    inline = look(("data-files", "=", 0), ("inlined-rows", ">=", 3), ("files-in-storage", "=", 0))
    return (
        DuckLakeFeature(f"type-{name}", f"types: {title}", _SOURCE, (*steps, in_file), FILES),
        DuckLakeFeature(f"type-{name}-inlined", f"types, inlined: {title}", _SOURCE, (*steps, inline), INLINED),
    )


_DECLINED = (
    ("CREATE TABLE x (a INTEGER[3])", "unsupported type"),
    ("CREATE TABLE x (a UNION(b INTEGER, c VARCHAR))", "unsupported type"),
    ("CREATE TABLE x (a BIT)", "unsupported type"),
    ("CREATE TABLE x (a ENUM('b', 'c'))", "unsupported type"),
    ("CREATE TABLE x (a INTEGER PRIMARY KEY)", "PRIMARY KEY"),
    ("CREATE TABLE x (a INTEGER UNIQUE)", "UNIQUE"),
    ("CREATE TABLE x (a INTEGER CHECK (a > 0))", "CHECK"),
    ("CREATE TABLE x (a INTEGER, b INTEGER AS (a + 1))", "generated columns"),
    ("CREATE SEQUENCE x", "sequences"),
    ("CREATE INDEX x ON t (a)", "indexes"),
)

ALL: tuple[DuckLakeFeature, ...] = (
    *_pair("integer", "integers of 8 to 64 bits, signed and unsigned", _INTEGERS),
    *_pair("integer-128", "integers of 128 bits", _wide(_WIDER, _WIDER)),
    *_pair("integer-128-limits", "the largest integers of 128 bits", _wide(_WIDEST, _WIDEST_UNSIGNED)),
    *_pair("decimal", "decimals up to 38 digits", _DECIMALS),
    *_pair("float", "float and double with NaN, infinities and -0.0", _FLOATS),
    *_pair("time", "date, time, interval", _TIMES),
    *_pair("timetz", "time with zone", _ZONED),
    *_pair("timestamp", "timestamps of every precision, and with zone", _TIMESTAMPS),
    *_pair("text", "text, blob, JSON, UUID, boolean", _TEXTS),
    *_pair("nested", "lists, structs and maps, nested, empty and null", _NESTED),
    *_pair(
        "interval-negative",
        "a negative interval",
        (
            *run("CREATE TABLE t (i INTERVAL)", "INSERT INTO t VALUES (INTERVAL '-1 day'), (NULL), (NULL)"),
            rows("SELECT i::VARCHAR AS i FROM t", "i: string", ("-1 day",), (None,), (None,)),
        ),
    ),
    DuckLakeFeature("type-variant", "types: variant", _SOURCE, _VARIANT, FILES),
    DuckLakeFeature(
        "type-geometry",
        "types: geometry",
        _SOURCE,
        (
            *run("CREATE TABLE t (id INTEGER, g GEOMETRY)", "INSERT INTO t VALUES (1, 'POINT (1 2)'), (2, NULL)"),
            rows("SELECT id, g::VARCHAR AS g FROM t", "id: int32; g: string", (1, "POINT (1 2)"), (2, None)),
            look(("columns", "=", {"id": "int32", "g": "geometry"}), ("data-files", "=", 1)),
        ),
        FILES,
    ),
    DuckLakeFeature(
        "unsupported",
        "what the documents call unsupported is refused: arrays, unions, keys, checks, indexes …",
        _UNSUPPORTED,
        (*run("CREATE TABLE t (a INTEGER)"), *(no(*one) for one in _DECLINED)),
    ),
)
