"""An object store in memory, of which some keys reach all and others what is below one location, for a time.

It knows the requests of S3 that Arrow sends for what the checks of phase 11 do: HEAD, GET and PUT of an object, uploads
in parts, and lists. It does not check signatures: the key's id says who asks.
"""

from __future__ import annotations

import io
import re
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from lakebench.http import HOST
from lakebench.model import ObjectStore

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_KEY = re.compile(r"Credential=([^/]+)/")


class WrongStore(ThreadingHTTPServer):
    """The server; ``objects`` are bytes by ``bucket/path``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.keys: dict[str, tuple[str, float]] = {}
        self.readers: set[str] = set()  # the keys that write nothing
        self.lasts_s = 3600.0  # how long keys are good for
        endpoint = f"http://{HOST}:{self.server_port}"
        self.owner = ObjectStore(endpoint, "lake", secrets.token_hex(8), secrets.token_hex(16))

    def keys_for(self, location: str, *, lasting: bool = False, reads: bool = False) -> tuple[str, str, float]:
        """New keys for what is below ``location`` (``s3://``), and when they are said to end."""
        key, ends = secrets.token_hex(8), time.time() + self.lasts_s
        self.keys[key] = location.removeprefix("s3://"), ends + (3600 if lasting else 0)
        if reads:
            self.readers.add(key)
        return key, secrets.token_hex(16), ends

    def lets(self, key: str, path: str, *, writes: bool) -> bool:
        """Whether ``key`` may read or write at ``path``, which is ``bucket/path``."""
        if key == self.owner.access_key:
            return True
        if writes and key in self.readers:
            return False
        place, ends = self.keys.get(key, ("", 0.0))
        return bool(place) and time.time() < ends and (path == place or path.startswith(f"{place}/"))


class _Handler(BaseHTTPRequestHandler):
    server: WrongStore
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self._body()
        address = urlsplit(self.path)
        path, query = unquote(address.path).strip("/"), parse_qs(address.query, keep_blank_values=True)
        key = _KEY.search(self.headers.get("Authorization") or "")
        bucket, _, inner = path.partition("/")
        listed = not inner and self.command == "GET"
        asked = f"{bucket}/{query.get('prefix', [''])[0]}".rstrip("/") if listed else path
        writes = self.command in {"PUT", "DELETE"}
        if not self.server.lets(key[1] if key else "", asked, writes=writes):
            self._error(403, "AccessDenied")
        elif listed:
            self._list(bucket, query)
        elif self.command == "PUT":
            self.server.objects[path] = body
            self._send(200, b"", {"ETag": '"x"'})
        elif self.command == "DELETE":
            self.server.objects.pop(path, None)
            self._send(204, b"")
        elif path in self.server.objects:
            self._object(self.server.objects[path])
        else:
            self._error(404, "NoSuchKey")

    do_GET = do_PUT = do_HEAD = do_DELETE = _serve  # noqa: N815 - the names of the standard library

    def _object(self, content: bytes) -> None:
        """The object, or the range of it that is asked for."""
        if wanted := _RANGE.fullmatch(self.headers.get("Range") or ""):
            first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
            span = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
            self._send(206, content[first : last + 1], {"ETag": '"x"', **span})
        else:
            self._send(200, content, {"ETag": '"x"'})

    def _body(self) -> bytes:
        """The object that was sent, out of HTTP's chunks and those that S3 has inside them."""
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            sent = _out_of_chunks(self.rfile)
        return _out_of_chunks(io.BytesIO(sent)) if self.headers.get("Content-Encoding") == "aws-chunked" else sent

    def _list(self, bucket: str, query: dict[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        found = [one.partition("/")[2] for one in sorted(self.server.objects) if one.startswith(f"{bucket}/{prefix}")]
        entries = "".join(
            f"<Contents><Key>{escape(one)}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            "</Contents>"
            for one in found
        )
        head = f"<Name>{bucket}</Name><KeyCount>{len(found)}</KeyCount>"
        content = f"<ListBucketResult>{head}{entries}</ListBucketResult>"
        self._send(200, content.encode(), {"Content-Type": "application/xml"})

    def _error(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _out_of_chunks(source: BinaryIO) -> bytes:
    """The content of chunks, each after a line with its length; lines after the last one are its trailer."""
    parts = []
    while length := int(source.readline().partition(b";")[0], 16):
        parts.append(source.read(length))
        source.readline()
    while source.readline().strip():
        pass
    return b"".join(parts)
