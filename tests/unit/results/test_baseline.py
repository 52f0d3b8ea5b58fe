from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakebench.commands.accept import Counts, accept
from lakebench.errors import UsageError
from lakebench.model import Coordinates, Record
from lakebench.outcomes import ExitCode, Outcome
from lakebench.phases import baselines, phases
from lakebench.results import accepted, baseline, schema1
from lakebench.results.records import End, EngineFacts, Header, Run
from lakebench.services.lakes import CATALOGS


def _case(case: str, engine: str) -> Record:
    about = schema1.coordinates(case)
    return Record(case, schema1.phase_of(case), "", engine, Outcome.PASS, coordinates=about)


CASE = _case("interop/append/duckdb→trino", "trino")
OWN = _case("interop/append/duckdb", "duckdb")
PG = _case("phase4/q01/pg_duckdb", "pg_duckdb")
Q1 = _case("phase4/q01/duckdb", "duckdb")
ENGINES = ["duckdb", "trino", "spark", "pg_duckdb"]
NAMED: dict[str, dict[str, Any]] = {
    "services.pg_duckdb.pg_config": {"services": {"pg_duckdb": {"pg_config": "/usr/lib/postgresql/17/bin/pg_config"}}},
    "services.pg_duckdb.uri": {
        "services": {"pg_duckdb": {"runtime": "external", "uri": "postgresql://127.0.0.1:5432"}}
    },
    "services.nessie.uri": {"services": {"nessie": {"runtime": "external", "uri": "http://127.0.0.1:19120"}}},
}


def _settings(**more: Any) -> dict[str, Any]:
    return {"phases": ["interop", "phase4"], "engines": ENGINES, "profile": "standard", "named": [], **more}


def _run(cases: Sequence[Record], name: str = "20261121T101500Z-interop-a1b2", **settings: Any) -> Run:
    versions = {"duckdb": "1.5.5", "extension iceberg": "6561bfc"}
    in_force = _settings(**settings)
    return Run(
        path=Path("records.jsonl"),
        header=Header(name, tuple(in_force["phases"]), "lakebench run", "2026-11-21", in_force),
        engines=(EngineFacts("duckdb", versions), EngineFacts("trino", {"trino": "476"}), EngineFacts("pg_duckdb")),
        cases=tuple(cases),
        end=End("complete", 1.0, 0),
    )


def _now(outcome: Outcome) -> list[Record]:
    return [replace(CASE, outcome=outcome, reason="so it is"), OWN]


def _accept(cases: Sequence[Record], file: Path, name: str = "one", **settings: Any) -> Counts:
    return accept([_run(cases, name, **settings)], name, {}, file)


def _load(file: Path, **settings: Any) -> baseline.Baseline:
    return baseline.load(_settings(**settings), (), file)


def _shipped(folder: Path) -> dict[str, Path]:
    """Files of two phases, which are not there yet."""
    return {name: folder / f"{name}.json" for name in ("interop", "phase4")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / baseline.FILE


def test_what_is_accepted_is_read_again(file: Path) -> None:
    cases = [replace(CASE, outcome=Outcome.WRONG, evidence={"verdict": "broken claim"}), OWN]
    counts = accept([_run(cases)], "  seen and\nreported ", {}, file)
    assert (counts.cases, counts.new, counts.changed, counts.gone, counts.faults) == (2, 2, 0, 0, 0)
    assert counts.outcomes[Outcome.WRONG] == 1
    entry = _load(file).of(CASE.case)
    assert entry is not None
    assert (entry.outcomes, entry.by.reason) == ({Outcome.WRONG: "broken claim"}, "seen and reported")
    assert (entry.engine, entry.needs) == ("trino", {"catalog=rest"})
    assert entry.by.versions == {"duckdb": "duckdb 1.5.5, extension iceberg 6561bfc", "trino": "trino 476"}
    assert accepted.exit_code(cases, _load(file)) is ExitCode.OK


def _cell(own: str, *derived: str) -> Record:
    """A cell of which the read ``own`` failed, and derived ones."""
    reads = [{"read": "all rows", "outcome": "PASS"}, {"read": own, "outcome": "WRONG"}]
    evidence = {"reads": reads, "derived": {"reads": [{"read": f"{one} 5.0", "kind": one} for one in derived]}}
    return replace(CASE, outcome=Outcome.WRONG, evidence=evidence)


def test_the_reads_that_failed_are_accepted_with_the_outcome(file: Path) -> None:
    _accept([_cell("count(*)", "v !=", "v =")], file)
    entry = _load(file).of(CASE.case)
    assert entry is not None
    assert entry.reads == {"count(*)", "derived: v !=", "derived: v ="}
    counts = _accept([_cell("count(*)", "v =")], file, "two")
    assert counts.changed == 1
    assert _load(file).entries[CASE.case].reads == {"count(*)", "derived: v ="}
    accept([_run([_cell("count(*)", "v =")], "a"), _run([_cell("count(*)", "w =")], "b")], "a race", {}, file)
    assert _load(file).entries[CASE.case].reads == {"count(*)", "derived: v =", "derived: w ="}


def test_another_read_that_fails_is_worse_although_the_outcome_is_accepted(file: Path) -> None:
    _accept([_cell("count(*)", "v !=")], file)
    had, known = _load(file), [_cell("count(*)", "v !=")]
    assert accepted.exit_code(known, had) is ExitCode.OK
    assert accepted.known_failure(known[0], had)
    for now in (_cell("count(*)", "v !=", "v <"), _cell("v alone")):
        assert accepted.exit_code([now], had) is ExitCode.WRONG_ANSWER
        assert [one.case for one in accepted.changes([now], had, lambda *_: True).worse] == [CASE.case]
        assert accepted.known_failure(now, had) is None


def test_reads_that_nobody_noted_are_not_compared(file: Path) -> None:
    _accept([replace(CASE, outcome=Outcome.WRONG)], file)
    assert accepted.exit_code([_cell("count(*)", "v !=")], _load(file)) is ExitCode.OK


def test_a_diff_shows_what_changed_and_nothing_else(file: Path) -> None:
    _accept(_now(Outcome.PASS), file, "first")
    before = file.read_text().splitlines()
    counts = _accept(_now(Outcome.REFUSED), file, "second")
    after = file.read_text().splitlines()
    assert (counts.new, counts.changed) == (0, 1)
    assert set(before) - set(after) == {
        next(line for line in before if line.startswith('"1": ')),  # it ends with a comma now
        next(line for line in before if line.startswith(f'["{CASE.case}"')),
    }
    about = '{"feature": "append", "writer": "duckdb", "reader": "trino", "catalog": "rest"}'
    line = f'["{CASE.case}", "interop", "trino", {{"REFUSED": ""}}, 2, {about}, ["catalog=rest"]]'
    assert [one for one in after if CASE.case in one] == [line]
    cases = [line for line in after if line.startswith('["interop')]
    assert cases == sorted(cases)


def test_an_acceptance_that_nothing_refers_to_any_more_goes(file: Path) -> None:
    _accept([CASE], file, "first")
    _accept([replace(CASE, outcome=Outcome.CRASH)], file, "second")
    assert [one["reason"] for one in json.loads(file.read_text())["acceptances"].values()] == ["second"]


def test_the_users_file_wins_over_the_shipped_ones(file: Path, tmp_path: Path) -> None:
    shipped = _shipped(tmp_path)
    accept([_run([*_now(Outcome.PASS), Q1])], "shipped", shipped)
    assert all(one.exists() for one in shipped.values())
    _accept([replace(CASE, outcome=Outcome.REFUSED), OWN], file, "ours", phases=["interop"])
    entries = baseline.load(_settings(), shipped.values(), file).entries
    assert {case: entry.by.reason for case, entry in entries.items()} == {
        CASE.case: "ours",
        OWN.case: "ours",
        Q1.case: "shipped",
    }
    alone = baseline.load(_settings(phases=["phase4"]), [shipped["phase4"]], file.with_name("no"))
    assert set(alone.entries) == {Q1.case}


@pytest.mark.parametrize("need", NAMED)
def test_what_needs_something_counts_where_the_settings_name_it_and_then_in_full(file: Path, need: str) -> None:
    _accept([PG, Q1], file, **NAMED[need])
    entry = _load(file, **NAMED[need]).of(PG.case)
    assert entry is not None
    assert entry.needs == {need}
    cases = [Q1, replace(PG, outcome=Outcome.UNAVAILABLE, reason="no pg_duckdb")]
    for named, gone in ((NAMED[need], 1), ({}, 0)):
        known = _load(file, **named)
        changed = accepted.changes(cases, known, lambda *_: True)
        missing = accepted.gone(changed.gone, cases, (), {})
        assert sum(one.cases for one in missing) == gone
        assert accepted.exit_code(cases, known, missing) is (ExitCode.WORSE if gone else ExitCode.OK)


def test_what_runs_in_a_folder_of_the_users_is_missed_where_the_settings_name_the_folder(file: Path) -> None:
    about = Coordinates(catalog="duckicelake", test="ns.get", check="protocol", more={"services": "duckicelake"})
    case = Record("phase11/duckicelake/ns.get", "phase11", "", "duckicelake", Outcome.PASS, coordinates=about)
    home = {"services": {"duckicelake": {"home": "/opt/duckicelake"}}}
    _accept([case], file, phases=["phase11"], **home)
    for named, gone in ((home, 1), ({}, 0)):
        known = _load(file, phases=["phase11"], **named)
        entry = known.of(case.case)
        assert (entry.needs if entry else None) == ({"services.duckicelake.home"} if named else None)
        changed = accepted.changes([], known, lambda *_: True)
        assert sum(one.cases for one in accepted.gone(changed.gone, [], (), {})) == gone


def test_what_needs_more_goes_before_what_needs_less(file: Path) -> None:
    _accept([replace(PG, outcome=Outcome.UNAVAILABLE), Q1], file)
    _accept([PG, Q1], file, "with", **NAMED["services.pg_duckdb.pg_config"])
    with_it, without = _load(file, **NAMED["services.pg_duckdb.pg_config"]).of(PG.case), _load(file).of(PG.case)
    assert with_it is not None
    assert without is not None
    assert (set(with_it.outcomes), set(without.outcomes)) == ({Outcome.PASS}, {Outcome.UNAVAILABLE})


def test_each_catalog_has_outcomes_of_its_own(file: Path) -> None:
    _accept([CASE, OWN], file)
    _accept([replace(CASE, outcome=Outcome.CRASH), OWN], file, "nessie", selection={"catalog": "nessie"})
    for catalog, outcome in (("rest", Outcome.PASS), ("nessie", Outcome.CRASH)):
        entry = _load(file, selection={"catalog": catalog}).of(CASE.case)
        assert entry is not None
        assert set(entry.outcomes) == {outcome}
    assert _load(file, selection={"catalog": "jdbc"}).of(CASE.case) is None


@pytest.mark.parametrize("catalog", CATALOGS)
def test_a_run_on_any_catalog_is_accepted(file: Path, catalog: str) -> None:
    _accept([replace(CASE, outcome=Outcome.CRASH), OWN], file, "there", selection={"catalog": catalog})
    entry = _load(file, selection={"catalog": catalog}).of(CASE.case)
    assert entry is not None
    assert set(entry.outcomes) == {Outcome.CRASH}


def test_an_environment_counts_where_it_is_named(file: Path) -> None:
    old = _case("phase4/q01/duckdb@1.4.4", "duckdb@1.4.4")
    _accept([Q1, old], file, engines=["duckdb", "duckdb@1.4.4"])
    assert _load(file).of(old.case) is None
    assert _load(file, engines=["duckdb@1.4.4"]).of(old.case) is not None


def test_several_runs_make_a_set_of_what_a_race_decides(file: Path) -> None:
    runs = [_run(_now(Outcome.PASS), "one"), _run(_now(Outcome.TIMEOUT), "two")]
    counts = accept(runs, "a race", {}, file)
    entry = _load(file).of(CASE.case)
    assert entry is not None
    assert set(entry.outcomes) == {Outcome.PASS, Outcome.TIMEOUT}
    assert (entry.by.run, counts.cases) == ("one, two", 2)
    assert _accept(_now(Outcome.PASS), file, "three").changed == 0, "one of them again is no news"
    assert entry == _load(file).of(CASE.case)


def test_runs_of_other_versions_are_no_race(file: Path) -> None:
    other = replace(_run(_now(Outcome.PASS)), engines=(EngineFacts("trino", {"trino": "483"}),))
    with pytest.raises(UsageError, match="trino is trino 476 in one run and trino 483 in another"):
        accept([_run(_now(Outcome.PASS)), other], "why not", {}, file)


def test_an_interrupted_run_is_accepted_only_where_that_is_said(file: Path) -> None:
    _accept(_now(Outcome.PASS), file)
    run = replace(_run([CASE]), end=None)
    with pytest.raises(UsageError, match=r"was interrupted, .* --interrupted"):
        accept([run], "in a hurry", {}, file)
    accept([run], "in a hurry", {}, file, interrupted=True)
    assert set(_load(file).entries) == {CASE.case, OWN.case}, "what had not come yet is not taken back"


def test_an_error_of_ours_is_never_accepted(file: Path) -> None:
    faulty = replace(CASE, outcome=Outcome.HARNESS_FAULT)
    counts = _accept([faulty, OWN], file)
    assert (counts.cases, counts.faults) == (1, 1)
    assert set(_load(file).entries) == {OWN.case}
    with pytest.raises(UsageError, match="has no finished case"):
        _accept([faulty], file)
    file.write_text(file.read_text().replace('"PASS"', '"HARNESS_FAULT"'))
    with pytest.raises(UsageError, match="'HARNESS_FAULT' is no outcome that can be accepted"):
        _load(file)


def test_accepting_takes_back_what_no_longer_comes_to_be(file: Path, tmp_path: Path) -> None:
    shipped = _shipped(tmp_path)
    accept([_run([CASE, OWN, Q1], phases=["interop", "phase4"])], "shipped", shipped)
    counts = accept([_run([OWN], phases=["interop"])], "Trino is no more", shipped, file)
    assert counts.gone == 1
    known = baseline.load(_settings(), shipped.values(), file)
    assert not accepted.changes([OWN, Q1], known, lambda *_: True).gone
    partial = _run([OWN], phases=["interop"], engines=["duckdb"], named=["duckdb"])
    assert accept([partial], "one engine", shipped, file.with_name("other")).gone == 0


def test_a_file_of_the_first_schema_is_read_as_it_was_meant(file: Path) -> None:
    by = {"run": "r", "date": "2026-11-21", "reason": "first look", "versions": {}}
    cases = {CASE.case: ["WRONG", "broken claim", 1], "phase4/q01/duckdb@1.4.4": ["PASS", "", 1]}
    file.write_text(json.dumps({"schema": 1, "acceptances": {"1": by}, "cases": cases}))
    entry = _load(file).of(CASE.case)
    assert entry is not None
    assert (entry.engine, entry.outcomes, entry.by.reason) == ("trino", {Outcome.WRONG: "broken claim"}, "first look")
    assert set(_load(file).entries) == {CASE.case}
    assert _load(file, selection={"catalog": "nessie"}).of(CASE.case) is None
    _accept([CASE], file, "again")
    assert json.loads(file.read_text())["schema"] == baseline.SCHEMA


def test_what_ships_is_sound() -> None:
    for file in baselines(phases()).values():
        beside = {one for one, other in baselines(phases()).items() if other == file}
        shipped = baseline.read(file)
        assert {case.partition("/")[0] for case, _ in shipped} <= beside
        assert shipped


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ('"cases": [', '"cases": [[', 9, "Expecting"),
        ('{"PASS": ""}', '{"FINE": ""}', 7, "'FINE' is no outcome"),
        ('{"PASS": ""}, 1', '{"PASS": ""}, 7', 7, "there is no acceptance 7"),
        ('{"PASS": ""}, 1, ', '"PASS", ', 7, "it is not [case, phase, engine, {outcome: verdict}, number"),
        ('"feature": ', '"future": ', 7, "'future' is no coordinate"),
        ('"feature": "append"', '"feature": 1', 7, "a coordinate is no text"),
        ('"reason"', '"season"', 4, "it is not an acceptance"),
        ('"acceptances"', '"exceptions"', 1, "it has no acceptances and cases"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(file: Path, old: str, new: str, line: int, why: str) -> None:
    _accept([CASE], file, "first")
    file.write_text(file.read_text().replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError) as error:
        _load(file)
    assert f"{file} line {line} is damaged" in str(error.value)
    assert why in str(error.value)
    assert "restore the file from version control" in str(error.value)


def test_a_file_of_a_newer_harness_is_told(file: Path) -> None:
    _accept([CASE], file)
    file.write_text(file.read_text().replace('"schema": 3', '"schema": 4'), encoding="utf-8")
    with pytest.raises(UsageError, match="upgrade lakebench-harness"):
        _load(file)


@pytest.mark.parametrize(("cases", "reason"), [([CASE], " \n"), ([], "seen")])
def test_nothing_is_accepted_without_a_reason_or_a_case(file: Path, cases: list[Record], reason: str) -> None:
    with pytest.raises(UsageError):
        accept([_run(cases)], reason, {}, file)
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        _accept([CASE], tmp_path / "nowhere" / baseline.FILE)


def test_every_phase_ships_what_is_accepted_of_its_defaults() -> None:
    ours = {name for name, one in phases().items() if type(one).__module__.startswith("lakebench.")}
    shipped = {case.partition("/")[0] for file in baselines(ours).values() for case, _ in baseline.read(file)}
    assert ours - shipped == {"workload"}, "whose tables and queries are the user's"
