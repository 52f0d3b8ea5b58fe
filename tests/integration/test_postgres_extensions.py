"""The services of PostgreSQL with an extension, each on the installation that ``LAKEBENCH_PG_CONFIG_<NAME>`` names."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from lakebench.config import ServiceSettings, Settings
from lakebench.engines.postgresql import connect, login
from lakebench.errors import EngineUnavailable
from lakebench.model import Runtime
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import SERVICES, Services, held_commits
from lakebench.services.postgres_extension import ExtensionService
from lakebench.services.server_crashes import CrashWatch

pytestmark = pytest.mark.integration


def variable(name: str) -> str:
    return f"LAKEBENCH_PG_CONFIG_{name.upper().replace('-', '_').replace('.', '_')}"


def schemas(services: Services, name: str) -> list[str]:
    with contextlib.closing(connect(login(services.endpoint(name)))) as connection:
        named = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'lakebench%'").fetchall()
    return [schema for (schema,) in named]


@pytest.mark.parametrize("name", [one.name for one in SERVICES.values() if issubclass(one, ExtensionService)])
def test_a_server_with_the_extension(name: str) -> None:
    pg_config = os.environ.get(variable(name))
    if pg_config is None:
        pytest.skip(f"no PostgreSQL with {name}: name its pg_config with {variable(name)}")
    folder = os.environ.get(f"{variable(name)}_EXTENSIONS", "")
    properties = {"pgduck.extensions_dir": folder, "conf.duckdb.extension_directory": folder} if folder else {}
    named = ServiceSettings(pg_config=Path(pg_config), properties=properties)
    with Guard("extension") as guard:
        services = Services(Settings(services={name: named}), guard, Quiet())
        services.start([name])
        endpoint = services.endpoint(name)
        assert endpoint.properties["schema"] in schemas(services, name)
        watch = CrashWatch(services, name)
        session = connect(login(endpoint))
        os.kill(session.info.backend_pid, signal.SIGSEGV)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT pg_sleep(30)")
        crash = watch.recover()
        assert crash is not None
        assert (crash.signal, crash.by) == (signal.SIGSEGV, "postgresql")
        assert schemas(services, name) == [endpoint.properties["schema"]]
        services.stop()


class AnyPostgres(ExtensionService):
    """What every PostgreSQL is: one with PL/pgSQL."""

    name = "any"
    title = "PostgreSQL with PL/pgSQL"
    extensions = ("plpgsql",)
    preload = ()
    image = build = ""


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    with Guard("postgres") as guard:
        services = Services(Settings(), guard, Quiet())
        services.start(["postgres"])
        yield services
        services.stop()


@pytest.fixture
def uri(running: Services, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a server, with its password, as a user's own."""
    monkeypatch.setitem(SERVICES, "any", AnyPostgres)
    one = running.endpoint("postgres")
    return f"postgresql://{one.user}:{one.password}@{one.host}:{one.port}/postgres"


def external(uri: str, guard: Guard) -> Services:
    services = Services(Settings(services={"any": ServiceSettings(runtime=Runtime.EXTERNAL, uri=uri)}), guard, Quiet())
    services.start(["any"])
    return services


def test_a_server_of_the_users_is_left_as_it_was(running: Services, uri: str) -> None:
    with Guard("external") as guard:
        services = external(uri, guard)
        endpoint = services.endpoint("any")
        assert endpoint.version == running.endpoint("postgres").version
        assert running.launched_s("postgres") > 0 == services.launched_s("any")
        schema = endpoint.properties["schema"]
        with contextlib.closing(connect(login(endpoint))) as session:
            session.execute(f"CREATE SCHEMA {schema}_b; CREATE TABLE {schema}.t (a int)")
        assert {schema, f"{schema}_b"} <= set(schemas(services, "any"))
        services.stop()
    assert not {schema, f"{schema}_b"} & set(schemas(running, "postgres"))


@pytest.mark.parametrize("wrong", ["secret-of-mine", ""])
def test_a_wrong_password_is_one_line_without_it(uri: str, wrong: str) -> None:
    user, _, rest = uri.rpartition("@")
    given = f"{user.rpartition(':')[0]}:{wrong}@{rest}" if wrong else f"{user.rpartition(':')[0]}@{rest}"
    with Guard("external") as guard:
        why = external(given, guard).failures()["any"]
    assert "correct user and password under [services.any] in lakebench.toml" in why
    assert "\n" not in why
    assert "secret-of-mine" not in why


@pytest.fixture
def held(running: Services) -> Iterator[psycopg.Connection]:
    """A session with a table of one row, whose commits a test holds."""
    with contextlib.closing(connect(login(running.endpoint("postgres")))) as session:
        session.execute("DROP TABLE IF EXISTS held")
        session.execute("CREATE TABLE held AS SELECT 1 AS v")
        yield session


def value(services: Services) -> list[tuple[int]]:
    with contextlib.closing(connect(login(services.endpoint("postgres")))) as session:
        return session.execute("SELECT v FROM held").fetchall()


def test_a_locked_row_holds_who_changes_it_and_no_reader(running: Services, held: psycopg.Connection) -> None:
    postgres = running.endpoint("postgres")
    with ThreadPoolExecutor(1) as pool:
        with held_commits.row_locked(postgres, "held WHERE v = 1"):
            changing = pool.submit(held.execute, "UPDATE held SET v = 2")
            held_commits.wait_held(postgres, held_commits.LOCK)
            assert value(running) == [(1,)]
        changing.result()
    assert value(running) == [(2,)]


@pytest.mark.parametrize(("by", "left"), [(held_commits.LOCK, 1), (held_commits.STANDBY, 2)])
def test_who_is_held_and_ended_is_told_nothing_of_its_commit(
    running: Services, held: psycopg.Connection, by: str, left: int
) -> None:
    postgres = running.endpoint("postgres")
    holding = (
        held_commits.answers_held(postgres)
        if by == held_commits.STANDBY
        else held_commits.row_locked(postgres, "held WHERE v = 1")
    )
    with ThreadPoolExecutor(1) as pool:
        with holding:
            changing = pool.submit(held.execute, "UPDATE held SET v = 2")
            held_commits.end_held(postgres, by)
        with pytest.raises(psycopg.OperationalError):
            changing.result()
    assert value(running) == [(left,)]


def test_where_only_those_that_ask_are_held_others_commit(running: Services, held: psycopg.Connection) -> None:
    postgres = running.endpoint("postgres")
    with ThreadPoolExecutor(1) as pool:
        with held_commits.answers_held(postgres, asked=True):
            held.execute("UPDATE held SET v = 2")
            held.execute(held_commits.ASK)
            changing = pool.submit(held.execute, "UPDATE held SET v = 3")
            held_commits.end_held(postgres, held_commits.STANDBY)
        with pytest.raises(psycopg.OperationalError):
            changing.result()
    assert value(running) == [(3,)]


def test_the_settings_of_a_server_of_the_users_stay(running: Services) -> None:
    external = replace(running.endpoint("postgres"), runtime=Runtime.EXTERNAL)
    with pytest.raises(EngineUnavailable, match="the server is yours"), held_commits.answers_held(external):
        pass
