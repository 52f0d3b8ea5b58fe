"""A network of its own for a program that takes what anybody sends, and the ways into and out of it.

Connections pass through sockets in a folder, each way to one address and no other. As a program of its own
this file starts a server in such a network, and lets in this account alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_BYTES = 262_144
_SIOCSIFFLAGS, _UP, _RUNNING = 0x8914, 0x1, 0x40  # netdevice(7)
_UID = 7  # of the columns of /proc/net/tcp (proc_pid_net(5))
_ROOT = 0
Connect = Callable[[], socket.socket]


def unshared() -> list[str] | None:
    """What a command begins with to run in a network of its own; ``None`` where this machine lets us have none."""
    private = _private()
    try:
        tried = subprocess.run([*private, "true"], capture_output=True, check=False)
    except OSError:
        return None
    return private if tried.returncode == 0 else None


def _private() -> list[str]:
    return ["unshare", "--net"] if os.geteuid() == _ROOT else ["unshare", "--user", "--map-root-user", "--net"]


def switch_on_loopback() -> None:
    """Switch on the loopback device of a new network."""
    with socket.socket() as one:
        request = struct.pack("16sH14s", b"lo", _UP | _RUNNING, b"")
        fcntl.ioctl(one, _SIOCSIFFLAGS, request)


def listen_here(path: Path) -> socket.socket:
    """A socket at ``path``, which those can reach who may enter its folder."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def listen_at(host: str, port: int) -> socket.socket:
    """A socket at an address."""
    return socket.create_server((host, port))


def to_path(path: Path) -> Connect:
    """Connects to the socket at ``path``."""

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            raise
        return connection

    return connect


def to_address(host: str, port: int) -> Connect:
    """Connects to an address."""
    return lambda: socket.create_connection((host, port))


def everybody(_: socket.socket) -> bool:
    """Let in each connection."""
    return True


def this_account(connection: socket.socket) -> bool:
    """Let in what this account opened on this machine."""
    return opened_by(connection) == os.geteuid()


def opened_by(connection: socket.socket) -> int | None:
    """The id of the account that opened the other end of a TCP connection of IPv4; ``None`` where it is not here."""
    near, far = _as_listed(connection.getsockname()), _as_listed(connection.getpeername())
    for table in ("tcp", "tcp6"):  # Java's sockets are of IPv6
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", table).read_text("ascii").splitlines()[1:]:
                columns = line.split()
                if columns[1] in far and columns[2] in near:
                    return int(columns[_UID])
    return None


def _as_listed(address: tuple[str, int]) -> set[str]:
    """An address as the kernel lists it, as one of IPv4 and as one of IPv6."""
    host = f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"
    mapped = f"{int.from_bytes(bytes([0, 0, 255, 255]), sys.byteorder):08X}"
    return {host, f"{'0' * 16}{mapped}{host}"}


def serve(listener: socket.socket, connect: Connect, admits: Callable[[socket.socket], bool] = everybody) -> None:
    """Begin to pass each connection that ``admits`` admits on to one of ``connect``, until the process ends."""
    threading.Thread(target=_accept, args=(listener, connect, admits), daemon=True).start()


def _accept(listener: socket.socket, connect: Connect, admits: Callable[[socket.socket], bool]) -> None:
    while True:
        try:
            incoming, _ = listener.accept()
        except OSError:  # it was closed
            return
        try:
            outgoing = connect() if admits(incoming) else None
        except OSError:
            outgoing = None
        if outgoing is None:
            incoming.close()
            continue
        threading.Thread(target=_carry, args=(incoming, outgoing), daemon=True).start()


def _carry(incoming: socket.socket, outgoing: socket.socket) -> None:
    with incoming, outgoing:
        back = threading.Thread(target=_pump, args=(outgoing, incoming), daemon=True)
        back.start()
        _pump(incoming, outgoing)
        back.join()


def _pump(source: socket.socket, into: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BYTES):
            into.sendall(data)
    with contextlib.suppress(OSError):
        into.shutdown(socket.SHUT_WR)


def command(host: str, serves: Sequence[int], reaches: Sequence[int], argv: Sequence[str]) -> list[str]:
    """What starts the server ``argv`` in a network of its own, where :func:`unshared` says that there may be one.

    Its ports ``serves`` of ``host`` are reached at the same ports here, by this account alone; it reaches the ports
    ``reaches`` of ``host`` as if it were here. The sockets between the two are in the working directory.
    """
    given = {"host": host, "serves": list(serves), "reaches": list(reaches), "argv": list(argv), "private": _private()}
    return _program(given)


def main(given: Mapping[str, Any]) -> int:
    """Outside: open the ways, and start what :func:`inside` does in the new network; its exit code."""
    for port in given["reaches"]:
        serve(listen_here(_outward(port)), to_address(given["host"], port))
    for port in given["serves"]:
        serve(listen_at(given["host"], port), to_path(_inward(port)), this_account)
    return _until_its_end([*given["private"], *_program({**given, "private": []})])


def inside(given: Mapping[str, Any]) -> int:
    """In the new network: open the other ends of the ways, and start the server; its exit code."""
    switch_on_loopback()
    for port in given["reaches"]:
        serve(listen_at(given["host"], port), to_path(_outward(port)))
    for port in given["serves"]:
        serve(listen_here(_inward(port)), to_address(given["host"], port))
    return _until_its_end(given["argv"])


def _program(given: Mapping[str, Any]) -> list[str]:
    return [sys.executable, "-I", str(Path(__file__).absolute()), json.dumps(given)]


# In the working directory: the path of a socket has a limit of 107 bytes.
def _outward(port: int) -> Path:
    return Path(f"out-{port}")


def _inward(port: int) -> Path:
    return Path(f"in-{port}")


def _until_its_end(argv: Sequence[str]) -> int:
    """Run ``argv``, which is asked to end when this process is, and say what it ended with."""
    with subprocess.Popen(list(argv)) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
    if code < 0:  # end by the same signal
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    sys.exit(main(asked) if asked["private"] else inside(asked))
