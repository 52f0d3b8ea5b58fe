"""Edge values of PostgreSQL's types, and the queries of tables that have them."""

from __future__ import annotations

from lakebench.datasets.postgresql import edges
from lakebench.datasets.postgresql.twins import SPECIAL, filters


def test_every_edge_value_and_null_is_in_a_row_and_in_a_filter() -> None:
    inserted, _ = edges.filled("t")
    for column in edges.COLUMNS:
        predicates = list(column.predicates())
        for value in column.values:
            assert column.literal(value) in inserted
            assert f"{column.name} <> {column.literal(value)}" in predicates
        assert f"{column.name} IS NULL" in predicates
    assert inserted.count("NULL") >= len(edges.COLUMNS)


def test_a_filter_asks_for_rows_and_aggregates_behind_each_comparison() -> None:
    column = next(one for one in edges.COLUMNS if one.type == "boolean")
    rows, aggregates = filters(column)
    for at, predicate in enumerate(column.predicates()):
        assert f"SELECT {at} AS p, id AS n, 0 AS s, 0 AS low, 0 AS high FROM {{t}} AS t WHERE {predicate}" in rows.sql
        assert f"WHERE {predicate} AND id < {edges.FIRST + 20}" in aggregates.sql


def test_special_values_are_compared_with_each_other() -> None:
    special = SPECIAL["before-christ"]
    assert special.title == "date: 4713-01-01 BC, 0001-12-31 BC, 5874897-12-31"
    assert special.insert.startswith("INSERT INTO {t} VALUES (0, '4713-01-01 BC'::date), (1, '0001-12-31 BC'::date)")
    assert "WHEN v = '0001-12-31 BC'::date THEN 1" in special.query.sql


def test_a_joined_table_has_a_row_of_null() -> None:
    assert edges.joined("own").startswith("INSERT INTO own VALUES (0, 'north'), (1, 'South')")
    assert edges.joined("own").endswith("(4, NULL)")
