"""examples/: what users copy into their own clusters is whole, and asks for what lakebench has."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakebench.commands.run import phases_of
from lakebench.config import Settings
from lakebench.model import Runtime

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "examples" / "container" / "Dockerfile").read_text(encoding="utf-8")
MANIFEST = ROOT / "examples" / "kubernetes" / "lakebench.yaml"


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))}


def test_the_image_is_pinned_and_runs_as_an_ordinary_user() -> None:
    assert re.search(r"^FROM python:3\.12\.\d+-slim-bookworm$", DOCKERFILE, re.MULTILINE)
    (user,) = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert int(user[0]) > 0
    assert f"useradd --uid {user[0]}" in DOCKERFILE
    assert DOCKERFILE.index("pip install") < DOCKERFILE.index("\nUSER") < DOCKERFILE.index("\nRUN lakebench run")


def test_the_job_has_the_secret_and_the_volume_that_it_mounts(manifests: dict[str, Any]) -> None:
    pod = manifests["Job"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    sources = {one["name"]: one for one in pod["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == set(sources)
    assert sources["settings"]["secret"]["secretName"] == manifests["Secret"]["metadata"]["name"]
    claim = sources["runs"]["persistentVolumeClaim"]["claimName"]
    assert claim == manifests["PersistentVolumeClaim"]["metadata"]["name"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounts["settings"] == f"{container['workingDir']}/lakebench.toml"
    assert mounts["runs"] == f"{container['workingDir']}/runs"


def test_the_job_is_tried_once_without_root_and_without_rights(manifests: dict[str, Any]) -> None:
    spec = manifests["Job"]["spec"]
    pod = spec["template"]["spec"]
    assert (spec["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" in DOCKERFILE
    (container,) = pod["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert ":" in container["image"].rpartition("/")[2]


def test_the_settings_of_the_secret_are_some_of_ours(manifests: dict[str, Any]) -> None:
    settings = Settings.model_validate(tomllib.loads(manifests["Secret"]["stringData"]["lakebench.toml"]))
    assert settings.service("trino").runtime is Runtime.EXTERNAL
    assert not settings.storage("lake").missing()


def test_the_command_of_the_job_is_one_of_ours(manifests: dict[str, Any]) -> None:
    (container,) = manifests["Job"]["spec"]["template"]["spec"]["containers"]
    tries, runs = (shlex.split(one) for one in container["args"][0].split("&&"))
    assert tries == ["lakebench", "doctor", "--settings"]
    assert runs[:3] == ["exec", "lakebench", "run"]
    assert len(phases_of(runs[3:4])[0]) == 1
