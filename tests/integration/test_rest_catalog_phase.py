"""Phase 11 from the command line: a catalog of the user's with a login, and one that lakebench starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from started import lakebench
from wrong_catalog import wrong_catalog
from wrong_faults import Fault

from lakebench.outcomes import ExitCode, Outcome
from lakebench.results.records import FILE, Run, read

pytestmark = pytest.mark.integration


def _run(output: Path) -> Run:
    (folder,) = output.iterdir()
    return read(folder)


def test_a_catalog_of_the_users_is_checked_and_left_as_it_was(tmp_path: Path) -> None:
    with wrong_catalog(Fault.MISSING_TABLE) as server:
        login = server.catalog.authentication
        keys = {
            "kind": "rest", "uri": server.uri, "warehouse": "lake", "authentication": "oauth2",
            "token_uri": login.token_uri, "client_id": login.client_id, "client_secret": login.client_secret,
            "scope": login.scope,
        }  # fmt: skip
        table = "\n".join(f'{key} = "{value}"' for key, value in keys.items())
        (tmp_path / "lakebench.toml").write_text(f"[catalog.mine]\n{table}\n", encoding="utf-8")
        asked = ("run", "phase11", "--catalog", "mine", "--checks", "protocol,auth", "--output", "runs")
        done = lakebench(*asked, cwd=tmp_path)
        assert (server.state.namespaces, server.state.tables, server.state.views) == ({}, {}, {})
        secret = server.secret
    assert done.returncode == ExitCode.WRONG_ANSWER, done.stderr
    run = _run(tmp_path / "runs")
    failed = {case.coordinates.test for case in run.cases if case.outcome.is_failure}
    assert failed == {"tbl.load_404", "stage.not_visible", "rename.loads_and_old_404"}
    reasons = {case.coordinates.test: case.reason for case in run.cases if case.outcome is Outcome.UNAVAILABLE}
    no_store = {
        test for test, reason in reasons.items() if re.search("no keys of the store|no empty manifest list", reason)
    }
    assert {"commit.assert_main_null_on_empty_200", "commit.tag"} <= no_store, "it reads manifest lists"
    scopes = {case.coordinates.test for case in run.cases if case.coordinates.test.startswith("scope.")}
    assert len(scopes) == 6, "the settings name one login, so there is none whose scope is one namespace"
    assert set(reasons) - no_store == {"auth.expired_token", "schema.loadTable_error"} | scopes
    (wrong,) = (case for case in run.cases if case.coordinates.test == "tbl.load_404")
    assert wrong.evidence["curl"].startswith('curl -sS -X GET "$CATALOG/v1/lake/namespaces/lb')
    assert len(wrong.evidence["commands"]) == len(wrong.evidence["steps"])
    written = [run.path, *run.path.parent.glob("report.*")]
    assert len(written) == 3
    for file in written:
        assert secret not in file.read_text(encoding="utf-8"), file
    assert "Catalog mine" in (run.path.parent / "report.md").read_text(encoding="utf-8")
    assert run.path.name == FILE


def test_a_catalog_that_is_started_is_checked_with_its_store(lake_up: dict[str, str], tmp_path: Path) -> None:
    asked = ("run", "phase11", "--use-up", "--catalog", "rest", "--checks", "storage,credentials")
    done = lakebench(*asked, "--output", str(tmp_path / "runs"), cwd=tmp_path, **lake_up)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    outcomes = {case.coordinates.test: case.outcome for case in _run(tmp_path / "runs").cases}
    assert outcomes["drop.keeps_files"] is outcomes["drop.purge_spares_siblings"] is Outcome.PASS
    assert outcomes["cred.vended_on_load"] is Outcome.REFUSED, "it gives no keys, and need not"
