"""A client of Flink's SQL gateway (Flink's documentation, *SQL Gateway*, *REST Endpoint*, version 3 of its API)."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lakebench.errors import EngineCrash, Refused
from lakebench.model import Endpoint

CERTIFICATE = "certificate"
"""The property of the endpoint with the path of a PEM file: the key of who is let in, and the certificate to trust."""
_ANSWER_S = 60
_POLL_S = (0.005, 0.05)
_TRACE = ("\n\tat ", "\nCaused by")


@dataclass(frozen=True)
class AnswerColumn:
    """A column of an answer; ``type`` is the gateway's JSON of the logical type."""

    name: str
    type: Mapping[str, Any]


class Gateway:
    """Requests to the gateway at an endpoint."""

    def __init__(self, server: Endpoint) -> None:
        self._uri = server.uri
        certificate = server.properties.get(CERTIFICATE)
        handlers: list[Any] = [urllib.request.ProxyHandler({})]
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            context.load_cert_chain(certificate)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def info(self) -> Mapping[str, Any]:
        """Product and version.

        Raises:
            OSError: nothing answers.
        """
        return self._ask("GET", "/v3/info")

    def open_session(self, properties: Mapping[str, str]) -> GatewaySession:
        """A session with these settings."""
        return GatewaySession(
            self, self._ask("POST", "/v3/sessions", {"properties": dict(properties)})["sessionHandle"]
        )

    def ask(self, method: str, path: str, body: Any = None) -> Mapping[str, Any]:
        """The answer to a request.

        Raises:
            Refused: the gateway's own error.
            EngineCrash: it does not answer any more.
        """
        try:
            return self._ask(method, path, body)
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(reason(error.read().decode("utf-8", "replace"))) from None
        except OSError as error:
            raise EngineCrash(f"Flink's SQL gateway no longer answers: {type(error).__name__}") from error

    def _ask(self, method: str, path: str, body: Any = None) -> Mapping[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the address of a service
            f"{self._uri}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with self._opener.open(request, timeout=_ANSWER_S) as answer:
            read: Mapping[str, Any] = json.loads(answer.read(), parse_float=Decimal)
        return read


class GatewaySession:
    """A session of the gateway."""

    def __init__(self, gateway: Gateway, handle: str) -> None:
        self._gateway, self._path = gateway, f"/v3/sessions/{handle}"

    def close(self) -> None:
        """End it."""
        self._gateway.ask("DELETE", self._path)

    def run(self, sql: str) -> list[Sequence[Any]]:
        """All rows of ``sql``."""
        return [row for _, rows in self.pages(sql) for row in rows]

    def pages(self, sql: str) -> Iterator[tuple[Sequence[AnswerColumn], Sequence[Sequence[Any]]]]:
        """The columns, and the rows of each page of the answer as they are there; the first may have none.

        Raises:
            Refused: Flink's own error.
        """
        handle = self._gateway.ask("POST", f"{self._path}/statements", {"statement": sql})["operationHandle"]
        operation = f"{self._path}/operations/{handle}"
        path: str | None = f"{operation}/result/0?rowFormat=JSON"
        wait, longest = _POLL_S
        while path:
            page = self._gateway.ask("GET", path)
            if page["resultType"] == "NOT_READY":
                time.sleep(wait)
                wait = min(2 * wait, longest)
                continue
            wait = _POLL_S[0]
            results = page["results"]
            columns = [AnswerColumn(one["name"], one["logicalType"]) for one in results.get("columns", ())]
            yield columns, [row["fields"] for row in results.get("data", ())]
            path = page.get("nextResultUri") if page["resultType"] != "EOS" else None
        self._gateway.ask("DELETE", f"{operation}/close")


def reason(body: str) -> str:
    """The words of an error of the gateway: the innermost cause, without Java's frames."""
    try:
        text = "\n".join(json.loads(body)["errors"])
    except (ValueError, KeyError, TypeError):
        text = body
    causes = [part.partition("\n\tat ")[0] for part in text.split("Caused by: ")]
    line = " ".join(causes[-1].split()) or " ".join(text.split())
    return line[:600]
