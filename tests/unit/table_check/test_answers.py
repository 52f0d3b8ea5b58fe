"""Which answer is the right one, and how another one differs from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import own_tables
import pyarrow as pa
import pyarrow.parquet as pq

from lakebench.datasets import table_files
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field
from lakebench.outcomes import ExitCode, Outcome
from lakebench.processes.digests import HASH, FilteredRows, digest_of, with_parts
from lakebench.table_check import columns, reference_reader, rows_apart
from lakebench.table_check.answers import (
    REFERENCE,
    AnswerDifference,
    TableAnswer,
    TableRead,
    contradicted,
    differing,
    differing_buckets,
    differing_columns,
    expected_of,
)
from lakebench.table_check.check import CheckedTable
from lakebench.table_check.findings import TableFindings

FIELDS = (Field("id", "long"), Field("name", "string"))
ROWS = pa.table({"id": [1, 2, 3], "name": ["one", "two", None]})
ALL = TableRead()


def digest(rows: pa.Table) -> dict[str, Any]:
    return digest_of(rows.to_batches(), FIELDS).to_json()


def answer(reader: str, rows: pa.Table | None = ROWS, outcome: Outcome = Outcome.PASS) -> TableAnswer:
    return TableAnswer(reader, "1", "metadata file", ALL, outcome, digest=None if rows is None else digest(rows))


def test_the_reference_decides_against_all_engines() -> None:
    less = ROWS.slice(1)
    answers = [answer("a", less), answer("b", less), answer(REFERENCE)]
    expected = expected_of(answers)
    assert expected is not None
    assert expected.reader == REFERENCE
    assert [one.reader for one in differing(answers, expected)] == ["a", "b"]


def test_without_it_most_engines_decide() -> None:
    answers = [answer("a"), answer("b", ROWS.slice(1)), answer("c", ROWS.take([2, 1, 0]))]
    expected = expected_of(answers)
    assert expected is not None
    assert [one.reader for one in differing(answers, expected)] == ["b"]


def test_half_of_the_engines_are_no_majority() -> None:
    assert expected_of([answer("a"), answer("b", ROWS.slice(1))]) is None


def test_an_engine_has_one_vote_whatever_its_ways() -> None:
    less = ROWS.slice(1)
    assert expected_of([answer("a", less), answer("a", less), answer("b")]) is None


def test_who_did_not_answer_has_no_vote() -> None:
    answers = [answer("a", None, Outcome.REFUSED), answer("b", None, Outcome.CRASH), answer("c")]
    expected = expected_of(answers)
    assert expected is not None
    assert differing(answers, expected) == []


def test_the_columns_and_buckets_that_differ() -> None:
    other = ROWS.set_column(1, "name", pa.array(["one", "TWO", None]))
    assert differing_columns(digest(ROWS), digest(other)) == ("name",)
    assert len(differing_buckets(digest(ROWS), digest(other))) == 2


def kept(rows: pa.Table, into: Path) -> Path:
    """All rows with their hashes, as a worker keeps those of the buckets that differ."""
    made = digest_of(rows.to_batches(), FIELDS, range(4096), 100)
    table_files.write(pa.Table.from_batches(made.kept), into)
    return into


def test_the_rows_that_differ(tmp_path: Path) -> None:
    other = pa.concat_tables([ROWS.slice(1), ROWS.slice(1, 1)])
    found = rows_apart.apart(kept(ROWS, tmp_path / "a"), kept(other, tmp_path / "b"))
    assert found.lacking == ("id = 1, name = 'one'",)
    assert found.extra == ("id = 2, name = 'two'",)


def test_a_reader_without_any_row_lacks_all(tmp_path: Path) -> None:
    found = rows_apart.apart(kept(ROWS, tmp_path / "a"), tmp_path / "none")
    assert len(found.lacking) == 3
    assert found.extra == ()


def test_the_reference_reader_says_where_a_row_lies(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    metadata = own_tables.content(file)
    fields = columns.fields_of(metadata["schemas"][-1])
    into = tmp_path / "rows"
    (made,) = reference_reader.digests(metadata, None, fields)
    wanted = reference_reader.Wanted(tuple(range(4096)), 100, into)
    reference_reader.keep(metadata, None, fields, "main", wanted)
    assert made["rows"] == own_tables.ROWS.num_rows
    assert made["hash"] == digest_of(own_tables.ROWS.to_batches(), fields).to_json()["hash"]
    rows = table_files.read(into)
    assert rows[reference_reader.POSITION].to_pylist() == [0, 1, 2, 3]
    assert HASH in rows.column_names


def checked(violations: tuple[str, ...] = (), *answers: TableAnswer, differs: bool = False) -> CheckedTable:
    apart = (AnswerDifference(answers[0], answers[-1], ()),) if differs else ()
    return CheckedTable(
        "t", "", is_iceberg=True, findings=TableFindings(violations, {}, {}, (), {}), answers=answers, differences=apart
    )


def test_exit_codes() -> None:
    assert checked((), answer("a")).code is ExitCode.OK
    assert checked(("a violation",), answer("a")).code is ExitCode.WORSE
    assert checked(("a violation",), answer("a"), answer("b"), differs=True).code is ExitCode.WRONG_ANSWER
    assert checked((), answer(REFERENCE)).code is ExitCode.NOTHING_RAN
    fault = answer("a", None, Outcome.HARNESS_FAULT)
    assert checked((), answer("b"), fault).code is ExitCode.HARNESS_FAULT


def test_an_engine_that_the_user_named_and_that_gave_no_rows_is_missed() -> None:
    refused = answer("a", None, Outcome.REFUSED)
    assert checked((), answer("b"), refused).code is ExitCode.OK
    named = CheckedTable("t", "", is_iceberg=True, answers=(answer("b"), refused), named=("a", "b"))
    assert named.missed == ("a",)
    assert named.code is ExitCode.WORSE


AT_LEAST_2 = TableRead("id >= 2", where=Condition("id", ">=", 2))


def whole(reader: str, rows: pa.Table = ROWS) -> TableAnswer:
    made, (part,) = with_parts(rows.to_batches(), FIELDS, [FilteredRows(Condition("id", ">=", 2))])
    return replace(answer(reader), digest=made.to_json(), parts=(part.to_json(),))


def filtered(reader: str, rows: pa.Table) -> TableAnswer:
    return replace(answer(reader, rows), question=AT_LEAST_2)


def test_a_filter_that_loses_a_row_that_all_rows_have() -> None:
    answers = [whole("a"), whole("b"), filtered("a", ROWS.slice(1)), filtered("b", ROWS.slice(2))]
    ((wrong, right),) = contradicted(answers, [AT_LEAST_2])
    assert wrong.reader == "b"
    assert right.computed
    assert (right.digest or {})["rows"] == 2


def test_all_readers_that_lose_the_same_row_are_wrong() -> None:
    answers = [whole("a"), whole("b"), filtered("a", ROWS.slice(2)), filtered("b", ROWS.slice(2))]
    assert [one.reader for one, _ in contradicted(answers, [AT_LEAST_2])] == ["a", "b"]


def test_a_filter_is_not_to_blame_for_rows_that_the_reader_never_gives() -> None:
    answers = [whole(REFERENCE), whole("a", ROWS.slice(2)), filtered("a", ROWS.slice(2))]
    assert list(contradicted(answers, [AT_LEAST_2])) == []


def test_a_column_that_files_lack_has_the_value_of_its_partition(tmp_path: Path) -> None:
    metadata = own_tables.content(own_tables.write(tmp_path, partition=("day", "identity")))
    fields = columns.fields_of(metadata["schemas"][-1])
    before = reference_reader.digests(metadata, None, fields)
    for file in tmp_path.rglob("*.parquet"):
        pq.write_table(pq.read_table(file, partitioning=None).drop_columns(["day"]), file)
    assert reference_reader.digests(metadata, None, fields) == before


def test_instants_that_python_has_not_are_shown(tmp_path: Path) -> None:
    rows = pa.table({"id": pa.array([10**18], pa.timestamp("us")), HASH: [1]})
    table_files.write(rows, tmp_path / "a")
    assert "1000000000000000000" in rows_apart.apart(tmp_path / "a", tmp_path / "none").lacking[0]
