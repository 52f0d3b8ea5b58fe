"""A client of the REST catalog (Iceberg REST catalog OpenAPI): requests as the specification has them, nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from lakebench.engines.reference.schema import Json
from lakebench.errors import CommitConflict, Refused, ServiceUnavailable
from lakebench.model import Lake
from lakebench.web import HttpError, http

_CONFLICT, _MISSING = 409, 404
_LIMIT_S = 60
_SHOWN = 4000


class RestCatalog:
    """The catalog of ``lake``, in its namespace; ``tell`` is told what changes something."""

    def __init__(self, lake: Lake) -> None:
        self._namespace = lake.namespace
        catalog = lake.catalog
        told = self._ask(f"{catalog.rest_uri}/v1/config?{urlencode({'warehouse': catalog.warehouse})}")
        merged: Mapping[str, str] = {**told.get("defaults", {}), **told.get("overrides", {})}
        prefix = merged.get("prefix")
        base = merged.get("uri", catalog.rest_uri).rstrip("/")
        # The prefix is a path, given unencoded; Nessie's has a "|".
        self._base = "/".join([base, "v1", *([quote(prefix, safe="/%")] if prefix else [])])
        self.tell: Callable[[str], None] = lambda _: None

    def create_namespace(self) -> None:
        """Make the namespace where it is not there."""
        with contextlib.suppress(CommitConflict):
            self._change("POST", "namespaces", {"namespace": [self._namespace]})

    def load(self, table: str) -> Json:
        """A table's metadata."""
        return self._metadata(self._ask(f"{self._base}/{self._path('tables', table)}"))

    def create(self, body: Json) -> Json:
        """Make a table; its metadata, with the ids that the catalog has given."""
        return self._metadata(self._change("POST", self._path("tables"), body))

    def drop(self, what: str, name: str) -> None:
        """Drop a table or view (``what`` is ``tables`` or ``views``) where it is there."""
        with contextlib.suppress(_Missing):
            self._change("DELETE", self._path(what, name))

    def create_view(self, body: Json) -> None:
        """Make a view."""
        self._change("POST", self._path("views"), body)

    def commit(self, table: str, requirements: Sequence[Json], updates: Sequence[Json]) -> None:
        """Change one table.

        Raises:
            CommitConflict: another commit came first.
        """
        body = {"requirements": requirements, "updates": updates}
        self._change("POST", self._path("tables", table), {"identifier": self._identifier(table), **body})

    def commit_together(self, changes: Mapping[str, tuple[Sequence[Json], Sequence[Json]]]) -> None:
        """Change several tables, all or none.

        Raises:
            CommitConflict: another commit came first.
        """
        told = [
            {"identifier": self._identifier(table), "requirements": requirements, "updates": updates}
            for table, (requirements, updates) in changes.items()
        ]
        self._change("POST", "transactions/commit", {"table-changes": told})

    def _identifier(self, table: str) -> Json:
        return {"namespace": [self._namespace], "name": table}

    def _path(self, *parts: str) -> str:
        return "/".join(["namespaces", quote(self._namespace, safe=""), *(quote(one, safe="") for one in parts)])

    def _change(self, method: str, path: str, body: Json | None = None) -> Json:
        said = f" {json.dumps(body, ensure_ascii=False)}" if body else ""
        self.tell(f"{method} {path}{said if len(said) <= _SHOWN else f'{said[:_SHOWN]}…'}")
        return self._ask(f"{self._base}/{path}", method, body)

    @staticmethod
    def _metadata(answer: Json) -> Json:
        metadata: Json = answer["metadata"]
        return metadata

    @staticmethod
    def _ask(url: str, method: str = "GET", body: Json | None = None) -> Json:
        try:
            answer = http(url, method=method, body=body, timeout=_LIMIT_S)
        except HttpError as error:
            kind = {_CONFLICT: CommitConflict, _MISSING: _Missing}.get(error.status, Refused)
            raise kind(f"the catalog answers {error.status}: {_words(error.body)}", status=error.status) from error
        except OSError as error:
            raise ServiceUnavailable(f"the catalog at {url.partition('/v1')[0]} does not answer: {error}") from error
        parsed: Json = json.loads(answer) if answer else {}
        return parsed


class _Missing(Refused):
    """What was asked for is not there."""


def _words(body: str) -> str:
    """The message in an error's body, in one line."""
    try:
        told: Any = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        told = body
    return " ".join(str(told).split())[:500]
