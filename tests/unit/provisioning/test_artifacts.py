from __future__ import annotations

import errno
import hashlib
import json
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from lakebench.errors import ServiceUnavailable, UsageError
from lakebench.progress import Quiet
from lakebench.provisioning import artifacts

CONTENT = b"a jar" * 10_000


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty repository and a lock with one group of two files."""
    root = tmp_path / "m2"
    monkeypatch.setenv("M2_REPO", str(root))
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path / "cache"))
    digest = hashlib.sha256(CONTENT).hexdigest()
    entry = {"group": "org.example", "version": "1.0", "size": len(CONTENT), "sha256": digest}
    lock = {"maven": {"pair": [{**entry, "name": "one"}, {**entry, "name": "two", "classifier": "all"}]}}
    (tmp_path / "lock").write_text(json.dumps(lock))
    monkeypatch.setattr(artifacts, "LOCK_FILE", tmp_path / "lock")
    artifacts.locked.cache_clear()
    yield root
    artifacts.locked.cache_clear()


class Answer:
    """A repository's response."""

    status_code = 200

    def __init__(self, content: bytes, breaks_after: int | None = None) -> None:
        self.headers = {"content-length": str(len(content))}
        self.text = "no sum"
        self._content, self._breaks_after = content, breaks_after

    def iter_content(self, chunk_size: int) -> Iterator[bytes]:
        for start in range(0, len(self._content), chunk_size):
            if self._breaks_after is not None and start >= self._breaks_after:
                raise requests.exceptions.ChunkedEncodingError("cut")
            yield self._content[start : start + chunk_size]


def serve(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], Any]) -> list[str]:
    """Answer jgo's requests for files; the names that it requested, without checksums."""
    requested: list[str] = []
    lock = threading.Lock()

    def get(url: str, **_: Any) -> Any:
        name = url.rpartition("/")[2]
        if name.endswith(".sha1"):
            return Answer(b"")
        with lock:
            requested.append(name)
        return answer(name)

    monkeypatch.setattr("jgo.util.http.get", get)
    return requested


def never(name: str) -> Any:
    raise AssertionError(f"asked for {name}")


def test_every_entry_of_the_lock_is_pinned() -> None:
    lock = artifacts.locked()
    for name in lock["maven"]:
        for artifact in artifacts.group(name):
            assert len(bytes.fromhex(artifact.sha256)) == 32
            assert artifact.size > 0
    for requirement, hashes in lock["python"].items():
        assert "==" in requirement
        assert len(hashes) >= 2, "all platforms' files"
        assert all(artifact.startswith("sha256:") for artifact in hashes)


def test_the_rest_catalogs_classpath_has_one_version_of_each() -> None:
    names = [(one.group, one.name, one.classifier) for one in artifacts.group("rest-catalog")]
    assert len(names) == len(set(names))
    jetty = {one.version for one in artifacts.group("rest-catalog") if one.group.startswith("org.eclipse.jetty")}
    assert len(jetty) == 1


def test_missing_files_are_downloaded_once(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requested = serve(monkeypatch, lambda _: Answer(CONTENT))
    files = artifacts.ensure("pair", Quiet())
    assert files == [
        repository / "org/example/one/1.0/one-1.0.jar",
        repository / "org/example/two/1.0/two-1.0-all.jar",
    ]
    assert all(file.read_bytes() == CONTENT for file in files)
    assert sorted(requested) == ["one-1.0.jar", "two-1.0-all.jar"]
    monkeypatch.setattr("jgo.util.http.get", never)
    assert artifacts.ensure("pair", Quiet()) == files
    assert [path.name for path in repository.iterdir()] == ["org"], "nothing temporary is left"


def test_progress_ends_at_the_size_in_the_lock(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not repository.exists()
    cut = iter([10_000])
    serve(monkeypatch, lambda _: Answer(CONTENT, next(cut, None)))
    counts: list[int] = []

    class Bar:
        def __enter__(self) -> Callable[[int], None]:
            return counts.append

        def __exit__(self, *_: object) -> None:
            pass

    progress = Quiet()
    totals: list[int | None] = []
    monkeypatch.setattr(progress, "download", lambda _, total: totals.append(total) or Bar())
    artifacts.ensure("pair", progress)
    assert totals == [2 * len(CONTENT)]
    assert counts[-1] == 2 * len(CONTENT)


def test_a_download_that_breaks_off_starts_again(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks = {"one-1.0.jar": iter([1, 1])}
    requested = serve(monkeypatch, lambda name: Answer(CONTENT, next(breaks.get(name, iter([])), None)))
    files = artifacts.ensure("pair", Quiet())
    assert all(file.read_bytes() == CONTENT for file in files)
    assert requested.count("one-1.0.jar") == 3
    assert repository.exists()


def test_half_a_file_is_never_left(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, lambda _: Answer(CONTENT, 1))
    with pytest.raises(ServiceUnavailable, match=r"jar is not here and cannot be downloaded \(ChunkedEncodingError\)"):
        artifacts.ensure("pair", Quiet())
    assert [path for path in repository.rglob("*") if path.is_file()] == []


def test_the_leftovers_of_an_interrupted_run_are_removed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = repository / f".{artifacts._scratch_name('pair')}-left/org/example/one/1.0/one-1.0.jar"
    half.parent.mkdir(parents=True)
    half.write_bytes(CONTENT[:10])
    serve(monkeypatch, lambda _: Answer(CONTENT))
    artifacts.ensure("pair", Quiet())
    assert [path.name for path in repository.iterdir()] == ["org"]


def test_no_network_is_one_line_that_says_what_to_do(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> Any:
        raise requests.ConnectionError("host not found " * 50)

    serve(monkeypatch, refuse)
    with pytest.raises(ServiceUnavailable) as caught:
        artifacts.ensure("pair", Quiet())
    assert "connect to the network" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "host not found" not in str(caught.value)
    assert not (repository / "org").exists()


def test_a_file_that_no_repository_has_is_an_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NotFound(Answer):
        status_code = 404

    serve(monkeypatch, lambda _: NotFound(b""))
    with pytest.raises(ServiceUnavailable, match="not in any repository"):
        artifacts.ensure("pair", Quiet())
    assert not (repository / "org").exists()


def test_another_file_than_the_locked_one_is_not_kept(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, lambda _: Answer(CONTENT[::-1]))
    with pytest.raises(UsageError, match="is not what the lock says"):
        artifacts.ensure("pair", Quiet())
    assert list(repository.rglob("*.jar")) == []


@pytest.mark.usefixtures("repository")
def test_a_damaged_file_names_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, lambda _: Answer(CONTENT))
    damaged, _ = artifacts.ensure("pair", Quiet())
    damaged.write_bytes(CONTENT[:-1] + b"?")
    monkeypatch.setattr("jgo.util.http.get", never)
    with pytest.raises(UsageError) as caught:
        artifacts.ensure("pair", Quiet())
    message = str(caught.value)
    assert "\n" not in message
    assert hashlib.sha256(CONTENT).hexdigest()[:16] in message
    command = message.rpartition(": ")[2]
    assert command == f"rm {shlex.quote(str(damaged))}"
    Path(shlex.split(command)[1]).unlink()
    serve(monkeypatch, lambda _: Answer(CONTENT))
    artifacts.ensure("pair", Quiet())
    assert damaged.read_bytes() == CONTENT


def test_a_full_disk_is_an_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    serve(monkeypatch, lambda _: Answer(CONTENT))
    monkeypatch.setattr("jgo.maven._resolver.open", full, raising=False)
    with pytest.raises(UsageError, match=r"no space left in .*: free some space"):
        artifacts.ensure("pair", Quiet())
    assert repository.exists()


def test_a_repository_that_cannot_be_made_is_an_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.parent.joinpath("m2").write_text("a file in the way")
    serve(monkeypatch, never)
    with pytest.raises(UsageError, match="cannot be written"):
        artifacts.ensure("pair", Quiet())


def test_only_one_thread_at_a_time_does_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path))
    inside, most = [0], [0]

    def work() -> None:
        with artifacts.exclusive("work", Quiet()):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.05)
            inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


@pytest.mark.parametrize("sums", [None, "", "{", "[]", '{"a": "0"}'])
def test_a_damaged_folder_of_the_cache_is_named_with_what_to_do(tmp_path: Path, sums: str | None) -> None:
    home = tmp_path / "trino-1"
    home.mkdir()
    (home / "a").write_text("a")
    if sums is not None:
        (home / "sha256.json").write_text(sums)
    with pytest.raises(UsageError, match=rf"a is not what was unpacked; remove the folder.*rm -r {home}"):
        artifacts._verify_folder(home)
