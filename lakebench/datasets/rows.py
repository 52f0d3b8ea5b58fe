"""Small deterministic rows for the append check: what one engine writes, every other must read.

The types are those of Iceberg format version 2 that every engine of phase 4 claims. NaN, infinities,
signed zero and dates that clients cannot hold are questions of their own, for the interop features.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 20
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - an Iceberg timestamp has no zone
_TEXTS = ("", "plain", " blanks at both ends ", 'it\'s quoted "twice"', "back\\slash", "line\nbreak", "Zürich 東京 🦆")
_INT = 2**31 - 1
_LONG = 2**63 - 1
_DECIMAL = 10**18 - 1


def schema() -> pa.Schema:
    """The Arrow schema: ``id`` is unique over all writers, every other column may be null."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("id", pa.int64()),
            pa.field("writer", pa.int32()),
            pa.field("a_bool", pa.bool_()),
            pa.field("an_int", pa.int32()),
            pa.field("a_long", pa.int64()),
            pa.field("a_float", pa.float32()),
            pa.field("a_double", pa.float64()),
            pa.field("a_decimal", pa.decimal128(18, 4)),
            pa.field("a_date", pa.date32()),
            pa.field("a_timestamp", pa.timestamp("us")),
            pa.field("a_timestamptz", pa.timestamp("us", tz="UTC")),
            pa.field("a_string", pa.string()),
            pa.field("a_binary", pa.binary()),
        ]
    )


def rows(seed: int, writer: int) -> pa.Table:
    """The :data:`ROWS` rows that writer number ``writer`` (from 0) appends; the same for the same seed, always.

    The first row holds small values, the second large ones, the last nothing but nulls.
    """
    import pyarrow as pa

    chance = random.Random(f"{seed}/{writer}")  # noqa: S311 - reproducible on purpose
    values = [_smallest(), _largest(), *(_some(chance) for _ in range(ROWS - 3)), [None] * 11]
    records = [[writer * ROWS + n, writer, *one] for n, one in enumerate(values)]
    kinds = schema()
    columns = [pa.array(column, field.type) for column, field in zip(zip(*records, strict=True), kinds, strict=True)]
    return pa.Table.from_arrays(columns, schema=kinds)


def write(seed: int, numbers: Sequence[int], into: Path) -> None:
    """Write the rows of the writers ``numbers`` as an Arrow IPC file."""
    import pyarrow as pa

    table_files.write(pa.concat_tables([rows(seed, number) for number in numbers]), into)


def _smallest() -> list[Any]:
    at = datetime(1900, 1, 1)  # noqa: DTZ001 - as above
    decimal = Decimal(-_DECIMAL).scaleb(-4)
    return [
        False,
        -_INT - 1,
        -_LONG - 1,
        -(2.0**127),
        -(2.0**1000),
        decimal,
        at.date(),
        at,
        at.replace(tzinfo=UTC),
        "",
        b"",
    ]


def _largest() -> list[Any]:
    at = datetime(2199, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001 - as above
    decimal = Decimal(_DECIMAL).scaleb(-4)
    return [
        True,
        _INT,
        _LONG,
        2.0**127,
        2.0**1000,
        decimal,
        at.date(),
        at,
        at.replace(tzinfo=UTC),
        _TEXTS[-1],
        b"\xff" * 9,
    ]


def _some(chance: random.Random) -> list[Any]:
    at = _EPOCH + timedelta(microseconds=chance.randint(-(10**15), 4 * 10**15))
    return [
        chance.random() < 0.5,  # noqa: PLR2004 - a coin
        chance.randint(-_INT, _INT),
        chance.randint(-_LONG, _LONG),
        chance.randint(-(2**20), 2**20) / 64,  # exact in 32 bits
        chance.uniform(-1e6, 1e6),
        Decimal(chance.randint(-_DECIMAL, _DECIMAL)).scaleb(-4),
        date(1970, 1, 1) + timedelta(days=chance.randint(-20_000, 40_000)),
        at,
        at.replace(tzinfo=UTC),
        chance.choice(_TEXTS) + str(chance.randint(0, 99)),
        chance.randbytes(chance.randint(0, 8)),
    ]
