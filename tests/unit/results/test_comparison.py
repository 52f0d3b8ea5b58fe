from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import fixture_run
import pytest

from lakebench.errors import UsageError
from lakebench.model import Record, Sample
from lakebench.outcomes import Outcome
from lakebench.results import comparison, schema1, statistics
from lakebench.results.records import Dataset, EngineFacts, Header, Run, ServiceFacts

PASS, WRONG, UNAVAILABLE = Outcome.PASS, Outcome.WRONG, Outcome.UNAVAILABLE


def _ns(seed: int, n: int = 12, seconds: float = 1.0, sigma: float = 0.02) -> list[int]:
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    return [int(seconds * 1e9 * dice.lognormvariate(0, sigma)) for _ in range(n)]


def _samples(times: Sequence[int], kind: str = "warm", first: int = 0) -> tuple[Sample, ...]:
    return tuple(
        Sample(kind, ns, offset_ns=0, position=first + at, round=at // 5, rows=1, bytes=1)
        for at, ns in enumerate(times)
    )


def _case(case: str, times: Sequence[int] = (), outcome: Outcome = PASS, **more: object) -> Record:
    given = {"samples": _samples(times), "row": case.rpartition("/")[2], "group": "TPC-H", "engine": "duckdb",
             "coordinates": schema1.coordinates(case), **more}  # fmt: skip
    return Record(case, "phase3", case, outcome=outcome, **given)  # type: ignore[arg-type]


def _run(name: str, cases: Sequence[Record], *lines: object, **header: object) -> Run:
    return Run(
        path=Path(name) / "records.jsonl",
        header=Header(name, ("phase3",), "lakebench run", "2026-11-21", **header),  # type: ignore[arg-type]
        datasets=tuple(one for one in lines if isinstance(one, Dataset)),
        services=tuple(one for one in lines if isinstance(one, ServiceFacts)),
        engines=tuple(one for one in lines if isinstance(one, EngineFacts)),
        cases=tuple(cases),
    )


def _against(*pairs: tuple[Record, Record], name: str = "run") -> Run:
    """A run with ``--against``: the evidence of each base names the case that it is the base of."""
    bases = [
        dataclasses.replace(base, case=f"base/{base.case}", evidence={**base.evidence, "base_of": other.case})
        for base, other in pairs
    ]
    return _run(name, [*bases, *(other for _, other in pairs)])


def _row(base: Sequence[int], other: Sequence[int]) -> comparison.Row:
    result = comparison.between(_run("a", [_case("q1", base)]), _run("b", [_case("q1", other)]))
    return result.rows[0]


def test_a_regression_is_over_ten_percent_over_fifty_milliseconds_and_shown() -> None:
    slower = [int(one * 1.2) for one in _ns(2)]
    assert _row(_ns(1), slower).verdict == "regression"
    assert _row(_ns(1), [int(one * 1.07) for one in _ns(2)]).verdict == "slower"
    assert _row(_ns(1, seconds=0.1), [one // 10 for one in slower]).verdict == "slower"  # by 20 ms
    assert _row(_ns(1, n=4), slower[:4]).verdict == statistics.TOO_SMALL
    assert _row(_ns(1, sigma=0.4), [int(one * 1.2) for one in _ns(2, sigma=0.4)]).verdict == statistics.NO_DIFFERENCE
    assert _row(slower, _ns(1)).verdict == "faster"


def test_a_difference_under_the_noise_floor_is_none() -> None:
    restless = [int(1e9 * (1.0 if at % 2 else 1.3)) + at for at in range(12)]
    result = comparison.between(_run("a", [_case("q1", restless)]), _run("b", [_case("q1", [1_450_000_000] * 12)]))
    assert result.floors["duckdb"].value == pytest.approx(0.3, abs=0.01)
    assert result.rows[0].ratio.ratio > 1.2
    assert result.rows[0].verdict == statistics.NO_DIFFERENCE
    assert not result.worse


def test_the_floor_is_at_least_one_percent() -> None:
    result = comparison.between(_run("a", [_case("q1", [10**9] * 12)]), _run("b", [_case("q1", [1_009_000_000] * 12)]))
    assert result.floors["duckdb"].value == comparison.LEAST_FLOOR
    assert result.rows[0].verdict == statistics.NO_DIFFERENCE


def test_what_passed_and_fails_is_a_regression_and_the_contrary_is_told() -> None:
    base = _run("a", [_case("q1", _ns(1)), _case("q2", outcome=WRONG), _case("q3", _ns(1))])
    run = _run("b", [_case("q1", outcome=WRONG, reason="a row differs"), _case("q2", _ns(2)), _case("q3", _ns(2))])
    result = comparison.between(base, run)
    assert result.broken == (comparison.OneSided("q1", PASS, WRONG, "a row differs"),)
    assert [one.case for one in result.mended] == ["q2"]
    assert [one.case for one in result.rows] == ["q3"]
    assert result.worse
    assert not comparison.between(run, dataclasses.replace(run, path=Path("c"))).worse


@pytest.mark.parametrize("outcome", [one for one in Outcome if one.mark == "FAIL"])
def test_every_failure_of_what_passed_is_one(outcome: Outcome) -> None:
    result = comparison.between(_run("a", [_case("q1", _ns(1))]), _run("b", [_case("q1", outcome=outcome)]))
    assert result.worse


def test_nothing_is_dropped() -> None:
    base = _run(
        "a",
        [
            _case("only-a", _ns(1)),
            _case("both", _ns(1)),
            _case("gone", _ns(1)),
            _case("nowhere", outcome=UNAVAILABLE),
            _case("wrong", outcome=WRONG),
            _case("untimed"),
            _case("half", _ns(1)),
        ],
    )
    run = _run(
        "b",
        [
            _case("both", _ns(2)),
            _case("gone", outcome=UNAVAILABLE, reason="no Java"),
            _case("nowhere", outcome=UNAVAILABLE, reason="no Java"),
            _case("wrong", outcome=Outcome.TIMEOUT, reason="60 s"),
            _case("untimed"),
            _case("half"),
            _case("only-b", _ns(1)),
        ],
    )
    result = comparison.between(base, run)
    assert {one.case: one.reason for one in result.gone} == {"only-a": "no case is called so", "gone": "no Java"}
    assert {one.case: (one.why, one.detail) for one in result.left} == {
        "only-b": ("only in RUN", ""),
        "nowhere": ("UNAVAILABLE in BASE and RUN", "no Java"),
        "wrong": ("failed in both", "WRONG, TIMEOUT: 60 s"),
        "untimed": ("passed in both, not timed", ""),
        "half": ("passed in both, no samples in RUN", ""),
    }
    known = {one.case for one in (*base.cases, *run.cases)}
    assert known == {*(one.case for one in (*result.left, *result.rows)), *(one.case for one in result.gone)}
    assert result.worse, "two cases are gone"
    assert not result.regressions
    assert not result.broken


def test_cold_samples_are_for_information_below_five() -> None:
    def cold(times: list[int]) -> Record:
        return _case("q1", samples=_samples(times, "cold"))

    base, slower = _ns(1), [2 * one for one in _ns(2)]
    few = comparison.between(_run("a", [cold(base[:4])]), _run("b", [cold(slower[:4])]))
    assert not few.rows
    assert few.cold[0].kind == "cold"
    assert few.cold[0].verdict == statistics.TOO_SMALL
    assert not few.worse
    assert not few.left
    assert comparison.between(_run("a", [cold(base)]), _run("b", [cold(slower)])).worse


def test_samples_of_one_turn_are_a_pair() -> None:
    noise = _ns(3, n=10, sigma=0.3)
    other = [int(one * 1.05) for one in noise]
    run = _against((_case("q1", noise), _case("q1", other[:9])))
    result = comparison.within(run)
    assert result.interleaved
    assert result.rows[0].base == tuple(noise[:9])
    assert result.rows[0].case == "q1"
    interval = result.rows[0].ratio.interval
    assert interval is not None
    assert interval.low == pytest.approx(1.05)
    apart = comparison.between(_run("a", [_case("q1", noise)]), _run("b", [_case("q1", other)]))
    assert apart.rows[0].verdict == statistics.NO_DIFFERENCE


def test_turns_are_counted_within_the_round_whatever_the_positions() -> None:
    record = _case("q1", samples=_samples([5, 6], "warm-up") + _samples(range(1, 8), first=2))
    assert comparison.turns(record, "warm") == {
        (0, 0): 1, (0, 1): 2, (0, 2): 3, (0, 3): 4, (0, 4): 5, (1, 0): 6, (1, 1): 7
    }  # fmt: skip


def test_a_base_whose_candidate_failed_is_a_regression_too() -> None:
    result = comparison.within(_against((_case("q1", _ns(1)), _case("q1", outcome=WRONG))))
    assert [one.case for one in result.broken] == ["q1"]


def test_a_candidate_without_a_base_is_told() -> None:
    run = _against((_case("q1", _ns(1)), _case("q1", _ns(2))))
    run = dataclasses.replace(run, cases=(*run.cases, _case("q2", _ns(1))))
    assert comparison.within(run).left == (comparison.Left("q2", "only in the candidate"),)


def test_a_run_without_a_base_needs_another() -> None:
    with pytest.raises(UsageError, match="lakebench compare BASE a"):
        comparison.within(_run("a", [_case("q1", _ns(1))]))


def test_the_geometric_mean_is_over_what_both_got_right() -> None:
    rows = [("q1", 1.0), ("q2", 1.21), ("q3", 1.0)]
    base = _run("a", [_case(case, _ns(1)) for case, _ in rows])
    run = _run(
        "b", [_case(case, [int(one * by) for one in _ns(1)]) for case, by in rows[:2]] + [_case("q3", outcome=WRONG)]
    )
    (mean,) = comparison.between(base, run).means
    assert (mean.engine, mean.group, mean.queries) == ("duckdb", "TPC-H", 2)
    assert mean.ratio.ratio == pytest.approx(1.1, rel=1e-6)
    assert mean.ratio.interval is not None
    assert 1.1 in mean.ratio.interval


def test_means_are_of_each_engine_and_group_and_over_all() -> None:
    def cases(seed: int) -> list[Record]:
        return [
            _case(f"{group}/{engine}/q1", _ns(seed), engine=engine, group=group)
            for engine, group in (("duckdb", "local"), ("duckdb", "s3"), ("trino", "s3"))
        ]

    means = comparison.between(_run("a", cases(1)), _run("b", cases(2))).means
    assert [(one.engine, one.group, one.queries) for one in means] == [
        ("duckdb", "local", 1), ("duckdb", "s3", 1), ("duckdb", "", 2), ("trino", "s3", 1), ("", "", 3)
    ]  # fmt: skip


def _tpch(**changed: str) -> Dataset:
    facts = {"scale_factor": "1", "content_hash": "c" * 64, "workload_hash": "w" * 64, "writer": "spark", **changed}
    return Dataset("tpch", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["scale_factor", "content_hash", "workload_hash"])
def test_results_of_other_data_are_not_mixed(what: str) -> None:
    base = _run("a", [_case("q1", _ns(1))], _tpch())
    run = _run("b", [_case("q1", _ns(2))], _tpch(**{what: "10"}))
    with pytest.raises(UsageError, match=f"{what.replace('_', ' ')} of tpch"):
        comparison.between(base, run)
    assert comparison.between(base, dataclasses.replace(run, datasets=(_tpch(writer="trino"),))).differences == (
        ("tpch on its storage as iceberg, written by", "spark", "trino"),
    )


def test_a_run_is_not_compared_with_itself_nor_with_a_stranger() -> None:
    run = _run("a", [_case("q1", _ns(1))])
    with pytest.raises(UsageError, match="with itself"):
        comparison.between(run, run)
    with pytest.raises(UsageError, match="no case in common"):
        comparison.between(run, _run("b", [_case("q2", _ns(1))]))


def test_what_differs_is_told() -> None:
    def made(name: str, version: str, memory: str, load: float) -> Run:
        return _run(
            name,
            [_case("q1", _ns(1))],
            EngineFacts("duckdb", {"duckdb": version}, {"memory_limit": memory}),
            ServiceFacts("trino", "local", "476", memory_limit=2**30, seconds_to_start=load),
            machine={"cores": 2, "load_before": [load], "disk": {"free_bytes": int(load), "device": "vda"}},
            settings={"limits": {"duckdb": {"threads": 2}}},
        )

    result = comparison.between(made("a", "1.4.4", "3 GiB", 1), made("b", "1.5.5", "3 GiB", 2))
    assert result.differences == (("duckdb version of duckdb", "1.4.4", "1.5.5"),)
    result = comparison.between(made("a", "1.5.5", "3 GiB", 1), made("b", "1.5.5", "6 GiB", 2))
    assert result.differences == (("duckdb setting memory_limit", "3 GiB", "6 GiB"),)


def test_what_differs_within_a_run_is_told_once() -> None:
    def case(name: str, engine: str, group: str) -> Record:
        return _case(name, _ns(1), engine=engine, group=group, versions={"duckdb": engine[-5:]}, evidence={"sql": name})

    old = [case(f"{one}/old", "duckdb@1.4.4", "local (base)") for one in ("q1", "q2")]
    new = [case(f"{one}/new", "duckdb@1.5.5", "local") for one in ("q1", "q2")]
    assert comparison.within(_against(*zip(old, new, strict=True))).differences == (
        ("duckdb@1.5.5: engine", "duckdb@1.4.4", "duckdb@1.5.5"),
        ("duckdb@1.5.5: version of duckdb", "1.4.4", "1.5.5"),
    )


def test_the_floor_may_come_from_an_a_a_run() -> None:
    base, other = _case("q1", [10**9] * 10), _case("q1", [1_040_000_000] * 10)
    noise = _against((base, other), name="aa")
    result = comparison.between(_run("a", [base]), _run("b", [other]), noise)
    assert result.floors["duckdb"].value == pytest.approx(0.04)
    assert "aa" in result.floors["duckdb"].how
    assert result.rows[0].verdict == statistics.NO_DIFFERENCE
    with pytest.raises(UsageError, match="no A/A run"):
        comparison.between(_run("a", [base]), _run("b", [other]), _run("c", [base]))
    newer = dataclasses.replace(other, versions={"duckdb": "2"})
    with pytest.raises(UsageError, match="not of one version"):
        comparison.between(_run("a", [base]), _run("b", [other]), _against((base, newer)))


def test_undecided_is_what_lies_across_the_threshold() -> None:
    base = _ns(1, n=10, sigma=0.01)
    for by, sigma, expected in (
        (1.0, 0.01, False),
        (1.3, 0.01, False),
        (1.1, 0.01, True),
        (0.91, 0.01, True),
        (1.0, 0.3, True),
    ):
        other = [int(one * by) for one in _ns(2, n=10, sigma=sigma)]
        assert comparison.undecided(base, other) is expected, (by, sigma)
    assert comparison.undecided(base[:4], base[:4])


def _noisy(dice: random.Random, n: int, sigma: float, outliers: float, by: float = 1.0) -> list[float]:
    return [by * dice.lognormvariate(0, sigma) * (1.3 if dice.random() < outliers else 1) for _ in range(n)]


@pytest.mark.parametrize("sigma", [0.03, 0.05])
@pytest.mark.parametrize("outliers", [0.0, 0.05])
@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_of_a_ratio_covers_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch, sigma: float, outliers: float, paired: bool
) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    dice = random.Random(f"{sigma}{outliers}")  # noqa: S311 - not for secrets
    compare = statistics.paired_ratio if paired else statistics.independent_ratio
    trials = [compare(_noisy(dice, 10, sigma, outliers), _noisy(dice, 10, sigma, outliers)) for _ in range(400)]
    covered = sum(one.interval is not None and 1 in one.interval for one in trials) / len(trials)
    assert 0.92 <= covered <= 0.995  # 0.95 with three standard errors


def _sequential(dice: random.Random, by: float) -> statistics.Ratio:
    """10 pairs, and 5 more up to 30 while undecided, as a measurement takes them."""
    base, other = _noisy(dice, 30, 0.05, 0.05), _noisy(dice, 30, 0.05, 0.05, by)
    for n in range(10, 31, 5):
        ratio = statistics.paired_ratio(base[:n], other[:n])
        if not comparison.undecided(base[:n], other[:n]):  # type: ignore[arg-type]  # a ratio has no unit
            break
    return ratio


def test_looking_again_while_undecided_raises_no_false_alarms_and_finds_ten_percent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    dice = random.Random(11)  # noqa: S311 - not for secrets
    alarms = sum(_sequential(dice, 1.0).differs for _ in range(300)) / 300
    detected = sum(_sequential(dice, 1.1).verdict == "slower" for _ in range(300)) / 300
    assert alarms <= 0.05 + 3 * 0.0126
    assert detected >= 0.95


def test_the_mean_over_queries_is_on_the_safe_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 400)
    dice = random.Random(5)  # noqa: S311 - not for secrets
    misses = 0
    for _ in range(100):
        queries = [(_noisy(dice, 10, 0.05, 0.05), _noisy(dice, 10, 0.05, 0.05)) for _ in range(8)]
        misses += statistics.geometric_ratio(queries, paired=True).differs
    assert misses <= 9


def test_a_geometric_ratio_needs_queries_with_samples() -> None:
    for queries in list[list[tuple[list[float], list[float]]]](([], [([], [])])):
        with pytest.raises(ValueError, match=r"no queries|no samples"):
            statistics.geometric_ratio(queries, paired=True)
    assert statistics.geometric_ratio([([1.0], [2.0])], paired=False).verdict == statistics.TOO_SMALL


def test_phase_4_against_itself_with_another_seed_is_no_regression(tmp_path: Path) -> None:
    lines = [[one for one in fixture_run.lines(seed) if isinstance(one, Record)] for seed in (7, 8)]
    result = comparison.between(*(_run(str(tmp_path / name), cases) for name, cases in zip("ab", lines, strict=True)))
    assert len(result.rows) + len(result.left) == len(lines[0])
    assert not result.regressions
