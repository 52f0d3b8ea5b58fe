"""The cases of protocol checks: which a catalog has, and how one is run."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from lakebench.errors import CaseError, EngineCrash, ServiceUnavailable, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence, Versioned
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, EngineRef
from lakebench.phases.rest_catalog.checks import ProtocolCheck, Subject
from lakebench.phases.rest_catalog.client import CatalogClient, Configuration, Names
from lakebench.phases.rest_catalog.openapi_document import violations
from lakebench.phases.rest_catalog.protocol import GROUPS, SUBJECTS
from lakebench.phases.rest_catalog.sandbox import Sandbox
from lakebench.phases.rest_catalog.targets import CheckedCatalog, ReachableCatalog

PHASE = "phase11"
_RUN = secrets.token_hex(3)
"""Begins every name of this process, so that a catalog of the user's has none of them yet."""


def blocks(part: str, context: RunContext, target: CheckedCatalog) -> Iterator[Block]:
    """A case for each check of ``part`` that the catalog has, by what it says of itself.

    All are planned where it does not answer: each then says why.
    """
    reached, configuration = _asked(context, target)
    for subject in SUBJECTS[part]:
        for check in subject.checks:
            if reached is None or configuration is None or applies(check, reached, configuration):
                case = case_of(part, subject, check, target)
                test = Check(case, partial(_run, check, target))
                yield Versioned(test, target.name, partial(versions, target))


def applies(check: ProtocolCheck, reached: ReachableCatalog, configuration: Configuration) -> bool:
    """Whether a catalog has a ``check``: it names the operations, and has the login."""
    if check.logins and not isinstance(reached.catalog.authentication, check.logins):
        return False
    return all(configuration.has(one) for one in (check.operation, *check.requires))


def case_of(part: str, subject: Subject, check: ProtocolCheck, target: CheckedCatalog) -> Case:
    """The case ``phase11/<catalog>/<check>``."""
    about = {"operation": check.operation, "level": check.level.value, "subject": subject.title}
    more = {**about, **target.named_service}
    return Case(
        id=f"{PHASE}/{target.name}/{check.id}",
        phase=PHASE,
        title=f"{check.title} ({check.operation}, {check.level})",
        engine=EngineRef(target.name),
        group=GROUPS[part],
        row=check.id,
        column=target.name,
        coordinates=Coordinates(catalog=target.name, check=part, test=check.id, more=more),
    )


def _asked(context: RunContext, target: CheckedCatalog) -> tuple[ReachableCatalog | None, Configuration | None]:
    """The running catalog and its configuration, ``None`` where there is none."""
    try:
        reached = target.reached(context.services, context.request.settings)
        return reached, context.prepared.once(
            f"rest_catalog/{target.name}", lambda: CatalogClient(reached.catalog).configuration
        )
    except CaseError:
        return None, None


def _run(check: ProtocolCheck, target: CheckedCatalog, context: RunContext) -> Evidence:
    """The evidence of a check that passes; the error of one that does not has its evidence too."""
    settings = context.request.settings
    reached = (target.with_short_keys(settings) if check.short_keys else target).reached(context.services, settings)
    mark = f"lb{_RUN}_{''.join(one if one.isalnum() else '_' for one in check.id.lower())}"
    outside = context.checker.call
    sandbox = Sandbox(reached.catalog, mark, reached.store, reached.expired_token, outside, scoped=reached.scoped)
    try:
        evidence = evidence_of(check, sandbox)
    except (EngineCrash, ServiceUnavailable) as error:
        raise diagnosed(context, target, error) from error
    finally:
        if target.is_users(context.services):
            clean(sandbox)
    return evidence


def evidence_of(check: ProtocolCheck, sandbox: Sandbox) -> Evidence:
    """What was asked and answered in a check that passes.

    Raises:
        CaseError: it does not pass; the details have all that was asked and answered.
    """
    about = {"operation": check.operation, "level": check.level.value}
    try:
        check.test(sandbox)
    except CaseError as error:
        error.details.update(about | sandbox.evidence())
        raise
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise _malformed(sandbox, error, about) from error
    shown = sandbox.evidence()
    return about | {key: shown[key] for key in ("steps", "curl") if key in shown}


def _malformed(sandbox: Sandbox, error: Exception, about: Mapping[str, Any]) -> Exception:
    """``error`` as a wrong answer, where an answer is not of its schema; else it is a fault of ours."""
    for one in reversed(sandbox.client.log):
        if one.text and (found := violations(one.operation, one.status, one.json)):
            message = f"the answer of {one.named} with {one.status} is not of its schema: {'; '.join(found)}"
            return WrongAnswer(message, **(dict(about) | sandbox.evidence()))
    return error


def diagnosed(context: RunContext, target: CheckedCatalog, error: CaseError) -> CaseError:
    """``error``; where the catalog's process died, it is started again for the next case."""
    if not (target.service and context.services.died(target.service)):
        return error
    log = context.services.log_tail(target.service)
    context.services.restart(target.service)
    return EngineCrash(f"{target.name} died", **{**error.details, "log": log})


def clean(sandbox: Sandbox) -> None:
    """Drop what a check made, as far as the catalog does it: the catalog is the user's."""
    log = sandbox.client.log
    sandbox.client.log = []
    try:
        for names in reversed(sandbox.namespaces):
            _clean_namespace(sandbox, names)
    except CaseError:
        pass
    finally:
        sandbox.client.log = log


def _clean_namespace(sandbox: Sandbox, names: Names) -> None:
    for listing, drop in (("listTables", "dropTable"), ("listViews", "dropView")):
        if not sandbox.client.configuration.has(listing):
            continue
        answer = sandbox.call(listing, names)
        for one in answer.json["identifiers"] if answer.succeeded else ():
            sandbox.call(drop, names, one["name"], query={"purgeRequested": "true"} if drop == "dropTable" else None)
    sandbox.call("dropNamespace", names)


def versions(target: CheckedCatalog, context: RunContext) -> Mapping[str, str]:
    """The version of the catalog, where it is known."""
    endpoint = target.endpoint(context.services)
    return {target.name: endpoint.version} if endpoint and endpoint.version else {}
