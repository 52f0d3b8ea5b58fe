"""What executions cost by a table of prices of the user's; none is built in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lakebench.model import Sample

_NS_AN_HOUR = 3600e9
_THOUSAND = 1000
_GB = 1e9
OTHERS = "*"
"""In a table of requests: every operation that it does not name."""
_Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Prices(BaseModel):
    """``[prices]`` of ``lakebench.toml``, in one ``currency``.

    ``cpu-hour`` is for one core in use for an hour, ``requests`` for 1,000 requests at the object store by operation
    (``GetObject`` …, ``*`` for all others), ``gb-moved`` for 10^9 bytes that the store puts out, ``gb-month`` for 10^9
    bytes that are kept for a month.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    currency: str = "USD"
    cpu_hour: _Price = Field(default=0.0, alias="cpu-hour")
    requests: dict[str, _Price] = Field(default_factory=dict)
    gb_moved: _Price = Field(default=0.0, alias="gb-moved")
    gb_month: _Price = Field(default=0.0, alias="gb-month")

    def of_keeping(self, size: int) -> float:
        """The price of keeping ``size`` bytes for a month."""
        return self.gb_month * size / _GB


@dataclass(frozen=True)
class Price:
    """What an execution costs, by its parts."""

    cpu: float
    requests: float
    moved: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.cpu + self.requests + self.moved


def price_of(sample: Sample, prices: Prices) -> Price | None:
    """What ``sample`` costs; ``None`` where something that has a price was not measured."""
    priced_requests = any(prices.requests.values())
    if (prices.cpu_hour and sample.cpu_ns is None) or (priced_requests and sample.requests is None):
        return None
    if prices.gb_moved and sample.store_bytes is None:
        return None
    return Price(
        prices.cpu_hour * (sample.cpu_ns or 0) / _NS_AN_HOUR,
        _of_requests(sample.requests or {}, prices.requests),
        prices.gb_moved * (sample.store_bytes or 0) / _GB,
    )


def _of_requests(made: Mapping[str, int], prices: Mapping[str, float]) -> float:
    return sum(count * prices.get(operation, prices.get(OTHERS, 0.0)) for operation, count in made.items()) / _THOUSAND
