"""What a reader of ``report.html`` relies on: versions, bars, order, addresses, anchors, one style for all pages."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import fixture_interop
import fixture_run
import pytest
from parsed_page import Page

from lakebench import reports
from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.interop import report as interop
from lakebench.reports import document, html, markdown, matrix, ranking
from lakebench.reports.content import DASH, TIMES, Cell, Document, Evidence, Table, anchor
from lakebench.reports.site import pages
from lakebench.results import records


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> records.Run:
    return records.read(fixture_run.write(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def made(run: records.Run) -> Document:
    return document.build(run)


@pytest.fixture(scope="module")
def text(made: Document) -> str:
    return html.render(made)


def test_every_heading_of_a_matrix_has_the_versions_of_its_engines(run: records.Run, text: str) -> None:
    page = Page(text)
    versions = {one.engine: next(iter(one.versions.values()), "") for one in run.engines}
    had = 0
    for table, told in zip(page.tables, page.versions, strict=True):
        if table[0][0] == "":
            engines = [name for name in (*table[0], *(row[0] for row in table[1:])) if versions.get(name)]
            assert {name: told.get(name) for name in engines} == {name: versions[name] for name in engines}
            had += len(engines)
    assert had > 30
    pairs = {name: version for told in page.versions for name, version in told.items() if "→" in name}
    assert all(version == " → ".join(versions[one] for one in name.split("→")) for name, version in pairs.items())


def test_a_version_in_a_name_is_not_told_twice(run: records.Run) -> None:
    facts = tuple(dataclasses.replace(one, engine="duckdb@1.4.4") for one in run.engines if one.engine == "duckdb")
    assert matrix.heading(dataclasses.replace(run, engines=facts), "duckdb@1.4.4") == "duckdb@1.4.4"
    assert matrix.heading(run, "duckdb, cold") == "duckdb, cold\n1.5.5"
    assert matrix.heading(run, "Q1") == "Q1"


def test_the_first_screen_ranks_by_bars(made: Document, text: str) -> None:
    assert isinstance(made.first, Table)
    assert made.first.layout == "ranking"
    shares = [row[1].share for row in made.first.rows]
    ranked = [one for one in shares if one is not None]
    assert ranked == sorted(ranked)
    assert ranked[-1] == 1
    assert shares[len(ranked) :] == [None]
    assert made.first.rows[-1][0].text.startswith("pg_duckdb")
    first = text[text.index('<div class="first') :]
    assert first.index("--share: 100.0%") < first.index("Outcomes by engine") < first.index("<h2")
    assert text.count(f"<caption>{html.words(made.first.caption)}") == 1


def test_a_ranking_is_over_what_all_got_right() -> None:
    right = {"a": {"Q1": [1.0], "Q2": [4.0]}, "b": {"Q1": [4.0], "Q2": [9.0], "Q3": [1.0]}, "c": {}}
    table = ranking.table("Answers", right, {"a": "2", "b": "3", "c": "not had"}, 3)
    assert table.caption == "Answers: over the 2 queries that all 2 engines with an answer got right"
    assert [tuple(cell.text for cell in row) for row in table.rows] == [
        ("a", "2.000", f"{TIMES} 1", "2 of 3", "2"),
        ("b", "6.000", f"{TIMES} 3.00 (n too small)", "3 of 3", "3"),
        ("c", DASH, DASH, "0 of 3", DASH),
    ]  # fmt: skip
    assert [row[1].share for row in table.rows] == [1 / 3, 1, None]
    assert table.notes[0].startswith("No engine is shown to be the fastest. a has the least time (")
    apart = ranking.table("Answers", {"a": {"Q1": [1.0]}, "b": {"Q2": [1.0]}}, {"a": "", "b": ""}, 2)
    assert [row[1] for row in apart.rows] == [Cell(DASH)] * 2


def test_failures_come_before_successes_and_unaccepted_before_known(run: records.Run) -> None:
    known = {"known": {"reason": "as its documents say", "versions": "1", "link": "https://example.org/1"}}
    cases = tuple(
        dataclasses.replace(one, evidence={**one.evidence, **known}) if one.outcome is Outcome.WRONG else one
        for one in run.cases
    )
    made = document.build(dataclasses.replace(run, cases=cases))
    evidence = [part for one in made.sections for part in one.parts if isinstance(part, Evidence)]
    order = [(not one.outcome.is_failure, one.known) for one in evidence]
    assert order == sorted(order)
    assert {True, False} == {one.known for one in evidence if one.outcome.is_failure}
    anchors = [one.anchor for one in made.sections]
    assert anchors.index("failures") < anchors.index("matrices") < anchors.index("evidence")
    listed = next(part for part in made.sections[anchors.index("failures")].parts if isinstance(part, Table))
    assert [row[3].text == "no" for row in listed.rows] == sorted(
        (row[3].text == "no" for row in listed.rows), reverse=True
    )
    assert '<span class="tag">known</span>' in html.render(made)


def test_the_anchor_of_a_case_is_the_same_in_every_run(run: records.Run, text: str) -> None:
    everywhere = matrix.anchors(run)
    alone = matrix.anchors(dataclasses.replace(run, cases=run.cases[-3:]))
    assert alone == {case: everywhere[case] for case in alone}
    assert len(set(everywhere.values())) == len(run.cases)
    assert matrix.group_anchors(run)["Q1 latency"].startswith("matrix-Q1-latency")
    assert all(f'id="{one}"' in text for one in everywhere.values())


@pytest.mark.parametrize("name", ["a b", "ä→b", "a-b", '"><script>', "a\nb", ""])
def test_an_anchor_is_safe_and_no_two_names_have_one(name: str) -> None:
    assert re.fullmatch(r"case-[\w.@+/=-]*", anchor("case", name), flags=re.ASCII)
    assert anchor("case", name) != anchor("case", f"{name}-")
    assert anchor("case", "a b") != anchor("case", "a-b")


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ("see https://example.org/a?b=1&c=2.", "https://example.org/a?b=1&amp;c=2"),
        ("(github.com/apache/iceberg/issues/1)", "https://github.com/apache/iceberg/issues/1"),
        ("<https://example.org/x>", "https://example.org/x"),
    ],
)
def test_an_address_is_a_link(said: str, target: str) -> None:
    assert f'<a rel="noopener noreferrer" href="{target}">' in html.words(said)
    assert (
        re.sub(r"<[^>]*>", "", str(html.words(said))).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        == said
    )


@pytest.mark.parametrize(
    "said",
    [
        "http://127.0.0.1:8080/v1", "http://localhost/v1", "https://user:key@example.org/", "javascript:alert(1)",
        "pkg.github.com/x", "ftp://example.org",
    ],
)  # fmt: skip
def test_what_is_no_address_to_follow_is_no_link(said: str) -> None:
    assert "<a" not in html.words(said)


def test_text_between_addresses_stays_text() -> None:
    made = html.words('<b>"x"</b> https://example.org/"onload=alert(1) <i>')
    assert "<b>" not in made
    assert "<i>" not in made
    assert '"onload' not in made


def test_a_word_is_whole_and_an_id_breaks_between_its_parts() -> None:
    assert html.words("a word and another") == "a word and another"
    assert "<span" not in html.words("tables_of_engines/read→written")
    assert html.words("tables_of_engines/read→written").count("<wbr>") == 2
    assert '<span class="long">' in html.words("a" * 64)


def test_the_acceptance_of_a_failure_leads_to_its_thread(run: records.Run) -> None:
    bad = next(one for one in run.cases if one.outcome is Outcome.REFUSED)
    known: dict[str, object] = {"reason": "known", "versions": "1", "link": "https://example.org/issues/7"}
    case: Record = dataclasses.replace(bad, evidence={"known": known})
    page = Page(html.render(document.build(dataclasses.replace(run, cases=(case,)))))
    assert "https://example.org/issues/7" in [attrs.get("href") for tag, attrs in page.tags if tag == "a"]


def test_the_pages_of_a_run_lead_to_each_other(tmp_path: Path) -> None:
    folder = fixture_interop.write(tmp_path)
    reports.write(folder)
    pages_ = {name: Page((folder / name).read_text()) for name in (document.PAGE, interop.PAGE)}
    for page in pages_.values():
        links = {attrs["href"]: attrs.get("aria-current") for tag, attrs in page.tags if tag == "a"}
        assert {document.PAGE, interop.PAGE} <= links.keys()
    current = [
        [attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs.get("aria-current") == "page"]
        for page in pages_.values()
    ]
    assert current == [[document.PAGE], [interop.PAGE]]
    assert f"]({interop.PAGE})" in (folder / "report.md").read_text()


def test_a_run_without_other_pages_has_no_navigation_to_them(made: Document, text: str) -> None:
    assert made.pages == ()
    assert 'aria-label="Pages of this run"' not in text


def test_all_pages_have_the_style_of_the_site(text: str) -> None:
    shared = (Path(html.__file__).parent / "style.css").read_text()
    assert shared in text
    assert shared in interop.render(fixture_interop.run())
    assert html.style(pages.STYLE).startswith(shared)
    assert "--P-bg:" in shared
    own = (
        Path(interop.__file__).with_name("report.css").read_text()
        + (Path(html.__file__).parent / "report.css").read_text()
    )
    assert "--ink:" not in own


def test_markdown_has_the_versions_on_the_line_of_the_name(made: Document) -> None:
    assert "| duckdb 1.5.5 |" in markdown.render(made).replace("\\", "")
