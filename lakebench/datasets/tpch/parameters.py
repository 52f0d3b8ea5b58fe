"""The substitution parameters of the 22 queries: the validation values, and drawn ones (clause 2.4.q.3 for query q).

A parameter has the specification's name in lower case and its value as text. Each is drawn from a uniform
distribution (clause 2.1.3.2), by Python's generator instead of ``qgen``'s, and from a seed that the run is given
instead of the time at which the load ended (clause 2.1.3.3): a run can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

Parameters = Mapping[str, str]

# Clause 4.2.3 (N_NAME and R_NAME) and the lists of clause 4.2.2.13.
_NATIONS = {
    "AFRICA": ("ALGERIA", "ETHIOPIA", "KENYA", "MOROCCO", "MOZAMBIQUE"),
    "AMERICA": ("ARGENTINA", "BRAZIL", "CANADA", "PERU", "UNITED STATES"),
    "ASIA": ("CHINA", "INDIA", "INDONESIA", "JAPAN", "VIETNAM"),
    "EUROPE": ("FRANCE", "GERMANY", "ROMANIA", "RUSSIA", "UNITED KINGDOM"),
    "MIDDLE EAST": ("EGYPT", "IRAN", "IRAQ", "JORDAN", "SAUDI ARABIA"),
}
REGIONS = tuple(_NATIONS)
NATIONS = {nation: region for region, nations in _NATIONS.items() for nation in nations}
"""N_NAME → the R_NAME that N_REGIONKEY leads to."""
SEGMENTS = ("AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD")
MODES = ("REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB")
TYPES = tuple(
    product(
        ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"),
        ("ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"),
        ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER"),
    )
)
CONTAINERS = tuple(
    product(("SM", "LG", "MED", "JUMBO", "WRAP"), ("CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"))
)
_COLORS = """
    almond antique aquamarine azure beige bisque black blanched blue blush brown burlywood burnished chartreuse chiffon
    chocolate coral cornflower cornsilk cream cyan dark deep dim dodger drab firebrick floral forest frosted gainsboro
    ghost goldenrod green grey honeydew hot indian ivory khaki lace lavender lawn lemon light lime linen magenta maroon
    medium metallic midnight mint misty moccasin navajo navy olive orange orchid pale papaya peach peru pink plum powder
    puff purple red rose rosy royal saddle salmon sandy seashell sienna sky slate smoke snow spring steel tan thistle
    tomato turquoise violet wheat white yellow
"""
COLORS = tuple(_COLORS.split())
"""The words of P_NAME (clause 4.2.3)."""
WORDS = (("special", "pending", "unusual", "express"), ("packages", "requests", "accounts", "deposits"))
COUNTRY_CODES = tuple(str(10 + nation) for nation in range(len(NATIONS)))
"""The first two characters of a phone number (clause 4.2.2.9)."""

_FIRST_YEAR, _LAST_YEAR = 1993, 1997
_LAST_SHIP_DATE = date(1998, 12, 1)
_CENT = Decimal("0.01")

# Clause 2.4.q.4. Q11's FRACTION is not here: it depends on the scale factor.
VALIDATION: Mapping[int, Parameters] = {
    1: {"delta": "90"},
    2: {"size": "15", "type": "BRASS", "region": "EUROPE"},
    3: {"segment": "BUILDING", "date": "1995-03-15"},
    4: {"date": "1993-07-01"},
    5: {"region": "ASIA", "date": "1994-01-01"},
    6: {"date": "1994-01-01", "discount": "0.06", "quantity": "24"},
    7: {"nation1": "FRANCE", "nation2": "GERMANY"},
    8: {"nation": "BRAZIL", "region": "AMERICA", "type": "ECONOMY ANODIZED STEEL"},
    9: {"color": "green"},
    10: {"date": "1993-10-01"},
    11: {"nation": "GERMANY"},
    12: {"shipmode1": "MAIL", "shipmode2": "SHIP", "date": "1994-01-01"},
    13: {"word1": "special", "word2": "requests"},
    14: {"date": "1995-09-01"},
    15: {"date": "1996-01-01"},
    16: {
        "brand": "Brand#45",
        "type": "MEDIUM POLISHED",
        **{f"size{n}": size for n, size in enumerate(("49", "14", "23", "45", "19", "3", "36", "9"), start=1)},
    },
    17: {"brand": "Brand#23", "container": "MED BOX"},
    18: {"quantity": "300"},
    19: {
        **{f"quantity{n}": quantity for n, quantity in enumerate(("1", "10", "20"), start=1)},
        **{f"brand{n}": brand for n, brand in enumerate(("Brand#12", "Brand#23", "Brand#34"), start=1)},
    },
    20: {"color": "forest", "date": "1994-01-01", "nation": "CANADA"},
    21: {"nation": "SAUDI ARABIA"},
    22: {"i1": "13", "i2": "31", "i3": "23", "i4": "29", "i5": "30", "i6": "18", "i7": "17"},
}


def drawn(seed: int, stream: int, number: int) -> Parameters:
    """The parameters of query ``number`` in ``stream``: the same for the same ``seed``, without Q11's FRACTION."""
    return _DRAWS[number](random.Random(f"{seed}/{stream}/{number}"))  # noqa: S311 - a workload, not a secret


def placeholders(number: int, parameters: Parameters) -> dict[str, str]:
    """The values of the placeholders of query ``number``: ``parameters``, and the results of arithmetic on them."""
    filled = dict(parameters)
    if "delta" in filled:
        filled["date"] = (_LAST_SHIP_DATE - timedelta(days=int(filled["delta"]))).isoformat()
    if "discount" in filled:
        discount = Decimal(filled["discount"])
        filled |= {"discount_low": str(discount - _CENT), "discount_high": str(discount + _CENT)}
    if number in _MONTHS:
        filled["date_end"] = _months_after(filled["date"], _MONTHS[number])
    return filled


# By query: the interval that its text adds to DATE.
_MONTHS = {4: 3, 5: 12, 6: 12, 10: 3, 12: 12, 14: 1, 15: 3, 20: 12}


def _months_after(first_of_a_month: str, months: int) -> str:
    day = date.fromisoformat(first_of_a_month)
    years, month = divmod(day.month - 1 + months, 12)
    return day.replace(year=day.year + years, month=month + 1).isoformat()


def _month(draw: random.Random, first: int, last: int) -> str:
    """The first day of a month, of those from ``first`` to ``last``, counted from January 1993 as 0."""
    return _months_after(f"{_FIRST_YEAR}-01-01", draw.randint(first, last))


def _year(draw: random.Random) -> str:
    return f"{draw.randint(_FIRST_YEAR, _LAST_YEAR)}-01-01"


def _nation(draw: random.Random) -> str:
    return draw.choice(tuple(NATIONS))


def _brand(draw: random.Random) -> str:
    return f"Brand#{draw.randint(1, 5)}{draw.randint(1, 5)}"


def _words(syllables: Sequence[str]) -> str:
    return " ".join(syllables)


def _q2(draw: random.Random) -> Parameters:
    return {"size": str(draw.randint(1, 50)), "type": draw.choice(TYPES)[2], "region": draw.choice(REGIONS)}


def _q3(draw: random.Random) -> Parameters:
    return {"segment": draw.choice(SEGMENTS), "date": f"1995-03-{draw.randint(1, 31):02d}"}


def _q6(draw: random.Random) -> Parameters:
    discount, quantity = draw.randint(2, 9), draw.randint(24, 25)
    return {"date": _year(draw), "discount": str(discount * _CENT), "quantity": str(quantity)}


def _q7(draw: random.Random) -> Parameters:
    one, other = draw.sample(tuple(NATIONS), 2)
    return {"nation1": one, "nation2": other}


def _q8(draw: random.Random) -> Parameters:
    nation = _nation(draw)
    return {"nation": nation, "region": NATIONS[nation], "type": _words(draw.choice(TYPES))}


def _q12(draw: random.Random) -> Parameters:
    one, other = draw.sample(MODES, 2)
    return {"shipmode1": one, "shipmode2": other, "date": _year(draw)}


def _q16(draw: random.Random) -> Parameters:
    sizes = draw.sample(range(1, 51), 8)
    numbered = {f"size{n}": str(size) for n, size in enumerate(sizes, start=1)}
    return {"brand": _brand(draw), "type": _words(draw.choice(TYPES)[:2]), **numbered}


def _q19(draw: random.Random) -> Parameters:
    quantities = {f"quantity{n}": str(draw.randint(least, least + 10)) for n, least in ((2, 10), (3, 20))}
    brands = {f"brand{n}": _brand(draw) for n in (1, 2, 3)}
    return {"quantity1": str(draw.randint(1, 10)), **quantities, **brands}


_DRAWS: Mapping[int, Callable[[random.Random], Parameters]] = {
    1: lambda draw: {"delta": str(draw.randint(60, 120))},
    2: _q2,
    3: _q3,
    4: lambda draw: {"date": _month(draw, 0, 57)},
    5: lambda draw: {"region": draw.choice(REGIONS), "date": _year(draw)},
    6: _q6,
    7: _q7,
    8: _q8,
    9: lambda draw: {"color": draw.choice(COLORS)},
    10: lambda draw: {"date": _month(draw, 1, 24)},
    11: lambda draw: {"nation": _nation(draw)},
    12: _q12,
    13: lambda draw: {"word1": draw.choice(WORDS[0]), "word2": draw.choice(WORDS[1])},
    14: lambda draw: {"date": _month(draw, 0, 59)},
    15: lambda draw: {"date": _month(draw, 0, 57)},
    16: _q16,
    17: lambda draw: {"brand": _brand(draw), "container": _words(draw.choice(CONTAINERS))},
    18: lambda draw: {"quantity": str(draw.randint(312, 315))},
    19: _q19,
    20: lambda draw: {"color": draw.choice(COLORS), "date": _year(draw), "nation": _nation(draw)},
    21: lambda draw: {"nation": _nation(draw)},
    22: lambda draw: {f"i{n}": code for n, code in enumerate(draw.sample(COUNTRY_CODES, 7), start=1)},
}
