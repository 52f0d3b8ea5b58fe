"""A sample of ``hits`` that we make: skewed as such logs are, so that each of the 43 answers can show an error.

Nothing of it is ClickBench's data, and no result on it is comparable to a published one. Rows are drawn from one stream
of uniform numbers a part (PCG64), by integer arithmetic, comparison and division alone, so that a seed means the same
rows on every machine. A part depends on its number, not on how many there are: a smaller sample is the beginning of a
larger one, as long as both end with whole parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import cache
from lakebench.datasets.clickbench import hits
from lakebench.datasets.workload import TableData
from lakebench.errors import UsageError
from lakebench.paths import cache_dir
from lakebench.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Numbers = np.ndarray[Any, Any]

VERSION = 1
"""Raised whenever other rows come out."""
SEED = 43
LEAST_ROWS = 100_000
_PART_ROWS = 100_000
# Measured: 102 bytes a row in Parquet.
_BYTES_PER_ROW = 120

# What the queries name.
_COUNTER = 62
_USER = 435090932899640449
_HOME_HASH = 2868770270353813622
_REFERER_HASH = 3594120000172545465

_USERS = 120_000
_COUNTERS = 1_500
_PAGES = 40
_COUNTER_PAGES = 6_000
_PHRASES = 20_000
_REFERERS = 12_000
_REFERRING_HOSTS = 250
_REGIONS = 900
_DAYS = 33
_DAY_S = 24 * 60 * 60
# 30 June 2013, in days since 1970: some days are outside of July.
_FIRST_DAY = 15_886
_BUSY_DAY = 14
_WORDS = (
    *("weather", "moscow", "cheap", "flights", "apartment", "rent", "football", "news", "recipe", "cake", "video"),
    *("music", "lyrics", "schedule", "trains", "map", "bank", "credit", "car", "parts", "phone", "price", "review"),
    *("forum", "games", "online", "free", "download", "film", "series", "history", "school", "english", "погода"),
    *("новости", "карта", "расписание", "рецепт", "квартира", "купить", "скачать", "онлайн", "бесплатно"),
)
_SIZES = ((1366, 768), (1280, 1024), (1920, 1080), (1024, 768), (1600, 900), (1280, 800), (1440, 900), (320, 480))
_SEARCH_ENGINES = (2, 3, 1, 13, 44, 7, 50)
_ADVERTISERS = (27, 2, 13, 45, 44, 3, 62, 52, 50, 28)
_MODELS = ("iPhone", "iPad", "Nokia", "GT-I9300", "HTC One", "Xperia", "Lumia 920", "Nexus 7", "Galaxy Note", "A1-810")
_LANGUAGES = ("ru", "en", "uk", "de", "tr", "kk")


def table(rows: int, progress: Progress) -> tuple[TableData, str]:
    """The sample of ``rows`` rows, found in the cache or made, and its content hash.

    Raises:
        UsageError: fewer rows than the queries need, or the cache cannot be used.
    """
    if rows < LEAST_ROWS:
        raise UsageError(
            f"a sample of {rows:,} rows leaves queries of ClickBench without an answer: take {LEAST_ROWS:,} or more"
        )
    folder = cache_dir() / "datasets" / "clickbench" / f"sample-{VERSION}-{rows}"

    def make(into: Path) -> list[Path]:
        return write(into, rows, progress)

    return cache.table(folder, hits.TABLE, rows * _BYTES_PER_ROW, make, progress)


def write(folder: Path, rows: int, progress: Progress) -> list[Path]:
    """Write ``rows`` rows as Parquet files of bounded size to ``folder``."""
    import pyarrow.parquet as pq

    pools = _Pools.make()
    files = []
    with progress.count(f"making a sample of hits, {rows:,} rows", rows) as done:
        for number, first in enumerate(range(0, rows, _PART_ROWS), 1):
            path = folder / f"{hits.TABLE}.{number}.parquet"
            part = _Part(pools, number, first, min(_PART_ROWS, rows - first))
            pq.write_table(part.table(), path, compression="zstd")
            files.append(path)
            done(min(first + _PART_ROWS, rows))
    return files


class _Zipf:
    """Draws 0 to ``size`` - 1, each about as often as its rank says: 1 / (rank + ``flat``)."""

    def __init__(self, size: int, flat: int = 1) -> None:
        import numpy as np

        sums = np.cumsum(1.0 / (np.arange(size) + flat))
        self._sums = sums / sums[-1]

    def draw(self, uniform: Numbers) -> Numbers:
        """Ranks for ``uniform`` numbers of [0, 1)."""
        import numpy as np

        return np.searchsorted(self._sums, uniform, side="right")


def _mixed(numbers: Numbers, salt: int) -> Numbers:
    """64 bits for each of ``numbers``, as unlike as if drawn (SplitMix64's output function)."""
    import numpy as np

    x = numbers.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _long(numbers: Numbers, salt: int) -> Numbers:
    """A positive 64-bit integer for each of ``numbers``."""
    import numpy as np

    return (_mixed(numbers, salt) >> np.uint64(2)).astype(np.int64)


def _small(numbers: Numbers, salt: int, end: int) -> Numbers:
    """An integer from 0 to ``end`` - 1 for each of ``numbers``."""
    import numpy as np

    return (_mixed(numbers, salt) % np.uint64(end)).astype(np.int64)


@dataclass(frozen=True)
class _Pools:
    """The values that all parts draw from. A page is a number: a counter has ``page_count`` from ``page_start`` on."""

    urls: pa.Array
    titles: pa.Array
    url_hashes: Numbers
    page_start: Numbers
    page_count: Numbers
    counters: Numbers
    referers: pa.Array
    referer_hashes: Numbers
    phrases: pa.Array
    users: Numbers
    regions: Numbers

    @classmethod
    def make(cls) -> _Pools:
        """The pools, always the same."""
        import numpy as np
        import pyarrow as pa

        counts = np.where(np.arange(_COUNTERS) == 0, _COUNTER_PAGES, 1 + _small(np.arange(_COUNTERS), 1, 2 * _PAGES))
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        owner = np.repeat(np.arange(_COUNTERS), counts)
        pages = np.arange(len(owner))
        counters = np.where(np.arange(_COUNTERS) == 0, _COUNTER, 100 + np.arange(_COUNTERS) * 7)
        users = _long(np.arange(_USERS), 2)
        users[10] = _USER
        url_hashes = _long(pages, 3) - (np.int64(1) << np.int64(61))
        url_hashes[0] = _HOME_HASH
        referer_hashes = _long(np.arange(_REFERERS), 4) - (np.int64(1) << np.int64(61))
        referer_hashes[1] = _REFERER_HASH
        return cls(
            urls=pa.array([_url(page, site) for page, site in enumerate(owner.tolist())]),
            titles=pa.array([_title(page) for page in pages.tolist()]),
            url_hashes=url_hashes,
            page_start=starts,
            page_count=counts,
            counters=counters,
            referers=pa.array(["", *(_referer(n) for n in range(1, _REFERERS))]),
            referer_hashes=referer_hashes,
            phrases=pa.array(["", *_phrases()]),
            users=users,
            regions=1 + _Zipf(_REGIONS).draw(_small(np.arange(_USERS), 5, 1 << 40) / (1 << 40)),
        )


def _url(page: int, site: int) -> str:
    """The URL of a page; two in a hundred have the word that the queries look for, half of them in the host."""
    word = {1: ".google.com", 51: ".example.com/google"}.get(page % 100, ".example.com")
    scheme = "https" if page % 5 == 0 else "http"
    return f"{scheme}://site{site}{word}/{_WORDS[page % 30]}/{'section/' * (site % 7)}{page}.html"


def _title(page: int) -> str:
    if page % 9 == 0:
        return ""
    name = " Google" if page % 33 == 0 or page % 100 == 1 else ""
    return f"{_WORDS[page % len(_WORDS)].title()}{name} — {_WORDS[page // 50 % len(_WORDS)]} {page // 3}"


def _referer(number: int) -> str:
    host = number % _REFERRING_HOSTS
    scheme, www = ("https" if host % 3 == 0 else "http"), ("www." if number % 2 else "")
    if number % 40 == 0:
        return f"{scheme}://{www}host{host}.example.org"
    return f"{scheme}://{www}host{host}.example.org/{'path/' * (host % 9)}{_WORDS[number % 30]}?id={number}"


def _phrases() -> list[str]:
    pairs = itertools.product(_WORDS, _WORDS, range(1, 2 + _PHRASES // len(_WORDS) ** 2))
    phrases = [f"{one} {other}" if n == 1 else f"{one} {other} {n}" for one, other, n in pairs]
    return [phrases[n * 7919 % len(phrases)] for n in range(min(_PHRASES, len(phrases)))]


class _Part:
    """``rows`` rows from row ``first`` on, as the part ``number``."""

    def __init__(self, pools: _Pools, number: int, first: int, rows: int) -> None:
        import numpy as np

        self._pools = pools
        self._rows = rows
        self._stream = np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, number])))
        self._numbers = first + np.arange(rows)

    def table(self) -> pa.Table:
        """The rows. A column without values here is 0 or empty, as most of such a log is."""
        import numpy as np
        import pyarrow as pa

        schema = hits.schema()
        values = {
            **self._visit(),
            **self._page(),
            **self._search(),
            **self._device(),
            **self._flags(),
            **self._timing(),
        }
        zero = np.zeros(self._rows, np.int64)
        empty = pa.array([""]).take(pa.array(zero))
        columns = [values.get(field.name, empty if field.type == pa.string() else zero) for field in schema]
        return pa.table(
            [
                pa.array(column, safe=False).cast(field.type) if not isinstance(column, pa.Array) else column
                for column, field in zip(columns, schema, strict=True)
            ],
            schema=schema,
        )

    def _uniform(self) -> Numbers:
        return self._stream.random(self._rows)

    def _below(self, end: int) -> Numbers:
        """Integers from 0 to ``end`` - 1."""
        import numpy as np

        return (self._uniform() * end).astype(np.int64)

    def _chance(self, share: float) -> Numbers:
        """1 in this ``share`` of rows, else 0."""
        import numpy as np

        return (self._uniform() < share).astype(np.int64)

    def _one_of(self, values: Sequence[int], flat: int = 1) -> Numbers:
        import numpy as np

        return np.array(values)[_Zipf(len(values), flat).draw(self._uniform())]

    def _text_of(self, values: Sequence[str], share: float = 1.0) -> pa.Array:
        """One of ``values`` in this ``share`` of rows, else nothing."""
        import pyarrow as pa

        chosen = (1 + _Zipf(len(values)).draw(self._uniform())) * self._chance(share)
        return pa.array(["", *values]).take(pa.array(chosen))

    def _visit(self) -> dict[str, Any]:
        """Who, when and where. One row in a thousand is the one before it, sent twice."""
        import numpy as np
        import pyarrow as pa

        pools, twice = self._pools, self._chance(0.001)
        twice[0] = 0
        before = np.arange(self._rows) - twice
        user = _Zipf(_USERS, 20).draw(self._uniform())[before]
        day = np.where(self._chance(0.1) == 1, _BUSY_DAY + self._below(2), self._below(_DAYS))
        second = (_FIRST_DAY + day) * _DAY_S + self._below(_DAY_S)
        address = _small(user, 6, 1 << 30) - (1 << 29)
        return {
            "watchid": _long(self._numbers - twice, 7),
            "userid": pools.users[user],
            "clientip": address,
            "remoteip": address + self._chance(0.1),
            "ipnetworkid": _small(user, 8, 4_000_000),
            "regionid": pools.regions[user],
            "refererregionid": pools.regions[_Zipf(_USERS, 20).draw(self._uniform())],
            "eventdate": pa.array((_FIRST_DAY + day).astype(np.int32)).cast(pa.date32()),
            "eventtime": _timestamps(second),
            "clienteventtime": _timestamps(second + self._below(120) - 60),
            "localeventtime": _timestamps(second + 3600 * 4),
            "funiqid": _long(user, 9),
            "hid": self._below(1 << 30),
            "age": _small(user, 10, 5) * 10,
            "sex": _small(user, 11, 3),
            "income": _small(user, 12, 4),
            "interests": _small(user, 13, 1 << 12),
            "robotness": self._chance(0.01) * 3,
        }

    def _page(self) -> dict[str, Any]:
        """The counter, the page and the referer. One site has a third of the hits, its first page half of those."""
        import numpy as np
        import pyarrow as pa

        pools = self._pools
        counter = np.where(self._chance(0.34) == 1, 0, 1 + _Zipf(_COUNTERS - 1, 3).draw(self._uniform()))
        page_of_largest = _Zipf(_COUNTER_PAGES, 60).draw(self._uniform())
        page_of_another = (self._uniform() * self._uniform() * pools.page_count[counter]).astype(np.int64)
        page = (
            np.where(counter == 0, page_of_largest * (1 - self._chance(0.45)), page_of_another)
            + pools.page_start[counter]
        )
        far = _Zipf(_REFERERS - 2, 30).draw(self._uniform()) + 2
        referer = np.where(self._chance(0.12) == 1, 1, far) * self._chance(0.8)
        urls = pools.urls.take(pa.array(page))
        return {
            "counterid": pools.counters[counter],
            "counterclass": counter % 3,
            "url": pa.compute.if_else(pa.array(self._chance(0.01) == 1), "", urls),
            "urlhash": pools.url_hashes[page],
            "title": pools.titles.take(pa.array(page)),
            "urlcategoryid": counter % 40,
            "urlregionid": counter % 230,
            "originalurl": pa.compute.if_else(pa.array(self._chance(0.05) == 1), urls, ""),
            "referer": pools.referers.take(pa.array(referer)),
            "refererhash": pools.referer_hashes[referer],
            "referercategoryid": referer % 30,
            "traficsourceid": self._one_of((0, 3, -1, 2, 1, 6, 5, 4, 8)),
            "codeversion": 200 + counter % 11,
            "clid": self._chance(0.02) * 2_208_743,
            "params": self._text_of(('{"from":"mail"}', '{"ab":1}', "[]"), 0.03),
            "pagecharset": self._text_of(("utf-8", "windows-1251", "koi8-r"), 0.98),
        }

    def _search(self) -> dict[str, Any]:
        """One hit in seven came from a search, three in a hundred from an advertisement."""
        import pyarrow as pa

        searched = self._chance(0.14)
        phrases = self._pools.phrases
        phrase = (1 + _Zipf(len(phrases) - 1, 5).draw(self._uniform())) * searched
        advertised = self._chance(0.03)
        return {
            "searchphrase": phrases.take(pa.array(phrase)),
            "searchengineid": self._one_of(_SEARCH_ENGINES) * searched,
            "advengineid": self._one_of(_ADVERTISERS) * advertised,
            "hasgclid": self._chance(0.3) * advertised,
            "utmsource": self._text_of(("yandex", "google", "mail", "vk"), 0.02),
            "utmmedium": self._text_of(("cpc", "banner", "email"), 0.02),
            "utmcampaign": self._text_of([f"campaign {n}" for n in range(50)], 0.02),
            "fromtag": self._text_of(("rss", "widget"), 0.005),
            "openstatservicename": self._text_of(("direct.yandex.ru", "begun"), 0.01),
            "openstatcampaignid": self._text_of([str(100 + n) for n in range(30)], 0.01),
        }

    def _device(self) -> dict[str, Any]:
        """The screen, the browser, the phone. Windows are of nearly any size."""
        import numpy as np
        import pyarrow as pa

        size = np.array(_SIZES)[_Zipf(len(_SIZES)).draw(self._uniform())]
        mobile = self._chance(0.06)
        model = (1 + _Zipf(4 * len(_MODELS)).draw(self._uniform())) * mobile
        names = pa.array(["", *(f"{name}{mark}" for mark in ("", " 2", " II", " mini") for name in _MODELS)])
        return {
            "resolutionwidth": size[:, 0],
            "resolutionheight": size[:, 1],
            "resolutiondepth": self._one_of((32, 24, 16)),
            "windowclientwidth": self._below(1000) + self._below(900),
            "windowclientheight": self._below(600) + self._below(500),
            "ismobile": mobile,
            "mobilephone": model % len(_MODELS),
            "mobilephonemodel": names.take(pa.array(model)),
            "os": self._one_of((44, 2, 42, 3, 51, 91, 90)),
            "useragent": self._one_of((7, 5, 3, 2, 82, 1, 4)),
            "useragentmajor": self._one_of((27, 22, 12, 10, 8, 9, 6)),
            "useragentminor": self._text_of(("D5", "s", "a1", "0", "1x"), 0.9),
            "flashmajor": self._one_of((11, 10, 0, 9)),
            "flashminor": self._one_of((7, 1, 0, 8, 3)),
            "flashminor2": self._text_of(("800", "700", "0.", "202"), 0.6),
            "silverlightversion1": self._one_of((0, 5, 4)),
            "silverlightversion3": self._one_of((0, 20_125, 61_118)),
            "clienttimezone": self._one_of((-240, 135, -180, 0, 60)),
            "browserlanguage": self._text_of(_LANGUAGES),
            "browsercountry": self._text_of([one.upper() for one in _LANGUAGES]),
            "hitcolor": self._text_of(("5", "E", "F", "T", "g")),
        }

    def _flags(self) -> dict[str, Any]:
        """Columns of 0 and 1."""
        shares = [
            *(("javaenable", 0.7), ("goodevent", 1.0), ("isrefresh", 0.1), ("cookieenable", 0.98), ("islink", 0.3)),
            *(("javascriptenable", 0.99), ("isdownload", 0.02), ("isnotbounce", 0.2), ("isevent", 0.03)),
            *(("isparameter", 0.02), ("dontcounthits", 0.05), ("withhash", 0.04), ("isoldcounter", 0.01)),
        ]
        return {name: self._chance(share) for name, share in shares}

    def _timing(self) -> dict[str, Any]:
        """Milliseconds of a page's steps, where the browser sent them."""
        timed = self._chance(0.2)
        names = ("sendtiming", "dnstiming", "connecttiming", "responsestarttiming", "responseendtiming", "fetchtiming")
        return {
            **{name: self._below(100 * (1 + n)) * timed for n, name in enumerate(names)},
            "historylength": self._one_of(range(1, 30)),
            "windowname": self._one_of((0, 2_980, 3_521)),
            "openername": self._one_of((0, -1, 7_011)),
            "httperror": self._chance(0.001) * 404,
        }


def _timestamps(seconds: Numbers) -> pa.Array:
    """Seconds since 1970 as timestamps without a zone."""
    import pyarrow as pa

    return pa.array(seconds * 1_000_000).cast(pa.timestamp("us"))
