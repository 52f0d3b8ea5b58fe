"""The checks of phase 11 are checked: a catalog that does one thing wrong fails the checks of that, and no other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from wrong_catalog import WrongCatalog, wrong_catalog
from wrong_faults import Fault

from lakebench.errors import CaseError
from lakebench.outcomes import Outcome
from lakebench.phases.rest_catalog.cases import evidence_of
from lakebench.phases.rest_catalog.checks import ProtocolCheck
from lakebench.phases.rest_catalog.protocol import SUBJECTS
from lakebench.phases.rest_catalog.sandbox import Sandbox

pytestmark = pytest.mark.integration

CHECKS = {check.id: check for subjects in SUBJECTS.values() for subject in subjects for check in subject.checks}
NUMBERS = itertools.count()
EXPIRE = "cred.expire"
SOME_NAMES = {"name.table_star", "name.table_slash", "name.namespace_star", "name.case_twins", "name.prefix_twins"}
"""Of the hostile names, those that a fault is tried with: they are many, and asked alike."""
STALE = {
    "commit.assert_create_409", "commit.assert_table_uuid_409", "commit.assert_ref_snapshot_id_409",
    "commit.assert_ref_null_present_409", "commit.assert_last_field_id_409", "commit.assert_current_schema_id_409",
    "commit.assert_last_partition_id_409", "commit.assert_default_spec_id_409",
    "commit.assert_default_sort_order_id_409", "commit.assert_ref_other_absent_409", "commit.failed_leaves_no_trace",
    "stage.second_commit_409", "tx.conflict_409", "tx.atomic", "commit.race_exactly_one_winner",
    "commit.race_second_snapshot", "tx.race_exactly_one_winner",
}  # fmt: skip
NO_NAMESPACE = {
    "ns.get_404", "ns.list_parent_404", "ns.props_404", "ns.drop_404", "tbl.create_ns_404", "tbl.list_ns_404",
    "rename.dst_ns_404", "register.ns_404",
}  # fmt: skip
FAILS: dict[Fault, set[str]] = {
    Fault.STALE_ASSERTIONS: STALE,
    Fault.LOST_PROPERTIES: {
        "tbl.load_create_properties", "tbl.create_v3", "commit.set_properties", "commit.remove_properties",
        "register.ok_200",
    },
    Fault.MISSING_TABLE: {"tbl.load_404", "stage.not_visible", "rename.loads_and_old_404"},
    Fault.OLD_SCHEMA: {"tbl.create_dup_409", "tbl.race_one_create"},
    Fault.FOREIGN_KEYS: {"cred.vended_on_load", "cred.prefix_covers_table"},
    Fault.WIDE_KEYS: {
        "cred.sibling_read_403", "cred.sibling_write_403", "cred.sibling_list_403", "cred.hostile_name_read_403",
    },
    Fault.LASTING_KEYS: {"cred.expire"},
    Fault.UNASKED_KEYS: {"cred.not_leaked_without_header"},
    Fault.KEY_ALONE: {"cred.vended_on_load"},
    Fault.ROWS_BACK: {"commit.snapshot_stays"},
    Fault.REUSED_UUID: {"tbl.recreate_new_uuid", "tbl.recreate_clean_state"},
    Fault.BOTH_WIN: {
        "commit.race_exactly_one_winner", "commit.race_second_snapshot", "commit.race_none_lost",
        "tx.race_exactly_one_winner",
    },
    Fault.HALF_TRANSACTION: {"tx.atomic", "tx.missing_404"},
    Fault.ANY_NAMESPACE: {
        "scope.other_read_403", "scope.other_write_403", "scope.transaction_403", "scope.rename_403",
    },
    Fault.ANY_WRITES: {"scope.read_only_403", "cred.read_scope_write_403"},
    Fault.BODIES: {"scope.transaction_403", "scope.rename_403"},
    Fault.OPEN_DOOR: {"auth.no_token", "auth.no_token_write", "auth.no_token_load"},
    Fault.UNSIGNED: {"auth.unsigned_token"},
    Fault.ANY_SIGNATURE: {"auth.forged_token", "auth.unsigned_token", "auth.foreign_token"},
    Fault.EXPIRED: {"auth.expired_token"},
    Fault.PURGES_ALWAYS: {"drop.keeps_files"},
    Fault.PURGES_PREFIX: {"drop.purge_spares_siblings"},
    Fault.PAGE_REPEATS: {"ns.pagination_complete", "tbl.pagination", "view.pagination"},
    Fault.FIRST_OF_A_KIND: {"commit.two_updates_of_a_kind"},
    Fault.LAST_PROPERTY: {"commit.remove_last_property"},
    Fault.PATTERN: {"name.table_star"},
    Fault.WRONG_TYPE: NO_NAMESPACE,
    Fault.BAD_FORM: {"schema.createTable", "schema.loadTable"},
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[WrongCatalog]:
    with wrong_catalog() as server:
        yield server


def _outcome(server: WrongCatalog, check: ProtocolCheck) -> Outcome:
    mark = f"lb{next(NUMBERS)}_{check.id.replace('.', '_').lower()}"
    try:
        expired, scoped = server.token(-60), server.scoped_login
        evidence_of(check, Sandbox(server.catalog, mark, server.store.owner, expired, scoped=scoped))
    except CaseError as error:
        return error.outcome
    return Outcome.PASS


def _outcomes(server: WrongCatalog, checks: list[ProtocolCheck]) -> dict[str, Outcome]:
    """The outcome of each check, several at once; the one that waits for the end of keys is alone, with short ones."""
    server.store.lasts_s = 3600.0
    with ThreadPoolExecutor(6) as pool:
        outcomes = dict(
            zip([one.id for one in checks], pool.map(lambda one: _outcome(server, one), checks), strict=True)
        )
    server.store.lasts_s = 1.0
    return outcomes | {EXPIRE: _outcome(server, CHECKS[EXPIRE])}


def test_a_catalog_that_does_what_it_should_passes_every_check(server: WrongCatalog) -> None:
    outcomes = _outcomes(server, list(CHECKS.values()))
    assert {name: one for name, one in outcomes.items() if one is not Outcome.PASS} == {}


def test_every_fault_is_tried() -> None:
    assert set(FAILS) == set(Fault)
    assert {name for names in FAILS.values() for name in names} <= set(CHECKS)


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_a_fault_fails_its_checks_and_no_other(server: WrongCatalog, fault: Fault) -> None:
    server.fault = fault
    some = [one for one in CHECKS.values() if not one.id.startswith("name.") or one.id in SOME_NAMES]
    failed = {name for name, outcome in _outcomes(server, some).items() if outcome.is_failure}
    assert failed == FAILS[fault]
