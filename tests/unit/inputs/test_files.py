"""Files of the user: whatever is in the way, the answer is an error that names it, and reading never blocks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakebench import config
from lakebench.datasets import clickbench, folder
from lakebench.errors import UsageError
from lakebench.execution.request import base_of
from lakebench.inputs import files
from lakebench.progress import Quiet
from lakebench.results import baseline, records


@pytest.fixture(autouse=True)
def _no_wait() -> Iterator[None]:
    """A read that blocks is ended: a hang is a failure."""

    def ended(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def fifo(path: Path) -> str:
    os.mkfifo(path)
    return "a named pipe"


def device(path: Path) -> str:
    path.symlink_to("/dev/zero")
    return "a device"


def directory(path: Path) -> str:
    path.mkdir()
    return "a folder"


def loop(path: Path) -> str:
    path.symlink_to(path.name)
    return "symbolic links"


def dangling(path: Path) -> str:
    path.symlink_to("nowhere")
    return "no such file|link to nothing|not there|No such file"


def latin(path: Path) -> str:
    path.write_bytes(b"# caf\xe9\n")
    return "UTF-8"


def huge(path: Path) -> str:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    return "larger than"


TROUBLES = (fifo, device, directory, loop, dangling, latin, huge)
Trouble = Callable[[Path], str]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble) -> None:
    monkeypatch.chdir(tmp_path)
    expected = trouble(tmp_path / config.FILE)
    with pytest.raises(UsageError, match=f"{config.FILE}.*({expected})"):
        config.load()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_settings_to_compare_against(tmp_path: Path, trouble: Trouble) -> None:
    expected = trouble(tmp_path / "base.toml")
    with pytest.raises(UsageError, match=f"base.toml.*({expected})"):
        base_of(str(tmp_path / "base.toml"), config.Settings())


@pytest.mark.parametrize("trouble", TROUBLES)
def test_accepted_outcomes(tmp_path: Path, trouble: Trouble) -> None:
    expected = trouble(tmp_path / baseline.FILE)
    with pytest.raises(UsageError, match=f"{baseline.FILE}.*({expected})"):
        baseline.load({}, (), tmp_path / baseline.FILE)


@pytest.mark.parametrize("trouble", [fifo, device, loop, dangling, huge])
def test_records(tmp_path: Path, trouble: Trouble) -> None:
    expected = trouble(tmp_path / records.FILE)
    with pytest.raises(UsageError, match=f"{records.FILE}.*({expected})"):
        records.read(tmp_path)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_query_of_the_users_own(tmp_path: Path, trouble: Trouble) -> None:
    expected = trouble(tmp_path / "q1.sql")
    with pytest.raises(UsageError, match=f"q1.sql.*({expected})"):
        folder._read(tmp_path / "q1.sql")


@pytest.mark.parametrize("trouble", [fifo, device, loop, dangling, latin])
def test_parquet_of_the_users_own(tmp_path: Path, trouble: Trouble) -> None:
    expected = trouble(tmp_path / "orders.parquet").replace("UTF-8", "cannot be read as Parquet")
    (tmp_path / "q1.sql").write_text("SELECT count(*) AS n FROM orders")
    with pytest.raises(UsageError, match=f"orders.parquet.*({expected})"):
        folder.workload(tmp_path, Quiet())
    with pytest.raises(UsageError, match=f"orders.parquet.*({expected})"):
        clickbench.workload(Quiet(), tmp_path / "orders.parquet", 10)


@pytest.mark.parametrize("path", ["/dev/zero", "nothing", "bad\0name"])
def test_a_workload_that_is_no_folder(path: str) -> None:
    with pytest.raises(UsageError):
        folder.workload(Path(path), Quiet())


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = 1\na = 2", "runtime = 5", "\0"])
def test_settings_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(UsageError, match=r"x\.toml"):
        config.load(tmp_path / "x.toml")


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, "[]", "NaN", '{"schema": 1e999}', '{"schema": 1, "acceptances": {"1": 5}, "cases": {}}'),
        '{"schema": 1, "acceptances": {"1": {"run": [], "date": "", "reason": ""}}, "cases": {}}',
        '{"schema": 1, "acceptances": {"1": {"run": "", "date": "", "reason": ""}}, "cases": {"a": [[], "", 1]}}',
    ],
)
def test_accepted_outcomes_that_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / baseline.FILE
    file.write_text(text)
    with pytest.raises(UsageError, match=f"{baseline.FILE} line 1 is damaged"):
        baseline.load({}, (), file)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfa = 1")
    assert files.text(tmp_path / "x") == "a = 1"
