"""The pages of a run in a real browser: nothing is cut off, headings stay, paper, links, and who cannot see them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fixture_interop
import fixture_run
import pytest
import test_site
from webdriver import Browser

from lakebench import reports

pytestmark = test_site.pytestmark
PAGES = ("queries/report.html", "matrix/report.html", "matrix/interop.html")
SIDEWAYS = """return [...document.querySelectorAll(".wide, .grid, .drawing, pre")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.ariaLabel || one.innerText)"""
BROKEN = r"""const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walk.nextNode(); node; node = walk.nextNode()) {
  if (node.parentElement.closest("pre, .long, script, style, svg")) continue;
  for (const word of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    if (new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size > 1) found.push(word[0]);
  }
}
return found"""
PORTRAIT, LANDSCAPE = 703, 1031
"""The pixels between the margins of a sheet, A4 with 12 mm."""
WIDE = """return [...document.querySelectorAll(SELECTOR)]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.innerText.slice(0, 80))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made")
    fixture_run.write(made).rename(made / "queries")
    fixture_interop.write(made).rename(made / "matrix")
    for name in ("queries", "matrix"):
        reports.write(made / name)
    return made


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_cut_off_and_nothing_is_asked_for(browser: Browser, folder: Path, page: str) -> None:
    browser.open((folder / page).as_uri())
    assert browser.run(SIDEWAYS) == []
    for width in (1280, 390):
        browser.size(width)
        assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.console() == []
    assert [one for one in browser.requests() if not one.startswith((folder.as_uri(), "about:"))] == []


@pytest.mark.parametrize(("page", "box"), [(PAGES[0], ".wide:has(tr:nth-child(20))"), (PAGES[2], "#grid")])
def test_headings_stay_where_the_rows_move(browser: Browser, folder: Path, page: str, box: str) -> None:
    browser.size(1280, 400)
    browser.open((folder / page).as_uri())
    script = """const box = document.querySelector(arguments[0]), head = box.querySelector("thead th:last-child");
    box.scrollIntoView();
    box.scrollTop = 100;
    const row = box.querySelector("tbody tr:last-child");
    return [box.scrollTop, head.getBoundingClientRect().top - box.getBoundingClientRect().top]"""
    scrolled, top = browser.run(script, box)
    assert scrolled > 50
    assert -1 <= top <= 2


@pytest.mark.parametrize("page", PAGES)
def test_paper_has_whole_words_and_every_column(browser: Browser, folder: Path, page: str) -> None:
    browser.media("print")
    browser.size(PORTRAIT)
    browser.open((folder / page).as_uri())
    assert browser.run(BROKEN) == []
    assert browser.run(WIDE.replace("SELECTOR", "'table:not(.many, .grid table), p, svg'")) == []
    browser.size(LANDSCAPE)
    assert browser.run(WIDE.replace("SELECTOR", "'table'")) == []
    assert browser.run("return getComputedStyle(document.querySelector('nav')).display") == "none"
    sheet = "return [...document.querySelectorAll('.block:has(.many), .grid')].map((one) => getComputedStyle(one).page)"
    assert set(browser.run(sheet)) <= {"wide"}
    if page == PAGES[2]:
        assert browser.run("return document.querySelector('#grid .c').getBoundingClientRect().height") > 5
        assert browser.run("return getComputedStyle(document.getElementById('bar')).display") == "none"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious(browser: Browser, folder: Path, page: str, scheme: str) -> None:
    axe = test_site.AXE.read_bytes()
    assert hashlib.sha256(axe).hexdigest() == test_site.AXE_SHA256
    browser.media(scheme=scheme)
    browser.open((folder / page).as_uri())
    browser.run(axe.decode())
    found = browser.run_later(
        "const done = arguments[0]; axe.run().then((all) => done(all.violations.map((one) => "
        "[one.impact, one.id, one.nodes.slice(0, 3).map((node) => node.html)])));"
    )
    assert [one for one in found if one[0] in {"serious", "critical"}] == []


def test_the_pages_lead_to_each_other(browser: Browser, folder: Path) -> None:
    browser.open((folder / PAGES[1]).as_uri())
    browser.run("document.querySelector('header a[href=\"interop.html\"]').click()")
    browser.wait("return location.pathname.endsWith('/interop.html') && !!document.querySelector('#grid .c')")
    browser.run("document.querySelector('header a[href=\"report.html\"]').click()")
    browser.wait("return location.pathname.endsWith('/report.html')")


def test_the_panel_has_failed_reads_first_with_what_was_asked(browser: Browser, folder: Path) -> None:
    address = (folder / PAGES[2]).as_uri()
    browser.open(f"{address}#cell=interop%2Fdecimal-38%2Fduckdb%E2%86%92polars")
    reads = browser.run("return [...document.querySelectorAll('#panel .read')].map((one) => one.innerText)")
    outcomes = [one.split()[1] for one in reads]
    own = outcomes[: len(outcomes) - outcomes[::-1].index("PASS")]  # those that follow from the rows come after them
    assert own == sorted(own, key="PASS".__eq__)
    assert own[0] == outcomes[-1] == "WRONG"
    assert "all columns of t" in reads[0]
    assert 'SELECT all rows FROM "lake"."interop"."decimal_38_duckdb"' in reads[0]
    browser.open(f"{address}#cell=interop%2Fequality-deletes%2Fspark%E2%86%92polars")
    browser.wait("return !document.getElementById('panel').hidden")
    links = browser.run("return [...document.querySelectorAll('#panel a')].map((one) => one.href)")
    assert "https://github.com/apache/iceberg-python/issues/6568" in links
