"""What a run says of a field report: the one rule that ratios are judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lakebench.outcomes import ReportVerdict

FACTOR = 2.0
"""How far a ratio of ours may be from theirs, either way, and still count as theirs."""


def of_ratio(theirs: float | tuple[float, float], ours: float) -> ReportVerdict:
    """A ratio of ours against theirs, which may be a range.

    The direction holds where both are on one side of 1; the ratio, where ours is within a factor of :data:`FACTOR`.
    """
    low, high = theirs if isinstance(theirs, tuple) else (theirs, theirs)
    if (low > 1) is not (ours > 1) or (low < 1) is not (ours < 1):
        return ReportVerdict.NOT_REPRODUCED
    return ReportVerdict.REPRODUCED if low / FACTOR <= ours <= high * FACTOR else ReportVerdict.DIRECTION_ONLY


def of_all(verdicts: Iterable[ReportVerdict]) -> ReportVerdict:
    """The verdict on a report that says several things: the worst of theirs."""
    order = list(ReportVerdict)
    return min(verdicts, key=order.index, default=ReportVerdict.COULD_NOT_RUN)


def of_any(verdicts: Iterable[ReportVerdict]) -> ReportVerdict:
    """The verdict on a report that does not name its engine: the best of theirs."""
    order = list(ReportVerdict)
    return max(verdicts, key=order.index, default=ReportVerdict.COULD_NOT_RUN)


def of_times(theirs: Mapping[str, float], ours: Mapping[str, float]) -> ReportVerdict:
    """Times of the same things, each side in one unit: every pair is judged by its ratio."""
    names = list(theirs)
    pairs = [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    return of_all(of_ratio(theirs[one] / theirs[other], ours[one] / ours[other]) for one, other in pairs)


def texts_of(evidence: Mapping[str, Any], reason: str) -> str:
    """All that an engine or its server said where a case failed, to look for an error text of theirs in it."""
    return "\n".join([reason, *(str(evidence[key]) for key in ("error", "said", "log") if key in evidence)])
