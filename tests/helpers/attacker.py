"""Another user of this machine: ``attacker.py FOLDER PORT…`` becomes ``nobody`` and tries what he can.

He has the ports that programs listen on and knows our source, and has no secret. Prints one JSON object a line: what
was tried, and what came of it.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 - once he is another account he cannot read Python's own folder
import http.client
import json
import os
import pwd
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
from pyspark.sql.connect.proto import ConfigRequest, UserContext
from pyspark.sql.connect.proto.base_pb2_grpc import SparkConnectServiceStub

GUESSES = ("nobody", "lakebench", "root", "admin")
# Folders of a run, whose own he may not list; not PostgreSQL's, which runs as nobody where root starts it.
SERVERS = ("object-store", "rest-catalog", "rest-catalog-local", "nessie", "trino", "spark")
NAMES = ("results", "source", "worker-0-duckdb", "concurrent", *SERVERS)
READS = (
    *("/", "/v1/config", "/v1/config?warehouse=lake", "/v1/namespaces", "//v1/namespaces", "/x/v1/namespaces"),
    *("/x/../v1/namespaces", "/%2e/v1/namespaces", "/;/v1/namespaces", "/iceberg/v1/config", "/api/v2/config"),
    *("/iceberg/v1/main%7Clake/namespaces", "/api/v2/trees", "/api/v1/trees", "/lake", "/lake?list-type=2"),
    *("/?list-type=2", "/v1/info", "/v1/status", "/v1/query", "/v1/jmx/mbean", "/v1/thread", "/v1/task", "/v1/node"),
    *("/metrics", "/q/health", "/q/metrics", "/q/openapi", "/ui/api/stats"),
)


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Status and body; 0 where nothing that speaks HTTP answers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=named)  # noqa: S310 - of this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read(1 << 20).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - this is how it answers


def writes(base: str, folder: str) -> Iterator[tuple[str, str, str, Any]]:
    """Method, address and body of what would change something, file by file."""
    for prefix in ("/v1", "/iceberg/v1/main%7Clake", "/iceberg/main/v1"):
        yield "POST", f"{base}{prefix}/namespaces", "namespace", {"namespace": ["evil"]}
        location = {"name": "evil", "location": f"file://{folder}/evil", "schema": SCHEMA, "stage-create": False}
        yield "POST", f"{base}{prefix}/namespaces/evil/tables", "table", location
        yield "DELETE", f"{base}{prefix}/namespaces/lakebench/tables/kept?purgeRequested=true", "purge", None
    yield "POST", f"{base}/api/v2/trees?name=evil&type=BRANCH", "branch", {"type": "BRANCH", "name": "main"}
    yield "PUT", f"{base}/lake/evil", "object", {}
    yield "DELETE", f"{base}/lake/evil", "object", None


SCHEMA = {"type": "struct", "fields": [{"id": 1, "name": "a", "type": "long", "required": False}]}


def over_http(port: int, folder: str) -> None:
    base = f"http://127.0.0.1:{port}"
    for path in READS:
        status, said = ask(base + path, X_Trino_User="nobody")
        tell(port=port, tried=f"GET {path}", status=status, said=said)
    for method, url, what, body in writes(base, folder):
        data = None if body is None else json.dumps(body).encode()
        status, said = ask(url, method, data, Content_Type="application/json")
        tell(port=port, tried=f"{method} {what} {url.removeprefix(base)}", status=status, said=said, write=True)


def as_trino(port: int, folder: str) -> None:
    catalog = f"""CREATE CATALOG evil USING iceberg WITH (
        "iceberg.catalog.type" = 'TESTING_FILE_METASTORE',
        "hive.metastore.catalog.dir" = 'local:///evil', "fs.native-local.enabled" = 'true',
        "local.location" = '{folder}'
    )"""
    for user in GUESSES:
        for sql in ("SHOW CATALOGS", "SELECT * FROM system.runtime.queries", catalog):
            state, said = statement(port, user, sql)
            if state is None:
                return
            tell(port=port, tried=f"{sql.split('(')[0]} as {user}", status=state, said=said, write="CREATE" in sql)


def statement(port: int, user: str, sql: str) -> tuple[int | None, str]:
    """200 where Trino answers, 403 where it refuses; None where it is no Trino."""
    status, said = ask(f"http://127.0.0.1:{port}/v1/statement", "POST", sql.encode(), X_Trino_User=user)
    while status == 200:
        try:
            answer = json.loads(said)
        except ValueError:
            return None, ""
        if "error" in answer:
            return 403, answer["error"]["message"]
        if "nextUri" not in answer:
            return 200, said
        status, said = ask(answer["nextUri"], X_Trino_User=user)
    return None, ""


def as_spark(port: int) -> None:
    for token in ("", "guessed"):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            user = UserContext(user_id="x")
            asked = ConfigRequest(session_id="00000000-0000-0000-0000-000000000001", user_context=user)
            asked.operation.get_all.SetInParent()
            metadata = [("authorization", f"Bearer {token}")] if token else []
            try:
                status, said = 200, str(SparkConnectServiceStub(channel).Config(asked, timeout=3, metadata=metadata))
            except grpc.RpcError as error:
                status, said = 0, f"{error.code().name}: {error.details()}"
        tell(port=port, tried=f"Spark Connect '{token}'", status=status, said=said, write=True)


def as_postgres(port: int) -> None:
    for user in ("postgres", "lakebench", "nobody"):
        for password in ("", "postgres"):
            try:
                psycopg.connect(
                    f"host=127.0.0.1 port={port} user={user} dbname=postgres", password=password, connect_timeout=3
                ).close()
            except psycopg.Error as error:
                tell(port=port, tried=f"PostgreSQL as {user}", status=0, said=str(error))
            else:
                tell(port=port, tried=f"PostgreSQL as {user}", status=200, said="", write=True)


def files(folder: Path) -> None:
    """Every file and folder that he may read below ``folder``."""
    for root, _, names in os.walk(folder):
        tell(file=root, status=200, said=names)
        for name in names:
            with contextlib.suppress(OSError):
                tell(file=f"{root}/{name}", status=200, said=Path(root, name).read_text("utf-8", "replace")[:1000])


def commands() -> None:
    """What every process was started with."""
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            tell(process=str(one), status=200, said=one.read_text("utf-8", "replace").replace("\0", " "))


def speaks_http(port: int) -> bool:
    """Whether a request of HTTP/1.1 is answered; a server of something else says nothing, or ends the connection."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return one.recv(5) == b"HTTP/"
    return False


def main() -> None:
    folders, ports = sys.argv[1].split(":"), [int(one) for one in sys.argv[2:]]
    nobody = pwd.getpwnam("nobody")
    os.chdir("/")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    for port in ports:
        if speaks_http(port):
            over_http(port, folders[0])
            as_trino(port, folders[0])
        else:
            as_spark(port)
            as_postgres(port)
    for folder in folders:
        for name in ("", *NAMES):
            files(Path(folder, name))
    commands()
    tell(done=True)


if __name__ == "__main__":
    main()
