"""Arguments and options of the commands, as typer reads them."""

# typer evaluates these at import, so nothing here is postponed.
from pathlib import Path
from typing import Annotated

import typer

from lakebench.model import Runtime

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
ScaleFactor = Annotated[
    str | None, typer.Option("--sf", metavar="N", help="TPC-H scale factor: 1 is about 1 GB of raw data.")
]
Phases = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PHASE…",
        help="Phases by name or subject: phase3 or tpch, interop …; clickbench and workload take a path after "
        "their name. all: every phase that needs no path.",
    ),
]
Engines = Annotated[
    str,
    typer.Option(
        help="Engines, separated by commas; engine@version runs that version, engine@latest the "
        "newest release. Default: all."
    ),
]
Require = Annotated[
    str,
    typer.Option(
        metavar="ENGINES",
        help="Engines that must run, separated by commas: exit code 1 if one does not. Those that --engines "
        "names must run anyway.",
    ),
]
RuntimeOfServices = Annotated[
    Runtime | None, typer.Option(help="How services are started. Default: what lakebench.toml says, or local.")
]
ProfileName = Annotated[
    str,
    typer.Option(
        help="quick (SF 0.01, 5 samples), standard (SF 1, cold and 10 warm samples), once (1 sample, for large "
        "scale factors) or regression (10 to 30 samples in turns). Default: standard, and regression with "
        "--against."
    ),
]
Resume = Annotated[
    str | None, typer.Option(metavar="ID", help="Continue this run: finished cases are kept, and none runs twice.")
]
TimeLimit = Annotated[
    float | None,
    typer.Option(min=0.1, metavar="SECONDS", help="Time limit of one execution instead of the profile's."),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="RUN",
        help="An earlier run whose cases stand in the report's comparison of lakes and in its recommendations; may be "
        "given several times.",
    ),
]
UseUp = Annotated[
    bool, typer.Option("--use-up", help="Use the services that lakebench up started; start those that are not up.")
]
RunsOrNone = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN…]", help="Ids of runs, or their folders. Default: only what lakebench ships."),
]
SiteFolder = Annotated[
    Path | None, typer.Option("--output", metavar="FOLDER", help="Where the site goes. Default: site.")
]
SiteFile = Annotated[
    Path | None,
    typer.Option("--single", metavar="FILE", help="The whole site as one file instead, without the Parquet files."),
]
Output = Annotated[Path | None, typer.Option(help="The folder of the runs. Default: runs.")]
