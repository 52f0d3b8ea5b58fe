"""What a report on checked tables shows, from results that no engine has to give."""

from __future__ import annotations

from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field
from lakebench.outcomes import Outcome
from lakebench.processes.digests import digest_of
from lakebench.reports import html, markdown
from lakebench.reports import table_check as report
from lakebench.table_check.answers import REFERENCE, AnswerDifference, TableAnswer, TableRead
from lakebench.table_check.check import CheckedTable

EQUAL, LESS = (TableRead(f"id {test} 3", where=Condition("id", test, 3)) for test in ("=", "<"))
DIGEST = digest_of((), (Field("id", "long"),)).to_json()


def answer(reader: str, question: TableRead, outcome: Outcome = Outcome.PASS, reason: str = "") -> TableAnswer:
    digest = DIGEST if outcome is Outcome.PASS else None
    return TableAnswer(reader, "1.0", "metadata file", question, outcome, reason, digest, seconds=1.25)


ANSWERS = (
    answer(REFERENCE, TableRead()),
    *(answer("a", one) for one in (TableRead(), EQUAL, LESS)),
    answer("b", TableRead()),
    answer("b", EQUAL),
    answer("b", LESS, Outcome.REFUSED, "no <"),
    answer("c", TableRead(), Outcome.UNAVAILABLE, "is not here"),
)
RIGHT = answer(REFERENCE, EQUAL)
DIFFERENCE = AnswerDifference(ANSWERS[2], RIGHT, ("id",), ("id = 3, at 7 of f.parquet",), (), {"f.parquet": 1})
TABLE = CheckedTable("mine:a.<b>", "s3://b/t", is_iceberg=True, answers=ANSWERS, differences=(DIFFERENCE,))


def test_the_filters_of_one_reader_are_one_line() -> None:
    text = markdown.render(report.document([TABLE], timed=True))
    lines = [line for line in text.splitlines() if "2 filters" in line]
    assert len(lines) == 2
    assert "WRONG" in lines[0]
    assert "id = 3" in lines[0]
    assert "2.50" in lines[0]
    assert "id &lt; 3: no &lt;" in lines[1]
    assert "at 7 of f.parquet" in text


def test_times_only_where_they_are_asked_for() -> None:
    assert "seconds" not in markdown.render(report.document([TABLE], timed=False))
    (table,) = report.to_json([TABLE], timed=False)["tables"]
    assert {one["seconds"] for one in table["answers"]} == {None}


def test_json_has_each_filter() -> None:
    (table,) = report.to_json([TABLE], timed=True)["tables"]
    assert [one["read"] for one in table["answers"] if one["reader"] == "a"] == ["all rows", "id = 3", "id < 3"]
    assert table["exit_code"] == 4


def test_names_are_escaped_in_html() -> None:
    page = html.render(report.document([TABLE], timed=False))
    assert "a.<b>" not in page
    assert "a.&lt;b&gt;" in page
