"""``lakebench install --locked``: an environment with the versions that lakebench was tested with."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer
from rich.console import Console

from lakebench.commands.arguments import Json
from lakebench.commands.terminal import print_json, progress_of
from lakebench.errors import UsageError


def install(
    locked: Annotated[
        bool, typer.Option("--locked", help="The tested versions, each checked by its hash: there is no other set.")
    ] = False,
    json_: Json = False,
) -> None:
    """Make an environment of its own with lakebench and the versions that it was tested with; print its command.

    It lies in the cache, and is made once. The environment where this command runs stays as it is. What other projects
    add to it, such as an engine, is not installed there.

    [bold]Example[/bold]

      lakebench install --locked
    """
    from lakebench.provisioning import tested
    from lakebench.provisioning.environments import tested_environment

    if not locked:
        raise UsageError("say what to install: lakebench install --locked, the versions that lakebench was tested with")
    python = tested_environment(progress_of(json_))
    command = python.with_name("lakebench")
    packages = tested.versions()
    if json_:
        found = {"environment": str(python.parent.parent), "command": str(command)}
        print_json("install", {**found, "packages": packages})
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(
        f"lakebench with {len(packages)} packages at the tested versions; this environment stays as it is. Run:"
    )
    console.print(f"  {shlex.quote(str(command))} run phase4 --profile quick")
