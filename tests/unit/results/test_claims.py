from __future__ import annotations

from pathlib import Path

import pytest

from lakebench.datasets.interop.features import FEATURES
from lakebench.engines import engines
from lakebench.errors import HarnessFault
from lakebench.outcomes import Outcome
from lakebench.results import claims
from lakebench.results.claims import ClaimOf, Support, Verdict

KNOWN = "phase4/nessie/old-snapshot/trino→spark"
READ = ClaimOf("merge", Support.READ, "a document", "2026-11-21")
FULL = ClaimOf("merge", Support.FULL, "a document", "2026-11-21")
FILE = """
[claims.merge]
support = "full"
source = "a document"
date = 2026-11-21
versions = ">=1.5"

[claims.append]
support = "full"
source = "a document"
date = 2026-11-21

[claims.many-appends]
support = "none"
source = "another document"
date = 2026-11-21

[[claims.type-geometry]]
support = "full"
source = "a pull request"
date = 2026-11-21
versions = "iceberg>=1.12"

[[claims.type-geometry]]
support = "none"
source = "a document"
date = 2026-11-21
versions = "iceberg<1.12"

[iceberg_scan]
read_only = "a third document"

[iceberg_scan.overwrite]
support = "unknown"
source = "nobody says"
date = 2026-11-21
"""


@pytest.fixture
def claims_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A claims file for every engine."""
    file = tmp_path / claims.FILE
    file.write_text(FILE, encoding="utf-8")
    claims._file.cache_clear()
    monkeypatch.setattr(claims, "_folder", lambda _: tmp_path)
    return file


@pytest.mark.parametrize(
    ("claim", "side", "outcome", "verdict"),
    [
        (FULL, "read", Outcome.PASS, Verdict.AS_CLAIMED),
        (FULL, "write", Outcome.REFUSED, Verdict.BROKEN),
        (READ, "read", Outcome.WRONG, Verdict.BROKEN),
        (READ, "write", Outcome.PASS, Verdict.BETTER),
        (READ, "write", Outcome.REFUSED, Verdict.AS_CLAIMED),
        (None, "read", Outcome.WRONG, Verdict.UNKNOWN),
        (ClaimOf("merge", Support.UNKNOWN, "", ""), "read", Outcome.PASS, Verdict.UNKNOWN),
        (FULL, "read", Outcome.UNAVAILABLE, None),
    ],
)
def test_an_outcome_is_compared_with_the_claim(
    claim: ClaimOf | None, side: claims.Side, outcome: Outcome, verdict: Verdict | None
) -> None:
    assert claims.verdict(claim, side, outcome) is verdict


def test_flipping_one_claim_changes_the_verdict(claims_file: Path) -> None:
    assert claims.verdict(claims.claim_of("duckdb", "merge", "merge", "1.5.5"), "read", Outcome.PASS) == "as claimed"
    claims_file.write_text(FILE.replace('support = "full"', 'support = "none"', 1), encoding="utf-8")
    claims._file.cache_clear()
    claim = claims.claim_of("duckdb", "merge", "merge", "1.5.5")
    assert claims.verdict(claim, "read", Outcome.PASS) == "better than claimed"
    assert claims.verdict(claim, "read", Outcome.REFUSED) == "as claimed"


@pytest.mark.usefixtures("claims_file")
def test_a_claim_speaks_of_its_versions_alone() -> None:
    assert claims.claim_of("duckdb", "merge", "merge", "1.4.4") is None
    assert claims.claim_of("duckdb", "merge", "merge", {}) is None
    assert claims.claim_of("duckdb", "merge", "merge", "a build of today") is None
    assert claims.claim_of("duckdb", "append", "append", "1.4.4") is not None
    supports = {
        version: claims.claim_of("spark", "", "type-geometry", {"spark": "4.1.4", "iceberg": version})
        for version in ("1.11.0", "1.12.0")
    }
    assert [claim and claim.support for claim in supports.values()] == ["none", "full"]
    assert claims.claim_of("spark", "", "type-geometry", "4.1.4") is None


@pytest.mark.usefixtures("claims_file")
def test_the_claim_of_a_feature_wins_over_that_of_its_topic() -> None:
    claim = claims.claim_of("duckdb", "many-appends", "append", "1.5.5")
    assert claim is not None
    assert (claim.support, claim.to_json()["source"]) == ("none", "another document")


@pytest.mark.usefixtures("claims_file")
def test_a_way_in_that_only_reads_claims_reading_alone() -> None:
    claim = claims.claim_of("iceberg_scan", "append", "append", "1.5.5")
    assert claim is not None
    assert claim.covers("read")
    assert not claim.covers("write")
    assert claim.source == "a document; a third document"
    claim_of_scan = claims.claim_of("iceberg_scan", "overwrite", "overwrite", "1.5.5")
    assert claim_of_scan is not None
    assert claim_of_scan.support is Support.UNKNOWN
    assert claims.claim_of("duckdb", "overwrite", "overwrite", "1.5.5") is None


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('versions = ">=1.5"', 'versions = "1.5 or so"', "the claim merge: versions = '1.5 or so'"),
        ('support = "full"', 'support = "partly"', "the claim merge: 'partly' is not a valid Support"),
        ("date = 2026-11-21", 'date = "today"', "the claim merge: date = 'today' is not a date"),
        ('source = "a document"', 'sauce = "a document"', "sauce"),
        ("", '[[accepted]]\ncase = "*"\noutcome = "HARNESS_FAULT"\nreason = "no"\n', "is no failure that can be"),
        ("", '[[accepted]]\ncase = "*"\noutcome = "UNAVAILABLE"\nreason = "no"\n', "is no failure that can be"),
    ],
)
def test_a_damaged_claim_is_a_fault_that_names_file_and_claim(claims_file: Path, old: str, new: str, why: str) -> None:
    claims_file.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    claims._file.cache_clear()
    with pytest.raises(HarnessFault) as error:
        claims.claim_of("duckdb", "merge", "merge", "1.5.5")
    assert str(claims_file) in str(error.value)
    assert why in str(error.value)


@pytest.mark.parametrize("engine", sorted(engines()))
def test_every_claim_has_a_source_and_is_about_something_that_is_tested(engine: str) -> None:
    tested = {one.claim for one in FEATURES} | {one.id for one in FEATURES}
    file = claims._file(claims._folder(engine) / claims.FILE)
    assert set(file.by_engine) <= set(engines())
    for listed in (file.claims, *file.by_engine.values()):
        assert set(listed) <= tested
        for several in listed.values():
            assert all(one.source and one.date for one in several)
            assert len(several) == 1 or all(one.versions for one in several)


def test_a_known_failure_is_accepted_and_another_kind_of_it_is_not() -> None:
    assert claims.accepted_as(KNOWN, Outcome.REFUSED) is not None
    assert claims.accepted_as(KNOWN, Outcome.CRASH) is None
    assert claims.accepted_as("phase4/q01/duckdb", Outcome.REFUSED) is None


def test_every_accepted_outcome_says_why_and_where() -> None:
    assert claims.accepted()
    for one in claims.accepted():
        assert one.reason
        assert one.versions
        assert one.outcome not in {Outcome.PASS, Outcome.UNAVAILABLE}


def test_what_an_acceptance_links_to_is_there() -> None:
    root = Path(claims.__file__).parents[2]
    linked = [one.link for one in claims.accepted() if one.link.startswith("docs/")]
    assert linked
    assert [link for link in linked if not (root / link.partition("#")[0]).is_file()] == []


def test_every_finding_is_in_the_index_and_has_a_title() -> None:
    folder = Path(claims.__file__).parents[2] / "docs" / "findings"
    index = (folder / "README.md").read_text(encoding="utf-8")
    findings = [one for one in folder.glob("*.md") if one.name != "README.md"]
    assert findings
    for one in findings:
        title = one.read_text(encoding="utf-8").splitlines()[0]
        assert f"[{title.removeprefix('# ')}]({one.name})" in index
