"""What becomes of a night: one issue for each job that fails, never two, and runs beside those of earlier nights."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
JOBS = ("phase4-local-pinned", "interop-local-newest")
TOKEN = "not a secret"  # noqa: S105 - that of the test


class Tracker(BaseHTTPRequestHandler):
    """A tracker of issues with the part of GitHub's REST API that is used, by its documentation."""

    issues: list[dict[str, Any]]
    comments: list[tuple[int, str]]

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        states = {"open", "closed"} if query.get("state") == "all" else {query.get("state", "open")}
        found = [one for one in self.issues if query["labels"] in one["labels"] and one["state"] in states]
        first = (int(query["page"]) - 1) * int(query["per_page"])
        self._answer(200, found[first : first + int(query["per_page"])])

    def do_POST(self) -> None:
        body = self._body()
        if self.path.endswith("/comments"):
            self.comments.append((int(self.path.split("/")[-2]), body["body"]))
        else:
            self.issues.append({"number": len(self.issues) + 1, "state": "open", **body})
        self._answer(201, {})

    def do_PATCH(self) -> None:
        self.issues[int(self.path.rpartition("/")[2]) - 1] |= self._body()
        self._answer(200, {})

    def _body(self) -> Any:
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        assert self.path.startswith("/repos/mine/lakes/issues")
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, status: int, value: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def tracker() -> Iterator[ThreadingHTTPServer]:
    Tracker.issues, Tracker.comments = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Tracker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _night(folder: Path, codes: Mapping[str, str], summary: str = "**❌ 1 of 2 cases failed**\n") -> Path:
    for job, code in codes.items():
        run = folder / job / "runs" / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{job.partition('-')[0]}-a1b2"
        run.mkdir(parents=True)
        (folder / job / "exit-code").write_text(f"{code}\n", encoding="utf-8")
        (run / "records.jsonl").write_text("{}\n", encoding="utf-8")
        (run / "summary.md").write_text(f"{summary}\nRun {run.name}, today; duckdb 1.5.5\n", encoding="utf-8")
    return folder


def _report(results: Path, tracker: ThreadingHTTPServer) -> str:
    variables = {
        "GITHUB_API_URL": f"http://127.0.0.1:{tracker.server_port}",
        "GITHUB_SERVER_URL": "https://forge.example",
        "GITHUB_REPOSITORY": "mine/lakes",
        "GITHUB_RUN_ID": "7",
        "GITHUB_TOKEN": TOKEN,
    }
    jobs = f"jobs={json.dumps([{'name': one} for one in JOBS])}"
    command = [sys.executable, str(ROOT / "scripts" / "nightly_issues.py"), str(results), jobs]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    return done.stdout


def test_an_issue_is_opened_once_changed_closed_and_opened_again(tmp_path: Path, tracker: ThreadingHTTPServer) -> None:
    passed, failed = dict.fromkeys(JOBS, "0"), {JOBS[0]: "4", JOBS[1]: "0"}
    assert _report(_night(tmp_path / "1", passed), tracker) == ""
    assert _report(_night(tmp_path / "2", failed), tracker) == "opened: Nightly: phase4-local-pinned fails\n"
    (issue,) = Tracker.issues
    assert (issue["labels"], issue["state"]) == (["nightly"], "open")
    for part in ("4 (a wrong answer that is not accepted)", "1 of 2 cases", "forge.example/mine/lakes/actions/runs/7"):
        assert part in issue["body"]
    assert _report(_night(tmp_path / "3", failed), tracker) == ""
    other = _night(tmp_path / "4", failed, "**❌ 2 of 2 cases failed**\n")
    assert _report(other, tracker) == "changed: Nightly: phase4-local-pinned fails\n"
    assert "2 of 2 cases" in issue["body"]
    assert _report(_night(tmp_path / "5", passed), tracker) == "closed: Nightly: phase4-local-pinned fails\n"
    assert issue["state"] == "closed"
    assert _report(_night(tmp_path / "6", passed), tracker) == ""
    assert _report(other, tracker) == "opened again: Nightly: phase4-local-pinned fails\n"
    assert (len(Tracker.issues), issue["state"], len(Tracker.comments)) == (1, "open", 3)


def test_a_job_that_ended_before_lakebench_has_an_issue(tmp_path: Path, tracker: ThreadingHTTPServer) -> None:
    _report(_night(tmp_path, {JOBS[0]: "0"}), tracker)
    (issue,) = Tracker.issues
    assert issue["title"] == "Nightly: interop-local-newest fails"
    assert "the job ended before lakebench did" in issue["body"]


def test_an_issue_behind_a_hundred_others_is_found(tmp_path: Path, tracker: ThreadingHTTPServer) -> None:
    others = ({"number": n + 1, "title": str(n), "labels": ["nightly"], "state": "open"} for n in range(120))
    Tracker.issues.extend(others)
    night = _night(tmp_path, {JOBS[0]: "1", JOBS[1]: "0"})
    assert _report(night, tracker)
    assert _report(night, tracker) == ""
    assert len(Tracker.issues) == 121


def _git(*arguments: str, cwd: Path) -> str:
    command = [shutil.which("git") or "git", *arguments]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of an empty repository, as a job has it: without a name of the user."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    _git("init", "--quiet", "--bare", "origin.git", cwd=tmp_path)
    _git("clone", "--quiet", "origin.git", "checkout", cwd=tmp_path)
    return tmp_path / "checkout"


def _keep(checkout: Path, results: Path, name: str) -> set[str]:
    """Keep the runs of a night; the runs that the branch has then."""
    command = [str(ROOT / "scripts" / "keep_runs.sh"), str(results), name]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    _git("fetch", "--quiet", "origin", "nightly-runs", cwd=checkout)
    listed = _git("ls-tree", "-r", "--name-only", "FETCH_HEAD", cwd=checkout).splitlines()
    assert {Path(one).name for one in listed} == {"records.jsonl", "summary.md"}
    return {str(Path(one).parent) for one in listed}


def test_runs_of_earlier_nights_stay_for_thirty_nights_in_one_commit(tmp_path: Path, checkout: Path) -> None:
    first = _night(tmp_path / "1", {"phase4-local-pinned": "0", "phase4-compose-pinned": "1"})
    kept = _keep(checkout, first, "history")
    assert {Path(one).parent.name for one in kept} == {"local", "compose"}
    old = tmp_path / "2" / "phase3-local-newest" / "runs"
    for days in (2, 29, 31):
        run = old / f"{dt.datetime.now(dt.UTC) - dt.timedelta(days=days):%Y%m%dT%H%M%SZ}-phase3-{days}"
        run.mkdir(parents=True)
        (run / "records.jsonl").write_text("{}\n", encoding="utf-8")
    both = _keep(checkout, tmp_path / "2", "history-2")
    assert kept < both
    assert {one[-2:] for one in both - kept} == {"-2", "29"}
    assert both == {str(one.relative_to(checkout / "history-2")) for one in (checkout / "history-2").glob("*/*")}
    assert _git("rev-list", "--count", "FETCH_HEAD", cwd=checkout).strip() == "1"


def test_a_remote_that_does_not_answer_loses_no_history(tmp_path: Path, checkout: Path) -> None:
    night = _night(tmp_path / "1", {"phase4-local-pinned": "0"})
    _git("remote", "set-url", "origin", str(tmp_path / "nothing"), cwd=checkout)
    command = [str(ROOT / "scripts" / "keep_runs.sh"), str(night), "history"]
    assert subprocess.run(command, cwd=checkout, check=False, capture_output=True).returncode
