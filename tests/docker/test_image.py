"""The image of examples/container: it is built from the wheel, and runs without network as an ordinary user."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from docker_engine import DockerEngine, python_image
from uv import find_uv_bin

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]


def test_phase4_runs_in_the_image_without_network(engine: DockerEngine, tmp_path: Path) -> None:
    file = shutil.copy(ROOT / "examples" / "container" / "Dockerfile", tmp_path)
    subprocess.run([find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", ROOT], check=True)
    (base,) = re.findall(r"^FROM (\S+)$", Path(file).read_text(encoding="utf-8"), re.MULTILINE)
    python_image(engine, base)
    engine.docker("build", "--network", "host", "--tag", "lakebench", str(tmp_path))
    assert engine.docker("run", "--rm", "--network", "none", "--entrypoint", "id", "lakebench", "-u") == "10001\n"
    phase4 = ("run", "phase4", "--profile", "quick", "--repeat", "1")
    said = engine.docker("run", "--rm", "--network", "none", "lakebench", *phase4)
    assert "PASS" in said
