"""Of a catalog over a DuckLake: lakesh, DuckIceLake's SQL shell, reads the rows that an engine wrote.

Its profiles and commands are those of DuckIceLake's reference (``REFERENCE.md`` of its source, *lakesh*).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from lakebench.errors import EngineUnavailable, Refused, Timeout, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.model import EngineRef, Lake
from lakebench.phases.rest_catalog.data_tables import (
    BASE,
    NAMESPACE,
    Engines,
    check,
    create,
    lake,
    table_name,
    writers,
)
from lakebench.phases.rest_catalog.targets import CheckedCatalog

SUBJECT = "Rows by several engines"
COMMAND = "lakesh"
_PROFILE = "lakebench"
_LIMIT_S = 60


def blocks(refs: Sequence[EngineRef], target: CheckedCatalog) -> Iterator[Check]:
    """The rows of each writer; nothing where the command is not found, or the catalog is over no DuckLake."""
    if target.service and target.kind.over_ducklake and shutil.which(COMMAND):
        for ref in writers(refs):
            run = partial(_rows, target=target, ref=ref)
            yield check(target, COMMAND, SUBJECT, "lakesh has the rows", Engines(writer=ref), run)


def _rows(context: RunContext, target: CheckedCatalog, ref: EngineRef) -> Evidence:
    at, name = lake(context, target), table_name("to_lakesh", ref)
    create(context, ref, at, name)
    profile = write_profile(at, context.files.scratch / "lakesh.toml")
    ask(profile, "doctor", unable=EngineUnavailable)
    statement = f"SELECT concat('count=', count(*), ' sum=', sum(value)) FROM {NAMESPACE}.{name}"
    answer = ask(profile, "exec", "-q", statement, unable=Refused)
    return {**expect(answer, len(BASE), sum(value for _, value in BASE)), "steps": [statement]}


def write_profile(at: Lake, file: Path) -> Path:
    """The settings by which lakesh reaches the catalog and its store, which only this user may read."""
    store = at.objects
    catalog = {"uri": at.catalog.rest_uri, "warehouse": at.catalog.warehouse}
    lines = [f"default = {json.dumps(_PROFILE)}", f"[profiles.{_PROFILE}]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in catalog.items()]
    keys = {"endpoint": store.endpoint, "region": store.region}
    keys |= {"access_key": store.access_key, "secret_key": store.secret_key}
    lines += [f"[profiles.{_PROFILE}.s3]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    lines.append(f"path_style = {json.dumps(store.path_style)}")
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text("\n".join(lines) + "\n")
    return file


def ask(profile: Path, *arguments: str, unable: type[EngineUnavailable | Refused]) -> str:
    """What lakesh prints.

    Raises:
        EngineUnavailable, Refused: it ends with an error: the one that ``unable`` names.
        Timeout: it does not end within a minute.
    """
    command, *more = arguments
    line = [COMMAND, command, "-p", _PROFILE, *more]
    environment = {**os.environ, "LAKESH_CONFIG": str(profile)}
    try:
        none = subprocess.DEVNULL
        done = subprocess.run(
            line, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT_S, stdin=none
        )
    except subprocess.TimeoutExpired:
        raise Timeout(f"lakesh {command} did not end within {_LIMIT_S} s") from None
    if done.returncode:
        raise unable(f"lakesh {command} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def expect(answer: str, count: int, total: int) -> Evidence:
    """The evidence that ``answer`` has the count and the sum.

    Raises:
        WrongAnswer: it has others.
    """
    wanted = f"count={count} sum={total}"
    if wanted not in answer:
        raise WrongAnswer(f"{wanted} was to be read, and lakesh prints: {answer.strip()[-300:]}")
    return {"answer": answer.strip(), "checked_against": ["the rows that were written"]}
