"""What ``lakebench doctor --settings`` says of endpoints where nothing answers, and of what it may not drop."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakebench import cli
from lakebench.commands import endpoints
from lakebench.commands.endpoints import try_endpoints
from lakebench.config import CatalogSettings, ServiceSettings, Settings
from lakebench.errors import Refused
from lakebench.model import Runtime
from lakebench.outcomes import ExitCode
from lakebench.services.base import free_ports

SCHEMES = {"postgres": "postgresql", "spark": "sc", "trino": "http"}


def problems(address: str) -> dict[str, str]:
    """Service → what is said of it at ``address``."""
    services = {
        name: ServiceSettings(runtime=Runtime.EXTERNAL, uri=f"{scheme}://{address}", user="me", password="secret")
        for name, scheme in SCHEMES.items()
    }
    said = {one.table.removeprefix("services."): one.problem for one in try_endpoints(Settings(services=services))}
    assert set(said) == set(SCHEMES)
    assert not any("\n" in one or "secret" in one for one in said.values())
    return said


def test_a_closed_port_and_a_wrong_host() -> None:
    for name, problem in problems(f"127.0.0.1:{free_ports(1)[0]}").items():
        assert f"start it, or correct services.{name}.uri" in problem
    for name, problem in problems("no-such-host.invalid:5432").items():
        assert "has no address (" in problem
        assert f"correct the host in services.{name}.uri" in problem


def test_a_catalog_that_engines_alone_log_in_to_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        hive = CatalogSettings(kind="hive", uri=f"thrift://{address}")
        jdbc = CatalogSettings(kind="jdbc", uri=f"jdbc:postgresql://{address}/lake", user="me", password="secret")
        settings = Settings(catalog={"hive": hive, "jdbc": jdbc})
        assert [(one.ok, one.writes) for one in try_endpoints(settings)] == [(True, "not tried")] * 2
    for tried in try_endpoints(settings):
        assert not tried.ok
        assert "correct its uri" in tried.problem


def test_what_could_not_be_dropped_is_named() -> None:
    def no(name: str) -> None:
        raise Refused(f"no\nrights on {name}")

    made: list[str] = []
    writes, problem = endpoints._written(made.append, no, "services.postgres")
    assert writes == "no"
    assert problem == (
        f"its account may not drop {made[0]}, which stays (no rights on {made[0]}): "
        "give the one of services.postgres these rights"
    )
    assert "may not create (" in endpoints._written(no, made.append, "services.postgres")[1]
    assert len(made) == 1


def test_the_command_says_it_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    none = CliRunner().invoke(cli.app, ["doctor", "--settings"], standalone_mode=False)
    assert (none.return_value, none.stdout) == (ExitCode.NOTHING_RAN, "lakebench.toml names no endpoint of yours\n")
    uri = f"http://127.0.0.1:{free_ports(1)[0]}"
    Path("lakebench.toml").write_text(f'[services.trino]\nruntime = "external"\nuri = "{uri}"\nuser = "me"\n')
    said = CliRunner().invoke(cli.app, ["doctor", "--settings"], standalone_mode=False)
    assert said.return_value == ExitCode.NOTHING_RAN
    assert "start it, or correct services.trino.uri" in said.stdout
    written = json.loads(CliRunner().invoke(cli.app, ["doctor", "--settings", "--json"]).stdout)
    assert [one["ok"] for one in written["endpoints"]] == [False]
