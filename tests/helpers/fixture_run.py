"""A run as phase 4 leaves it, made by hand: ten engines, every outcome, and text that would do harm if believed."""

from __future__ import annotations

import random
from pathlib import Path

from lakebench.model import Record, Sample
from lakebench.outcomes import Outcome
from lakebench.results import records, schema1

ENGINES = {
    "duckdb": 0.35,
    "iceberg_scan": 0.33,
    "pyiceberg": 4.1,
    "trino": 1.6,
    "spark": 5.2,
    "spark-jdbc": 5.3,
    "daft": 0.9,
    "polars": 0.7,
    "datafusion": 0.8,
    "pg_duckdb": 0.0,
}
"""Engine → seconds for Q1; 0 where it cannot run."""
WRITERS = ("duckdb", "pyiceberg", "trino", "spark")
HOSTILE = "<script>alert(1)</script> | `x` **bold** [link](javascript:alert(1))\nsecond line"
SECRET = "s3cr3t-Passw0rd"  # noqa: S105 - what must not be seen
SNAPSHOT = 5_893_215_668_041_210_393
NO_PG_DUCKDB = (
    'no PostgreSQL here has the extension pg_duckdb: name one with pg_config = "…" in lakebench.toml, then run again'
)
SQL = """SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty
FROM lineitem
WHERE l_shipdate <= DATE '1998-09-02'
GROUP BY l_returnflag, l_linestatus
ORDER BY l_returnflag, l_linestatus"""
FAILURES: dict[tuple[str, str], tuple[Outcome, str, dict[str, object]]] = {
    ("daft", "Q15"): (
        Outcome.WRONG,
        "1 of 4 rows differs in sum_qty",
        {
            "diff": {
                "kind": "values",
                "column": "sum_qty",
                "expected": [["A", "F", "37734107.00"], ["N", "F", "991417.00"]],
                "actual": [["A", "F", "37734107.00"], ["N", "F", "991416.00"]],
                "text": "row 2: sum_qty is 991416.00 and should be 991417.00",
            }
        },
    ),
    ("pyiceberg", "Q21"): (Outcome.TIMEOUT, "no answer within 60 s", {}),
    ("datafusion", "Q17"): (Outcome.CRASH, "the worker died by SIGSEGV", {"log": "Segmentation fault"}),
    ("polars", "Q9"): (Outcome.OUT_OF_MEMORY, "passed its limit of 4,294,967,296 bytes", {}),
    ("polars", "Q2"): (Outcome.REFUSED, HOSTILE, {"error": HOSTILE, "log": HOSTILE}),
}


def write(folder: Path) -> Path:
    """Write the run below ``folder``; its own folder."""
    run = folder / "20261121-120000-phase4"
    with records.Writer(run / records.FILE) as writer:
        writer.hide(SECRET)
        for line in lines():
            writer.write(line)
    return run


def lines(seed: int = 7) -> list[records.Line]:
    """All lines of the run, the same for a ``seed``."""
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    return [
        header(),
        dataset(),
        *services(),
        *engines(),
        *_timed(dice),
        *_answers(dice),
        *_appends(),
        *_branches(),
        *_field_reports(),
        records.End("complete", 431.2, 4, (1.9, 1.2, 0.6)),
    ]


def header() -> records.Header:
    return records.Header(
        run="20261121-120000-phase4",
        phases=("phase4",),
        command="lakebench run phase4 --sf 1",
        started="2026-11-21T12:00:00+00:00",
        settings={"scale_factor": "1", "profile": "standard", "seed": 1, "time_limit_s": 60, "repeat": 10},
        machine={
            "cpu_model": "AMD EPYC",
            "cores": 2,
            "memory_bytes": 25_276_514_304,
            "disk": {"device": "/dev/vda", "filesystem": "ext4", "free_bytes": 77_022_253_056, "rotational": None},
            "kernel": "Linux 6.18",
            "governor": None,
            "virtualised": "virtual machine",
            "load_before": [0.98, 0.4, 0.17],
            "page_cache": "can be dropped",
            "python": "3.11.7",
            "not_had": {"governor": "the kernel offers no frequency control here"},
        },
        harness={"version": "0.1.0", "commit": "0123abc", "lock": "ab" * 32},
    )


def dataset() -> records.Dataset:
    sizes = {"lineitem": 6_001_215, "orders": 1_500_000, "partsupp": 800_000, "part": 200_000, "customer": 150_000}
    tables = tuple(
        records.TableFacts(
            name=name,
            rows=rows,
            files=max(1, rows // 1_000_000),
            bytes=rows * 33,
            snapshot_id=SNAPSHOT,
            metadata_location=f"s3://lake/tpch/{name}/metadata/00001.metadata.json",
            format_version=2,
            file_format="parquet",
            codec="zstd",
            delete_files=0,
        )
        for name, rows in sizes.items()
    )
    return records.Dataset("tpch", "1", 1, "cd" * 32, "pyiceberg", "ef" * 32, tables, 21.4)


def services() -> list[records.Line]:
    return [
        records.ServiceFacts("object-store", "local", "s3proxy 4.1.0", 0.8, 536_870_912, {"port": "free"}),
        records.ServiceFacts("nessie", "local", "0.99.0", 12.1, 1_073_741_824, {}),
        records.ServiceFacts("trino", "local", "476", 21.0, 3_221_225_472, {"query.max-memory": "2GB"}),
    ]


def engines() -> list[records.Line]:
    return [
        records.EngineFacts(
            name,
            {} if name == "pg_duckdb" else {name: "1.5.5", "iceberg": "1.12.0"},
            {"threads": "2", "memory_limit": "4 GiB"},
            None if name == "pg_duckdb" else "12" * 32,
            "trino" if name == "trino" else None,
            NO_PG_DUCKDB if name == "pg_duckdb" else "",
        )
        for name in ENGINES
    ]


def samples(dice: random.Random, seconds: float, warm: int = 10, cold: int = 1) -> tuple[Sample, ...]:
    """``cold`` and ``warm`` samples around ``seconds``, with one warm-up where there is a warm one."""
    kinds = ["cold"] * cold + ["warm-up"] * (warm > 1) + ["warm"] * warm
    made = []
    for position, kind in enumerate(kinds):
        ns = int(seconds * (2.2 if kind == "cold" else 1) * dice.lognormvariate(0, 0.04) * 1e9)
        made.append(
            Sample(
                kind=kind,
                ns=ns,
                offset_ns=position * 10**9,
                position=position,
                round=max(0, position - cold - 1) // 5,
                rows=4,
                bytes=512,
                cpu_ns=int(ns * 1.7),
                peak_bytes=400_000_000,
                requests={"GetObject": 31, "HeadObject": 7},
                cache="new process, page cache dropped" if kind == "cold" else "",
            )
        )
    return tuple(made)


def _case(engine: str, row: str, group: str, case: str, title: str, **more: object) -> Record:
    versions = {} if engine == "pg_duckdb" else {engine: "1.5.5"}
    about = schema1.coordinates(case)
    return Record(  # type: ignore[misc]
        case, "phase4", title, engine, row=row, group=group, versions=versions, coordinates=about,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _evidence(engine: str, query: str) -> dict[str, object]:
    return {
        "sql": SQL,
        "snapshot_id": SNAPSHOT,
        "checked_against": ["dbgen reference answers", "duckdb tpch extension"],
        "tolerance": "counts exact, sums within 100, averages within 1 % (clause 2.1.3.5)",
        "answer": {"rows": 4, "sha256": "9f" * 32},
        "command": f"lakebench run phase4 --engines {engine} --sf 1  # {query}",
    }


def _outcome(engine: str, query: str) -> tuple[Outcome, str, dict[str, object]]:
    if engine == "pg_duckdb":
        return Outcome.UNAVAILABLE, NO_PG_DUCKDB, {}
    outcome, reason, more = FAILURES.get((engine, query), (Outcome.PASS, "", {}))
    return outcome, reason, {**_evidence(engine, query), **more}


def _timed(dice: random.Random) -> list[records.Line]:
    made: list[records.Line] = []
    for engine, seconds in ENGINES.items():
        outcome, reason, evidence = _outcome(engine, "Q1")
        made.append(
            _case(
                engine,
                "Q1",
                "Q1 latency",
                f"phase4/latency/q01/{engine}",
                f"Q1 timed on {engine}",
                outcome=outcome,
                reason=reason,
                evidence=evidence,
                samples=samples(dice, seconds) if outcome is Outcome.PASS else (),
                column=engine,
                seconds=12.5,
            )
        )
    return made


def _answers(dice: random.Random) -> list[records.Line]:
    made: list[records.Line] = []
    for engine, seconds in ENGINES.items():
        for number in range(1, 23):
            query = f"Q{number}"
            outcome, reason, evidence = _outcome(engine, query)
            time = samples(dice, seconds * dice.uniform(0.3, 2), warm=1, cold=0) if outcome is Outcome.PASS else ()
            made.append(
                _case(
                    engine,
                    query,
                    "TPC-H answers",
                    f"phase4/q{number:02}/{engine}",
                    f"{query} answered by {engine}",
                    outcome=outcome,
                    reason=reason,
                    evidence=evidence,
                    samples=time,
                    column=engine,
                    seconds=2.0,
                )
            )
    return made


def _appends() -> list[records.Line]:
    made: list[records.Line] = []
    for writer in WRITERS:
        for reader in ENGINES:
            gone = reader == "pg_duckdb"
            made.append(
                _case(
                    reader,
                    writer,
                    "append: writer (row) read by reader (column)",
                    f"phase4/append/{writer}→{reader}",
                    f"rows appended by {writer}, read by {reader}",
                    outcome=Outcome.UNAVAILABLE if gone else Outcome.PASS,
                    reason=NO_PG_DUCKDB if gone else "",
                    column=reader,
                )
            )
    return made


def _branches() -> list[records.Line]:
    checks = ("branch", "commit on the branch", "unseen on main", "seen on the branch", "merge", "tag", "conflict")
    return [
        _case(
            "spark",
            check,
            "Nessie branches",
            f"phase4/branch/{check.replace(' ', '-')}/{pair}",
            f"{check}: {pair}",
            outcome=Outcome.PASS,
            column=pair,
            evidence={"steps": [f"CREATE BRANCH b ({check})", "INSERT", "SELECT count(*)"]},
        )
        for check in checks
        for pair in ("spark→trino", "pyiceberg→duckdb")
    ]


def _field_reports() -> list[records.Line]:
    return [
        records.FieldReport(
            "C8",
            "Q1, SF 1: pg_duckdb 0.37 s, Trino 2.36 s, Spark 10.8 s",
            "could not run here",
            {"pg_duckdb": 0.37, "Trino": 2.36, "Spark": 10.8},
            {"pg_duckdb": "UNAVAILABLE", "Trino": 1.6, "Spark": 5.3},
            NO_PG_DUCKDB,
        ),
        records.FieldReport(
            "C9", "identical results from one snapshot", "reproduced", {"all": "identical"}, {"all": "9 of 9"}
        ),
    ]
