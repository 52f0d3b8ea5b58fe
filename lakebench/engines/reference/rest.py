"""A client of the REST catalog (Iceberg REST catalog OpenAPI): requests as the specification has them, nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from lakebench.engines.reference.schema import Json
from lakebench.errors import CommitConflict, Refused
from lakebench.iceberg.catalogs import ask, rest_base
from lakebench.model import Lake

_MISSING = 404
_LIMIT_S = 60
_SHOWN = 4000


class RestCatalog:
    """The catalog of ``lake``, in its namespace; ``tell`` gets each request that changes something."""

    def __init__(self, lake: Lake) -> None:
        self._namespace, self._authentication = lake.namespace, lake.catalog.authentication
        base, prefix = rest_base(lake.catalog)
        self._base = "/".join([base, "v1", *prefix])
        self.tell: Callable[[str], None] = lambda _: None

    def create_namespace(self) -> None:
        """Make the namespace where it does not exist."""
        with contextlib.suppress(CommitConflict):
            self._change("POST", "namespaces", {"namespace": [self._namespace]})

    def load(self, table: str) -> Json:
        """A table's metadata."""
        return self._metadata(self._ask("GET", self._path("tables", table)))

    def create(self, body: Json) -> Json:
        """Make a table; its metadata, with the ids that the catalog has given."""
        return self._metadata(self._change("POST", self._path("tables"), body))

    def drop(self, what: str, name: str) -> None:
        """Drop a table or view (``what`` is ``tables`` or ``views``) where it exists."""
        try:
            self._change("DELETE", self._path(what, name))
        except Refused as error:
            if error.details.get("status") != _MISSING:
                raise

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
        table_changes = [
            {"identifier": self._identifier(table), "requirements": requirements, "updates": updates}
            for table, (requirements, updates) in changes.items()
        ]
        self._change("POST", "transactions/commit", {"table-changes": table_changes})

    def _identifier(self, table: str) -> Json:
        return {"namespace": [self._namespace], "name": table}

    def _path(self, *parts: str) -> str:
        return "/".join(["namespaces", quote(self._namespace, safe=""), *(quote(one, safe="") for one in parts)])

    def _change(self, method: str, path: str, body: Json | None = None) -> Json:
        text = f" {json.dumps(body, ensure_ascii=False)}" if body else ""
        self.tell(f"{method} {path}{text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'}")
        return self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        return ask(f"{self._base}/{path}", method, body, _LIMIT_S, self._authentication)

    @staticmethod
    def _metadata(answer: Json) -> Json:
        metadata: Json = answer["metadata"]
        return metadata
