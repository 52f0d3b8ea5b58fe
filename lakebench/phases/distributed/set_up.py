"""Lines of set-up: the program by which a user of each framework comes from addresses and keys to a first answer.

It lies beside the engine (``first_query_<engine>.py``), knows nothing of lakebench, and runs as a user would run it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines, private_network
from lakebench.engines import CanQuery, ray
from lakebench.errors import CaseError, EngineUnavailable, Refused, Timeout, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import QUICK
from lakebench.execution.request import Request
from lakebench.http import HOST
from lakebench.model import EngineRef, Lake, TableFormat
from lakebench.phases.distributed.case import case_of
from lakebench.phases.distributed.deletes import way_to
from lakebench.phases.distributed.lake_tables import DELETED, SALES, Row, rows, small
from lakebench.processes.guard import Guard
from lakebench.provisioning import environments

CHECK = "set-up"
_GROUP = "Set-up"
_ROW = "the first answer by a program of one's own"
_LIMIT_S = 600.0
_LAST = 5
_ANSWER = re.compile(r"\w+ \d+ \S+")  # Smallpond prints what it does beside it
_IN_A_NETWORK = frozenset({"smallpond"})  # of its own: it starts a Ray that takes what anybody sends
_QUIET = {"DO_NOT_TRACK": "true", "DAFT_ANALYTICS_ENABLED": "0", "DAFT_PROGRESS_BAR": "0"}


def blocks(request: Request) -> Iterator[Check]:
    """The program of each engine that has one; of ``quick`` correctness is the verdict, and none is run."""
    for ref in request.able(CanQuery) if request.profile.name != QUICK else ():
        program = program_of(ref)
        if program.is_file():
            case = case_of(ref, CHECK, "first-query", _GROUP, _ROW)
            yield Check(case, partial(_first_answer, ref=ref, program=program))


def program_of(ref: EngineRef) -> Path:
    """The path of the program beside the engine; it need not exist."""
    adapter = sys.modules[engines.find(ref.name).__module__].__file__
    return Path(adapter or "").with_name(f"first_query_{ref.name.replace('-', '_')}.py")


def lines_of(program: str) -> int:
    """How many lines of ``program`` are neither blank nor a comment."""
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in program.splitlines())


def answer(some: Sequence[Row]) -> list[str]:
    """The lines that a program prints for ``some`` rows, sorted: region, count and sum of each."""
    counts, sums = Counter[str | None](), Counter[str | None]()
    for _, region, amount in some:
        counts[region] += 1
        sums[region] += amount
    return sorted(f"{region} {count} {sums[region]}" for region, count in counts.items())


def _first_answer(context: RunContext, ref: EngineRef, program: Path) -> Evidence:
    """What the program prints is the answer; its text and lines are in the evidence, whatever becomes of it.

    Raises:
        WrongAnswer: it prints another one.
        CaseError: it failed, or cannot run here.
    """
    text = program.read_text("utf-8")
    about: dict[str, Any] = {"program": text, "lines": lines_of(text)}
    try:
        iceberg = bool(way_to(ref, TableFormat.ICEBERG))
        expected = answer(rows(deleted=iceberg))
        printed = sorted(_printed(context, ref, program, _addresses(context, iceberg=iceberg)))
        if printed != expected:
            raise WrongAnswer("the program prints other rows", printed=printed, expected=expected)
    except CaseError as error:
        error.details.update(about)
        raise
    return {**about, "printed": printed, "checked_against": ["rows written by hand"]}


def _addresses(context: RunContext, *, iceberg: bool) -> dict[str, str]:
    """Addresses and keys of the table with deleted rows in Iceberg, or of the Parquet files of the other one.

    Raises:
        EngineUnavailable: the catalog asks for a login, which the programs have no line for.
    """
    lake = small(context, TableFormat.ICEBERG if iceberg else TableFormat.PARQUET)
    if lake.catalog.authentication:
        raise EngineUnavailable("the catalog asks for a login, and the program has no line for one")
    store = lake.objects
    keys = {"AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key}
    return {"AWS_ENDPOINT_URL": store.endpoint, "AWS_REGION": store.region, **keys, **_table(lake)}


def _table(lake: Lake) -> dict[str, str]:
    if lake.format is TableFormat.PARQUET:
        return {"PARQUET_FILES": ",".join(lake.files[SALES])}
    catalog = lake.catalog
    table = f"{lake.namespace}.{DELETED}"
    return {"ICEBERG_URI": catalog.rest_uri, "ICEBERG_WAREHOUSE": catalog.warehouse, "ICEBERG_TABLE": table}


def _printed(context: RunContext, ref: EngineRef, program: Path, addresses: dict[str, str]) -> list[str]:
    """The lines of the answer that the program prints in the engine's environment; what it leaves is ended.

    Raises:
        Refused: it fails; the last lines of its error are the message.
        Timeout: it does not end.
        EngineUnavailable: it cannot run here.
    """
    engine = engines.find(ref.name)
    python = environments.python_for(engine, ref, context.progress)
    with Guard("p") as guard:  # a short name: Ray's sockets lie below it, and their paths have a limit
        variables = {**addresses, **_cluster(context, engine.service, guard.folder)}
        process = guard.spawn(
            _command(python, ref, program, addresses.get("AWS_ENDPOINT_URL", "")),
            env={**os.environ, **_QUIET, **variables, "HOME": str(guard.folder), "TMPDIR": str(guard.folder)},
            cwd=guard.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, error = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Timeout(f"the program did not end within {_LIMIT_S:g} s", limit_s=_LIMIT_S) from None
    return _lines(process.returncode, out.decode("utf-8", "replace"), error.decode("utf-8", "replace"))


def _command(python: Path, ref: EngineRef, program: Path, endpoint: str) -> list[str]:
    """The command, without a secret; some run in a network of their own, with a way to the store at ``endpoint``.

    Raises:
        EngineUnavailable: this machine lets us have no such network.
    """
    command = [str(python), "-I", str(program)]
    if ref.name not in _IN_A_NETWORK:
        return command
    if private_network.unshared() is None:
        raise EngineUnavailable(
            f"the program of {ref} starts a Ray that takes what anybody sends, and a network of its own cannot be had "
            "here: run as root, or allow user namespaces"
        )
    host, _, port = endpoint.partition("://")[2].rpartition(":")
    return private_network.command(host, (), (int(port),), command)


def _cluster(context: RunContext, service: str | None, folder: Path) -> dict[str, str]:
    """The variables of a driver of the cluster ``service``, or of a Ray that the program starts by itself."""
    if service is None:
        return ray.variables("", str(folder), local=True)
    server = context.services.endpoint(service)
    return {**ray.variables(server.password, str(folder), local=server.host == HOST), "RAY_ADDRESS": server.uri}


def _lines(code: int, out: str, error: str) -> list[str]:
    if code == 0:
        return [line for line in out.splitlines() if _ANSWER.fullmatch(line)]
    said = " | ".join([line.strip() for line in error.splitlines() if line.strip()][-_LAST:])
    raise Refused(f"the program ended with exit code {code}: {said}")
