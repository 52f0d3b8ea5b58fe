"""One request and its answer, what they come to, and how they look in a record: without secrets."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from lakebench.errors import EngineUnavailable, Refused, WrongAnswer

_LONGEST = 3000  # characters of a body in a record
_UNSUPPORTED = frozenset({405, 406, 501})
_SECRET = re.compile(r"secret|token(?!_type|-type)|password|credential|access-key|access_key|signature", re.IGNORECASE)
_PUBLIC = frozenset({"next-page-token", "token-uri", "credential-endpoint"})
HIDDEN = "***"
_STACK = "stack"  # of a Java server: long, and says nothing more


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    ``path`` begins behind the catalog's address, or is a whole URL; ``sent`` are the request's headers without the
    login, whose presence ``login`` tells; ``body`` is JSON, or with ``form`` the fields of a form.
    """

    operation: str
    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    text: str
    query: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: bool = False
    login: bool = False

    @property
    def json(self) -> Any:
        """The answer's JSON.

        Raises:
            WrongAnswer: it is none.
        """
        try:
            return json.loads(self.text)
        except ValueError:
            raise WrongAnswer(f"{self.named} answers {self.status} with a body that is no JSON") from None

    @property
    def error(self) -> Mapping[str, Any]:
        """The ``error`` of *IcebergErrorResponse*; empty where the body has none."""
        try:
            content = json.loads(self.text)
        except ValueError:
            return {}
        error = content.get("error") if isinstance(content, dict) else None
        return error if isinstance(error, dict) else {}

    @property
    def succeeded(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's class of success

    @property
    def named(self) -> str:
        """The operation with method and path, for messages."""
        return f"{self.operation} ({self.method} {self.path})"

    @property
    def said(self) -> str:
        """Status and message of the answer, in one line."""
        message = " ".join(str(self.error.get("message", "")).split())[:200]
        kind = f" {self.error['type']}" if self.error.get("type") else ""
        return f"{self.status}{kind}{f': {message}' if message else ''}"

    def succeeds(self, *statuses: int) -> Exchange:
        """This exchange, where its status is one of ``statuses`` (200).

        Raises:
            Refused: the catalog declines.
            WrongAnswer: it answers with another status.
        """
        wanted = statuses or (200,)
        if self.status in wanted:
            return self
        if self.status < 400:  # noqa: PLR2004 - where HTTP's errors begin
            raise WrongAnswer(f"{self.named} answers {self.status}, and should answer {_or(wanted)}")
        raise Refused(f"{self.named} is declined with {self.said}")

    def fails(self, *statuses: int, kind: str | Collection[str] = ()) -> Exchange:
        """This exchange, where its status is one of ``statuses`` and its ``error.type`` of ``kind``.

        Raises:
            WrongAnswer: the catalog accepts the request, or answers with another status or type.
            Refused: it does not have the operation.
        """
        if self.status not in statuses:
            if self.status in _UNSUPPORTED:
                raise Refused(f"{self.named} is declined with {self.said}")
            raise WrongAnswer(f"{self.named} answers {self.said or self.status}, and should answer {_or(statuses)}")
        kinds = [kind] if isinstance(kind, str) else list(kind)
        if kinds and self.method != "HEAD" and self.error.get("type") not in kinds:
            raise WrongAnswer(
                f"{self.named} answers {self.status} with error.type {self.error.get('type')!r}, and clients in Java "
                f"know {' or '.join(kinds)}"
            )
        return self

    def needed(self) -> Exchange:
        """This exchange, where it succeeded, as another check needs it.

        Raises:
            EngineUnavailable: it did not, so that the check cannot be made.
        """
        if not self.succeeded:
            raise EngineUnavailable(f"this check needs {self.operation}, which is declined with {self.said}")
        return self

    def line(self) -> str:
        """Request and status in one line."""
        return f"{self.method} {self.address} → {self.said}"

    @property
    def address(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def request(self) -> dict[str, Any]:
        """The request, without secrets."""
        body = {} if self.body is None else {"body": masked(self.body)}
        return {"method": self.method, "path": self.address, "headers": dict(self.sent), **body}

    def response(self) -> dict[str, Any]:
        """The answer, without secrets and shortened."""
        shown = {key: value for key, value in self.headers.items() if key.lower() in {"content-type", "etag"}}
        return {"status": self.status, "headers": shown, "body": _shown(self.text)}

    def curl(self) -> str:
        """A command that repeats the request; address, token and secrets are variables of the environment."""
        url = self.address if "://" in self.address else f"$CATALOG{self.address}"
        method = ["-I"] if self.method == "HEAD" else ["-X", self.method]
        dots = ["--path-as-is"] if {".", ".."} & set(self.path.split("/")) else []  # which curl takes for folders
        parts = ["curl", "-sS", *dots, *method, f'"{url}"']
        parts += ['-H "Authorization: Bearer $TOKEN"'] if self.login else []
        parts += [f"-H {shlex.quote(f'{key}: {value}')}" for key, value in self.sent.items()]
        if self.body is not None and self.form:
            parts += [f"--data-urlencode {_form_field(key, value)}" for key, value in self.body.items()]
        elif self.body is not None:
            parts.append(f"--data {shlex.quote(json.dumps(masked(self.body), ensure_ascii=False))}")
        return " ".join(parts)


def masked(value: Any) -> Any:
    """JSON without the values of keys that name a secret, and without stack traces."""
    if isinstance(value, list):
        return [masked(one) for one in value]
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if key != _STACK}
        return {key: HIDDEN if _is_secret(str(key), one) else masked(one) for key, one in kept.items()}
    return value


def _is_secret(key: str, value: Any) -> bool:
    return isinstance(value, str) and bool(value) and key not in _PUBLIC and bool(_SECRET.search(key))


def _shown(text: str) -> Any:
    try:
        content = masked(json.loads(text))
    except ValueError:
        return text[:200]
    shortened = json.dumps(content, ensure_ascii=False)
    return content if len(shortened) <= _LONGEST else f"{shortened[:_LONGEST]}…"


def _form_field(key: str, value: str) -> str:
    if _SECRET.search(key):
        return f'"{key}=${key.upper()}"'
    return shlex.quote(f"{key}={value}")


def _or(statuses: Collection[int]) -> str:
    return " or ".join(map(str, statuses))
