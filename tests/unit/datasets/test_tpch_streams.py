from __future__ import annotations

import functools
import hashlib
from decimal import Decimal
from importlib.metadata import entry_points

import pytest
import sqlglot

from lakebench.datasets import tpch
from lakebench.datasets.tpch import parameters, streams
from lakebench.datasets.tpch.parameters import VALIDATION, drawn, placeholders
from lakebench.engines import Engine
from lakebench.engines.ray_duckdb.stages import stages

# Of the texts with the validation values written out in them.
HASHES = {
    "0.01": "c3c5c62222b98fe2115daa6eb980fcc6e2123992a9a25c0528f30d0e09f39c56",
    "1": "c3c5c62222b98fe2115daa6eb980fcc6e2123992a9a25c0528f30d0e09f39c56",
    "3": "bcc813e5e8307c92bece37a60b4ddd3499fb5245215d13e92c2c80eb21787ba0",
    "10": "975033abc1cdb47a4fa0e9132422c14ad2d72fea8a33cdb933e0f88ed67016f1",
    "100": "38685889d1d4c69b0b8ad604fa44aed93830be78138d04db0efa5459e3844447",
}
# Of Appendix A, version 2.17.3, read from the specification's own file.
ORDERED_SETS = "148252e9"
DRAWS = 400


@pytest.mark.parametrize("scale", HASHES)
def test_the_validation_parameters_are_the_default(scale: str) -> None:
    assert tpch.workload_hash(tpch.queries(Decimal(scale))) == HASHES[scale]


def test_a_stream_is_the_same_for_the_same_seed() -> None:
    one = tpch.stream_queries(Decimal(1), 7, 3)
    assert one == tpch.stream_queries(Decimal(1), 7, 3)
    assert [query.number for query in one] == list(streams.order(3))
    assert one != tpch.stream_queries(Decimal(1), 8, 3)
    other = {query.number: query.sql for query in tpch.stream_queries(Decimal(1), 7, 4)}
    assert sum(query.sql != other[query.number] for query in one) > 15


def test_known_forever() -> None:
    assert drawn(42, 1, 3) == {"segment": "HOUSEHOLD", "date": "1995-03-10"}
    assert drawn(42, 1, 7) == {"nation1": "RUSSIA", "nation2": "JORDAN"}


def test_the_fraction_of_a_stream_is_that_of_the_scale_factor_everywhere() -> None:
    for scale, fraction in (("0.01", "0.01"), ("1", "0.0001"), ("10", "0.00001")):
        [eleventh] = [one for one in tpch.stream_queries(Decimal(scale), 1, 0) if one.number == 11]
        assert eleventh.parameters["fraction"] == fraction
        assert f"* {fraction}\n" in eleventh.sql


def engine_types() -> list[type[Engine]]:
    return [one.load() for one in entry_points(group="lakebench.engines") if one.value.startswith("lakebench.")]


@pytest.mark.parametrize("engine", engine_types(), ids=lambda engine: engine.__name__)
def test_every_engine_has_the_stream_in_its_own_words(engine: type[Engine]) -> None:
    assert "daft" not in engine.__module__ or tpch.is_variant(tpch.queries(Decimal(1))[20], engine)
    for query in tpch.stream_queries(Decimal(1), 42, 1):
        sql = tpch.sql_for(query, engine)
        assert "{" not in sql
        assert all(sqlglot.parse_one(one.sql, read=engine.dialect or "postgres") for one in stages(sql))
        for value in query.parameters.values():
            assert value in sql or query.number in {1, 6}


class TestOrder:
    def test_the_power_test(self) -> None:
        first = (14, 2, 9, 20, 6, 17, 18, 8, 21, 13, 3, 22, 16, 4, 11, 15, 1, 10, 19, 5, 7, 12)
        assert streams.order(0) == first

    def test_all_are_permutations_and_differ(self) -> None:
        assert len(streams.ORDERED_SETS) == len(set(streams.ORDERED_SETS)) == 41
        assert all(sorted(one) == list(range(1, 23)) for one in streams.ORDERED_SETS)

    def test_they_are_those_of_appendix_a(self) -> None:
        text = "\n".join(" ".join(map(str, one)) for one in streams.ORDERED_SETS)
        assert hashlib.sha256(text.encode()).hexdigest()[:8] == ORDERED_SETS

    def test_the_first_follows_the_last(self) -> None:
        assert streams.order(40)[:3] == (13, 15, 17)
        assert streams.order(41) == streams.order(0)

    @pytest.mark.parametrize(
        ("scale", "count"),
        [("0.01", 2), ("1", 2), ("9.9", 2), ("10", 3), ("30", 4), ("100", 5), ("300", 6), ("1000", 7), ("3000", 8)],
    )
    def test_how_many(self, scale: str, count: int) -> None:
        assert tpch.stream_count(Decimal(scale)) == count
        assert tpch.stream_count(Decimal(100_000)) == 11


def whole(least: int, most: int) -> set[str]:
    return {str(n) for n in range(least, most + 1)}


def months(first: tuple[int, int], last: tuple[int, int]) -> set[str]:
    """The first days of the months (year, month) from ``first`` to ``last``."""
    every = [(year, month) for year in range(1993, 1998) for month in range(1, 13)]
    return {f"{year}-{month:02d}-01" for year, month in every if first <= (year, month) <= last}


BRANDS = {f"Brand#{m}{n}" for m in range(1, 6) for n in range(1, 6)}
JANUARIES = {f"{year}-01-01" for year in (1993, 1994, 1995, 1996, 1997)}
TO_OCTOBER_1997 = months((1993, 1), (1997, 10))
# Clause 2.4.q.3: what each parameter may be, in the specification's own bounds.
WITHIN: list[tuple[int, str, set[str]]] = [
    (1, "delta", whole(60, 120)),
    (2, "size", whole(1, 50)),
    (2, "type", {"TIN", "NICKEL", "BRASS", "STEEL", "COPPER"}),
    (2, "region", {"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"}),
    (3, "segment", {"AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"}),
    (3, "date", {f"1995-03-{day:02d}" for day in range(1, 32)}),
    (4, "date", TO_OCTOBER_1997),
    (5, "date", JANUARIES),
    (6, "date", JANUARIES),
    (6, "discount", {f"0.0{n}" for n in range(2, 10)}),
    (6, "quantity", {"24", "25"}),
    (7, "nation1", set(parameters.NATIONS)),
    (7, "nation2", set(parameters.NATIONS)),
    (8, "nation", set(parameters.NATIONS)),
    (9, "color", set(parameters.COLORS)),
    (10, "date", months((1993, 2), (1995, 1))),
    (11, "nation", set(parameters.NATIONS)),
    (12, "shipmode1", set(parameters.MODES)),
    (12, "shipmode2", set(parameters.MODES)),
    (12, "date", JANUARIES),
    (13, "word1", {"special", "pending", "unusual", "express"}),
    (13, "word2", {"packages", "requests", "accounts", "deposits"}),
    (14, "date", months((1993, 1), (1997, 12))),
    (15, "date", TO_OCTOBER_1997),
    (16, "brand", BRANDS),
    *((16, f"size{n}", whole(1, 50)) for n in range(1, 9)),
    (17, "brand", BRANDS),
    (18, "quantity", whole(312, 315)),
    (19, "quantity1", whole(1, 10)),
    (19, "quantity2", whole(10, 20)),
    (19, "quantity3", whole(20, 30)),
    *((19, f"brand{n}", BRANDS) for n in (1, 2, 3)),
    (20, "color", set(parameters.COLORS)),
    (20, "date", JANUARIES),
    (20, "nation", set(parameters.NATIONS)),
    (21, "nation", set(parameters.NATIONS)),
    *((22, f"i{n}", whole(10, 34)) for n in range(1, 8)),
]


@functools.cache
def draws(query: int) -> list[dict[str, str]]:
    return [drawn(5, stream, query) for stream in range(DRAWS)]


class TestParameters:
    @pytest.mark.parametrize(("query", "name", "values"), WITHIN, ids=[f"q{query}-{name}" for query, name, _ in WITHIN])
    def test_all_values_of_the_specification_and_no_other(self, query: int, name: str, values: set[str]) -> None:
        drawn = {one[name] for one in draws(query)}
        assert drawn <= values
        # Of 92 equally likely values, 400 draws leave out one on average; of 61 or fewer, none.
        assert len(drawn) >= len(values) - (5 if len(values) > 40 else 0)

    def test_validation_values_have_the_same_names(self) -> None:
        for query, values in VALIDATION.items():
            assert drawn(1, 1, query).keys() == values.keys()

    def test_lists(self) -> None:
        assert (len(parameters.COLORS), len(parameters.TYPES), len(parameters.CONTAINERS)) == (92, 150, 40)
        assert len(parameters.NATIONS) == len(parameters.COUNTRY_CODES) == 25

    def test_what_must_differ_differs(self) -> None:
        for stream in range(DRAWS):
            nations, modes = drawn(1, stream, 7), drawn(1, stream, 12)
            assert nations["nation1"] != nations["nation2"]
            assert modes["shipmode1"] != modes["shipmode2"]
            sizes = {value for name, value in drawn(1, stream, 16).items() if name.startswith("size")}
            assert (len(sizes), len(set(drawn(1, stream, 22).values()))) == (8, 7)

    def test_what_belongs_together(self) -> None:
        for stream in range(DRAWS):
            eighth = drawn(1, stream, 8)
            assert parameters.NATIONS[eighth["nation"]] == eighth["region"]
            assert len(eighth["type"].split()) == 3
            assert len(drawn(1, stream, 16)["type"].split()) == 2

    @pytest.mark.parametrize(
        ("query", "parameters", "name", "value"),
        [
            (1, {"delta": "60"}, "date", "1998-10-02"),
            (1, {"delta": "120"}, "date", "1998-08-03"),
            (4, {"date": "1997-10-01"}, "date_end", "1998-01-01"),
            (5, {"date": "1997-01-01"}, "date_end", "1998-01-01"),
            (6, {"date": "1993-01-01", "discount": "0.09"}, "discount_high", "0.10"),
            (6, {"date": "1993-01-01", "discount": "0.02"}, "discount_low", "0.01"),
            (10, {"date": "1994-11-01"}, "date_end", "1995-02-01"),
            (14, {"date": "1995-12-01"}, "date_end", "1996-01-01"),
            (15, {"date": "1993-01-01"}, "date_end", "1993-04-01"),
            (20, {"date": "1996-01-01"}, "date_end", "1997-01-01"),
        ],
    )
    def test_arithmetic(self, query: int, parameters: dict[str, str], name: str, value: str) -> None:
        assert placeholders(query, parameters)[name] == value
