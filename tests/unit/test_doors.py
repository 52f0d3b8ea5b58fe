"""What others on the same machine could have written is not run, and what is ours they do not read."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakebench import paths, trust
from lakebench.config import Settings, load
from lakebench.errors import UsageError
from lakebench.phases.queries import base_of

RUNS = (
    'pg_config = "/opt/pg/bin/pg_config"',
    '[services.trino.properties]\n"plugin.postgresql" = "/opt/plugin"',
    '[services.postgres.properties]\n"conf.archive_command" = "anything"',
)


def settings(folder: Path, text: str = RUNS[0]) -> Path:
    """A settings file that only its owner writes to."""
    file = folder / "lakebench.toml"
    file.write_text(text)
    file.chmod(0o644)
    folder.chmod(0o755)
    return file


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``path`` somebody else's; without root's rights, make us somebody else."""
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)


@pytest.mark.parametrize("text", RUNS)
def test_what_a_strangers_settings_name_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = settings(tmp_path, text)
    assert isinstance(load(file), Settings)
    give_away(file, monkeypatch)
    key = "pg_config" if "pg_config" in text else r"services\.\w+\.properties\.(plugin|conf)\.\w+"
    with pytest.raises(UsageError, match=rf"names what is run \({key}\), and {file} belongs to \S+.*: somebody else"):
        load(file)


def test_the_settings_of_a_comparison_are_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path)
    give_away(file, monkeypatch)
    with pytest.raises(UsageError, match="somebody else could have written it"):
        base_of(str(file), Settings())


def test_a_strangers_folder_counts_as_his_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path)
    give_away(tmp_path, monkeypatch)
    with pytest.raises(UsageError, match="somebody else"):
        load(file)


@pytest.mark.parametrize(
    ("of", "mode", "words"),
    [
        ("file", 0o646, "is writable by everybody"),
        ("file", 0o664, "is writable by its group"),
        ("folder", 0o777, "is writable by everybody"),
        ("folder", 0o775, "is writable by its group"),
    ],
)
def test_who_may_write_counts_as_who_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str, mode: int, words: str
) -> None:
    monkeypatch.setattr(trust, "_alone", lambda _: False)
    file = settings(tmp_path)
    (file if of == "file" else tmp_path).chmod(mode)
    with pytest.raises(UsageError, match=words):
        load(file)


def test_ones_own_file_in_a_sticky_folder_is_ones_own(tmp_path: Path) -> None:
    file = settings(tmp_path)
    tmp_path.chmod(0o1777)
    assert trust.stranger(file) == ""


def test_a_group_of_ones_own_is_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path)
    file.chmod(0o664)
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="ann"))
    for members, group, alone in (([], "ann", True), (["ann"], "ann", True), (["ann", "bob"], "ann", False)):
        monkeypatch.setattr("grp.getgrgid", lambda _, m=members, g=group: SimpleNamespace(gr_name=g, gr_mem=m))
        monkeypatch.setattr(trust, "_ROOT", -1)
        assert (trust.stranger(file) == "") is alone
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name="staff", gr_mem=[]))
    assert "is writable by its group" in trust.stranger(file)


def test_a_link_that_somebody_else_made_is_his(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    target = settings(tmp_path / "mine")
    link = tmp_path / "lakebench.toml"
    link.symlink_to(target)
    assert trust.stranger(link) == ""
    if os.geteuid() != 0:
        pytest.skip("only root gives a link away")
    os.lchown(link, 65534, 65534)
    assert "belongs to" in trust.stranger(link)


def test_settings_that_run_nothing_may_be_anybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = settings(tmp_path, 'output = "mine"')
    give_away(file, monkeypatch)
    assert load(file).output == Path("mine")


def test_nothing_is_imported_from_the_folder_where_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('planted')")
    command = [sys.executable, "-P", "-c", "import lakebench.records"]
    subprocess.run(command, cwd=tmp_path, env=paths.with_source(), check=True)


def test_every_python_of_ours_leaves_the_folder_of_the_command_out() -> None:
    source = Path(paths.__file__).parent
    started = [
        (file, line)
        for file in source.rglob("*.py")
        for line in file.read_text().splitlines()
        if '"-m"' in line and "sys.executable" in line
    ]
    assert len(started) >= 4
    assert [(file, line) for file, line in started if '"-P"' not in line] == []


def test_what_a_service_keeps_is_its_owners_alone(tmp_path: Path) -> None:
    from lakebench.services import Services

    class Folder:
        folder = tmp_path

    data = tmp_path / "run" / "lake"
    data.parent.mkdir()
    made = Services(Settings(), Folder(), None, data)._make("rest-catalog@local")  # type: ignore[arg-type]
    made.kept()
    for folder in (data, data / "rest-catalog-local"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
