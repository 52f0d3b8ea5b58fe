"""Phase 11 in the report: catalogs and subjects in one table, then a section a catalog, its failures first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from lakebench.model import Record
from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.phases.rest_catalog import report_load
from lakebench.reports.content import DASH, Cell, Part, Section, Table, cells, label, mark
from lakebench.results.records import Run

_SHOWN = 300
_MUST = "must"
_OVERVIEW = (
    "Checks that passed, of those that ran. A catalog has no case of a check whose endpoint it does not name, or whose "
    "login it does not have. The matrices below have each check."
)
_LEVELS = (
    "must: the specification requires it. cap: an ability that a catalog may lack; REFUSED there says that it lacks "
    "it, and WRONG that it answers falsely. "
    "data: what engines made of the catalog; the fault may be an engine's own, as the evidence says."
)
_REPEAT = (
    "To repeat a request: CATALOG is the address that clients are given as uri, TOKEN what they log in with. The names "
    "in it were made by the steps before it, which the evidence has."
)


def sections(run: Run) -> list[Section]:
    """The overview, then the catalogs."""
    cases = [case for case in run.cases if case.coordinates.catalog]
    if not cases:
        return []
    catalogs = list(dict.fromkeys(str(case.coordinates.catalog) for case in cases))
    first = Section("REST catalogs", "rest-catalogs", (_overview(cases, catalogs),))
    loads = report_load.section(cases)
    return [
        first,
        *loads,
        *(_catalog(name, [one for one in cases if one.coordinates.catalog == name]) for name in catalogs),
    ]


def _overview(cases: Sequence[Record], catalogs: Sequence[str]) -> Table:
    """A row a subject, a column a catalog; the checks that a catalog must pass come first."""
    subjects = list(dict.fromkeys(map(_subject, cases)))
    rows = [
        (Cell(subject), *(_passed(case for case in cases if _is(case, catalog, subject)) for catalog in catalogs))
        for subject in subjects
    ]
    musts = [case for case in cases if _level(case) == _MUST]
    total = (
        Cell("all that the specification requires"),
        *(_passed(case for case in musts if case.coordinates.catalog == catalog) for catalog in catalogs),
    )
    return Table("Catalogs and subjects", ("subject", *catalogs), (total, *rows), (_OVERVIEW, _LEVELS), "matrix")


def _is(case: Record, catalog: str, subject: str) -> bool:
    return case.coordinates.catalog == catalog and _subject(case) == subject


def _subject(case: Record) -> str:
    return str(case.coordinates.more.get("subject", case.group))


def _level(case: Record) -> str:
    return str(case.coordinates.more.get("level", ""))


def _passed(cases: Iterable[Record]) -> Cell:
    """Of cases that ran: how many passed; a failure of what must be is red."""
    ran = [case for case in cases if case.outcome.ran]
    if not ran:
        return Cell(DASH)
    passed = sum(case.outcome is Outcome.PASS for case in ran)
    bad = any(
        case.outcome.is_failure and (_level(case) == _MUST or case.outcome is not Outcome.REFUSED) for case in ran
    )
    return Cell(f"{passed} of {len(ran)}", "fail" if bad else "pass")


def _catalog(name: str, cases: Sequence[Record]) -> Section:
    """All that a run says of one catalog."""
    failed = sorted((case for case in cases if case.outcome.is_failure), key=_gravity)
    parts: list[Part] = [_summary(name, cases)]
    if failed:
        head = ("check", "level", "outcome", "what it answers", "operation", "again")
        parts.append(Table(f"What fails, {name}", head, tuple(map(_failure, failed)), (_REPEAT,)))
    if unavailable := [case for case in cases if case.outcome is Outcome.UNAVAILABLE]:
        rows = tuple(cells(_named(case), case.reason[:_SHOWN]) for case in unavailable)
        parts.append(Table(f"What could not be checked, {name}", ("check", "reason"), rows))
    passed = [case for case in cases if case.outcome is Outcome.PASS]
    if passed:
        rows = tuple(cells(_named(case), _level(case), _title(case)) for case in passed)
        parts.append(Table(f"What passes, {name}", ("check", "level", "what it shows"), rows))
    return Section(f"Catalog {name}", f"catalog-{_anchor(name)}", tuple(parts))


def _summary(name: str, cases: Sequence[Record]) -> Table:
    counted = Counter((_level(case), case.outcome) for case in cases)
    outcomes = [one for one in Outcome if any(case.outcome is one for case in cases)]
    rows = tuple(
        (Cell(level), *(Cell(str(counted[level, one]), mark(one) if counted[level, one] else "") for one in outcomes))
        for level in dict.fromkeys(map(_level, cases))
    )
    version = next((f" {next(iter(case.versions.values()))}" for case in cases if case.versions), "")
    return Table(f"{name}{version}", ("level", *(label(one) for one in outcomes)), rows)


def _gravity(case: Record) -> tuple[bool, int]:
    """What must be comes first, and of that the gravest."""
    return _level(case) != _MUST, -FROM_BEST.index(case.outcome)


def _failure(case: Record) -> tuple[Cell, ...]:
    outcome = Cell(label(case.outcome), mark(case.outcome))
    more = cells(case.reason[:_SHOWN], case.coordinates.more.get("operation", DASH), case.evidence.get("curl", DASH))
    return (Cell(_named(case)), Cell(_level(case)), outcome, *more)


def _named(case: Record) -> str:
    """The check, and the engines where some took part."""
    who = "→".join(case.coordinates.participants)
    return f"{case.coordinates.test} {who}" if who else case.row


def _title(case: Record) -> str:
    """What a check shows, without the operation behind it."""
    return case.title.rpartition(" (")[0] if case.coordinates.more.get("operation") else case.title


def _anchor(name: str) -> str:
    return "".join(one if one.isalnum() else "-" for one in name)
