"""An append by each writer whose answer is lost, or that is answered with 503 or 429."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lakebench.errors import CaseError, CommitConflict, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef, Lake
from lakebench.phases.rest_catalog.catalog_proxies import CommitLog, by_proxy, is_commit
from lakebench.phases.rest_catalog.data_tables import (
    BASE,
    Engines,
    another,
    append,
    check,
    create,
    lake,
    operate,
    read,
    reads,
    rows,
    table_name,
    writers,
)
from lakebench.phases.rest_catalog.targets import CheckedCatalog
from lakebench.services.fault_proxies import LOSE, REFUSE, REPLACE, Fault

SUBJECT = "Faults on the way to the catalog"
_ADDED = rows(1000, 3)


@dataclass(frozen=True)
class _Planned:
    """What happens to the first commit; ``stored`` says whether the catalog carries it out."""

    title: str
    kind: str
    status: int = 503
    error: str = "ServiceUnavailableException"
    stored: bool = False

    def fault(self) -> Fault:
        """A new one."""
        body = f'{{"error": {{"message": "made by lakebench", "type": "{self.error}", "code": {self.status}}}}}'
        return Fault(self.kind, is_commit, status=self.status, body=body)


FAULTS = {
    "answer-lost": _Planned("the connection ends after a commit, before its answer", LOSE, stored=True),
    "answer-503": _Planned("a commit is carried out and answered with 503", REPLACE, stored=True),
    "refused-503": _Planned("a commit is answered with 503, and not carried out", REFUSE),
    "refused-429": _Planned(
        "a commit is answered with 429, and not carried out", REFUSE, 429, "TooManyRequestsException"
    ),
}


def blocks(refs: Sequence[EngineRef], target: CheckedCatalog) -> Iterator[Check]:
    """Each fault with each writer."""
    for test, planned in FAULTS.items():
        for ref in writers(refs):
            run = partial(_run, target=target, ref=ref, test=test)
            yield check(target, test, SUBJECT, f"Exactly one append where {planned.title}", Engines(writer=ref), run)


def _run(context: RunContext, target: CheckedCatalog, ref: EngineRef, test: str) -> Evidence:
    at, name, planned = lake(context, target), table_name(test, ref), FAULTS[test]
    create(context, ref, at, name)
    fault, log, told = planned.fault(), CommitLog(), None
    with by_proxy(at, table_name(test), fault, log) as by_way:
        try:
            operate(context, ref, by_way, append(name, _ADDED))
        except CaseError as error:
            told = error
    if not fault.fired:
        raise EngineUnavailable(f"{ref} sent no commit by way of the proxy")
    said = "committed" if told is None else f"{type(told).__name__}: {str(told)[:300]}"
    evidence = {"told": said, "carried_out": [one.status for one in log.commits], "fault": planned.title}
    try:
        there = _appended(context, another(context.request.refs, ref), at, name)
        judge(told, there=there, stored=planned.stored)
    except CaseError as error:
        error.details.update(evidence)
        raise
    return evidence


def _appended(context: RunContext, reader: EngineRef, at: Lake, table: str) -> bool:
    """Whether the rows of the append are there, once.

    Raises:
        WrongAnswer: they are there twice, or in part, or the table cannot be read any more.
    """
    if reads(context, reader, at, table, [*BASE, *_ADDED]):
        return True
    if reads(context, reader, at, table, BASE):
        return False
    read(context, reader, at, Scan(table), [*BASE, *_ADDED])
    return True


def judge(told: CaseError | None, *, there: bool, stored: bool) -> None:
    """Check what the writer was told against what is there; ``stored`` says that the catalog carried the commit out.

    Any error but a conflict leaves open whether the commit was carried out.

    Raises:
        WrongAnswer: they contradict each other.
    """
    if told is None and not there:
        raise WrongAnswer("the writer was told that its append is committed, and its rows are not there")
    if isinstance(told, CommitConflict) and there:
        raise WrongAnswer(f"the writer was told that its append failed, and its rows are there: {str(told)[:200]}")
    if told is not None and stored and not there:
        raise WrongAnswer("the catalog carried the append out, and its rows are not there any more")
