"""The page in a real browser: what a parser cannot see."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import fixture_run
import pytest

from lakebench import reports
from lakebench.reports import matrix
from lakebench.results import records

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH: apt-get install chromium"),
]
PROBE = """<script>
const broken = [];
addEventListener("securitypolicyviolation", (event) => broken.push(event.blockedURI));
addEventListener("load", () => {
  location.hash = "#FIRST";
  setTimeout(() => {
    parent.postMessage(JSON.stringify({
      page: document.documentElement.scrollWidth, window: innerWidth, broken,
      requests: performance.getEntriesByType("resource").map((one) => one.name),
      opened: document.getElementById("FIRST").open,
      closed: document.getElementById("SECOND").open,
      small: [...document.querySelectorAll(".first svg text, .first .bar b")]
        .map((one) => one.getBoundingClientRect().height),
    }), "*");
  }, 200);
});
</script></body>"""
FRAME = """<!DOCTYPE html><body>
<iframe src="probed.html" width="{width}" height="800" style="border: 0"></iframe>
<script>
addEventListener("message", (event) => {{
  const probe = document.createElement("pre");
  probe.id = "probe";
  probe.textContent = event.data;
  document.body.append(probe);
}});
</script></body>"""
"""A window cannot be as narrow as a phone; a frame can."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reports.write(fixture_run.write(tmp_path_factory.mktemp("runs")))[1]


def _chromium(folder: Path, page: Path, width: int, *more: str) -> str:
    assert BROWSER is not None
    root = ["--no-sandbox"] if os.getuid() == 0 else []
    options = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"]
    own = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"]
    argv = [BROWSER, *options, *own, *root, *more, page.as_uri()]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_fits_loads_nothing_and_opens_its_evidence(report: Path, tmp_path: Path, width: int) -> None:
    anchors = list(matrix.anchors(records.read(report.parent)).values())
    probe = PROBE.replace("FIRST", anchors[0]).replace("SECOND", anchors[1])
    (tmp_path / "probed.html").write_text(report.read_text().replace("</body>", probe))
    page = tmp_path / "frame.html"
    page.write_text(FRAME.format(width=width))
    dom = _chromium(tmp_path, page, 1400, "--virtual-time-budget=5000", "--dump-dom")
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom)
    assert found is not None
    seen = json.loads(html.unescape(found[1]))
    assert seen["window"] == width
    assert seen["page"] <= width
    assert seen["requests"] == []
    assert seen["broken"] == []
    assert seen["opened"]
    assert not seen["closed"]
    assert min(seen["small"]) >= 8


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_screenshot_shows_something(report: Path, tmp_path: Path, width: int, mode: str) -> None:
    from matplotlib.image import imread

    shot = tmp_path / "shot.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if mode == "dark" else []
    _chromium(tmp_path, report, width, f"--screenshot={shot}", *dark)
    pixels = imread(shot)
    assert pixels.shape[:2] == (900, width)
    brightness = pixels[..., :3].mean()
    assert brightness < 0.4 if mode == "dark" else brightness > 0.8
    assert len({tuple(one) for one in pixels.reshape(-1, pixels.shape[2])[::37].tolist()}) > 20
