"""The options of phases: on the command line, in its help, and in what a run is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from lakebench import cli, harness, phases
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request, selection_of
from lakebench.model import Selection
from lakebench.phases.base import Phase
from lakebench.phases.options import Asked, Option
from lakebench.phases.selection import options_of, select

PHASES = phases.phases()
OPTIONS = list(options_of(PHASES.values()))

NO_FILES = {"interop": {"feature-file": []}}
NEAR = {"catalog-latency": [0]}


class Other(Phase):
    """A phase of another project."""

    name: ClassVar[str] = "other"
    subject: ClassVar[str] = "elsewhere"
    title: ClassVar[str] = "A phase of another project"
    options: ClassVar[tuple[Option, ...]] = (
        Option("how-many", "How many.", "N", "3", read=lambda text, _: int(text)),
        Option("features", "Others of that name.", default="mine"),
    )

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """One."""
        return ("duckdb",)

    def plan(self, context: RunContext) -> Iterator[Block]:  # noqa: ARG002
        """Nothing."""
        return iter(())


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Other:
    """A phase of another project, known beside ours."""
    made = Other()
    monkeypatch.setattr(phases, "phases", lambda: {**PHASES, made.name: made})
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Request]:
    """The request that a command line makes; the run does not begin."""

    def begin(line: str) -> Request:
        made: list[Request] = []

        def stop(request: Request, *_: Any, **__: Any) -> None:
            made.append(request)
            raise KeyboardInterrupt

        monkeypatch.setattr(harness, "run", stop)
        done = CliRunner().invoke(cli.app, line.split())
        if isinstance(done.exception, UsageError):
            raise done.exception
        (request,) = made
        return request

    return begin


def _help(line: str) -> str:
    """What stands below the examples."""
    output = CliRunner().invoke(cli.app, [*line.split(), "--help"], env={"COLUMNS": "200"}).output
    return output.partition("Arguments")[2]


@pytest.mark.parametrize("option", [one for one in OPTIONS if one.field], ids=lambda one: one.name)
def test_who_gives_no_option_gets_the_default_of_a_selection(option: Option) -> None:
    assert option.read(option.default, Asked()) == getattr(Selection(), option.field)


@pytest.mark.usefixtures("other")
def test_help_shows_the_options_by_phase_and_of_a_named_phase_only_its_own() -> None:
    every = _help("run")
    assert "Options of phase3 (tpch), clickbench (hits), workload (own)" in every
    assert all(f"--{one.name} " in every for one in OPTIONS)
    assert "Options of other (elsewhere)" in every
    tpch = _help("run tpch")
    assert "Options of phase3 (tpch) " in tpch
    assert "--tests " in tpch
    assert "--storage " in tpch
    assert not any(f"--{name} " in tpch for name in ("features", "writers", "catalog", "how-many"))
    assert "--catalog-latency " in _help("run phase4")
    assert "Options of" not in _help("run phase2")
    assert "Others of that name" in _help("run other")
    assert "Others of that name" not in _help("run interop")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run phase4 --features merge", "--features is no option of phase4, but of phase1, phase12, interop"),
        ("run phase2 phase4 --tests power", "--tests is no option of phase2, phase4, but of phase3"),
        ("run phase2 --storage s3", "--storage is no option of phase2, but of phase3, clickbench, workload"),
        ("run --resume some --catalog jdbc", "leave --catalog out"),
        ("run interop --catalog rst", "unknown catalog 'rst': did you mean rest"),
        ("run phase3 --formats ,", "name a format: iceberg"),
    ],
)
def test_an_option_that_no_named_phase_has_is_an_error(
    asked: Callable[[str], Request], line: str, message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        asked(line)
    assert message in str(raised.value)


def test_an_option_that_one_of_the_named_phases_has_is_taken(asked: Callable[[str], Request]) -> None:
    request = asked("run interop phase4 --features merge --engines duckdb,trino --readers spark")
    assert request.selection == Selection(
        features=("merge",), writers=("duckdb", "trino"), readers=("spark",), options={**NO_FILES, "phase4": NEAR}
    )
    assert [str(ref) for ref in request.refs] == ["duckdb", "trino", "spark"]
    assert request.named == ("duckdb", "trino", "spark")


def test_features_are_those_of_any_named_phase(asked: Callable[[str], Request]) -> None:
    (of_ducklake,) = (one for one in phases.find("ducklake").features({})[:1])
    assert asked(f"run interop phase1 --features {of_ducklake}").selection.features == (of_ducklake,)
    with pytest.raises(UsageError, match="unknown feature"):
        asked(f"run interop --features {of_ducklake}")


def test_all_is_every_phase_that_runs_by_its_defaults(asked: Callable[[str], Request], other: Other) -> None:
    request = asked("run all --tests power --how-many 4")
    assert request.phases == tuple(name for name in (*PHASES, other.name) if name != "workload")
    assert request.selection.tests == ("power",)
    assert "spark" in [ref.name for ref in request.refs]


def test_the_options_of_another_project_travel_through_the_records(
    asked: Callable[[str], Request], other: Other
) -> None:
    request = asked("run other interop --how-many 4 --features merge")
    again = selection_of(json.loads(json.dumps(request.to_json())))
    for selection in (request.selection, again):
        assert other.option(selection, "how-many") == 4
        assert other.option(selection, "features") == "merge"
        assert selection.features == ("merge",)
    assert other.option(asked("run other").selection, "features") == "mine"
    assert other.option(Selection(), "how-many") == 3
    assert asked("run phase2").selection.options == {}


def test_a_phase_cannot_have_an_option_of_the_command(
    asked: Callable[[str], Request], other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Other, "options", (Option("sf", "Mine."),))
    with pytest.raises(UsageError, match="other has an option --sf, which lakebench run has itself"):
        asked(f"run {other.name}")


def test_a_selection_is_that_of_the_named_phases_alone() -> None:
    wanted = [phases.find("phase3")]
    asked = select(wanted, {"tests": "power"}, ("duckdb",), Settings())
    assert asked == Selection(tests=("power",), options={"phase3": {"generate-on": "", **NEAR}})
