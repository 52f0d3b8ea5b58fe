from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lakebench.progress import Quiet
from lakebench.provisioning.class_data import ClassData

JAVA = Path(sys.executable)
"""Any program that is there: none of these tests starts it."""


@pytest.fixture
def jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "server.jar"
    made.write_bytes(b"jar")
    return made


def test_a_first_start_lists_the_classes_and_keeps_whole_lines(jar: Path, tmp_path: Path) -> None:
    data, listed = ClassData("server", JAVA, str(jar)), tmp_path / "classes"
    assert data.options(listed, Quiet()) == [f"-XX:DumpLoadedClassList={listed}"]
    plugin = "a/Plugin id: 2 super: 0 source: /tmp/run/plugin/a.jar\n"
    listed.write_text(f"java/lang/Object id: 0\n{plugin}java/lang/String id: 1\njava/la", encoding="utf-8")
    data.keep(listed)
    (kept,) = (tmp_path / "cache" / "class-data").iterdir()
    assert kept.read_text(encoding="utf-8") == "java/lang/Object id: 0\njava/lang/String id: 1\n"


def test_a_list_that_no_archive_can_be_made_of_is_not_tried_again(jar: Path, tmp_path: Path) -> None:
    data, listed = ClassData("server", JAVA, str(jar)), tmp_path / "classes"
    listed.write_text("java/lang/Object id: 0\n", encoding="utf-8")
    data.keep(listed)
    assert [data.options(listed, Quiet()) for _ in range(2)] == [[], []], "Python knows no -Xshare:dump"


def test_another_jar_is_another_archive(jar: Path, tmp_path: Path) -> None:
    data, listed = ClassData("server", JAVA, str(jar)), tmp_path / "classes"
    listed.write_text("java/lang/Object id: 0\n", encoding="utf-8")
    data.keep(listed)
    jar.write_bytes(b"another jar")
    assert data.options(listed, Quiet()) == [f"-XX:DumpLoadedClassList={listed}"]


def test_a_cache_that_cannot_be_written_keeps_nothing(jar: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder", encoding="utf-8")
    listed = tmp_path / "classes"
    listed.write_text("java/lang/Object id: 0\n", encoding="utf-8")
    ClassData("server", JAVA, str(jar)).keep(listed)
    assert (tmp_path / "cache").read_text(encoding="utf-8") == "no folder"


@pytest.mark.parametrize(("classpath", "possible"), [("/a/b.jar:/c/*", True), ("/a/b.jar:/folder", False), ("", False)])
def test_folders_of_classes_are_in_no_archive(classpath: str, *, possible: bool) -> None:
    assert ClassData("server", JAVA, classpath).possible is possible
