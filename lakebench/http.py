"""One HTTP request, with the standard library only: a worker in an environment of its own asks catalogs too."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import client as http_client
from typing import Any

HOST = "127.0.0.1"


def http(
    url: str, *, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 5
) -> bytes:
    """The answer to one HTTP request; ``body`` is sent as JSON, bytes as they are.

    The user's proxy is not used for this machine.

    Raises:
        OSError: nothing answers, or the status is no success (:class:`HttpError`).
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))  # noqa: S310 - the address of a service
    if data is not body:
        request.add_header("Content-Type", "application/json")
    local = urllib.parse.urlsplit(url).hostname in {HOST, "localhost", "::1"}
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            raise HttpError(error.code, error.read().decode("utf-8", "replace")) from None
    except (ValueError, http_client.HTTPException) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def bearer(token: str) -> dict[str, str]:
    """The header that ``token`` is sent in; none where it is empty."""
    return {"Authorization": f"Bearer {token}"} if token else {}


class HttpError(OSError):
    """An answer with a status that is no success; ``body`` is what the server said."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP status {status}: {' '.join(body.split())[:300]}")
        self.status, self.body = status, body
