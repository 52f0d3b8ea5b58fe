"""What commands print for people and for programs."""

from __future__ import annotations

import json

from typer.testing import CliRunner

import lakebench
from lakebench import cli
from lakebench.services import SERVICES


def test_the_version() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"lakebench {lakebench.__version__}\n")


def test_engines_tell_the_version_of_their_server() -> None:
    done = CliRunner().invoke(cli.app, ["list", "engines", "--json"])
    rows = {one["engine"]: one for one in json.loads(done.stdout)}
    assert rows["trino"]["server"] == f"trino {SERVICES['trino'].version}"
    assert rows["duckdb"]["server"] == ""
