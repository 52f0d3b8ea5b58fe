"""Keep one issue on GitHub for each job of the nightly run that fails, and close it when the job passes again.

    nightly_issues.py RESULTS JOBS

``RESULTS`` has a folder for each job that reached lakebench, with ``exit-code`` and ``runs/*/summary.md``; ``JOBS`` is
the text that ``nightly_jobs.py`` made. An issue is found by its label and title, whether it is open or closed: a job
that fails again opens its old issue again, so there is never a second one. A comment is written only where the failure
is not the one that the issue shows. The variables are those of GitHub Actions: GITHUB_API_URL, GITHUB_REPOSITORY,
GITHUB_SERVER_URL, GITHUB_RUN_ID and GITHUB_TOKEN.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

LABEL = "nightly"
_TIMEOUT_S = 60
_MEANING = {
    "1": "an outcome or a latency got worse, or is gone",
    "2": "usage or settings, or a full disk",
    "3": "nothing could run",
    "4": "a wrong answer that is not accepted",
    "5": "a fault of lakebench itself",
}
_ENDED_EARLY = "none: the job ended before lakebench did; its log says why"


@dataclass(frozen=True)
class Result:
    """How a job ended: the ``exit_code`` as text, empty where lakebench did not end, and the summary of its run."""

    job: str
    exit_code: str
    summary: str

    @property
    def title(self) -> str:
        """The title of its issue."""
        return f"Nightly: {self.job} fails"

    @property
    def failed(self) -> bool:
        """Whether the issue is to be open."""
        return self.exit_code != "0"

    @property
    def failure(self) -> str:
        """What fails, the same for the same failure: without the run's name, its date and the versions."""
        what = "".join(line for line in self.summary.splitlines(keepends=True) if not line.startswith("Run "))
        digest = hashlib.sha256(f"{self.exit_code}\n{re.sub(r'[0-9.]+ m?s', '', what)}".encode()).hexdigest()
        return f"<!-- failure {digest[:16]} -->"

    def body(self, run: str) -> str:
        """The text of the issue; ``run`` is the address of the run of the workflow."""
        meaning = _MEANING.get(self.exit_code, "")
        code = f"{self.exit_code}{f' ({meaning})' if meaning else ''}" if self.exit_code else _ENDED_EARLY
        return f"Exit code: {code}. [The job and its report]({run}).\n\n{self.summary}\n{self.failure}\n"


def results(folder: Path, jobs: str) -> Iterator[Result]:
    """The result of each of ``jobs``."""
    for job in json.loads(jobs.removeprefix("jobs=")):
        at = folder / job["name"]
        code = at / "exit-code"
        summaries = sorted(at.glob("runs/*/summary.md"))
        text = summaries[-1].read_text(encoding="utf-8") if summaries else ""
        yield Result(job["name"], code.read_text(encoding="utf-8").strip() if code.exists() else "", text)


class Issues:
    """The issues of a repository that have the label."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._base = f"{variables['GITHUB_API_URL']}/repos/{variables['GITHUB_REPOSITORY']}"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {variables['GITHUB_TOKEN']}"
        self._session.headers["Accept"] = "application/vnd.github+json"

    def by_title(self) -> dict[str, dict[str, Any]]:
        """Title → issue, open or closed; of two with one title the older one."""
        found: dict[str, dict[str, Any]] = {}
        for page in range(1, 1000):
            query = f"/issues?labels={LABEL}&state=all&sort=created&direction=asc&per_page=100&page={page}"
            listed = self._ask("GET", query)
            for issue in listed:
                found.setdefault(issue["title"], issue)
            if not listed:
                break
        return found

    def keep(self, result: Result, issue: Mapping[str, Any] | None, run: str) -> str:
        """Open, change or close the ``issue`` of ``result``; what was done, empty where nothing was."""
        if issue is None:
            return self._open(result, run) if result.failed else ""
        at = f"/issues/{issue['number']}"
        is_open = issue["state"] == "open"
        if not result.failed:
            return self._close(at, run) if is_open else ""
        if is_open and result.failure in (issue["body"] or ""):
            return ""
        self._ask("PATCH", at, state="open", body=result.body(run))
        self._ask("POST", f"{at}/comments", body=result.body(run))
        return "changed" if is_open else "opened again"

    def _open(self, result: Result, run: str) -> str:
        self._ask("POST", "/issues", title=result.title, body=result.body(run), labels=[LABEL])
        return "opened"

    def _close(self, at: str, run: str) -> str:
        self._ask("POST", f"{at}/comments", body=f"It passes again: [the run]({run}).")
        self._ask("PATCH", at, state="closed", state_reason="completed")
        return "closed"

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self._session.request(method, f"{self._base}{path}", json=body or None, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()


def main(folder: str, jobs: str) -> None:
    """Keep the issues, and print what was done."""
    variables = os.environ
    run = f"{variables['GITHUB_SERVER_URL']}/{variables['GITHUB_REPOSITORY']}/actions/runs/{variables['GITHUB_RUN_ID']}"
    issues = Issues(variables)
    known = issues.by_title()
    for result in results(Path(folder), jobs):
        if done := issues.keep(result, known.get(result.title), run):
            print(f"{done}: {result.title}")


if __name__ == "__main__":
    main(*sys.argv[1:])
