"""The three numbers of TPC-H's power and throughput tests (clause 5.4), from intervals in seconds.

Two things differ from a published result, beyond all that makes one: intervals are taken as they were measured instead
of rounded to 0.1 s (clause 5.3.7), as at small scale factors most queries take less; and there is one run, not the
worse of two (clause 5.3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from lakebench.errors import HarnessFault

QUERIES = 22
REFRESHES = 2
_HOUR_S = 3600
_LARGEST_RATIO = 1000


def power(queries: Sequence[float], refreshes: Sequence[float], scale_factor: Decimal) -> float:
    """Power@Size (clause 5.4.1), in queries per hour times SF: 3600 · SF / the geometric mean of the 24 intervals.

    ``queries`` are the seconds of the 22 queries of stream 0, ``refreshes`` those of RF1 and RF2. A query's
    interval below a thousandth of the longest query's counts as that thousandth (clause 5.4.1.4).

    Raises:
        HarnessFault: an interval is missing, or not above 0.
    """
    _check(queries, QUERIES)
    _check(refreshes, REFRESHES)
    intervals = (*raised(queries), *refreshes)
    mean = math.exp(math.fsum(map(math.log, intervals)) / len(intervals))
    return _HOUR_S / mean * float(scale_factor)


def raised(queries: Sequence[float]) -> tuple[float, ...]:
    """``queries``' intervals, those below a thousandth of the longest raised to it (clause 5.4.1.4)."""
    least = max(queries) / _LARGEST_RATIO
    return tuple(max(one, least) for one in queries)


def throughput(streams: int, seconds: float, scale_factor: Decimal) -> float:
    """Throughput@Size (clause 5.4.2), in queries per hour times SF: S · 22 · 3600 / Ts · SF.

    ``seconds`` is the measurement interval Ts (clause 5.3.6): from the first query or refresh function that any of the
    S ``streams`` or the refresh stream begins, to the end of the last one.

    Raises:
        HarnessFault: ``streams`` or ``seconds`` is not above 0.
    """
    _check((streams, seconds), 2)
    return streams * QUERIES * _HOUR_S / seconds * float(scale_factor)


def qphh(power_: float, throughput_: float) -> float:
    """QphH@Size (clause 5.4.3), in queries per hour times SF: the geometric mean of the other two."""
    return math.sqrt(power_ * throughput_)


def _check(numbers: Sequence[float], count: int) -> None:
    if len(numbers) != count or not all(math.isfinite(one) and one > 0 for one in numbers):
        raise HarnessFault(f"a metric of TPC-H needs {count} numbers above 0, not {list(numbers)}")
