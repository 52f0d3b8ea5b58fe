"""The rules for comparing two answers: what may differ in a column, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

FLOAT_RELATIVE = Decimal("1e-11")
CAPS = {"average": Decimal("0.005"), "ratio": Decimal("0.00005")}
RULES_TEXT = {
    "exact": (
        "equal; a number that an engine gives as floating point (some sum decimals in doubles) may be off by 1e-11 of "
        "itself, an integer by nothing"
    ),
    "average": (
        "off by at most one unit of the last digit of the engine's own decimal type, never more than 0.005 (engines "
        "that average a decimal in its own scale keep two digits); a floating-point value by 1e-11 of itself"
    ),
    "ratio": (
        "off by at most one unit of the last digit of the engine's own decimal type, never more than 0.00005 (a "
        "decimal division keeps four digits in some engines); a floating-point value by 1e-11 of itself"
    ),
}


@dataclass(frozen=True)
class Rules:
    """How an answer's columns are compared, by position.

    ``order`` are the columns of the ORDER BY, as far as it starts with columns of the answer; ``average`` and ``ratio``
    those with the rule of that name in :data:`RULES_TEXT`; all others are ``exact``.

    ``limit`` and ``offset`` are those of the query, where an answer may be one of several right ones. ``full_order``
    are the columns of the whole ORDER BY in the full answer (:func:`lakebench.datasets.answers.top_n`), where those
    that the query does not select come last, and have negative positions. The three are no part of the ``repr``: the
    hash of a workload without them is made of it.
    """

    order: tuple[int, ...] = ()
    average: tuple[int, ...] = ()
    ratio: tuple[int, ...] = ()
    limit: int | None = field(default=None, repr=False)
    offset: int = field(default=0, repr=False)
    full_order: tuple[int, ...] = field(default=(), repr=False)

    @property
    def is_cut(self) -> bool:
        """Whether the query ends in LIMIT or OFFSET, so that unequal answers may both be right."""
        return self.limit is not None or self.offset > 0

    @property
    def cut_text(self) -> str:
        """What comparing two answers shows of a query with LIMIT or OFFSET; empty for others."""
        if not self.is_cut:
            return ""
        if not self.order:
            return "two answers are compared by their number of rows alone: LIMIT, and no column to order them by"
        return "rows that tie where LIMIT or OFFSET cuts may be other ones: two answers agree in their number and keys"

    def kind(self, column: int) -> str:
        """The name of the rule of ``column``."""
        if column in self.average:
            return "average"
        return "ratio" if column in self.ratio else "exact"
