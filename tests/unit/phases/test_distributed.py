"""Phase 5 without servers: its plan, its small tables, what errors must tell, verdicts and report."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from run_requests import request

from lakebench import engines
from lakebench.engines import parse
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Case, side_by_server
from lakebench.execution.engine_client import AnswerFile
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Scope
from lakebench.iceberg.operations import Append, SetPartition
from lakebench.model import Catalog, CatalogKind, Coordinates, Lake, ObjectStore, Record, Selection, TableFormat
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.distributed import deaths, deletes, lake_tables, layouts, rubric, set_up, ways, work, writes
from lakebench.phases.distributed.report import sections
from lakebench.reports.content import DASH, Table
from lakebench.results import records
from lakebench.results.records import FieldReport

STORE = ObjectStore("http://127.0.0.1:1", "bucket", "key", "secret")
LAKE = Lake("files", STORE, Catalog(CatalogKind.REST, "", ""), format=TableFormat.PARQUET,
            files={"sales": ("s3://bucket/a/1.parquet",)})  # fmt: skip


def _case(engine: str, outcome: Outcome = Outcome.PASS, **about: Any) -> Record:
    given = {key: about.pop(key) for key in ("reason", "evidence", "row", "column") if key in about}
    name = f"{engine}/" + "/".join(str(one) for one in about.values())
    record = Record(name, "phase5", "", engine, outcome, coordinates=Coordinates(engine=engine, **about))
    return replace(record, **{"row": str(about.get("test")), "column": engine, **given})


def _reports(*cases: Record) -> dict[str, FieldReport]:
    return {one.report: one for one in find("phase5").judge_field_reports(cases, "1")}


def _planned(*names: str, profile: str = "standard") -> list[Case]:
    asked = replace(request(*map(parse, names)), profile=PROFILES[profile])
    blocks = [*deletes.blocks(asked), *writes.blocks(asked), *ways.blocks(asked), *set_up.blocks(asked),
              *rubric.blocks(asked, lambda *_: LAKE)]  # fmt: skip
    return [case for block in blocks for case in block.cases]


def test_the_engines_are_those_that_spread_a_query_and_the_references() -> None:
    asked = find("distributed").engines(SimpleNamespace())  # type: ignore[arg-type]
    assert set(asked) == {"duckdb", "daft", "daft-ray", "ray_duckdb", "smallpond"}


def test_every_case_has_an_id_of_its_own_and_the_rubric_is_the_same_for_all() -> None:
    cases = _planned("duckdb", "daft", "ray_duckdb", "daft-ray", "smallpond")
    assert len({case.id for case in cases}) == len(cases)
    lines = {case.column: [] for case in cases}
    for case in cases:
        if case.coordinates.check == rubric.CHECK:
            lines[case.column].append(case.coordinates.test)
    assert all(one == list(rubric.LINES) for one in lines.values())


_NOT_OF_QUICK = {"rubric/faster-with-workers", "rubric/within-memory", "set-up/first-query"}


def test_quick_asks_for_no_time_no_memory_and_no_program_and_misses_none() -> None:
    quick, standard = (_planned("daft-ray", profile=name) for name in ("quick", "standard"))
    left_out = {case.id: case for case in standard if case.id not in {one.id for one in quick}}
    assert set(left_out) == {f"phase5/{one}/daft-ray" for one in _NOT_OF_QUICK}
    scopes = [Scope((parse("daft-ray"),), Selection(), profile) for profile in ("quick", "standard")]
    for case in left_out.values():
        assert [find("phase5").covers(case.coordinates, scope) for scope in scopes] == [False, True]
    assert all(find("phase5").covers(case.coordinates, scopes[0]) for case in quick)


def test_engines_of_one_cluster_follow_each_other_and_others_run_beside_them() -> None:
    asked = request(*map(parse, ("duckdb", "daft-ray", "ray_duckdb", "smallpond")))
    sequences = side_by_server([*deletes.blocks(asked), *ways.blocks(asked)]).sequences
    assert [{str(one.case.engine) for one in some} for some in sequences] == [
        {"duckdb"},
        {"daft-ray", "ray_duckdb"},
        {"smallpond"},
    ]


def test_a_ducklake_is_read_by_its_connector_or_by_files() -> None:
    ways_of = {
        case.column: case.coordinates.more["way"]
        for case in _planned("duckdb", "daft", "ray_duckdb", "smallpond")
        if case.coordinates.test == "ducklake-after"
    }
    assert ways_of == {"duckdb": "connector", "ray_duckdb": "connector", "daft": "files", "smallpond": "files"}
    with pytest.raises(EngineUnavailable, match="no connector"):
        deletes.needs(parse("daft"), TableFormat.DUCKLAKE)


def test_of_each_ten_rows_one_is_deleted() -> None:
    every, left = lake_tables.rows(), lake_tables.rows(deleted=True)
    assert (len(every), len(left)) == (1000, 900)
    assert {row[0] % 10 for row in every} - {row[0] % 10 for row in left} == {3}


@pytest.mark.parametrize("deleted", [False, True])
def test_the_answers_that_are_asked_for_are_those_of_the_rows(deleted: bool) -> None:
    some = lake_tables.rows(deleted=deleted)
    asked = layouts.questions("sales", some) | layouts.of_partitions("sales", some)
    assert asked["count(*)"][1] == len(some)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE sales (id BIGINT, region VARCHAR, amount BIGINT)")
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?)", some)
        for name, (sql, count) in asked.items():
            answer = connection.execute(sql).fetchall()
            assert (len(answer) if name.startswith("LIMIT") else answer[0][0]) == count, sql


def test_a_wrong_count_is_a_wrong_answer_that_names_it() -> None:
    context: Any = SimpleNamespace(
        client=SimpleNamespace(query=lambda *_: AnswerFile(Path("answer"), 0)),
        checker=SimpleNamespace(call=lambda *_: [["900"]]),
    )
    asked = {"count(*)": ("SELECT 1", 900), "count(*) after amount < 5": ("SELECT 2", 4), "LIMIT": ("SELECT 3", 7)}
    with pytest.raises(WrongAnswer, match=r"amount < 5 is to be 4, and is .*; LIMIT is to be 7, and is 1") as caught:
        layouts.answered(context, parse("daft"), LAKE, asked)
    assert caught.value.details["answers"]["count(*)"]["answer"] == [["900"]]


def test_layouts_hold_the_same_rows() -> None:
    for layout in layouts.LAYOUTS:
        steps = layouts._steps(layout)
        assert [row for one in steps if isinstance(one, Append) for row in one.rows] == lake_tables.rows()
    assert sum(isinstance(one, SetPartition) for one in layouts._steps("new-spec")) == 1


@pytest.mark.parametrize(
    ("mistake", "tells", "hides"),
    [
        ("wrong-key", "HTTP 403: SignatureDoesNotMatch", "cannot read file"),
        ("missing-bucket", "NoSuchBucket: the specified bucket does not exist", "cannot read file"),
        ("missing-file", "File s3://b/1-no-such-file.parquet not found", "404 of something"),
        ("missing-file", "FileNotFoundError: bucket/1-no-such-file.parquet", "bucket/1-no-such-file.parquet"),
        ("bad-sql", 'Referenced column "no_such_column" not found', "failed to run query"),
    ],
)
def test_an_error_tells_its_cause_or_not(mistake: str, tells: str, hides: str) -> None:
    pattern = rubric._MISTAKES[mistake].tells
    assert pattern.search(tells)
    assert not pattern.search(hides)


def test_a_mistake_is_one_mistake() -> None:
    wrong = {name: rubric._mistaken(LAKE, mistake) for name, mistake in rubric._MISTAKES.items()}
    assert wrong["wrong-key"].files == LAKE.files
    assert wrong["wrong-key"].objects.secret_key != STORE.secret_key
    assert wrong["missing-bucket"].files["sales"] == ("s3://lakebench-no-such-bucket/a/1.parquet",)
    assert wrong["missing-file"].files["sales"] == ("s3://bucket/a/1-no-such-file.parquet",)
    assert wrong["bad-sql"] == LAKE


def test_one_process_has_no_workers_that_could_die() -> None:
    context: Any = SimpleNamespace()
    with pytest.raises(EngineUnavailable, match="one process"):
        deaths.survives(context, parse("daft"), LAKE)


def test_nodes_of_an_engines_own_cluster_are_not_ended() -> None:
    context: Any = SimpleNamespace()
    with pytest.raises(EngineUnavailable, match="a cluster of its own"):
        deaths.faster(context, parse("smallpond"), LAKE)


def test_the_worker_that_computes_most_is_killed_once_they_have_computed_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter([{1: 100, 2: 100}, {1: 200, 2: 110}, {1: 300, 2: 900, 3: 50}])
    killed: list[int] = []
    monkeypatch.setattr(deaths, "_computed", lambda _: next(moments))
    monkeypatch.setattr(deaths, "_kill", killed.append)
    monkeypatch.setattr(deaths, "_name", lambda pid: f"raylet {pid}")
    said = deaths._kill_in_the_middle(list, Future(), 800)
    assert killed == [2]
    assert said.startswith("raylet 2, one of 3, after ")


def test_a_query_that_ends_first_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deaths, "_computed", lambda _: {1: 0})
    done: Future[AnswerFile] = Future()
    done.set_result(AnswerFile(Path("answer"), 0))
    with pytest.raises(EngineUnavailable, match="too short"):
        deaths._kill_in_the_middle(lambda: [1], done, 800)


def _cluster_of(monkeypatch: pytest.MonkeyPatch, nodes: list[int], seconds: dict[int, list[float]]) -> list[int]:
    """A cluster of fakes, on which the long query takes ``seconds`` with so many nodes; the nodes that were killed."""
    killed: list[int] = []
    alive = list(nodes)

    def kill(node: int) -> None:
        killed.append(node)
        alive.remove(node)

    monkeypatch.setattr(deaths, "_cluster", lambda *_: "ray")
    monkeypatch.setattr(deaths, "_workers", lambda *_: list(alive))
    monkeypatch.setattr(deaths, "_kill", kill)
    monkeypatch.setattr(deaths, "_mend", lambda *_: alive.extend(set(nodes) - set(alive)))
    monkeypatch.setattr(deaths, "_right", lambda *_: {"answer": {"rows": 1}})
    monkeypatch.setattr(deaths, "_long", lambda *_: AnswerFile(Path("answer"), 0))
    monkeypatch.setattr(deaths, "_seconds", lambda *_: seconds[len(alive)].pop())
    return killed


def test_fewer_workers_are_measured_one_two_and_four(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {4: [1.0, 1.1, 1.2], 2: [2.0, 2.1, 2.2], 1: [4.0, 4.1, 4.2]}
    killed = _cluster_of(monkeypatch, [11, 12, 13, 14], times)
    evidence = deaths.faster(SimpleNamespace(), parse("daft-ray"), LAKE)  # type: ignore[arg-type]
    assert evidence["seconds_by_workers"] == {4: 1.1, 2: 2.1, 1: 4.1}
    assert killed == [14, 13, 12]


def test_times_that_overlap_are_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    _cluster_of(monkeypatch, [11, 12], {2: [8.1, 11.2, 8.7], 1: [8.7, 8.8, 11.3]})
    with pytest.raises(Refused, match=r"8\.10 to 11\.20 s with 2 workers, 8\.70 to 11\.30 s with one") as caught:
        deaths.faster(SimpleNamespace(), parse("daft-ray"), LAKE)  # type: ignore[arg-type]
    assert caught.value.details["seconds_by_workers"] == {2: 8.7, 1: 8.8}


def test_one_worker_cannot_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    _cluster_of(monkeypatch, [11], {})
    with pytest.raises(EngineUnavailable, match="has one worker"):
        deaths.faster(SimpleNamespace(), parse("daft-ray"), LAKE)  # type: ignore[arg-type]


def test_a_query_that_ends_before_the_death_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = _cluster_of(monkeypatch, [11, 12], {2: [0.5]})
    with pytest.raises(EngineUnavailable, match="too short"):
        deaths.survives(SimpleNamespace(), parse("daft-ray"), LAKE)  # type: ignore[arg-type]
    assert not killed


def test_the_work_has_its_stages_for_ray_and_a_translation_for_others() -> None:
    for name in ("regions", "shuffle", work.LONG):
        question = work.question(name)
        assert "-- last" in question.sql(engines.find("ray_duckdb"))
        assert "-- last" not in question.sql(engines.find("spark"))


def _work(engine: str, form: str, outcome: Outcome = Outcome.PASS) -> Record:
    return _case(engine, outcome, query="regions", format=form)


def _after(engine: str, way: str, outcome: Outcome = Outcome.PASS) -> Record:
    return _case(engine, outcome, check="deletes", test="ducklake-after", more={"way": way}, reason="100 rows more")


def test_what_works_before_and_after_a_delete_is_reproduced() -> None:
    both = (_work("ray_duckdb", "parquet"), _work("ray_duckdb", "ducklake"), _after("ray_duckdb", "connector"))
    assert _reports(*both)["C17"].verdict is ReportVerdict.REPRODUCED
    assert _reports(*both, _work("ray_duckdb", "ducklake", Outcome.WRONG))["C17"].verdict is (
        ReportVerdict.NOT_REPRODUCED
    )


def test_rows_that_come_back_leave_the_direction() -> None:
    cases = (_work("daft", "parquet"), _work("daft", "ducklake"), _after("daft", "files", Outcome.WRONG))
    report = _reports(*cases)["C18"]
    assert report.verdict is ReportVerdict.DIRECTION_ONLY
    assert "100 rows more" in report.detail


def _way(test: str, outcome: Outcome, reason: str = "") -> Record:
    return _case("smallpond", outcome, check="ways", test=test, reason=reason)


def test_smallponds_verdict_is_of_the_call_and_of_the_ways_that_work() -> None:
    theirs = "unsupported S3 endpoint configuration"
    other = "TypeError: unexpected keyword argument 'endpoint_url'"
    assert _reports()["C19"].verdict is ReportVerdict.COULD_NOT_RUN
    fails = _way("endpoint-url", Outcome.REFUSED, theirs)
    assert _reports(fails)["C19"].verdict is ReportVerdict.REPRODUCED
    assert _reports(fails, _way("secret", Outcome.PASS))["C19"].verdict is ReportVerdict.DIRECTION_ONLY
    assert _reports(_way("endpoint-url", Outcome.REFUSED, other))["C19"].verdict is ReportVerdict.DIRECTION_ONLY
    assert _reports(_way("endpoint-url", Outcome.PASS))["C19"].verdict is ReportVerdict.NOT_REPRODUCED


def test_nothing_asked_could_not_run() -> None:
    assert {one.verdict for one in _reports().values()} == {ReportVerdict.COULD_NOT_RUN}


def test_the_report_has_the_rubric_with_its_score_and_the_deaths() -> None:
    killed = {"killed": "node 1 of 2 after 0.40 s", "usual_s": 1.0, "took_s": 2.5}
    times = {"samples": {"1": [2.0, 2.1, 2.2], "2": [1.0, 1.1, 1.2]}, "cores": 2}
    run: Any = SimpleNamespace(
        cases=[
            _case("daft", check="rubric", test="reads-s3"),
            _case("daft", Outcome.WRONG, check="rubric", test="counts-as-it-reads"),
            _case("daft", check="rubric", test="survives-death", evidence=killed),
            _case("daft", check="rubric", test="faster-with-workers", evidence=times),
            _after("daft", "files", Outcome.WRONG),
        ]
    )
    (section,) = sections(run)
    tables = {one.caption: one for one in section.parts if isinstance(one, Table)}
    assert [cell.text for cell in tables["Rubric"].rows[-1]] == ["score", "3 of 4"]
    assert "node 1 of 2 after 0.40 s" in [cell.text for cell in tables["A worker dies in the middle"].rows[0]]
    assert "files" in [cell.text for cell in tables["Deleted rows"].rows[0]]
    assert not sections(SimpleNamespace(cases=[]))  # type: ignore[arg-type]


def test_each_framework_has_a_program_that_imports_nothing_of_ours() -> None:
    asked = [case for case in _planned("duckdb", "daft", "ray_duckdb", "daft-ray", "smallpond", "spark")
             if case.coordinates.check == set_up.CHECK]  # fmt: skip
    assert {case.column for case in asked} == {"duckdb", "daft", "ray_duckdb", "daft-ray", "smallpond"}
    for case in asked:
        text = set_up.program_of(case.engine).read_text("utf-8")
        assert "lakebench" not in text
        assert set_up.lines_of(text) > 5


def test_blank_lines_and_comments_are_no_lines_of_set_up() -> None:
    assert set_up.lines_of("import os\n\n# why\nprint(\n    1,  # one\n)\n") == 4


def test_the_answer_of_a_program_is_a_line_for_each_region() -> None:
    some = [(0, "north", 1), (1, None, 2), (2, "north", 4)]
    assert set_up.answer(some) == ["None 1 2", "north 2 5"]


def _ran(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str, addresses: dict[str, str]) -> Any:
    """What becomes of ``program``, run by this Python with ``addresses`` in its environment."""
    file = folder / "first_query.py"
    file.write_text(program)
    monkeypatch.setattr(set_up, "_addresses", lambda *_, **__: addresses)
    return set_up._first_answer(SimpleNamespace(progress=None), parse("duckdb"), file)  # type: ignore[arg-type]


def test_a_program_is_right_if_it_prints_the_rows_of_its_addresses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = set_up.answer(lake_tables.rows(deleted=True))
    program = "import os\nprint(os.environ['ANSWER'])\n"
    evidence = _ran(monkeypatch, tmp_path, program, {"ANSWER": "\n".join(["INFO 1/5 tasks", *reversed(lines)])})
    assert (evidence["lines"], evidence["program"], evidence["printed"]) == (2, program, lines)
    with pytest.raises(WrongAnswer) as caught:
        _ran(monkeypatch, tmp_path, program, {"ANSWER": "\n".join(lines[1:])})
    assert caught.value.details["lines"] == 2


def test_a_program_that_fails_is_refused_by_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"exit code 1: .*ValueError: no such table") as caught:
        _ran(monkeypatch, tmp_path, "raise ValueError('no such table')\n", {})
    assert caught.value.details["lines"] == 1


def test_without_a_network_of_its_own_smallponds_program_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    python, program, ref = Path("python"), Path("program.py"), parse("smallpond")
    monkeypatch.setattr(set_up.private_network, "unshared", lambda: None)
    with pytest.raises(EngineUnavailable, match="allow user namespaces"):
        set_up._command(python, ref, program, STORE.endpoint)


def test_the_lines_of_set_up_are_beside_the_score_and_no_part_of_it() -> None:
    held = {"idle_bytes": 2**20, "service": ""}
    run: Any = SimpleNamespace(
        cases=[
            _case("daft", check="rubric", test="within-memory", evidence={**held, "processes": [], "peak_bytes": 1,
                                                                          "limit_bytes": 2}),
            _case("daft", check="set-up", test="first-query", evidence={"lines": 20}),
            _case("smallpond", Outcome.REFUSED, check="set-up", test="first-query", evidence={"lines": 31}),
        ],
        services=[],
    )  # fmt: skip
    (section,) = sections(run)
    tables = {one.caption: one for one in section.parts if isinstance(one, Table)}
    beside = [[cell.text for cell in row] for row in tables["Beside the score"].rows]
    assert beside[0] == ["daft", DASH, "1", "20"]
    assert beside[1][0] == "smallpond"
    assert beside[1][3].startswith("31 (")
    assert [cell.text for cell in tables["Rubric"].rows[-1]] == ["score", "1 of 1"]


# Recorded runs: Ray 2.60 + DuckDB 1.5.5 and Daft 0.7.26 on a cluster of two nodes; and Smallpond 0.15.0.

RECORDED = {
    path.name.rpartition("-")[2]: path for path in (Path(__file__).parents[2] / "fixtures" / "phase5").iterdir()
}


@pytest.mark.parametrize("run", RECORDED)
def test_the_verdicts_of_a_recorded_run_are_those_that_it_wrote(run: str) -> None:
    recorded = records.read(RECORDED[run])
    judged = _reports(*recorded.cases)
    assert {name: one.ours for name, one in judged.items()} == {one.report: one.ours for one in recorded.field_reports}
    ran = {name: one.verdict for name, one in judged.items() if one.verdict is not ReportVerdict.COULD_NOT_RUN}
    assert ran in (
        {"C17": ReportVerdict.REPRODUCED, "C18": ReportVerdict.DIRECTION_ONLY},
        {"C19": ReportVerdict.DIRECTION_ONLY},
    )


@pytest.mark.parametrize("run", RECORDED)
def test_the_report_of_a_recorded_run_has_its_rubric(run: str) -> None:
    (section,) = sections(records.read(RECORDED[run]))
    tables = {one.caption: one for one in section.parts if isinstance(one, Table)}
    assert len(tables["Rubric"].rows) == len(rubric.LINES) + 1
    assert "1000 instead of 900" in [row[-1].text for row in tables["Deleted rows"].rows]
