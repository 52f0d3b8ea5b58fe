"""What others on the same machine could have written is not run, and what is ours they do not read."""

from __future__ import annotations

import base64
import http.server
import json
import os
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lakebench import paths
from lakebench.commands.snippets import snippets
from lakebench.config import Settings, load
from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.errors import ServiceUnavailable, UsageError
from lakebench.execution.request import base_of
from lakebench.iceberg import catalogs
from lakebench.inputs import ownership
from lakebench.model import BearerToken, Catalog, CatalogKind, Endpoint, EngineSettings, Lake, ObjectStore, Runtime
from lakebench.services import nessie

RUNS = (
    'pg_config = "/opt/pg/bin/pg_config"',
    '[services.postgres]\npg_config = "/opt/pg/bin/pg_config"',
    '[services.trino.properties]\n"plugin.postgresql" = "/opt/plugin"',
    '[services.postgres.properties]\n"conf.archive_command" = "anything"',
)


def settings(folder: Path, text: str = RUNS[0]) -> Path:
    """A settings file that only its owner writes to."""
    file = folder / "lakebench.toml"
    file.write_text(text)
    file.chmod(0o644)
    folder.chmod(0o755)
    return file


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``path`` somebody else's; without root's rights, make us somebody else."""
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)


@pytest.mark.parametrize("text", RUNS)
def test_what_a_strangers_settings_name_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = settings(tmp_path, text)
    assert isinstance(load(file), Settings)
    give_away(file, monkeypatch)
    key = r"(pg_config|services\.postgres\.pg_config|services\.\w+\.properties\.(plugin|conf)\.\w+)"
    with pytest.raises(UsageError, match=rf"names what is run \({key}\), and {file} belongs to \S+.*: somebody else"):
        load(file)


def test_the_settings_of_a_comparison_are_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path)
    give_away(file, monkeypatch)
    with pytest.raises(UsageError, match="somebody else could have written it"):
        base_of(str(file), Settings())


def test_a_strangers_folder_counts_as_his_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path)
    give_away(tmp_path, monkeypatch)
    with pytest.raises(UsageError, match="somebody else"):
        load(file)


@pytest.mark.parametrize(
    ("of", "mode", "words"),
    [
        ("file", 0o646, "is writable by everybody"),
        ("file", 0o664, "is writable by its group"),
        ("folder", 0o777, "is writable by everybody"),
        ("folder", 0o775, "is writable by its group"),
    ],
)
def test_who_may_write_counts_as_who_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str, mode: int, words: str
) -> None:
    monkeypatch.setattr(ownership, "_alone", lambda _: False)
    file = settings(tmp_path)
    (file if of == "file" else tmp_path).chmod(mode)
    with pytest.raises(UsageError, match=words):
        load(file)


def test_ones_own_file_in_a_sticky_folder_is_ones_own(tmp_path: Path) -> None:
    file = settings(tmp_path)
    tmp_path.chmod(0o1777)
    assert ownership.stranger(file) == ""


def test_a_group_of_ones_own_is_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path)
    file.chmod(0o664)
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="ann"))
    for members, group, alone in (([], "ann", True), (["ann"], "ann", True), (["ann", "bob"], "ann", False)):
        monkeypatch.setattr("grp.getgrgid", lambda _, m=members, g=group: SimpleNamespace(gr_name=g, gr_mem=m))
        monkeypatch.setattr(ownership, "_ROOT", -1)
        assert (ownership.stranger(file) == "") is alone
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name="staff", gr_mem=[]))
    assert "is writable by its group" in ownership.stranger(file)


def test_a_link_that_somebody_else_made_is_his(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    target = settings(tmp_path / "mine")
    link = tmp_path / "lakebench.toml"
    link.symlink_to(target)
    assert ownership.stranger(link) == ""
    if os.geteuid() != 0:
        pytest.skip("only root gives a link away")
    os.lchown(link, 65534, 65534)
    assert "belongs to" in ownership.stranger(link)


def test_settings_that_run_nothing_may_be_anybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path, 'output = "mine"')
    give_away(file, monkeypatch)
    assert load(file).output == Path("mine")


def test_nothing_is_imported_from_the_folder_where_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('planted')")
    command = [sys.executable, "-P", "-c", "import lakebench.results.records"]
    subprocess.run(command, cwd=tmp_path, env=paths.with_source(), check=True)


def test_every_python_of_ours_leaves_the_folder_of_the_command_out() -> None:
    source = Path(paths.__file__).parent
    started = [
        (file, line)
        for file in source.rglob("*.py")
        for line in file.read_text().splitlines()
        if '"-m"' in line and "sys.executable" in line
    ]
    assert len(started) >= 4
    assert [(file, line) for file, line in started if '"-P"' not in line] == []


def test_what_a_service_keeps_is_its_owners_alone(tmp_path: Path) -> None:
    from lakebench.services import Services

    class Folder:
        folder = tmp_path

    data = tmp_path / "run" / "lake"
    data.parent.mkdir()
    made = Services(Settings(), Folder(), None, data)._make("rest-catalog@local")  # type: ignore[arg-type]
    made.kept()
    for folder in (data, data / "rest-catalog-local"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


STORE = ObjectStore("http://127.0.0.1:1", "lake", "key", "secret")
SERVERS = {
    "spark": Endpoint("spark", Runtime.LOCAL, "sc://localhost:1", "127.0.0.1", 1, "4"),
    "trino": Endpoint("trino", Runtime.LOCAL, "http://127.0.0.1:2", "127.0.0.1", 2, "476", "a-random-name"),
}


@pytest.mark.parametrize("client", ["DuckDB", "PyIceberg", "Spark", "Trino"])
def test_what_is_pasted_has_the_catalogs_token_where_it_asks_for_one(client: str) -> None:
    token = BearerToken("a-token")
    catalog = Catalog(CatalogKind.REST, "http://127.0.0.1:3/iceberg", "lake", "main", authentication=token)
    with_token = snippets(Lake("nessie", STORE, catalog), SERVERS)[client]
    without = snippets(Lake("rest", STORE, replace(catalog, authentication=None)), SERVERS)[client]
    assert "a-token" in with_token
    assert "token" not in without.lower().replace("token=", "")
    if client == "Trino":
        assert "a-random-name" in without


def test_nessies_token_is_signed_by_the_key_that_it_is_told() -> None:
    key, token, _ = nessie._key_and_tokens()
    header, claims, signature = token.split(".")
    public = serialization.load_der_public_key(base64.b64decode(key))
    assert isinstance(public, rsa.RSAPublicKey)
    signed = f"{header}.{claims}".encode()
    public.verify(base64.urlsafe_b64decode(signature + "=="), signed, padding.PKCS1v15(), hashes.SHA256())
    assert nessie._key_and_tokens()[:2] != (key, token)


def test_no_address_with_a_secret_is_in_what_is_said_of_a_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> bytes:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(catalogs, "http", refuse)
    with pytest.raises(ServiceUnavailable, match=r"the catalog at http://127.0.0.1:3 does not answer: refused"):
        catalogs.table_metadata(Catalog(CatalogKind.REST, "http://127.0.0.1:3/the-secret", "lake"), "a", "b")


def test_the_settings_tell_which_of_them_are_secrets() -> None:
    citus = {"uri": "postgresql://me:thr%2Fee@127.0.0.1:1/db"}
    services = {"nessie": {"password": "one"}, "citus": citus}
    given = {"services": services, "storage": {"gcs": {"user": "u", "password": "two"}}}
    assert set(Settings.model_validate(given).secrets()) == {"one", "two", "thr%2Fee", "thr/ee"}


class Catalogs(http.server.BaseHTTPRequestHandler):
    """Answers as an empty REST catalog, and keeps the paths and tokens that it is asked with."""

    asked: ClassVar[set[tuple[str, str | None]]] = set()

    def do_GET(self) -> None:
        self.asked.add((self.path.partition("?")[0], self.headers.get("Authorization")))
        document = {"defaults": {}, "overrides": {}} if self.path.endswith("warehouse=w") else {"namespaces": []}
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.parametrize("engine", [DuckDB, PyIceberg])
def test_a_catalogs_path_and_token_are_sent_with_each_request(engine: type[Any], tmp_path: Path) -> None:
    Catalogs.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Catalogs) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            uri = f"http://127.0.0.1:{server.server_port}/a-secret/iceberg"
            one = engine(EngineSettings(1, 2**30, str(tmp_path)))
            one.open(Lake("lake", STORE, Catalog(CatalogKind.REST, uri, "w", authentication=BearerToken("a.b.c"))))
            one.close()
        finally:
            server.shutdown()
    assert {path.removesuffix("/config").removesuffix("/namespaces") for path, _ in Catalogs.asked} == {
        "/a-secret/iceberg/v1"
    }
    assert {token for _, token in Catalogs.asked} == {"Bearer a.b.c"}
