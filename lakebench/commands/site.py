"""``lakebench site``: a static site of runs and of the shipped baselines."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from lakebench.commands.arguments import Json, RunsOrNone, SiteFile, SiteFolder
from lakebench.commands.terminal import print_json, progress_of
from lakebench.errors import UsageError


def site(
    runs: RunsOrNone = None,
    output: SiteFolder = None,
    single: SiteFile = None,
    json_: Json = False,
) -> None:
    """Make a site of runs and of the shipped baselines: my stack, my upgrade, the fastest that is right, every cell.

    It is static, asks the network for nothing, and opens from a server and from the disk. Every state is an address.
    Runs are a history: what changed from one to the next is listed, and in an Atom feed.

    [bold]Examples[/bold]

      lakebench site --output site
      lakebench site 20261121T101500Z-interop-a1b2 20261122T101500Z-phase3-c3d4 --output site
      lakebench site --single lakebench.html
    """
    from lakebench.commands.runs import folders_of
    from lakebench.execution.settings import load
    from lakebench.reports import site as pages

    if output and single:
        raise UsageError("--single makes one file and --output a folder: name one of them")
    folders = folders_of(load(), runs or ())
    with progress_of(json_).step("writing the site"):
        made = pages.write_single(folders, single) if single else pages.write(folders, output or Path("site"))
    if json_:
        print_json("site", {"path": str(made)})
    else:
        Console(highlight=False, soft_wrap=True).print(f"the site: {made}")
