"""ClickBench: the table ``hits``, a sample that we make or the user's own Parquet, and the 43 queries.

Derived from ClickBench, not comparable to published ClickBench results.
"""

from __future__ import annotations

from pathlib import Path

from lakebench.datasets.clickbench import sample, user_hits
from lakebench.datasets.clickbench.queries import FREQUENT, queries, question, workload_hash
from lakebench.datasets.workload import TableData, Workload
from lakebench.progress import Progress


def workload(progress: Progress, path: Path | None, rows: int) -> Workload:
    """ClickBench on the Parquet in ``path`` (a file, or a folder of files), else on a sample of ``rows`` rows.

    Raises:
        UsageError: the files in ``path`` are not ``hits``, the sample is too small, or the cache cannot be used.
    """
    if path is None:
        data, content_hash = sample.table(rows, progress)
        title = f"ClickBench, generated sample of {rows:,} rows"
        # The same share of the rows as ClickBench's number is of its table.
        return _workload(
            data, content_hash, title, rows // 1000, str(sample.SEED), f"lakebench sample {sample.VERSION}"
        )
    data, content_hash = user_hits.table(path, progress)
    title = f"ClickBench on {path.name}"
    return _workload(data, content_hash, title, FREQUENT, "none: the user's own data", "the user's own Parquet")


def _workload(data: TableData, content_hash: str, title: str, frequent: int, seed: str, generator: str) -> Workload:
    asked = queries(frequent)
    return Workload(
        name="clickbench",
        title=title,
        tables={data.name: data},
        questions=tuple(question(query) for query in asked),
        content_hash=content_hash,
        workload_hash=workload_hash(asked),
        seed=seed,
        generator=generator,
    )
