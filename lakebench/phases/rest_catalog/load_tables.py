"""What the cases of load share: tables to ask for, the requests, and what is kept of their answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lakebench.errors import Refused, WrongAnswer
from lakebench.execution.context import RunContext
from lakebench.model import Authentication
from lakebench.phases.rest_catalog import load_client
from lakebench.phases.rest_catalog.client import Names
from lakebench.phases.rest_catalog.load_client import NUMBER, LoadRequest, Measured
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Sandbox, set_properties
from lakebench.phases.rest_catalog.targets import CheckedCatalog
from lakebench.processes import resources

CLIENTS = (1, 8, 32)
"""Concurrencies of the closed loop."""
KEY = "lakebench.load"
_MARK = f"lb{secrets.token_hex(3)}_load"
_QUICK_S, _USUAL_S = 0.4, 2.0
_MOST = 3000
_COUNTED_S = 5.0
_WARM_UPS = 20
_NS_OF_MS = 1e6


@dataclass(frozen=True)
class ServedTables:
    """A catalog with tables to ask for: as many as there are clients, so that each commits to one of its own."""

    catalog: Sandbox
    namespace: Names
    tables: tuple[CreatedTable, ...]

    @property
    def login(self) -> Authentication | None:
        """How each request logs in."""
        return self.catalog.catalog.authentication

    def requests(self, operation: str) -> list[LoadRequest]:
        """The requests of ``operation``: to one table, one namespace, or of commits to each of the tables."""
        if operation == "loadTable":
            return [self.load(self.tables[0])]
        if operation == "listTables":
            return [self.listing("listTables", self.namespace, self.tables[0].name)]
        return [self._commit(one) for one in self.tables]

    def load(self, table: CreatedTable) -> LoadRequest:
        """*loadTable*; the answer has the table's uuid."""
        uuid = str(table.metadata["table-uuid"])
        return LoadRequest("GET", self._url("loadTable", table.namespace, table.name), expect=uuid)

    def listing(self, operation: str, namespace: Names, member: str) -> LoadRequest:
        """*listTables* or *listNamespaces*; the answer has ``member``."""
        return LoadRequest("GET", self._url(operation, namespace), expect=f'"{member}"')

    def _commit(self, table: CreatedTable) -> LoadRequest:
        """A commit that sets one property; the answer has its value."""
        body = {
            "identifier": table.identifier,
            "requirements": [{"type": "assert-table-uuid", "uuid": table.metadata["table-uuid"]}],
            "updates": [set_properties(**{KEY: f"value-{NUMBER}-"})],
        }
        url = self._url("updateTable", table.namespace, table.name)
        return LoadRequest("POST", url, json.dumps(body), f'"value-{NUMBER}-"')

    def _url(self, operation: str, namespace: Names, name: str = "") -> str:
        client = self.catalog.client
        base = client.configuration.properties.get("uri", client.catalog.rest_uri).rstrip("/")
        return f"{base}{client.path(operation, namespace, name)}"


def sandbox(context: RunContext, target: CheckedCatalog) -> Sandbox:
    """The small client by which tables are made, one a catalog and run.

    Raises:
        ServiceUnavailable: the catalog does not run.
    """
    reached = target.reached(context.services, context.request.settings)
    return context.prepared.once(f"rest_catalog/load/{target.name}", lambda: Sandbox(reached.catalog, _MARK))


def served(context: RunContext, target: CheckedCatalog) -> ServedTables:
    """The catalog with its tables, made once a run, and asked a few times.

    Raises:
        ServiceUnavailable: it does not run.
        EngineUnavailable: it does not make them.
    """
    catalog = sandbox(context, target)

    def make() -> ServedTables:
        namespace = catalog.namespace()
        made = ServedTables(catalog, namespace, tuple(catalog.table(namespace) for _ in range(max(CLIENTS))))
        for operation in ("loadTable", "listTables", "updateTable"):
            ask_closed(context, made, made.requests(operation), 1, most=_WARM_UPS)
        return made

    return context.prepared.once(f"rest_catalog/load/{target.name}/tables", make)


def seconds(context: RunContext) -> float:
    """How long each loop is."""
    return _QUICK_S if is_quick(context) else _USUAL_S


def is_quick(context: RunContext) -> bool:
    """Whether the user wants little."""
    return context.request.profile.name == "quick"


def ask_closed(
    context: RunContext, tables: ServedTables, requests: list[LoadRequest], clients: int, most: int = 0
) -> Measured:
    """A closed loop in the checker's process, see :func:`load_client.closed`; with ``most`` it goes by number."""
    lasts = _COUNTED_S if most else seconds(context)
    return context.checker.call(load_client.closed, tables.login, requests, clients, lasts, most or _MOST)


def evidence_of(
    context: RunContext, target: CheckedCatalog, ask: Callable[[], Measured], **what: Any
) -> dict[str, Any]:
    """The evidence of a loop, with the CPU time of the server's processes where the catalog is ours.

    Raises:
        WrongAnswer: an answer was not right.
        Refused: the catalog declined a request, or gave no answer.
    """
    pids = resources.tree(context.services.processes(target.service)) if target.service else []
    before = resources.cpu_ns(pids)
    measured = ask()
    cpu = (resources.cpu_ns(pids) - before) / _NS_OF_MS
    load = {**what, **figures(measured)}
    if pids and measured.requests:
        load["server_cpu_ms"] = round(cpu / measured.requests, 3)
    judge(measured, load)
    return {"load": load}


def figures(measured: Measured) -> dict[str, Any]:
    """What the records keep: latencies in milliseconds, requests a second, CPU milliseconds of the client a request."""
    rate = {"per_s": round(measured.right / measured.seconds, 1)} if measured.seconds else {}
    cpu = {"client_cpu_ms": round(measured.client_cpu_s * 1000 / measured.requests, 3)} if measured.requests else {}
    return {
        "requests": measured.requests,
        "right": measured.right,
        "seconds": measured.seconds,
        **rate,
        **{f"{name}_ms": value for name, value in measured.latency_ms.items()},
        "answer_bytes": measured.answer_bytes,
        **cpu,
        **({"errors": dict(measured.errors)} if measured.errors else {}),
    }


def judge(measured: Measured, load: dict[str, Any]) -> None:
    """Check that every answer was right.

    Raises:
        WrongAnswer: one was not.
        Refused: one was declined, or did not come.
    """
    if measured.wrong:
        raise WrongAnswer(f"{measured.wrong} of {measured.requests} answers are of something else", load=load)
    if measured.errors:
        said = ", ".join(f"{times} times {error}" for error, times in measured.errors.items())
        raise Refused(f"of {measured.requests} requests {sum(measured.errors.values())} failed: {said}", load=load)
