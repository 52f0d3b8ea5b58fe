from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakebench.commands import doctor
from lakebench.config import ServiceSettings, Settings
from lakebench.errors import ServiceUnavailable, UsageError
from lakebench.model import Endpoint, ObjectStore, Runtime
from lakebench.progress import Quiet
from lakebench.services import SERVICES, Services, base, pg_lake, postgres_extension, server_crashes
from lakebench.services.citus import CitusService
from lakebench.services.citus_pg_duckdb import CitusPgDuckDBService
from lakebench.services.citus_pg_lake import CitusPgLakeService
from lakebench.services.compose import Composed
from lakebench.services.pg_mooncake import PgMooncakeService
from lakebench.services.postgres_extension import ExtensionService
from lakebench.services.server_crashes import CrashWatch

EXTENSION_SERVICES = [one for one in SERVICES.values() if issubclass(one, ExtensionService)]
URI = "postgresql://me:s%40fe@db.example/lake"
CRASH = """\
[7] LOG:  server process (PID 12) was terminated by signal 11: Segmentation fault
[7] DETAIL:  Failed process was running: SELECT 'hidden'
[7] LOG:  terminating any other active server processes
"""
READY = "[7] LOG:  database system is ready to accept connections\n"


def installation(folder: Path, *extensions: str) -> Path:
    """A pg_config of a PostgreSQL that has the control files of ``extensions``, and nothing else."""
    (folder / "share" / "extension").mkdir(parents=True)
    for name in extensions:
        (folder / "share" / "extension" / f"{name}.control").touch()
    return program(folder / "pg_config", f'echo "{folder}/share"')


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def made(
    kind: type[ExtensionService],
    folder: Path,
    settings: ServiceSettings,
    endpoints: Callable[[str], Endpoint] = {}.get,  # type: ignore[assignment]
) -> ExtensionService:
    whole = Settings(services={kind.name: settings})
    named = whole.service(kind.name)
    guard: Any = None
    return kind(base.Context(named, whole, folder, guard, Quiet(), endpoints, threading.Event(), Composed))


@pytest.mark.parametrize("kind", EXTENSION_SERVICES, ids=lambda kind: kind.name)
def test_without_a_pg_config_the_line_says_what_to_write(kind: type[ExtensionService], tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        made(kind, tmp_path, ServiceSettings()).start()
    key = '"pg_mooncake-0.1"' if kind.name == "pg_mooncake-0.1" else kind.name
    assert f'write [services.{key}] pg_config = "/path/to/pg_config" into lakebench.toml' in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_line_is_toml(tmp_path: Path) -> None:
    import tomllib

    line = made(PgMooncakeService, tmp_path, ServiceSettings()).lacking(Settings())
    table, key = line.partition("write ")[2].removesuffix(" into lakebench.toml").split(" ", 1)
    assert tomllib.loads(f"{table}\n{key}") == {"services": {"pg_mooncake": {"pg_config": "/path/to/pg_config"}}}


def test_pg_mooncake_reaches_itself_by_a_socket_and_others_by_a_password(tmp_path: Path) -> None:
    service = made(PgMooncakeService, tmp_path, ServiceSettings())
    assert service._settings(1)["unix_socket_directories"] == str(service._data)
    authentication = [option for option in service._initdb_options() if option.startswith("--auth")]
    assert authentication == ["--auth-local=trust", "--auth-host=scram-sha-256"]


def test_a_postgresql_without_the_extension(tmp_path: Path) -> None:
    settings = ServiceSettings(pg_config=installation(tmp_path, "pg_lake"))
    with pytest.raises(ServiceUnavailable, match=r"has no extension citus: install it there, or name another"):
        made(CitusService, tmp_path, settings).start()


@pytest.mark.parametrize(
    ("script", "words"), [("exit 3", "does not run"), ("echo 17 what", "answers --sharedir with 17 what: name Post")]
)
def test_a_wrong_pg_config(script: str, words: str, tmp_path: Path) -> None:
    settings = ServiceSettings(pg_config=program(tmp_path / "pg_config", script))
    with pytest.raises(UsageError, match=words):
        made(CitusService, tmp_path, settings).start()


def test_the_users_configuration_wins(tmp_path: Path) -> None:
    service = made(PgMooncakeService, tmp_path, ServiceSettings(properties={"conf.wal_level": "minimal"}))
    settings = service._settings(7)
    assert settings["shared_preload_libraries"] == "pg_duckdb,pg_mooncake"
    assert (settings["wal_level"], settings["port"]) == ("minimal", "7")


def test_the_password_of_an_address_is_kept_out_of_it(tmp_path: Path) -> None:
    service = made(CitusService, tmp_path, ServiceSettings(runtime=Runtime.EXTERNAL, uri=URI))
    endpoint = service.external_endpoint()
    assert (endpoint.uri, endpoint.user, endpoint.password) == ("postgresql://db.example:5432/lake", "me", "s@fe")
    assert endpoint.properties == {"database": "lake"}
    assert service.redact("it is s@fe") == "it is ***"


class Answers:
    """The answers of a server, by the beginning of what it is asked; it keeps what it is told."""

    def __init__(self, **answers: list[tuple[Any, ...]]) -> None:
        self.asked: list[str] = []
        self.answers = {
            "SHOW server_version": [("17.2 (Debian)",)],
            "SHOW shared": [("citus, pg_stat_statements",)],
            "SELECT installed_version": [("14.0-1", "14.0-1")],
            "SELECT nspname": [(one,) for one in CitusService.uses],
            **{key.replace("_", " ", 1): value for key, value in answers.items()},
        }

    def __call__(self, _: object, sql: str, values: object = None) -> list[tuple[Any, ...]]:
        del values
        self.asked.append(sql)
        return next((rows for key, rows in self.answers.items() if sql.startswith(key)), [])


def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: Answers, settings: ServiceSettings) -> Endpoint:
    service = made(CitusService, tmp_path, settings)
    monkeypatch.setattr(postgres_extension, "rows", answers)
    endpoint = service.external_endpoint()
    service.look(None, endpoint)
    return service._described(endpoint)


def test_what_the_server_says_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers()
    endpoint = looked(tmp_path, monkeypatch, answers, ServiceSettings(uri=URI))
    assert endpoint.version == "17.2"
    assert endpoint.properties["extension.citus"] == "14.0-1"
    assert endpoint.properties["schema"].startswith("lakebench_")
    assert "CREATE EXTENSION IF NOT EXISTS citus CASCADE" in answers.asked


def test_a_server_of_two_extensions_has_none_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(SHOW_shared=[("citus, pg_duckdb",)], SELECT_installed_version=[(None, "1.1.0")])
    service = made(CitusPgDuckDBService, tmp_path, ServiceSettings())
    monkeypatch.setattr(postgres_extension, "rows", answers)
    service.look(None, service.local_endpoint({"main": 7}))
    assert service.seen["extension.pg_duckdb"] == "1.1.0"
    assert not [sql for sql in answers.asked if sql.startswith("CREATE")]


def test_citus_is_loaded_first_and_speaks_to_itself_also_beside_another(tmp_path: Path) -> None:
    for kind, libraries in ((CitusPgDuckDBService, "citus,pg_duckdb"), (CitusPgLakeService, "citus,pg_extension_base")):
        assert ",".join(made(kind, tmp_path, ServiceSettings()).libraries()) == libraries
        assert kind.conf.items() >= CitusService.conf.items()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"SHOW_shared": [("citus_columnar",)]}, "does not load citus: set shared_preload_libraries = 'citus'"),
        ({"SELECT_installed_version": []}, "the PostgreSQL 17.2 there has no extension citus: install it there"),
        (
            {"SELECT_installed_version": [(None, "14.0-1")]},
            "the database lake has no extension citus: CREATE EXTENSION citus",
        ),
        ({"SELECT_nspname": []}, "citus 14.0-1 is too old: it has no pg_catalog.create_distributed_table"),
    ],
)
def test_what_a_server_of_the_users_lacks(
    answers: dict[str, list[tuple[Any, ...]]], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Answers(**answers)
    with pytest.raises(ServiceUnavailable, match=words):
        looked(tmp_path, monkeypatch, fake, ServiceSettings(runtime=Runtime.EXTERNAL, uri=URI))
    assert not [sql for sql in fake.asked if sql.startswith("CREATE")]


def test_options_of_pgduck_server(tmp_path: Path) -> None:
    settings = ServiceSettings(properties={"pgduck.memory_limit": "99MB", "pgduck.max_clients": "3"})
    options = made(pg_lake.PgLakeService, tmp_path, settings)._options()  # type: ignore[attr-defined]
    assert (options["memory_limit"], options["max_clients"]) == ("99MB", "3")
    assert options["init_file_path"] == f"{tmp_path}/pgduck/init.sql"


def test_the_key_of_the_object_store_is_quoted() -> None:
    objects = ObjectStore("https://s3.example:9", "b", "k'1", "s", "eu", path_style=False)
    assert pg_lake.secret(objects) == (
        "CREATE SECRET lakebench_store (TYPE s3, KEY_ID 'k''1', SECRET 's', REGION 'eu', ENDPOINT 's3.example:9', "
        "URL_STYLE 'vhost', USE_SSL true, SCOPE 's3://b');\n"
    )


def test_the_doctor_names_image_and_commands(tmp_path: Path) -> None:
    checks = {(one.kind, one.name): one for one in doctor.examine(Settings())}
    for kind in EXTENSION_SERVICES:
        check = checks["service", kind.name]
        assert not check.ready
        assert kind.image in check.mend
        assert "git clone" in check.mend
    found = Settings(services={"citus": ServiceSettings(pg_config=installation(tmp_path, "citus"))})
    assert next(one for one in doctor.examine(found) if one.name == "citus").ready


@pytest.mark.parametrize("kind", EXTENSION_SERVICES, ids=lambda kind: kind.name)
def test_the_image_is_that_of_the_compose_file(kind: type[ExtensionService]) -> None:
    from lakebench.services.compose import FOLDER

    assert f"image: {kind.image}\n" in (FOLDER / f"{kind.name}.yaml").read_text()


class Server(Services):
    """A service whose log the test writes, and that is there or not."""

    def __init__(self, log: Path) -> None:
        self._file, self.there, self.starts = log, True, 0
        log.write_text(CRASH + READY)

    def log(self, name: str) -> Path:
        del name
        return self._file

    def log_tail(self, name: str, characters: int | None = None) -> str:
        del name, characters
        return ""

    def redact(self, name: str, text: str) -> str:
        del name
        return text.replace("hidden", "***")

    def alive(self, name: str) -> bool:
        del name
        return self.there

    def died(self, name: str) -> bool:
        return not self.alive(name)

    def exit_code(self, name: str) -> int | None:
        del name
        return None if self.there else -9

    def endpoint(self, name: str) -> Endpoint:
        return Endpoint(name, Runtime.LOCAL, "", "", 1, "")

    def restart(self, name: str) -> Endpoint:
        self.starts += 1
        self.there = True
        return self.endpoint(name)

    def write(self, text: str) -> None:
        with self._file.open("a") as file:
            file.write(text)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(server_crashes, "_NOTICE_S", 0.1)
    return Server(tmp_path / "log")


def test_a_crash_has_its_signal_and_lines(server: Server) -> None:
    watch = CrashWatch(server, "citus")
    server.write("[9] LOG:  before\n" + CRASH)
    threading.Timer(0.2, server.write, [READY]).start()
    crash = watch.recover()
    assert crash is not None
    assert (crash.signal, crash.by, server.starts) == (11, "postgresql", 0)
    assert crash.lines[0].endswith("was terminated by signal 11: Segmentation fault")
    assert crash.lines[1].endswith("SELECT '***'")
    assert crash.lines[-1] == READY.strip()


def test_a_session_that_was_ended_is_no_crash_and_the_one_before_is_not_found_again(server: Server) -> None:
    watch = CrashWatch(server, "citus")
    assert watch.recover() is None
    server.write(CRASH + READY)
    assert watch.recover() is not None
    assert watch.recover() is None


def test_a_server_that_is_gone_is_started_again(server: Server) -> None:
    watch = CrashWatch(server, "citus")
    server.write("[8] FATAL:  terminating connection due to unexpected postmaster exit\n")
    server.there = False
    crash = watch.recover()
    assert crash is not None
    assert (crash.signal, crash.by, server.starts) == (9, "lakebench", 1)
    assert crash.evidence()["log"] == ["[8] FATAL:  terminating connection due to unexpected postmaster exit"]


def test_a_server_that_hangs_in_its_recovery_is_started_again(server: Server) -> None:
    watch = CrashWatch(server, "citus")
    server.write(CRASH)
    crash = watch.recover(limit_s=0.1)
    assert crash is not None
    assert (crash.signal, crash.by) == (11, "lakebench")
