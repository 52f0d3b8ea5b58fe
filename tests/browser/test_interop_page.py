"""The interop page in a real browser: filters, the panel of a cell, keys, narrow windows, and how soon it is there."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import fixture_interop
import pytest
import test_page

from lakebench.phases.interop import report as interop

pytestmark = test_page.pytestmark
PROBE = """<script>
const violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.blockedURI));
const seen = {};
const wait = () => new Promise((done) => setTimeout(done, 60));
const press = (key, on) => on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
addEventListener("load", async () => {
  try {
    await wait();
    STEPS
    Object.assign(seen, {
      page: document.documentElement.scrollWidth, window: innerWidth, violations,
      requests: performance.getEntriesByType("resource").map((one) => one.name),
      ready: Number(document.documentElement.dataset.ready),
    });
  } catch (error) { seen.error = String(error.stack); }
  parent.postMessage(JSON.stringify(seen), "*");
});
</script></body>"""
FRAME = """<!DOCTYPE html><body>
<iframe src="probed.html{hash}" width="{width}" height="800" style="border: 0"></iframe>
<script>
addEventListener("message", (event) => {{
  const probe = document.createElement("pre");
  probe.id = "probe";
  probe.textContent = event.data;
  document.body.append(probe);
}});
</script></body>"""
"""A window cannot be as narrow as a phone; a frame can."""
ALL = """
    seen.rows = document.querySelectorAll("#grid tbody tr:not(.group)").length;
    seen.cells = document.querySelectorAll("#grid .c").length;
"""
WRONG = "#cell=interop%2Fdecimal-38%2Fduckdb%E2%86%92polars"


@pytest.fixture(scope="module")
def page() -> str:
    return interop.render(fixture_interop.run())


def _probe(folder: Path, page: str, steps: str, width: int = 1280, hash_: str = "") -> dict[str, Any]:
    """What ``steps`` see on ``page``."""
    (folder / "probed.html").write_text(page.replace("</body>", PROBE.replace("STEPS", steps)))
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width, hash=hash_))
    dom = test_page._chromium(folder, frame, 1400, "--virtual-time-budget=8000", "--dump-dom")
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom)
    assert found is not None
    seen: dict[str, Any] = json.loads(html.unescape(found[1]))
    assert "error" not in seen, seen["error"]
    assert seen["window"] == width
    assert seen["page"] <= width
    assert seen["requests"] == []
    assert seen["violations"] == []
    return seen


@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_fits_and_a_link_opens_a_cell(page: str, tmp_path: Path, width: int) -> None:
    steps = """
    const panel = document.getElementById("panel");
    seen.open = !panel.hidden;
    seen.text = panel.textContent;
    seen.signs = [...panel.querySelectorAll(".diff .sign")].map((one) => one.textContent);
    seen.marked = [...panel.querySelectorAll(".diff mark")].map((one) => one.textContent);
    seen.focused = document.activeElement.id;
    press("Escape", document.activeElement);
    seen.closed = panel.hidden;
    seen.hash = location.hash;
    """
    seen = _probe(tmp_path, page, ALL + steps, width, WRONG)
    assert (seen["rows"], seen["cells"]) == (6, 36)
    assert seen["open"]
    assert seen["focused"] == "panel-title"
    assert seen["closed"]
    assert seen["hash"] == ""
    assert seen["signs"] == ["-", "+", "-", "+"]
    assert seen["marked"][:2] == ["99999999999999999999.9999999999", "100000000000000000000.0000000000"]
    for told in (
        "lakebench run interop --features decimal-38 --writers duckdb --readers polars", "1 of 3 rows differs in d",
        "CREATE TABLE lake.interop.decimal_38_duckdb", "Append 3 rows", "delete files >= 1", "read on2026-10-01",
        "all columns of t", 'SELECT all rows FROM "lake"."interop"."decimal_38_duckdb"', "As sent to polars",
        "15 of 16 reads passed:", "SELECT d != 5",
        "tag is read as a snapshot id", "position deletes", "polars 1.35.2", "broken claim",
    ):  # fmt: skip
        assert told in seen["text"]
    assert "null" not in re.sub(r"\(2, null", "", seen["text"])


def test_filters_narrow_matrix_and_claims_and_stand_in_the_address(page: str, tmp_path: Path) -> None:
    steps = """
    const form = document.getElementById("filters");
    const choose = (name, value) => {
      form.elements[name].value = value;
      form.elements[name].dispatchEvent(new Event("input", { bubbles: true }));
    };
    const lines = () => document.querySelectorAll("tr[data-cells]:not([hidden])").length;
    seen.lines = lines();
    document.querySelector('.tile[data-value="WRONG"]').click();
    seen.wrong = [document.querySelectorAll("#grid tbody tr:not(.group)").length, lines(), location.hash];
    choose("r", "polars");
    choose("v", "3");
    seen.narrow = [document.getElementById("shown").textContent, lines(), location.hash];
    choose("q", "nothing like it");
    await new Promise((done) => setTimeout(done, 300));
    seen.none = [document.getElementById("grid").textContent, document.getElementById("unfound").hidden];
    form.reset();
    seen.all = [document.querySelectorAll("#grid .c").length, location.hash];
    """
    seen = _probe(tmp_path, page, steps)
    assert seen["lines"] == 9
    assert seen["wrong"] == [4, 4, "#o=WRONG"]
    assert seen["narrow"] == ["1 cell, 1 feature", 1, "#r=polars&v=3&o=WRONG"]
    assert seen["none"] == ["The filter leaves no cell.", False]
    assert seen["all"] == [36, ""]


def test_an_address_brings_its_filter_back(page: str, tmp_path: Path) -> None:
    steps = """
    seen.columns = [...document.querySelectorAll(".axis")].map((one) => one.textContent);
    seen.subs = [...document.querySelectorAll(".sub")].map((one) => one.textContent).filter(Boolean);
    seen.pressed = [...document.querySelectorAll('.tile[aria-pressed="true"]')].map((one) => one.dataset.value);
    """
    seen = _probe(tmp_path, page, steps + ALL, hash_="#w=spark&o=REFUSED,CRASH&x=spark&by=writer")
    assert seen["columns"] == ["spark 4.1.1"]
    assert seen["subs"] == [
        "write", "duckdb 1.5.5", "pyiceberg 0.12.0", "trino 476", "polars 1.35.2", "datafusion 54.0.0",
    ]  # fmt: skip
    assert seen["pressed"] == ["REFUSED", "CRASH"]
    assert (seen["rows"], seen["cells"]) == (3, 18)


def test_columns_open_and_cells_are_reached_by_keys(page: str, tmp_path: Path) -> None:
    steps = """
    document.querySelector('[data-axis="spark"]').click();
    seen.wide = document.querySelectorAll("#grid .c").length;
    seen.kept = document.activeElement === document.body || document.activeElement.dataset.axis === "spark";
    const first = document.querySelector("#grid .c");
    first.focus();
    press("ArrowDown", first);
    press("ArrowRight", document.activeElement);
    press("End", document.activeElement);
    seen.label = document.activeElement.getAttribute("aria-label");
    seen.stops = document.querySelectorAll('#grid .c[tabindex="0"]').length;
    const from = document.activeElement;
    from.click();
    seen.title = document.getElementById("panel-title").textContent;
    press("Escape", document.activeElement);
    seen.back = document.activeElement === from;
    document.querySelector('[data-by="reader"]').click();
    seen.readers = [...document.querySelectorAll(".axis")].map((one) => one.textContent);
    document.getElementById("expand").click();
    seen.all = document.querySelectorAll("#grid .c").length;
    """
    seen = _probe(tmp_path, page, steps, hash_="#by=writer")
    assert seen["wide"] == 6 * (3 + 6)
    assert seen["kept"]
    assert seen["label"].startswith(
        "P 5/5: decimal(38,10) at both ends of its range, written by trino: 5 of 5 reads passed"
    )
    assert seen["stops"] == 1
    assert seen["title"] == "trino writes"
    assert seen["back"]
    assert seen["readers"] == [
        "written", "duckdb 1.5.5", "pyiceberg 0.12.0", "trino 476", "polars 1.35.2", "datafusion 54.0.0",
    ]  # fmt: skip
    assert seen["all"] == 6 * 4 * (1 + 5)


def test_the_whole_matrix_is_there_at_once(tmp_path: Path) -> None:
    steps = """
    const began = performance.now();
    document.getElementById("expand").click();
    document.getElementById("grid").getBoundingClientRect();
    seen.expand = performance.now() - began;
    """
    seen = _probe(tmp_path, interop.render(fixture_interop.run(90, 7, 8)), ALL + steps)
    assert (seen["rows"], seen["cells"]) == (90, 90 * (1 + 8))
    assert seen["ready"] < 3000


MANY = ("duckdb@1.4.4", "pyiceberg@0.11.1", "datafusion@54.0.0", "daft@0.7.25", "spark-iceberg-1.11", "pg_duckdb")


@pytest.mark.parametrize(("engines", "upright"), [(8, False), (14, True)])
def test_no_column_is_clipped_at_1280_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engines: int, *, upright: bool
) -> None:
    monkeypatch.setattr(fixture_interop, "READERS", (*fixture_interop.READERS, *MANY)[:engines])
    monkeypatch.setattr(fixture_interop, "VERSIONS", {**dict.fromkeys(MANY, "0.7.25"), **fixture_interop.VERSIONS})
    steps = """
    const grid = document.getElementById("grid"), box = grid.getBoundingClientRect();
    const inside = (at) => at.left >= box.left && at.right <= box.right;
    const all = () => [...grid.querySelectorAll(".axis, .c")];
    seen.axes = grid.querySelectorAll(".axis").length;
    const cut = (one) => !inside(one.getBoundingClientRect()) || one.scrollWidth > one.clientWidth;
    seen.clipped = all().filter(cut).length;
    seen.scrolls = grid.scrollWidth > grid.clientWidth;
    seen.upright = getComputedStyle(grid.querySelector(".axis")).writingMode !== "horizontal-tb";
    document.querySelector(".axis").click();
    document.querySelector(".axis").click();
    seen.again = grid.scrollWidth > grid.clientWidth;
    """
    run = fixture_interop.run(6, 4, engines)
    seen = _probe(tmp_path, interop.render(run), steps)
    assert seen["axes"] == engines + 1
    assert seen["clipped"] == 0
    assert not seen["scrolls"]
    assert not seen["again"]
    assert seen["upright"] is upright


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_screenshot_shows_something(page: str, tmp_path: Path, width: int, mode: str) -> None:
    from matplotlib.image import imread

    file, shot = tmp_path / "interop.html", tmp_path / "shot.png"
    file.write_text(page)
    dark = ["--blink-settings=preferredColorScheme=0"] if mode == "dark" else []
    test_page._chromium(tmp_path, file, width, f"--screenshot={shot}", *dark)
    pixels = imread(shot)
    brightness = pixels[..., :3].mean()
    assert brightness < 0.4 if mode == "dark" else brightness > 0.8
    assert len({tuple(one) for one in pixels.reshape(-1, pixels.shape[2])[::37].tolist()}) > 20


def test_a_square_has_the_colour_of_the_one_that_it_is_about(tmp_path: Path) -> None:
    steps = """
    const at = (feature, engine) => {
      const lines = [...document.querySelectorAll("#grid tbody tr:not(.group)")];
      const row = lines.find((one) => one.querySelector("th").title === feature);
      const column = [...document.querySelectorAll(".axis")].findIndex((one) => one.dataset.axis === engine);
      const square = row.cells[column + 1].querySelector(".c");
      return [square.classList[1], square.textContent, square.classList.contains("broken")];
    };
    seen.misread = at("decimal-38", "duckdb");
    seen.wrong = at("decimal-38", "trino");
    seen.step = at("position-deletes", "duckdb");
    seen.how = document.getElementById("how").textContent;
    document.querySelector('.tile[data-value="WRONG"]').click();
    seen.filtered = at("decimal-38", "duckdb");
    document.querySelector('.tile[data-value="WRONG"]').click();
    document.querySelector('[data-by="reader"]').click();
    seen.reader = at("decimal-38", "polars");
    seen.misled = at("decimal-38", "duckdb");
    seen.fault = at("create-append", "polars");
    seen.writer = at("decimal-38", "written");
    document.querySelector('[data-axis="duckdb"]').click();
    seen.blamed = document.querySelector('[data-cell][aria-label*="trino→duckdb: MISLED"]').getAttribute("aria-label");
    seen.then = document.getElementById("how").textContent;
    seen.counts = [...document.querySelectorAll(".finding .count")].map((one) => one.textContent);
    """
    seen = _probe(tmp_path, interop.render(fixture_interop.blamed()), steps, hash_="#by=writer")
    assert seen["misread"] == ["P", "P 4/5", False]
    assert seen["wrong"] == ["W", "W! 3/5", True]
    assert seen["step"] == ["L", "L 5/5", False]
    assert seen["filtered"] == ["V", "\N{MULTIPLICATION SIGN}1", False]
    assert seen["reader"] == ["W", "W! 2/3", True]
    assert seen["misled"] == ["P", "P 3/3", False]
    assert seen["fault"] == ["P", "P 3/3", False]
    assert seen["writer"][0] == "W"
    assert "MISLED, the fault of trino" in seen["blamed"]
    assert "letter and colour are the write's own" in seen["how"]
    assert "the worst of this reader's own faults" in seen["then"]
    assert seen["counts"] == ["7", "5", "1"]
