"""A session that counts rows, while another one passes the memory limit of ``pgduck_server``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from lakebench.errors import CaseError, EngineCrash, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import SERVICE, TwinServer
from lakebench.phases.pg_lake.session import Session

GROUP = "Another session passes the memory limit"
_ROWS = 5_000
_BYTES = 100
_PAUSE_S = 0.05
_AFTER_S = 3.0
_SHOWN = 300
_COUNT = "SELECT count(*) FROM big"


def blocks() -> Iterator[Check]:
    """The one case."""
    case = case_of("memory", "bystander", GROUP, "a session that counts rows meanwhile")
    yield check_of(case, partial(_bystander))


@dataclass
class _Bystander:
    """Counts the rows again and again until it is told to stop: how many answers were right, and what failed."""

    session: Session
    right: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Count."""
        while not self.stop.is_set() and len(self.failed) < 1:
            try:
                reply = self.session.run(_COUNT)
            except CaseError as error:
                self.failed.append(str(error)[:_SHOWN])
                return
            if reply.refused:
                self.failed.append(reply.error[:_SHOWN])
            elif reply.rows == ((str(_ROWS),),):
                self.right += 1
            else:
                self.wrong.append(str(reply.rows))
            time.sleep(_PAUSE_S)


def greedy(limit: int) -> str:
    """A query that needs more than ``limit`` bytes at once: the texts of a join with itself, in three long ones."""
    times = max(1, -(-3 * limit // (2 * _BYTES * _ROWS * _ROWS)))
    text = "||".join(["a.v", "b.v"] * times)
    return f"SELECT sum(length(l)) FROM (SELECT string_agg({text}, '') AS l FROM big a, big b GROUP BY a.id % 3) q"


def _bystander(server: TwinServer) -> Evidence:
    """The one query fails; the other session goes on, and so does the server."""
    server.must_be_ours()
    limit = next(one.memory_limit or 0 for one in server.context.services.facts() if one.service == SERVICE)
    with server.session("memory") as session, server.session("memory") as other:
        session.must("CREATE TABLE big (id integer, v text) USING iceberg")
        session.must(f"INSERT INTO big SELECT n, repeat('x', {_BYTES}) FROM generate_series(1, {_ROWS}) n")
        bystander = _Bystander(other)
        thread = threading.Thread(target=bystander.run)
        thread.start()
        try:
            said = _refusal(session, greedy(limit))
            bystander.stop.wait(_AFTER_S)
        finally:
            bystander.stop.set()
            thread.join()
    evidence = {
        "limit_bytes": limit,
        "said": said,
        "right_answers_meanwhile": bystander.right,
        "bystander": bystander.failed or ["went on"],
    }
    return _judged(server, bystander, said, evidence)


def _refusal(session: Session, sql: str) -> str:
    """What the greedy query is told; empty where it has an answer."""
    try:
        return session.run(sql).error[:_SHOWN]
    except CaseError as error:
        return str(error)[:_SHOWN]


def _judged(server: TwinServer, bystander: _Bystander, said: str, evidence: dict[str, object]) -> Evidence:
    services = server.context.services
    if services.died(SERVICE):
        code = services.exit_code(SERVICE)
        services.restart(SERVICE)
        raise EngineCrash(
            f"pgduck_server ended with exit code {code} when one query passed its memory limit, and with it the "
            "queries of every session",
            **evidence, exit_code=code, started_again_by="lakebench",
        )  # fmt: skip
    if bystander.wrong:
        raise WrongAnswer(f"the other session counted {bystander.wrong[0]}, and not {_ROWS}", **evidence)
    if bystander.failed:
        raise EngineCrash("the other session's query failed, which needs no memory", **evidence)
    if not said:
        raise EngineUnavailable("the query had an answer: this server has more memory than its limit says")
    return evidence
