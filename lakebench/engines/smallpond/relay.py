"""Connections through a socket in a folder: the way out of a network of one's own, to one address and no other."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

_BYTES = 65536
Connect = Callable[[], socket.socket]


def listen_here(path: Path) -> socket.socket:
    """A socket at ``path``, which those can reach who may enter its folder."""
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


def serve(listener: socket.socket, connect: Connect) -> None:
    """Begin to pass each connection of ``listener`` on to one of ``connect``, until the process ends."""
    threading.Thread(target=_accept, args=(listener, connect), daemon=True).start()


def _accept(listener: socket.socket, connect: Connect) -> None:
    while True:
        try:
            incoming, _ = listener.accept()
        except OSError:  # it was closed
            return
        try:
            outgoing = connect()
        except OSError:
            incoming.close()
            continue
        for one, other in ((incoming, outgoing), (outgoing, incoming)):
            threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source: socket.socket, into: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BYTES):
            into.sendall(data)
    with contextlib.suppress(OSError):
        into.shutdown(socket.SHUT_WR)
