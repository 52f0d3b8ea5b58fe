"""A Python function on Spark's workers: what its ``mapInArrow`` calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any


def tasks_of(
    function: Callable[[Mapping[str, Any]], Mapping[str, Any]], tasks: Sequence[str]
) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """What ``mapInArrow`` calls with the numbers of ``tasks``: it gives the results of ``function`` as text."""

    def run(batches: Iterable[Any]) -> Iterator[Any]:  # on a worker, where lakebench is not
        import json

        import pyarrow as pa

        for batch in batches:
            results = [json.dumps(function(json.loads(tasks[number]))) for number in batch.column(0).to_pylist()]
            yield pa.RecordBatch.from_arrays([pa.array(results, pa.string())], names=["result"])

    return run
