"""The commands: arguments in, exit code out, nothing else."""

from __future__ import annotations

import enum
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

import lakebench
from lakebench.commands.arguments import (
    Engines,
    Json,
    Output,
    Phases,
    ProfileName,
    Require,
    Resume,
    RuntimeOfServices,
    ScaleFactor,
    TimeLimit,
    UseUp,
    With,
)
from lakebench.commands.check import check
from lakebench.commands.export import export
from lakebench.commands.fuzz import fuzz
from lakebench.commands.history import history
from lakebench.commands.install import install
from lakebench.commands.phase_options import PhaseCommand
from lakebench.commands.runs import folder_of, folders_of
from lakebench.commands.site import site
from lakebench.commands.stack import stack
from lakebench.commands.terminal import ERRORS, plain, print_json, progress_of, table
from lakebench.commands.upgrade import upgrade
from lakebench.errors import HarnessFault, LakebenchError, UsageError
from lakebench.model import Runtime
from lakebench.outcomes import ExitCode

if TYPE_CHECKING:
    from lakebench.config import Settings
    from lakebench.results.comparison import Comparison
    from lakebench.results.records import Run

# The base of what typer raises for a command line that it cannot read; typer gives it no public name.
_CommandLineError: Any = typer.BadParameter.__base__
_OTHERS = ("lakebench", "lakebench-k8s")

app = typer.Typer(
    name="lakebench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Which lakehouse engine reads and writes what another wrote, at these versions, and how fast it really is.

Measured on real servers, with the evidence behind every cell.

[bold]Start here[/bold]

  lakebench run phase4 --profile quick    every engine on one Iceberg snapshot behind Nessie
  lakebench run phase4                    the same at TPC-H SF 1, with cold and warm times
  lakebench run phase3                    TPC-H: 22 queries on Iceberg, plain Parquet and DuckDB's own tables
  lakebench run interop                   which engine reads what another wrote, feature by feature
  lakebench run phase1                    DuckLake: every feature, catalog and storage, and which engines read it
  lakebench run phase2                    PostgreSQL over JDBC beside the same rows in Iceberg; PGSpider
  lakebench run phase9                    several writers at once, several engines, faults
  lakebench run all                       every phase that needs no data from you
  lakebench check mine:sales.orders       your own table: is it sound, and does every engine read the same rows
  lakebench stack --write spark --read trino,duckdb     what this stack must avoid
  lakebench upgrade duckdb 1.4.4 1.5.5    what the newer version breaks, mends and brings new
  lakebench history                       how outcomes and times went over all runs, and what changed where they step
  lakebench export RUN --format junit --output FILE     a run for other tools, such as the test page of a CI
  lakebench fuzz --time 30m               random programs, each step by another engine; what fails, made small
  lakebench doctor                        what would run here, what is missing, which versions are not the tested ones
  lakebench install --locked              an environment of its own with the tested versions

[bold]Exit codes[/bold]  0 all as accepted; 1 an outcome or a latency got worse, or is gone; 2 usage or settings; 3
nothing could run here; 4 a wrong answer that is not accepted; 5 a fault of the harness; 130 interrupted. Where
several apply: 130, 5, 4, 3, 1.
""",
)
for _command in (check, site, stack, upgrade, history, export, install, fuzz):
    app.command()(_command)
data_app = typer.Typer(no_args_is_help=True, help="Make datasets, or find them in the cache.")
app.add_typer(data_app, name="data")


def _print_version(asked: bool) -> None:
    if asked:
        print(f"lakebench {lakebench.__version__}")  # noqa: T201 - what was asked for
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version, and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """The command ``lakebench``: runs it and exits."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    sys.exit(_run())


def _run() -> int:
    """The exit code of the command in ``sys.argv``; every error becomes one line."""
    try:
        _alone()
        code = app(standalone_mode=False)
    except typer.Exit as error:
        code = error.exit_code
    except _CommandLineError as error:
        error.show()
        code = ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = _say("interrupted; lakebench left nothing running", ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - any other error becomes one line, or is a fault of ours
        code = _failed(error)
    return code if isinstance(code, int) else ExitCode.OK


def _failed(error: Exception) -> ExitCode:
    """Print what went wrong, and whose fault it is."""
    if isinstance(error, LakebenchError) and not isinstance(error, HarnessFault):
        return _say(str(error), ExitCode.USAGE if isinstance(error, UsageError) else ExitCode.NOTHING_RAN)
    if isinstance(error, OSError) and error.strerror:
        return _say(f"{error.filename or 'the system'}: {error.strerror}", ExitCode.USAGE)
    return _fault(error)


def _interrupt(_signal: int, _frame: object) -> None:
    """The first Ctrl-C ends the run in order; the second one at once, and the reaper cleans up."""
    again = signal.SIG_DFL if _signal == signal.SIGTERM else _at_once
    signal.signal(signal.SIGINT, again)
    raise KeyboardInterrupt


def _at_once(_signal: int, _frame: object) -> None:
    os._exit(ExitCode.INTERRUPTED)


def _say(text: str, code: ExitCode) -> ExitCode:
    ERRORS.print(f"[bold red]lakebench:[/bold red] {plain(text)}")
    return code


def _fault(error: Exception) -> ExitCode:
    ERRORS.print("".join(traceback.format_exception(error)), markup=False)
    return _say(f"a fault of lakebench itself, please report it with the lines above: {error}", ExitCode.HARNESS_FAULT)


def _alone() -> None:
    """Stop if another distribution installs an import package of our name: it would be chance which code runs.

    Raises:
        UsageError: one of them is installed here.
    """
    for name in _OTHERS:
        try:
            other = distribution(name)
        except PackageNotFoundError:
            continue
        raise UsageError(
            f"the distribution {name} {other.version} in this environment also installs a package called lakebench: "
            f"uninstall it (pip uninstall {name}), or give lakebench-harness an environment of its own"
        )


def _settings(runtime: Runtime | None = None, output: Path | None = None) -> Settings:
    from lakebench.execution.settings import load

    return load(runtime=runtime, output=output)


@app.command(cls=PhaseCommand)
def run(
    context: typer.Context,
    phase: Phases = None,
    sf: ScaleFactor = None,
    engines: Engines = "",
    require: Require = "",
    writer: Annotated[str, typer.Option(help="The engine that writes the dataset.")] = "pyiceberg",
    runtime: RuntimeOfServices = None,
    profile: ProfileName = "",
    repeat: Annotated[int | None, typer.Option(min=1, metavar="N", help="Samples instead of the profile's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random orders, and of the rows that lakebench makes.")] = 1,
    output: Output = None,
    resume: Resume = None,
    time_limit: TimeLimit = None,
    use_up: UseUp = False,
    with_: With = None,
    json_: Json = False,
) -> int:
    """Run the cases of phases, and write the report. With a phase, --help shows only the options of that phase.

    [bold]Examples[/bold]

      lakebench run phase4 --profile quick
      lakebench run phase4 --sf 1 --engines duckdb,trino,duckdb@1.4.4
      lakebench run phase3 --sf 10 --storage local,s3 --engines duckdb,trino
      lakebench run phase3 --engines duckdb --formats iceberg,ducklake
      lakebench run phase3 --engines duckdb --tests power,throughput
      lakebench run phase3 --engines duckdb --against duckdb@1.4.4
      lakebench run workload ./mine --engines duckdb,trino,spark
      lakebench run interop --features 'deletion-*' --writers spark,duckdb
      lakebench run interop --engines duckdb@1.4.4,duckdb@1.5.5
      lakebench run phase4 --with 20261121T101500Z-phase4-a1b2
      lakebench run --resume 20261121T101500Z-phase4-a1b2
    """
    from lakebench import harness, reports
    from lakebench.commands.run import Arguments, request, show
    from lakebench.provisioning.environments import Releases

    progress = progress_of(json_)
    settings = _settings(runtime, output)
    earlier = folders_of(settings, with_ or ())
    if use_up:
        from lakebench.commands import up

        settings = up.settings(settings)
    if resume:
        _only_resume(phase, context.obj)
        folder = folder_of(settings, resume)
        asked = harness.again(folder, settings)
    else:
        arguments = Arguments(engines, require, writer, profile, sf, repeat, time_limit, seed)
        asked = request(phase or (), context.obj, arguments, settings, Releases(progress))
        folder = settings.output / harness.new_id(asked)
    if not json_:
        progress.say(f"run {folder.name}: records in {folder}")
    result = harness.run(asked, folder, progress, resumed=bool(resume))
    with progress.step("writing the report"):
        reports.write_apart(folder, earlier)
    show(result, as_json=json_)
    if not json_:
        reports.summarise(result.folder, Console(highlight=False, width=None if sys.stdout.isatty() else 100))
    return result.code


def _only_resume(phase: list[str] | None, options: Mapping[str, str]) -> None:
    if superfluous := [*(phase or ()), *(f"--{name}" for name in options)]:
        raise UsageError(f"--resume continues the run as it was started: leave {' '.join(superfluous)} out")


@app.command()
def report(
    run_: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its folder.")],
    with_: With = None,
    output: Output = None,
    json_: Json = False,
) -> None:
    """Write the report of a run again from its records, and print the summary."""
    from lakebench import reports

    settings = _settings(output=output)
    folder = folder_of(settings, run_)
    reports.write_apart(folder, folders_of(settings, with_ or ()))
    if json_:
        names = {"markdown": "report.md", "html": "report.html", "summary": "summary.md"}
        print_json("report", {what: str(folder / name) for what, name in names.items()})
    else:
        reports.summarise(folder, Console(highlight=False, width=None if sys.stdout.isatty() else 100))


@app.command()
def compare(
    base: Annotated[
        str, typer.Argument(metavar="BASE", help="A run's id, or its folder; alone, a run made with --against.")
    ],
    run_: Annotated[str | None, typer.Argument(metavar="RUN", help="The run that is compared with it.")] = None,
    noise: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="An A/A run, made with --against, that gives the noise floor."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where compare.md and compare.html go. Default: beside RUN.")
    ] = None,
    json_: Json = False,
) -> int:
    """Compare a run with another, or a run made with --against with its own base; exit code 1 on a regression.

    Shows ratios of medians with intervals, query by query and over the queries that both got right. A regression is a
    case that passed and now fails, or a query that is more than 10 % and 50 ms slower, beyond noise. A case that ran in
    BASE, and that RUN should have run and did not, is gone: exit code 1 too, and 3 if nothing of RUN ran. Of the
    interop matrix it lists the cells that are broken, worse, gone, new or mended.

    [bold]Examples[/bold]

      lakebench compare 20261121T101500Z-phase3-a1b2 20261122T101500Z-phase3-c3d4
      lakebench compare 20261122T101500Z-phase3-c3d4
    """
    from lakebench.reports import compare as reports
    from lakebench.results import comparison, records

    settings = _settings()
    folders = [folder_of(settings, one) for one in (base, run_) if one is not None]
    floor = records.read(folder_of(settings, noise)) if noise else None
    runs = [records.read(one) for one in folders]
    compared = comparison.within(runs[0], floor) if run_ is None else _between(runs[0], runs[1], floor)
    with progress_of(json_).step("writing the comparison"):
        made = reports.write(compared, output or folders[-1])
    if json_:
        files = {"markdown": str(made[0]), "html": str(made[1])}
        print_json("compare", {**reports.to_json(compared), **files})
    else:
        reports.show(compared, Console(highlight=False, width=None if sys.stdout.isatty() else 100), made)
    return compared.code


def _between(base: Run, run: Run, noise: Run | None) -> Comparison:
    """``run`` against ``base``; a run that names its engines does not miss what it was not asked to run."""
    from lakebench import phases
    from lakebench.execution.request import Scope
    from lakebench.results import comparison

    scope = Scope.of(run.header.settings)
    covers = phases.covers(run.header.phases, scope) if scope else lambda *_: True
    return comparison.between(base, run, noise, covers)


@app.command()
def accept(
    runs: Annotated[list[str], typer.Argument(metavar="RUN…", help="Ids of runs, or their folders.")],
    reason: Annotated[str, typer.Option(help="Why these outcomes are accepted; kept with each of them.")],
    interrupted: Annotated[
        bool, typer.Option("--interrupted", help="Accept the finished cases of a run that was interrupted.")
    ] = False,
    output: Output = None,
    file: Annotated[
        Path | None,
        typer.Option(help="The file of accepted outcomes. Default: lakebench-accepted.json here.", show_default=False),
    ] = None,
    shipped: Annotated[
        bool,
        typer.Option(
            "--shipped", help="Write the baselines that the phases ship, instead of a file: for their developers."
        ),
    ] = False,
    json_: Json = False,
) -> None:
    """Accept a run's outcomes: later runs report what is better, worse, new or gone, and fail on what is worse or gone.

    Several runs are accepted together: if a race decides and a case had different outcomes, each of them is accepted
    from then on.

    [bold]Example[/bold]

      lakebench accept 20261121T101500Z-interop-a1b2 --reason "state of the art before the upgrade to Trino 483"
    """
    from lakebench import phases
    from lakebench.commands import accept as acceptance
    from lakebench.results import baseline, records

    if shipped and file:
        raise UsageError("--shipped writes the files of the phases: leave out --file")
    settings = _settings(output=output)
    recorded = [records.read(folder_of(settings, one)) for one in dict.fromkeys(runs)]
    files = phases.baselines(dict.fromkeys(name for run in recorded for name in run.header.phases))
    path = None if shipped else file or Path(baseline.FILE)
    where = str(path or ", ".join(str(one) for one in files.values()))
    counts = acceptance.accept(recorded, reason, files, path, interrupted=interrupted)
    outcomes = {outcome.value: number for outcome, number in counts.outcomes.items()}
    if json_:
        numbers = {"new": counts.new, "changed": counts.changed, "gone": counts.gone, "faults": counts.faults}
        print_json("accept", {"file": where, **numbers, "outcomes": outcomes})
        return
    listed = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"accepted {counts.cases} cases in {where}: {listed}; {counts.new} new, {counts.changed} changed, "
        f"{counts.gone} gone"
    )
    if counts.faults:
        console.print(f"left out {counts.faults} faults of lakebench itself (HARNESS_FAULT): nobody can accept them")


@data_app.command()
def tpch(sf: ScaleFactor = "1", json_: Json = False) -> None:
    """Make TPC-H with tpchgen-cli at a scale factor, or verify the data in the cache; print the files.

    The rows depend on the scale factor alone: the specification fixes the generator's seeds.
    """
    from lakebench.commands import data
    from lakebench.datasets.tpch import generate, scale_factor

    dataset = generate(scale_factor(sf or "1"), progress_of(json_))
    if json_:
        print_json("data", data.to_json(dataset))
    else:
        data.show(dataset)


class Listed(enum.StrEnum):
    """What ``list`` can list."""

    PHASES = "phases"
    ENGINES = "engines"
    SERVICES = "services"
    DATASETS = "datasets"
    FEATURES = "features"


@app.command("list")
def list_(
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    feature_file: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="With features: a file with more of them. Can be repeated."),
    ] = None,
    json_: Json = False,
) -> None:
    """List phases, engines, services, datasets or features, with what each can do."""
    from lakebench.commands import listing

    if feature_file and what is not Listed.FEATURES:
        raise UsageError("--feature-file goes with lakebench list features")
    rows = listing.features(list(map(str, feature_file))) if feature_file else getattr(listing, what.value)()
    if json_:
        print_json("list", {"what": what.value, "rows": rows})
    else:
        table(what.value, [tuple(rows[0]), *(tuple(row.values()) for row in rows)])


@app.command()
def doctor(
    settings: Annotated[
        bool, typer.Option("--settings", help="Try each endpoint of lakebench.toml, with its login and its rights.")
    ] = False,
    json_: Json = False,
) -> int:
    """Show what would run here: every engine and service, its version, how it would run, and how to fix what would not.

    It names each package whose installed version is not the one that lakebench was tested with. It starts and downloads
    nothing. With --settings it asks your endpoints instead; the exit code is 3 if one of them cannot be used.
    """
    from lakebench.commands.doctor import examine, show, untested

    if settings:
        from lakebench.commands.endpoints import show_tried, try_endpoints

        tried = try_endpoints(_settings())
        if json_:
            print_json("doctor", {"rows": [], "untested": [], "endpoints": [asdict(one) for one in tried]})
        else:
            show_tried(tried)
        return ExitCode.OK if tried and all(one.ok for one in tried) else ExitCode.NOTHING_RAN
    readiness, others = examine(_settings()), untested()
    if json_:
        print_json("doctor", {"rows": [asdict(one) for one in readiness], "untested": others, "endpoints": []})
    else:
        show(readiness, others)
    return ExitCode.OK if any(one.ready for one in readiness) else ExitCode.NOTHING_RAN


@app.command()
def up(
    service: Annotated[
        list[str], typer.Argument(metavar="SERVICE…", help="Services by name; those that they need start too.")
    ],
    json_: Json = False,
) -> None:
    """Start services in the background: a lake to explore by hand, until lakebench down.

    Prints the endpoints with their credentials, and snippets for DuckDB, PyIceberg, Spark and Trino.
    """
    from lakebench.commands import snippets, up

    endpoints = up.up(service, progress_of(json_))
    lake = up.lake(endpoints)
    by_client = snippets.snippets(lake, endpoints) if lake else {}
    if json_:
        listed = {name: asdict(one) for name, one in endpoints.items()}
        print_json("up", {"services": listed, "snippets": by_client})
        return
    lines = [  # a secret that is part of the address is shown there only
        (name, one.uri, one.user, "" if one.password in one.uri else one.password) for name, one in endpoints.items()
    ]
    table("up until lakebench down", [("service", "address", "user", "password"), *lines])
    console = Console(highlight=False, soft_wrap=True)
    for client, text in by_client.items():
        console.print(f"\n[bold]{client}[/bold]")
        console.print(text, markup=False)


@app.command()
def down(json_: Json = False) -> None:
    """End what lakebench up started, and remove its lake."""
    from lakebench.commands import up

    ended = up.down()
    if json_:
        print_json("down", {"ended": ended})
    else:
        Console(highlight=False).print("ended" if ended else "nothing was up")


if __name__ == "__main__":
    main()
