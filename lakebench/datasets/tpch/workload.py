"""TPC-H as a workload: the tables of one scale factor, and its 22 queries."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from decimal import Decimal

from lakebench.datasets.tpch.data import TABLES, TpchData
from lakebench.datasets.tpch.queries import Query, is_variant, queries, sql_for, workload_hash
from lakebench.datasets.tpch.references import reference
from lakebench.datasets.workload import Question, Workload


def workload(dataset: TpchData) -> Workload:
    """``dataset`` with the 22 queries for its scale factor."""
    scale_factor = dataset.scale_factor
    asked = queries(scale_factor)
    return Workload(
        name="tpch",
        title=f"TPC-H SF {dataset.scale_factor:f}",
        tables=dataset.tables,
        questions=tuple(questions(scale_factor, asked)),
        content_hash=dataset.content_hash,
        workload_hash=workload_hash(asked),
        seed=dataset.seed,
        generator=dataset.generator,
        scale_factor=f"{dataset.scale_factor:f}",
    )


def questions(scale_factor: Decimal, asked: Iterable[Query]) -> list[Question]:
    """``asked`` with what answers them at ``scale_factor``."""
    return [
        Question(
            name=query.name,
            text=query.sql,
            sql=functools.partial(sql_for, query),
            rules=query.rules,
            tables=frozenset(re.findall(r"\w+", query.sql)) & frozenset(TABLES),
            references=reference(scale_factor, query.number),
            variant=functools.partial(is_variant, query),
        )
        for query in asked
    ]
