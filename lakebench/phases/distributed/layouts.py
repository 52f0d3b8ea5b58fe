"""The same questions over tables that hold the same rows in other files: the layout must not change an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from lakebench.datasets import answer_files
from lakebench.engines import CanQuery
from lakebench.errors import CaseError, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.iceberg.operations import Append, Create, Operation, SetPartition, to_json
from lakebench.iceberg.types import Field, PartitionField
from lakebench.model import EngineRef, Lake, TableFormat
from lakebench.phases.distributed.case import case_of
from lakebench.phases.distributed.deletes import way_to
from lakebench.phases.distributed.lake_tables import Row, iceberg, rows

CHECK = "layouts"
_GROUP = "Layouts of the same rows in Iceberg"
_FEW, _AMOUNT, _REGION = 7, 500, "north"
_WRITER = EngineRef("pyiceberg")
_FIELDS = (Field("id", "long"), Field("region", "string"), Field("amount", "long"))
_BY_REGION = (PartitionField("region"),)

Question = tuple[str, int]
"""SQL whose answer is one number, or that has LIMIT; and the number, of rows where it has LIMIT."""


def questions(table: str, some: Sequence[Row]) -> dict[str, Question]:
    """Count, distinct and LIMIT of ``some``, the rows of ``table``, alone and after a filter."""
    few = [row for row in some if row[2] < _AMOUNT]
    return _counts(table, some, "") | _counts(table, few, f"amount < {_AMOUNT}")


def of_partitions(table: str, some: Sequence[Row]) -> dict[str, Question]:
    """The same after a filter of the column ``region``; its nulls, and a join that keeps the rows without a match."""
    north = _counts(table, [row for row in some if row[1] == _REGION], f"region = '{_REGION}'")
    nulls = [row for row in some if row[1] is None]
    return north | {
        "count(*)": (f"SELECT count(*) AS n FROM {table}", len(some)),
        "count(*) of nulls": (f"SELECT count(*) AS n FROM {table} WHERE region IS NULL", len(nulls)),
        "outer join": _outer_join(table, some),
    }


def _counts(table: str, some: Sequence[Row], where: str) -> dict[str, Question]:
    after, when = (f" WHERE {where}", f" after {where}") if where else ("", "")
    different = len({row[1] for row in some} - {None})
    return {
        f"count(*){when}": (f"SELECT count(*) AS n FROM {table}{after}", len(some)),
        f"count(DISTINCT){when}": (f"SELECT count(DISTINCT region) AS n FROM {table}{after}", different),
        f"LIMIT{when}": (f"SELECT id FROM {table}{after} LIMIT {_FEW}", min(_FEW, len(some))),
    }


def _outer_join(table: str, some: Sequence[Row]) -> Question:
    """Each row with those whose amount is its id, or with none."""
    amounts = Counter(row[2] for row in some)
    sql = f"SELECT count(*) AS n FROM {table} AS a LEFT JOIN {table} AS b ON a.id = b.amount"
    return sql, sum(max(1, amounts[row[0]]) for row in some)


def answered(context: RunContext, ref: EngineRef, lake: Lake, asked: Mapping[str, Question]) -> Evidence:
    """The evidence that ``ref`` answers all of ``asked`` rightly.

    Raises:
        WrongAnswer: it does not; the details have all answers.
    """
    answers, wrong = {}, []
    for name, (sql, count) in asked.items():
        given = context.checker.call(answer_files.cells, context.client.query(ref, lake, sql).path)
        limited = name.startswith("LIMIT")
        answer = len(given) if limited else given
        answers[name] = {"sql": sql, "expected": count, "answer": answer}
        if answer != (count if limited else [[str(count)]]):
            wrong.append(f"{name} is to be {count}, and is {answer}")
    if wrong:
        raise WrongAnswer("; ".join(wrong), answers=answers)
    return {"answers": answers}


def _append(table: str, some: Sequence[Row]) -> Append:
    return Append(table=table, fields=_FIELDS, rows=tuple(some))


def _create(table: str, partition: tuple[PartitionField, ...] = ()) -> Create:
    return Create(table=table, columns=_FIELDS, partition=partition)


def _steps(layout: str) -> list[Operation]:
    table, every = _table(layout), rows()
    half = len(every) // 2
    if layout == "one-file":
        return [_create(table), _append(table, every)]
    if layout == "partitioned":
        return [_create(table, _BY_REGION), _append(table, every[:half]), _append(table, every[half:])]
    return [
        _create(table),
        _append(table, every[:half]),
        SetPartition(_BY_REGION, table=table),
        _append(table, every[half:]),
    ]


LAYOUTS: Mapping[str, str] = {
    "one-file": "one file",
    "partitioned": "partitioned by region",
    "new-spec": "the second half partitioned by region, after the partition spec changed",
}


def blocks(request: Request) -> Iterator[Check]:
    """Each layout by every engine that reads Iceberg by a catalog."""
    for layout, title in LAYOUTS.items():
        for ref in request.able(CanQuery):
            if way_to(ref, TableFormat.ICEBERG):
                yield Check(case_of(ref, CHECK, layout, _GROUP, title), partial(_reads, ref=ref, layout=layout))


def _reads(context: RunContext, ref: EngineRef, layout: str) -> Evidence:
    return answered(context, ref, made(context, layout), of_partitions(_table(layout), rows()))


def made(context: RunContext, layout: str) -> Lake:
    """The lake with the table in ``layout``, made once a run.

    Raises:
        EngineUnavailable: it could not be made, which says nothing of who was to read it.
    """
    return context.prepared.once(f"distributed/layouts/{layout}", partial(_made, context, layout))


def _made(context: RunContext, layout: str) -> Lake:
    lake = iceberg(context)
    try:
        context.client.call(_WRITER, lake, "drop", table=_table(layout))
        context.client.call(_WRITER, lake, "operate", operations=[to_json(one) for one in _steps(layout)])
    except CaseError as error:
        raise EngineUnavailable(f"there was nothing to read: {error}") from error
    return lake


def _table(layout: str) -> str:
    return f"sales_{layout.replace('-', '_')}"
