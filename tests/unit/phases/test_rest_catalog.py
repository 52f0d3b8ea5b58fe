"""Phase 11: how a request is made and shown, which checks a catalog has, and what its records come to."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from lakebench.config import Settings
from lakebench.errors import EngineUnavailable, Refused, UsageError, WrongAnswer
from lakebench.execution.request import Scope
from lakebench.model import BearerToken, Catalog, CatalogKind, Coordinates, OAuth2, Record, Selection
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import covers, find
from lakebench.phases.options import Asked
from lakebench.phases.rest_catalog import openapi_document, report
from lakebench.phases.rest_catalog.cases import applies, case_of
from lakebench.phases.rest_catalog.client import CatalogClient, Configuration
from lakebench.phases.rest_catalog.exchange import Exchange, masked
from lakebench.phases.rest_catalog.parts import PARTS
from lakebench.phases.rest_catalog.protocol import GROUPS, SUBJECTS
from lakebench.phases.rest_catalog.sandbox import Sandbox
from lakebench.phases.rest_catalog.targets import ReachableCatalog, local_catalogs, read_names, target
from lakebench.results.records import Header, Run

CHECKS = [check for subjects in SUBJECTS.values() for subject in subjects for check in subject.checks]
CATALOG = Catalog(CatalogKind.REST, "http://127.0.0.1:1/catalog", "lake")


def exchange(status: int, text: str = "", **more: Any) -> Exchange:
    given = {"operation": "loadTable", "method": "GET", "path": "/v1/namespaces/a/tables/b", "headers": {}} | more
    return Exchange(status=status, text=text, **given)


def test_the_document_is_the_one_whose_hash_is_written_down() -> None:
    assert hashlib.sha256(openapi_document.FILE.read_bytes()).hexdigest() == openapi_document.SHA256
    assert openapi_document.SHA256 in (openapi_document.FILE.parent / "README.md").read_text("utf-8")


def test_each_check_has_a_name_of_its_own_a_title_and_operations_of_the_document() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.title != check.id
        assert {check.operation, *check.requires} <= set(openapi_document.operations()), check.id
    assert set(GROUPS) == set(SUBJECTS) <= set(PARTS)


def test_the_form_of_an_answer_is_held_against_the_document() -> None:
    uuid = {"format-version": 2, "table-uuid": "u"}
    assert openapi_document.violations("loadTable", 200, {"metadata-location": None, "metadata": uuid}) == []
    (missing,) = openapi_document.violations("loadTable", 200, {"metadata": {"format-version": 2}})
    assert "table-uuid" in missing
    assert openapi_document.violations("loadView", 404, {"error": {"message": "no", "type": "T", "code": 404}}) == []
    assert openapi_document.violations("dropTable", 204, None) == []


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (404, Refused), (500, Refused), (204, WrongAnswer), (302, WrongAnswer)],
)
def test_what_should_succeed(status: int, error: type[Exception] | None) -> None:
    answer = exchange(status)
    if error is None:
        assert answer.succeeds() is answer
    else:
        with pytest.raises(error):
            answer.succeeds()


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (404, "NoSuchTableException", None),
        (404, "OtherException", WrongAnswer),
        (200, "", WrongAnswer),
        (500, "", WrongAnswer),
        (405, "", Refused),
    ],
)
def test_what_should_be_declined(status: int, kind: str, error: type[Exception] | None) -> None:
    answer = exchange(status, f'{{"error": {{"message": "no", "type": "{kind}", "code": {status}}}}}')
    if error is None:
        assert answer.fails(404, kind="NoSuchTableException") is answer
    else:
        with pytest.raises(error):
            answer.fails(404, kind="NoSuchTableException")


def test_what_another_check_is_about_makes_a_check_impossible_and_not_failed() -> None:
    with pytest.raises(EngineUnavailable, match="loadTable, which is declined with 500"):
        exchange(500).needed()


def test_a_record_has_no_secret_of_a_request_or_an_answer() -> None:
    secret = "s3cr3t"  # noqa: S105 - what must not be seen
    config = {
        "s3.secret-access-key": secret,
        "s3.session-token": secret,
        "s3.access-key-id": secret,
        "s3.endpoint": "e",
    }
    answer = exchange(
        200,
        f'{{"access_token": "{secret}", "config": {{"token": "{secret}"}}, "next-page-token": "2", "stack": ["at x"]}}',
        operation="getToken",
        method="POST",
        path="http://host/v1/oauth/tokens",
        body={"grant_type": "client_credentials", "client_secret": secret},
        form=True,
        login=True,
    )
    shown = f"{answer.request()} {answer.response()} {answer.curl()} {masked(config)}"
    assert secret not in shown
    assert "at x" not in shown
    assert "'next-page-token': '2'" in shown
    assert '--data-urlencode "client_secret=$CLIENT_SECRET"' in answer.curl()
    assert '-H "Authorization: Bearer $TOKEN"' in answer.curl()


def test_a_line_repeats_the_request() -> None:
    answer = exchange(200, method="POST", body={"name": "it's"}, sent={"Content-Type": "application/json"})
    assert answer.curl() == (
        "curl -sS -X POST \"$CATALOG/v1/namespaces/a/tables/b\" -H 'Content-Type: application/json' "
        """--data '{"name": "it'"'"'s"}'"""
    )


def test_a_line_repeats_the_request_for_a_name_of_dots() -> None:
    assert exchange(200, path="/v1/namespaces/a/tables/..").curl() == (
        'curl -sS --path-as-is -X GET "$CATALOG/v1/namespaces/a/tables/.."'
    )


def configured(**properties: str) -> CatalogClient:
    client = CatalogClient(CATALOG)
    client.__dict__["configuration"] = Configuration(properties, None)
    return client


def test_a_path_has_the_prefix_the_separator_and_encoded_names() -> None:
    assert configured().path("loadTable", ("a", "b/c"), "..%*") == "/v1/namespaces/a%1Fb%2Fc/tables/..%25%2A"
    client = configured(**{"prefix": "main|lake", "namespace-separator": "%2E"})
    assert client.path("listViews", ("a", "b")) == "/v1/main%7Clake/namespaces/a%2Eb/views"
    assert client.parent(("a", "b")) == "a.b"


def test_a_catalog_that_names_no_endpoints_has_the_default_ones() -> None:
    silent = Configuration({}, None)
    assert silent.has("commitTransaction")
    assert not silent.has("createView")
    assert not silent.has("tableExists")
    some = Configuration({}, ("GET /v1/{prefix}/namespaces",))
    assert some.has("listNamespaces")
    assert some.has("getConfig")
    assert not some.has("createNamespace")


def test_a_catalog_has_the_checks_of_its_endpoints_and_its_login() -> None:
    everything = Configuration({}, tuple(one.endpoint for one in openapi_document.operations().values()))

    def had(authentication: Any, configuration: Configuration) -> set[str]:
        catalog = Catalog(CatalogKind.REST, "http://h", "", authentication=authentication)
        reachable = ReachableCatalog(catalog, None)
        return {check.id for check in CHECKS if applies(check, reachable, configuration)}

    oauth = had(OAuth2("http://h/t", "id", "secret"), everything)
    assert oauth == {check.id for check in CHECKS}
    bearer = had(BearerToken("t"), everything)
    assert {"oauth.token", "schema.getToken"} <= oauth - bearer
    assert "auth.no_token" in bearer
    assert "auth.no_token" not in had(None, everything)
    assert "view.load" not in had(None, Configuration({}, None))
    assert "rename.uuid_stable" in had(None, Configuration({}, None))


def test_a_check_of_scopes_cannot_be_made_without_a_login_for_one_namespace() -> None:
    with pytest.raises(EngineUnavailable, match="whose scope is one namespace"):
        Sandbox(CATALOG, "lb").login_for(["a"])
    scoped = Sandbox(CATALOG, "lb", scoped=lambda name, *, writes: BearerToken(f"{name} {writes}"))
    assert scoped.login_for(["a"], writes=True) == BearerToken("a True")


def test_catalogs_are_chosen_by_name_or_address() -> None:
    asked = Asked()
    assert set(local_catalogs()) >= set(read_names("", asked)) >= {"rest", "nessie", "rest-bridge"}
    at = "http://127.0.0.1:8181/catalog?warehouse=lake"
    assert read_names(f"nessie,{at}", asked) == ("nessie", at)
    one = target(at, Settings())
    assert (one.name, one.services) == ("127.0.0.1:8181-catalog", ())
    reached = one.reached(lambda _: None, Settings())  # type: ignore[arg-type]
    assert (reached.catalog.uri, reached.catalog.warehouse) == ("http://127.0.0.1:8181/catalog", "lake")
    assert target("nessie", Settings()).services == ("object-store", "nessie")


@pytest.mark.parametrize("text", ["jdbc", "nesie", "ftp://host", "http://user:pw@host/catalog"])
def test_a_catalog_that_cannot_be_checked_is_declined(text: str) -> None:
    with pytest.raises(UsageError):
        read_names(text, Asked())


def test_a_catalog_of_the_users_is_checked_with_its_login() -> None:
    table = {"kind": "rest", "uri": "http://host/c", "authentication": "bearer", "token": "t"}
    settings = Settings.model_validate({"catalog": {"mine": table, "hms": {"kind": "hive", "uri": "thrift://h:1"}}})
    one = target("mine", settings)
    assert (one.service, one.services) == ("", ())
    reached = one.reached(lambda _: None, settings)  # type: ignore[arg-type]
    assert reached.catalog.authentication == BearerToken("t")
    assert reached.store is None
    with pytest.raises(UsageError, match="kind hive"):
        target("hms", settings)


@pytest.mark.parametrize(
    ("catalog", "checks", "uri", "services"),
    [
        ("seaweedfs", "credentials", "", ("seaweedfs", "seaweedfs-short-keys")),
        ("seaweedfs", "data", "", ("seaweedfs", "seaweedfs-short-keys")),
        ("seaweedfs", "credentials", "http://host:8181", ("seaweedfs",)),
        ("nessie", "credentials", "", ("object-store", "nessie")),
    ],
)
def test_keys_that_end_soon_are_another_server_of_ours(
    catalog: str, checks: str, uri: str, services: tuple[str, ...]
) -> None:
    table = {"services": {"seaweedfs": {"runtime": "external", "uri": uri}}} if uri else {}
    settings = Settings.model_validate(table)
    selection = Selection(options={"phase11": {"catalog": (catalog,), "checks": (checks,)}})
    assert find("phase11").optional_services(selection, settings) == services
    short = target(catalog, settings).with_short_keys(settings)
    assert (short.name, short.service) == (catalog, services[-1])
    protocol = Selection(options={"phase11": {"catalog": (catalog,), "checks": ("protocol",)}})
    assert "seaweedfs-short-keys" not in find("phase11").optional_services(protocol, settings)


def record(name: str, outcome: Outcome = Outcome.PASS, catalog: str = "nessie", reason: str = "") -> Record:
    part, subject, check = next(
        (part, subject, check)
        for part, subjects in SUBJECTS.items()
        for subject in subjects
        for check in subject.checks
        if check.id == name
    )
    case = case_of(part, subject, check, target("nessie", Settings()))
    coordinates = Coordinates(**{**vars(case.coordinates), "catalog": catalog})
    evidence = {"curl": "curl it"} if outcome.is_failure else {}
    return Record(
        case.id, case.phase, case.title, catalog, outcome, reason, evidence, row=case.row, column=catalog,
        group=case.group, coordinates=coordinates,
    )  # fmt: skip


def test_a_run_is_to_have_what_it_was_asked_for() -> None:
    def covered(about: Coordinates, **options: tuple[str, ...]) -> bool:
        selection = Selection(options={"phase11": dict(options)} if options else {})
        return covers(["phase11"], Scope((), selection, "standard"))("phase11", about)

    about = record("auth.no_token").coordinates
    assert covered(about)
    assert not covered(about, catalog=("rest",), checks=("auth",))
    assert not covered(about, catalog=("nessie",), checks=("protocol",))
    assert covered(about, catalog=("nessie",), checks=("auth",))


def test_the_report_has_a_section_a_catalog_with_its_failures_first() -> None:
    cases = (
        record("ns.create"),
        record("tbl.etag_present", Outcome.REFUSED, reason="no ETag"),
        record("tbl.load_404", Outcome.WRONG, reason="200"),
        record("cred.expire", Outcome.UNAVAILABLE, reason="no keys"),
        record("ns.create", catalog="rest"),
    )
    header = Header("r", ("phase11",), "lakebench run phase11", "now", {}, {}, {})
    run = Run(path=openapi_document.FILE, header=header, cases=cases)
    first, nessie, rest = report.sections(run)
    (overview,) = first.parts
    assert [cell.text for cell in overview.rows[0]] == ["all that the specification requires", "1 of 2", "1 of 1"]  # type: ignore[union-attr]
    assert (nessie.anchor, rest.anchor) == ("catalog-nessie", "catalog-rest")
    _, failures, unavailable, passed = nessie.parts
    assert [row[0].text for row in failures.rows] == ["tbl.load_404", "tbl.etag_present"]  # type: ignore[union-attr]
    assert failures.rows[0][-1].text == "curl it"  # type: ignore[union-attr]
    assert [row[0].text for row in unavailable.rows] == ["cred.expire"]  # type: ignore[union-attr]
    assert [row[0].text for row in passed.rows] == ["ns.create"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([], ReportVerdict.COULD_NOT_RUN),
        ([Outcome.UNAVAILABLE], ReportVerdict.COULD_NOT_RUN),
        ([Outcome.PASS, Outcome.PASS], ReportVerdict.REPRODUCED),
        ([Outcome.PASS, Outcome.WRONG], ReportVerdict.NOT_REPRODUCED),
    ],
)
def test_field_reports_are_judged_by_the_catalog_that_they_are_about(
    outcomes: list[Outcome], verdict: ReportVerdict
) -> None:
    names = ("commit.tag", "commit.add_schema")
    cases = [record(name, one, "duckicelake", "not here") for name, one in zip(names, outcomes, strict=False)]
    cases += [record(name, Outcome.WRONG) for name in names]  # of another catalog
    reports = {one.report: one for one in find("phase11").judge_field_reports(cases, "1")}
    assert list(reports) == ["C34", "C35", "C36", "C37", "C38", "C39", "C40"]
    assert reports["C36"].verdict is verdict
    assert {one.verdict for name, one in reports.items() if name != "C36"} == {ReportVerdict.COULD_NOT_RUN}
