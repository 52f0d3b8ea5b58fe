"""A run as the interop phase leaves it, made by hand: every outcome and verdict, and text that would do harm.

``lines`` makes six features, four writers and five readers; larger numbers repeat these under other names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.results import records

RUN = "20261121-120000-interop"
WRITERS = ("duckdb", "pyiceberg", "spark", "trino", "daft", "polars", "duckdb@1.4.4")
READERS = ("duckdb", "pyiceberg", "trino", "datafusion", "polars", "spark", "daft", "iceberg_scan")
VERSIONS = {
    "duckdb": "1.5.5", "pyiceberg": "0.12.0", "spark": "4.1.1", "trino": "476", "daft": "0.7.26", "polars": "1.35.2",
    "duckdb@1.4.4": "1.4.4", "datafusion": "54.0.0", "iceberg_scan": "1.5.5",
}  # fmt: skip
HOSTILE = (
    "</script><script>alert(1)</script> <!-- <img src=x onerror=alert(1)> | `x` **bold** [link](javascript:alert(1))"
)
SNAPSHOT = 5_893_215_668_041_210_393
FEATURES = (
    ("create-append", "Format", "Create and append", 1, "append", "spec, Format Versioning"),
    ("decimal-38", "Types", "decimal(38,10) at both ends of its range", 2, "types", "spec, Primitive Types"),
    ("position-deletes", "Row-level changes", "Position deletes of one file", 2, "position-delete", "spec, Deletes"),
    (
        "equality-deletes", "Row-level changes", "Equality deletes, then an append of the same key", 2,
        "equality-delete", "github.com/apache/iceberg-python/issues/6568",
    ),
    ("deletion-vectors", "Row-level changes", "Deletion vectors in Puffin", 3, "deletion-vector", "spec, Puffin"),
    ("variant", "Types of version 3", f"Variant {HOSTILE}", 3, "variant", "spec, Variant"),
)  # fmt: skip
CLAIM = {"support": "full", "since": "1.4", "source": "docs/iceberg/overview: reads and writes", "date": "2026-10-01"}
UNKNOWN = {"support": "unknown", "since": "", "source": "no document speaks of it", "date": "2026-11-21"}
KNOWN = {
    "reason": "tag is read as a snapshot id",
    "versions": "0.7",
    "link": "https://github.com/Eventual-Inc/Daft/issues/1",
}
NO_PG = "no Java 17 or newer here: apt-get install openjdk-21-jre-headless, then run again"
NO_V3 = (
    "NotImplementedError: Writing V3 is not yet supported, see: https://github.com/apache/iceberg-python/issues/1551"
)

Judged = tuple[Outcome, str | None, str]
WRITTEN: dict[tuple[str, str], Judged] = {
    ("deletion-vectors", "pyiceberg"): (Outcome.REFUSED, "as claimed", NO_V3),
    ("deletion-vectors", "trino"): (Outcome.REFUSED, "broken claim", "TrinoUserError: format version must be 1 or 2"),
    ("equality-deletes", "duckdb"): (Outcome.REFUSED, "unknown", "equality deletes cannot be asked for"),
    ("variant", "pyiceberg"): (Outcome.REFUSED, "as claimed", HOSTILE),
    ("variant", "trino"): (Outcome.UNAVAILABLE, None, NO_PG),
}  # fmt: skip
"""Feature and writer → what became of the writing; all else passed."""
READ: dict[tuple[str, str, str], Judged] = {
    ("position-deletes", "spark", "pyiceberg"): (Outcome.WRONG, "broken claim", "all rows: 2 rows too many"),
    ("equality-deletes", "spark", "polars"): (Outcome.WRONG, "unknown", "all rows: 1 row too many"),
    ("equality-deletes", "trino", "polars"): (Outcome.WRONG, "unknown", "all rows: 1 row too many"),
    ("decimal-38", "duckdb", "polars"): (Outcome.WRONG, "broken claim", "all rows: 1 of 3 rows differs in d"),
    ("equality-deletes", "spark", "pyiceberg"): (Outcome.REFUSED, "as claimed", "no support for equality deletes"),
    ("equality-deletes", "trino", "datafusion"): (Outcome.PASS, "better than claimed", ""),
    ("deletion-vectors", "spark", "datafusion"): (Outcome.CRASH, "broken claim", "the worker died by SIGSEGV"),
    ("deletion-vectors", "duckdb", "datafusion"): (Outcome.REFUSED, "broken claim", "unknown blob deletion-vector-v1"),
    ("deletion-vectors", "spark", "trino"): (Outcome.TIMEOUT, "broken claim", "no answer within 60 s"),
    ("variant", "spark", "pyiceberg"): (Outcome.OUT_OF_MEMORY, "unknown", "passed its limit of 4,294,967,296 bytes"),
    ("variant", "spark", "trino"): (Outcome.UNAVAILABLE, None, NO_PG),
    ("variant", "spark", "duckdb"): (Outcome.REFUSED, "broken claim", HOSTILE),
    ("variant", "duckdb", "polars"): (Outcome.WRONG, "broken claim", f"all rows: 1 of 2 rows differs in {HOSTILE}"),
}  # fmt: skip
"""Feature, writer and reader → what became of the reading; all else passed."""
ACCEPTED = {("decimal-38", "duckdb", "polars")}
CHANGES = {
    "worse": (records.ChangedCase("interop/position-deletes/spark→pyiceberg", "PASS accepted, WRONG now"),),
    "better": (records.ChangedCase("interop/equality-deletes/trino→datafusion", "REFUSED accepted, PASS now"),),
    "new": (records.ChangedCase("interop/variant/spark→pyiceberg", "OUT_OF_MEMORY"),),
    "gone": (records.ChangedCase("interop/removed/spark→trino", "REFUSED accepted"),),
}


def write(folder: Path) -> Path:
    """Write the run below ``folder``; its own folder."""
    path = folder / RUN
    with records.Writer(path / records.FILE) as writer:
        for line in lines():
            writer.write(line)
    return path


def run(features: int = len(FEATURES), writers: int = 4, readers: int = 5) -> records.Run:
    """The run of that size, without a file."""
    made = lines(features, writers, readers)
    return records.Run(
        path=Path(RUN),
        header=next(one for one in made if isinstance(one, records.Header)),
        engines=tuple(one for one in made if isinstance(one, records.EngineFacts)),
        cases=tuple(one for one in made if isinstance(one, Record)),
        features=tuple(one for one in made if isinstance(one, records.FeatureFacts)),
        end=next(one for one in made if isinstance(one, records.End)),
    )


def blamed() -> records.Run:
    """The run with a wrong table that misleads readers, a step of another engine that fails, and faults of ours."""
    plain = run()
    changed = {
        "interop/decimal-38/trino": (Outcome.WRONG, {"verdict": "broken claim"}),
        "interop/decimal-38/trino→duckdb": (Outcome.WRONG, {"verdict": None, "fault": "trino"}),
        "interop/decimal-38/trino→polars": (Outcome.REFUSED, {"verdict": None, "fault": "trino"}),
        "interop/position-deletes/duckdb": (Outcome.WRONG, {"verdict": "broken claim", "fault": "daft"}),
        "interop/create-append/spark→polars": (Outcome.HARNESS_FAULT, {"verdict": None}),
    }
    cases = [
        replace(one, outcome=outcome, reason=f"{outcome} here", evidence={**one.evidence, **evidence})
        for one in plain.cases
        for outcome, evidence in [changed.get(one.case, (one.outcome, {}))]
        if one.case in changed
    ]
    by_case = {one.case: one for one in cases}
    return replace(plain, cases=tuple(by_case.get(one.case, one) for one in plain.cases))


def lines(features: int = len(FEATURES), writers: int = 4, readers: int = 5) -> list[records.Line]:
    """All lines of the run."""
    return [
        records.Header(
            RUN, ("interop",), "lakebench run interop", "2026-11-21T12:00:00+00:00",
            {"seed": 1}, {"cores": 2}, {"version": "0.2.0", "commit": "0123abc"},
        ),
        *(records.EngineFacts(name, {name: version}) for name, version in VERSIONS.items()),
        *(_facts(number) for number in range(features)),
        *_cells(features, WRITERS[:writers], READERS[:readers]),
        records.End("complete", 1210.0, 4, (1.9, 1.2, 0.6), changes=CHANGES),
    ]  # fmt: skip


def _name(number: int) -> str:
    """The feature's id: from the seventh on they are the six again, by another name."""
    again, which = divmod(number, len(FEATURES))
    return FEATURES[which][0] + (f"-{again + 1}" if again else "")


def _facts(number: int) -> records.FeatureFacts:
    _, group, title, version, topic, source = FEATURES[number % len(FEATURES)]
    again = number // len(FEATURES)
    return records.FeatureFacts(
        _name(number), group, f"{title}, variation {again + 1}" if again else title, version, source, topic,
        ("Create t (id long required, d decimal(38,10), s string), format version 2, partitioned by bucket[4](id)",
         "Append 3 rows: (1, 99999999999999999999.9999999999, 'a'), (2, null, ''), (3, -0.5, 'ü')",
         "Delete where id = 2"),
        ("all rows: all columns of t", "count(*): count(*) of t", "projection (d): d of t",
         "filter id > 1: all columns of t where (id > 1)"),
        ("delete files >= 1", "delete content = position", "format version = 2"),
    )  # fmt: skip


def _cells(features: int, writers: tuple[str, ...], readers: tuple[str, ...]) -> Iterator[Record]:
    dice = random.Random(7)  # noqa: S311 - not for secrets
    for number in range(features):
        for writer in writers:
            written = WRITTEN.get((_plain(number), writer), (Outcome.PASS, "as claimed", ""))
            yield _write(_name(number), writer, written, dice)
            for reader in readers:
                judged = READ.get((_plain(number), writer, reader), (Outcome.PASS, "as claimed", ""))
                if written[0] is not Outcome.PASS:
                    judged = Outcome.UNAVAILABLE, None, f"not written: {written[2]}"
                yield _read(_name(number), writer, reader, judged, dice)


def _plain(number: int) -> str:
    return FEATURES[number % len(FEATURES)][0]


def _record(feature: str, writer: str, reader: str, judged: Judged, dice: random.Random, **more: Any) -> Record:
    outcome, verdict, reason = judged
    engine, place = reader or writer, f"{writer}→{reader}" if reader else writer
    evidence: dict[str, Any] = {
        "feature": feature,
        "writer": writer,
        "verdict": verdict,
        "claim": None if verdict is None else UNKNOWN if verdict == "unknown" else CLAIM,
        "command": f"lakebench run interop --features {feature} --writers {writer} --readers {reader or writer}",
        "snapshot_id": SNAPSHOT + sum(map(ord, feature + writer)),
        **({"reader": reader} if reader else {}),
        **more,
    }
    if reason:
        evidence["error"] = f"{reason}\n  at the {engine} of {feature}\n  and a second line of its trace"
    if (feature, writer, reader) in ACCEPTED:
        evidence["known"] = KNOWN
    return Record(
        f"interop/{feature}/{place}", "interop", f"{feature}: {place}", engine, outcome, reason, evidence,
        versions={engine.partition("@")[0]: VERSIONS[engine], "iceberg": "1.12.0"}, started="2026-11-21T12:00:01+00:00",
        seconds=dice.uniform(0.01, 2), row=feature, column=place, group=f"Written by {writer}",
        coordinates=Coordinates(feature=feature, writer=writer, reader=reader or None, catalog="rest"),
    )  # fmt: skip


def _write(feature: str, writer: str, judged: Judged, dice: random.Random) -> Record:
    table = f"{feature.replace('-', '_')}_{writer.replace('@', '_').replace('.', '_')}"
    wrote = judged[0] is Outcome.PASS
    unique = dice.randrange(10**12)
    return _record(
        feature, writer, "", judged, dice,
        side="write",
        table=table,
        statements=[
            f"CREATE TABLE lake.interop.{table} (id BIGINT NOT NULL, d DECIMAL(38,10), s VARCHAR)",
            f"INSERT INTO lake.interop.{table} VALUES (1, 99999999999999999999.9999999999, 'a'), (2, NULL, '')",
            f"DELETE FROM lake.interop.{table} WHERE id = 2",
        ][: 3 if wrote else 1],
        metadata_location=f"s3://lake/interop/{table}/metadata/00003-{unique}.metadata.json" if wrote else None,
        facts={
            "format version": 2, "data files": 2, "delete files": 1, "delete content": ["position"],
            "data formats": ["parquet"], "snapshots": 3, "operations": ["append", "append", "delete"],
            "partition specs": [{"spec-id": 0, "fields": ["bucket[4](id)"]}], "sort orders": [0],
            "current snapshot": SNAPSHOT + unique, "refs": {"main": {"type": "branch"}},
        } if wrote else None,
        violations=["manifest 1: record_count is 3 and the file has 4 rows"] if feature == "variant" and wrote else [],
        missing=["delete content = deletion-vector"] if feature == "variant" and wrote else [],
        files=[
            {"path": f"s3://lake/interop/{table}/data/{unique}-{n}.parquet", "content": content, "format": "PARQUET",
             "records": records_, "bytes": 1_234 * (n + 1)}
            for n, (content, records_) in enumerate([("data", 2), ("data", 1), ("position deletes", 1)])
        ] if wrote else [],
        operation=None if wrote else "Create t (id long required, d decimal(38,10), s string), format version 3",
    )  # fmt: skip


def _read(feature: str, writer: str, reader: str, judged: Judged, dice: random.Random) -> Record:
    outcome, _, reason = judged
    ran = outcome is not Outcome.UNAVAILABLE
    return _record(feature, writer, reader, judged, dice, side="read",
                   reads=_asked(_reads(feature, reader, outcome, reason), feature, writer) if ran else [],
                   derived=_derived(feature, writer) if ran else None)  # fmt: skip


def _derived(feature: str, writer: str) -> dict[str, Any]:
    """Reads that follow from the rows, of which one failed: whatever the outcome, the page shows what is there."""
    read = {
        "read": "d != 5",
        "outcome": "WRONG",
        "rows": 1,
        "reason": "1 rows instead of 2",
        "asked": "d != 5: id of t",
    }
    return {"asked": 16, "passed": 15, "reads": _asked([read], feature, writer)}


def _asked(reads: list[dict[str, Any]], feature: str, writer: str) -> list[dict[str, Any]]:
    """The reads with the statement of each; each writer's table has a name of its own."""
    table = "_".join(re.sub(r"\W", "_", one) for one in (feature, writer))
    return [{**one, "calls": [f'SELECT {one["read"]} FROM "lake"."interop"."{table}"']} for one in reads]


def _reads(feature: str, reader: str, outcome: Outcome, reason: str) -> list[dict[str, Any]]:
    first: dict[str, Any] = {
        "read": "all rows",
        "outcome": outcome.value,
        "rows": 2,
        "reason": reason,
        "type_differences": [],
    }
    if outcome is Outcome.WRONG:
        first["diff"] = _diff(feature, reason)
    if reader in {"pyiceberg", "daft"}:
        first["type_differences"] = ["s: large_string instead of string"]
    rest = ("count(*)", "projection (d)", "filter id > 1")
    return [
        first,
        *({"read": name, "outcome": "PASS", "rows": 1, "reason": "", "type_differences": []} for name in rest),
    ]


def _diff(feature: str, reason: str) -> dict[str, Any]:
    if feature.startswith(("decimal-38", "variant")):
        expected = [["1", "99999999999999999999.9999999999", "a"], ["2", "NULL", ""]]
        actual = [["1", "100000000000000000000.0000000000", "a"], ["2", "NULL", HOSTILE]]
    else:
        expected, actual = [], [["2", "NULL", ""], ["3", "-0.5", "two\nlines"]]
    return {
        "kind": "values", "message": reason, "expected_rows": 2, "actual_rows": 2 + len(actual) - len(expected),
        "missing": len(expected), "unexpected": len(actual), "columns": ["d"], "names": ["id", "d", "s"],
        "expected": expected, "actual": actual,
    }  # fmt: skip
