"""What a report says of its limits follows from what the run did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakebench.model import Coordinates, Record, Sample
from lakebench.reports import identity, latency, limits
from lakebench.reports.content import Paragraph
from lakebench.results.records import Dataset, Header, Run, ServiceFacts


def run(*cases: Record, **more: Any) -> Run:
    return Run(Path(), Header("r", ("phase4",), "", ""), cases=cases, **more)


def said(made: Run) -> dict[str, str]:
    return {name.text: text.text for name, text in limits.table(made).rows}


def case(*kinds: str, requests: dict[str, int] | None = None, **evidence: Any) -> Record:
    samples = tuple(
        Sample(kind, 10**9, 0, n, 0, 1, 1, requests=requests, store_bytes=2**20 if requests else None)
        for n, kind in enumerate(kinds)
    )
    return Record("c", "p", "", "duckdb", "PASS", samples=samples, evidence=evidence, row="Q1",  # type: ignore[arg-type]
                  coordinates=Coordinates(engine="duckdb"))  # fmt: skip


def store(name: str, runtime: str = "local") -> ServiceFacts:
    return ServiceFacts(name, runtime, "1")


def test_one_query_at_a_time_is_said_of_latencies_alone() -> None:
    assert said(run(case("warm")))["Load"] == "Latencies are of one query at a time."
    assert "Load" not in said(run(case()))


def test_writers_and_streams_are_told_as_they_were() -> None:
    written = run(case(concurrency={"writers": 8}), case(concurrency={"writers": 3}))
    assert said(written)["Load"] == "Writers at once: 3, 8; nothing is told of more."
    streams = said(run(case("warm"), case(streams=2)))["Load"]
    assert streams.startswith("Latencies are of one query at a time. Throughput is of 2 streams at once")
    assert all("no concurrency" not in text for made in (written, run(case("warm"))) for text in said(made).values())


@pytest.mark.parametrize(
    ("services", "stated", "absent"),
    [
        ([store("object-store")], "are not S3", "simulation"),
        ([store("object-store@simulated-gcs")], "simulation", "are not S3"),
        ([store("object-store@far", "external")], "external: object-store@far", "of ours"),
        ([store("postgres")], "no object store was asked", "S3"),
    ],
)
def test_storage_is_what_the_services_were(services: list[ServiceFacts], stated: str, absent: str) -> None:
    text = said(run(case(), services=tuple(services)))["Storage"]
    assert stated in text
    assert absent not in text


def test_what_has_no_times_says_nothing_of_them() -> None:
    interop = run(case(), datasets=(Dataset("interop", "none"),))
    assert set(said(interop)) == {"Machine", "Storage"}
    texts = " ".join(part.text for part in identity.method(interop) if isinstance(part, Paragraph))
    assert "bootstrap" not in texts
    assert "Warm-ups" not in texts
    assert "fewer than 5" in said(run(case("warm")))["Timings of few runs"]
    assert "Timings of few runs" not in said(run(case(*["warm"] * 5)))


def test_what_an_engine_asked_of_the_store_stands_beside_its_time() -> None:
    def requests_shown(*kinds: str, requests: dict[str, int] | None = None) -> str:
        (question,) = latency.questions(run(case(*kinds, requests=requests)))
        return latency.asked_of_store(question.engines[0])

    assert requests_shown("cold", "warm", requests={"GetObject": 31, "HeadObject": 7}) == "38 requests, 1.0 MB"
    assert requests_shown("warm", requests={"GetObject": 1}) == "1 request, 1.0 MB"
    assert requests_shown("warm", requests={}) == "0 requests"
    assert requests_shown("warm") == "not had"


def test_why_there_are_no_times_is_said_where_servers_were_started_for_answers_alone() -> None:
    short_lived = (ServiceFacts("trino", "local", "476", settings={"short_lived": "true"}),)
    assert said(run(case(), services=short_lived))["Times"].startswith("not shown: the verdict is correctness")
    assert "Times" not in said(run(case("warm"), services=short_lived))
    assert "Times" not in said(run(case(), services=(store("trino"),)))
