"""The steps of a table that is read after each of them, as SQL of PostgreSQL and of Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_ROWS = 60
_TEXTS = ("'north'", "'süd'", "NULL", "'it''s'", "''")
POSTGRESQL = {"text": "text", "double": "double precision", "timestamp": "timestamp", "timestamptz": "timestamptz"}
SPARK = {"text": "string", "double": "double", "timestamp": "timestamp_ntz", "timestamptz": "timestamp"}


@dataclass(frozen=True)
class WayStep:
    """What is done to ``{table}``, and its columns then with their types of PostgreSQL.

    ``statements`` name types by the keys of :data:`POSTGRESQL`, which are those of :data:`SPARK`.
    """

    name: str
    title: str
    statements: tuple[str, ...]
    columns: Mapping[str, str]

    def sql(self, table: str, words: Mapping[str, str]) -> tuple[str, ...]:
        """The statements for ``table`` in the words of an engine."""
        return tuple(one.format(table=table, **words) for one in self.statements)


def _values(first: int, number: int) -> str:
    return ", ".join(_row(one) for one in range(first, first + number))


def _row(key: int) -> str:
    """A row in literals that both engines read alike; some cells are null."""
    at = f"2025-01-{1 + key % 28:02} {key % 24:02}:00:00.{key:06}"
    amount = f"{key * 125 / 100:.2f}"
    cells = (
        str(key), _TEXTS[key % len(_TEXTS)], amount if key % 11 else "NULL", str(key % 3 == 0).lower(),
        f"CAST('{'NaN' if key % 13 == 0 else key / 8}' AS {{double}})",
        f"CAST('{at}' AS {{timestamp}})", f"CAST('{at}+00:00' AS {{timestamptz}})", f"DATE '{at[:10]}'",
    )  # fmt: skip
    return f"({', '.join(cells)})"


_FIRST = {
    "id": "integer", "region": "text", "amount": "numeric(10,2)", "paid": "boolean", "score": "double precision",
    "made": "timestamp", "seen": "timestamptz", "day": "date",
}  # fmt: skip
_WITH_NOTE = {**_FIRST, "note": "text"}
_RENAMED = {("area" if name == "region" else name): kind for name, kind in _WITH_NOTE.items()}
_WIDENED = {**_RENAMED, "id": "bigint"}
_DROPPED = {name: kind for name, kind in _WIDENED.items() if name != "score"}
_CREATE = (
    "(id integer, region {text}, amount numeric(10,2), paid boolean, score {double}, made {timestamp}, "
    "seen {timestamptz}, day date)"
)
CREATE = WayStep("create", "CREATE TABLE", (f"CREATE TABLE {{table}} {_CREATE}",), _FIRST)
STEPS = (
    WayStep("insert", "after INSERT", (f"INSERT INTO {{table}} VALUES {_values(1, _ROWS)}",), _FIRST),
    WayStep(
        "update", "after UPDATE", ("UPDATE {table} SET amount = 99.99, region = 'moved' WHERE id % 7 = 0",), _FIRST
    ),
    WayStep("delete", "after DELETE", ("DELETE FROM {table} WHERE id % 5 = 0",), _FIRST),
    WayStep(
        "add-column",
        "after ADD COLUMN",
        ("ALTER TABLE {table} ADD COLUMN note {text}", "UPDATE {table} SET note = 'seen' WHERE id % 4 = 0"),
        _WITH_NOTE,
    ),
    WayStep("rename-column", "after RENAME COLUMN", ("ALTER TABLE {table} RENAME COLUMN region TO area",), _RENAMED),
    WayStep(
        "widen-column",
        "after ALTER COLUMN … TYPE bigint",
        (
            "ALTER TABLE {table} ALTER COLUMN id TYPE bigint",
            "INSERT INTO {table} (id, area, note) VALUES (4611686018427387904, 'wide', 'bigint')",
        ),
        _WIDENED,
    ),
    WayStep("drop-column", "after DROP COLUMN", ("ALTER TABLE {table} DROP COLUMN score",), _DROPPED),
)
