"""Phase 11: what its cases say of the field reports on DuckIceLake, a REST catalog over DuckLake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.rest_catalog.cases import PHASE
from lakebench.results.records import FieldReport

DUCKICELAKE = "duckicelake"
"""The catalog that the reports are about, by its name for ``--catalog``."""
_SHOWN = 4
_C39_PER_S = 349


@dataclass(frozen=True)
class _DuckIceLakeClaim:
    """A report, and which cases of the catalog bear on it."""

    id: str
    statement: str
    theirs: str
    bears: Callable[[Coordinates], bool]


def _of(check: str, *tests: str) -> Callable[[Coordinates], bool]:
    """The cases of a part of the phase whose test begins with one of ``tests``."""
    return lambda case: case.check == check and (case.test or "").startswith(tests or ("",))


def _rights(case: Coordinates) -> bool:
    return case.check in {"auth", "credentials"}


_CLAIMS = (
    _DuckIceLakeClaim(
        "C34",
        "PyIceberg, DuckDB, Trino and Spark read through DuckIceLake the same rows as DuckLake does",
        "the same rows",
        _of("data", "rows-insert", "rows-delete", "rows-update", "rows-ducklake", "rows-from-ducklake"),
    ),
    _DuckIceLakeClaim(
        "C35",
        "DuckLake's HEAD is Iceberg's current-snapshot-id, also after writes from either side",
        "equal",
        _of("data", "head-ducklake", "head-from-ducklake"),
    ),
    _DuckIceLakeClaim(
        "C36",
        "DuckIceLake has the whole commit surface: snapshots, schemas, partition specs, sort orders, properties, tags "
        "and format upgrades",
        "all of it",
        _of("protocol", "commit."),
    ),
    _DuckIceLakeClaim(
        "C37",
        "Format version 3 through DuckIceLake: Puffin deletion vectors, row lineage, new types, by a PyIceberg shim",
        "written and read",
        _of("data", "v3"),
    ),
    _DuckIceLakeClaim(
        "C38",
        "DuckIceLake gives keys for one table only, and OAuth2 scopes by namespace: nobody reads what is not theirs",
        "nobody",
        _rights,
    ),
    _DuckIceLakeClaim(
        "C39",
        "DuckIceLake: cached LoadTable at concurrency 32",
        f"{_C39_PER_S} requests/s",
        _of("load-test", "loadTable-closed-32"),
    ),
    _DuckIceLakeClaim("C40", "lakesh, its SQL shell, reads through the same catalog", "reads", _of("data", "lakesh")),
)


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C34 to C40: reproduced where all cases that bear on one passed, not where one of them failed."""
    own = [case for case in cases if case.coordinates.catalog == DUCKICELAKE]
    for claim in _CLAIMS:
        yield _judged(claim, [case for case in own if claim.bears(case.coordinates)])


def _judged(claim: _DuckIceLakeClaim, cases: Sequence[Record]) -> FieldReport:
    ran = [case for case in cases if case.outcome.ran]
    failed = [case for case in ran if case.outcome.is_failure]
    counted = Counter(case.outcome.value for case in ran)
    return FieldReport(
        report=claim.id,
        statement=claim.statement,
        theirs={"result": claim.theirs},
        ours={
            "cases": ", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())) or "not had",
            **({"rate": f"{rate:g} requests/s"} if (rate := _rate(ran)) else {}),
        },
        verdict=_verdict(ran, failed, rate),
        detail=_detail(cases, ran, failed),
    )


def _rate(cases: Sequence[Record]) -> float:
    """Requests a second of a case of load, 0 where there is none."""
    return next((float(one.evidence["load"].get("per_s", 0)) for one in cases if "load" in one.evidence), 0.0)


def _verdict(ran: Sequence[Record], failed: Sequence[Record], rate: float) -> ReportVerdict:
    """A rate of at least half the one that is reported shows the direction: another machine may make the rest."""
    if not ran:
        return ReportVerdict.COULD_NOT_RUN
    if failed or 0 < rate < _C39_PER_S / 2:
        return ReportVerdict.NOT_REPRODUCED
    return ReportVerdict.DIRECTION_ONLY if 0 < rate < _C39_PER_S else ReportVerdict.REPRODUCED


def _detail(cases: Sequence[Record], ran: Sequence[Record], failed: Sequence[Record]) -> str:
    if failed:
        shown = [case.case.removeprefix(f"{PHASE}/{DUCKICELAKE}/") for case in failed[:_SHOWN]]
        return f"Failed: {', '.join(shown)}{' …' if len(failed) > _SHOWN else ''}"
    if ran:
        return f"All {len(ran)} cases passed"
    unavailable = (case.reason for case in cases if case.outcome is Outcome.UNAVAILABLE)
    return next(unavailable, f"No case of {DUCKICELAKE} in this run bears on it: --catalog {DUCKICELAKE} asks it")
