"""Phase 3: what its cases say of the field reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from lakebench.model import Record, TableFormat
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.field_reports import of_all, of_any, of_ratio
from lakebench.phases.tpch.caches import STEPS, milliseconds, sessions
from lakebench.results import placement
from lakebench.results.records import FieldReport

_C6_SCALE_FACTOR, _C6_QUERIES = Decimal(100), 22
_C7_APART = 1.5  # cold's ratio over warm's from which on the direction is shown
_C7_THEIRS = {"cold": 650.0, "warm": 2.6}
_TITLES = {one.name: one.title for one in STEPS}


def judge_field_reports(cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:
    """C6, where queries ran, and C7, where queries or sessions with caches did."""
    verified = placement.verified(cases)
    if verified:
        yield _all_right(cases, scale_factor)
    stepwise = dict(_by_caches(cases))
    if verified or stepwise:
        yield _cold_and_warm(verified, stepwise)


def _all_right(cases: Sequence[Record], scale_factor: str) -> FieldReport:
    """C6: all 22 queries, on Iceberg in object storage, at SF 100."""
    ours: dict[str, str] = {}
    verdicts: list[ReportVerdict] = []
    for case in cases:
        storage_format = placement.storage_format_of(case)
        if storage_format and storage_format.format == TableFormat.ICEBERG and storage_format.storage != "local":
            name = f"{case.engine} on {storage_format.storage}"
            if name in ours:
                continue
            records = [
                one for one in cases if placement.storage_format_of(one) == storage_format and one.engine == case.engine
            ]
            right = sum(one.outcome is Outcome.PASS for one in records)
            ours[name] = f"{right} of {len(records)} right"
            verdicts.append(_all_of(records))
    whole = Decimal(scale_factor) >= _C6_SCALE_FACTOR
    detail = "" if whole else f"The report is about SF 100; this run has SF {scale_factor}. "
    return FieldReport(
        report="C6",
        statement="All 22 TPC-H queries run at SF 100 (about 100 GB, 866 million rows) on Iceberg in object storage, "
        "all right",
        theirs={"SF 100": "all 22 right"},
        ours=ours or {"object storage": "not asked: --storage s3"},
        verdict=of_any(verdicts) if whole else ReportVerdict.COULD_NOT_RUN,
        detail=detail,
    )


def _all_of(records: Sequence[Record]) -> ReportVerdict:
    """The verdict of one engine on one storage and format on C6."""
    if any(one.outcome.is_failure for one in records):
        return ReportVerdict.NOT_REPRODUCED
    right = sum(one.outcome is Outcome.PASS for one in records)
    return ReportVerdict.REPRODUCED if right == len(records) == _C6_QUERIES else ReportVerdict.COULD_NOT_RUN


def _by_caches(cases: Sequence[Record]) -> Iterator[tuple[str, dict[str, float]]]:
    """Each session on a far storage: step → how many times as long as on local disk, with the same caches."""
    found = sessions(cases)
    local = found.get("local", {})
    for storage, of_storage in found.items():
        for (engine, caches), of in of_storage.items() if "gcs" in storage else ():
            near = local.get((engine, caches), {})
            times = {one.name: (milliseconds(of.get(one.name)), milliseconds(near.get(one.name))) for one in STEPS}
            ratios = {name: far / there for name, (far, there) in times.items() if far and there}
            if ratios:
                yield f"{engine} on {storage}, its caches {caches}", ratios


def _cold_and_warm(
    verified: Mapping[placement.StorageFormat, placement.Asked], stepwise: Mapping[str, Mapping[str, float]]
) -> FieldReport:
    """C7: object storage far away against local disk, cold and then warm; the report does not say by which engine.

    The steps of sessions with an engine's caches and without say what it comes from.
    """
    local = placement.StorageFormat("local", TableFormat.ICEBERG)
    far = [one for one in verified if one.format == TableFormat.ICEBERG and "gcs" in one.storage]
    ours: dict[str, str] = {}
    shown: dict[str, ReportVerdict] = {}
    for storage_format in far if local in verified else ():
        for engine in dict.fromkeys(name for name, _ in verified[storage_format]):
            ratios = {
                kind: placement.ratio(verified[local], verified[storage_format], engine, kind) for kind in _C7_THEIRS
            }
            for kind, found in ratios.items():
                if found is not None:
                    ours[f"{engine} on {storage_format.storage}, {kind}"] = (
                        f"{found[0].ratio:.1f} times, {found[1]} queries"
                    )
            means = {kind: found[0].ratio for kind, found in ratios.items() if found is not None}
            shown |= {engine: verdict} if (verdict := _slower(means)) else {}
    for session, steps in stepwise.items():
        ours[session] = ", ".join(f"{_TITLES[step]} {ratio:.1f} times" for step, ratio in steps.items())
        kinds = {"cold": steps.get("first"), "warm": steps.get("again")}
        means = {kind: one for kind, one in kinds.items() if one is not None}
        shown |= {session: verdict} if (verdict := _slower(means)) else {}
    simulated = any("simulated" in one.storage for one in far) or any("simulated" in one for one in stepwise)
    without = [engine for engine, verdict in shown.items() if verdict is ReportVerdict.NOT_REPRODUCED]
    detail = "".join(
        [
            "The direction: cold is slower by far more than warm, and warm is still slower. ",
            f"Not so with {', '.join(without)}, cold as slow as warm or both as fast. " if without else "",
            "The storage is simulated, by settings of our object store: not GCS. " if simulated else "",
        ]
    )
    return FieldReport(
        report="C7",
        statement="GCS cold is about 650 times slower than local NVMe; again in the same session, about 2.6 times",
        theirs={kind: f"{ratio:g} times" for kind, ratio in _C7_THEIRS.items()},
        ours=ours
        or {"ratio": "not had: --storage local,simulated-gcs by the profile standard, or with --tests caches"},
        verdict=of_any(shown.values()),
        detail=detail if ours else "",
    )


def _slower(ratios: Mapping[str, float]) -> ReportVerdict | None:
    """How ratios of the far storage to the near one, ``cold`` and ``warm``, stand to theirs."""
    if ratios.keys() != _C7_THEIRS.keys():
        return None
    if ratios["cold"] <= _C7_APART * ratios["warm"]:
        return ReportVerdict.NOT_REPRODUCED
    return of_all(of_ratio(theirs, ratios[kind]) for kind, theirs in _C7_THEIRS.items())
