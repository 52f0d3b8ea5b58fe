"""What readers answered of one table, and which of them is right: the reference reader, or else the majority."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lakebench.iceberg.scan import Condition
from lakebench.outcomes import Outcome

REFERENCE = "reference"
"""The reader straight from the specification, among the answers."""
Json = Mapping[str, Any]


@dataclass(frozen=True)
class TableRead:
    """One read: all rows of the current snapshot (``name`` is empty), of a branch or tag, or of an old snapshot.

    Or those of the current snapshot for which ``where`` holds.
    """

    name: str = ""
    snapshot_id: int | None = None
    ref: str | None = None
    columns: tuple[str, ...] | None = None
    where: Condition | None = None

    def __str__(self) -> str:
        """In words."""
        return self.name or "all rows"


@dataclass(frozen=True)
class TableAnswer:
    """What ``reader`` said to ``question`` from ``source`` (``metadata file``, ``files``, or the name of a catalog).

    ``digest`` is there where it gave rows; ``parts`` are those of the rows that each filter is to give, of all rows
    that it gave. An answer that is ``computed`` is such a part.
    """

    reader: str
    version: str
    source: str
    question: TableRead
    outcome: Outcome
    reason: str = ""
    digest: Json | None = None
    seconds: float = 0.0
    calls: tuple[str, ...] = ()
    parts: tuple[Json, ...] = ()
    computed: bool = False

    @property
    def signature(self) -> tuple[int, str]:
        """Equal for the same rows."""
        digest = self.digest or {}
        return digest.get("rows", -1), digest.get("hash", "")

    def filtered(self, at: int, question: TableRead) -> TableAnswer:
        """What all its rows come to under the filter number ``at``."""
        return replace(self, question=question, digest=self.parts[at], parts=(), calls=(), computed=True)


@dataclass(frozen=True)
class AnswerDifference:
    """``answer`` is not ``expected``: in which ``columns``, and in which rows, as far as they were fetched.

    ``lacking`` are expected rows that the answer has not, ``extra`` the others, in words; ``files`` are the data
    files (and the number of rows in each) that the lacking rows lie in, where the reference reader says so.
    """

    answer: TableAnswer
    expected: TableAnswer
    columns: tuple[str, ...]
    lacking: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


def expected_of(answers: Sequence[TableAnswer]) -> TableAnswer | None:
    """The answer that the others to the same question are held against: the reference's, or that of most engines.

    ``None`` where no answer has more than half of the engines that answered, each of which counts once.
    """
    given = [one for one in answers if one.digest is not None]
    reference = next((one for one in given if one.reader == REFERENCE), None)
    if reference is not None:
        return reference
    votes = Counter(signature for _, signature in {(one.reader, one.signature) for one in given})
    if not votes:
        return None
    (signature, number), *_ = votes.most_common()
    if number * 2 <= len({one.reader for one in given}):
        return None
    return next(one for one in given if one.signature == signature)


def differing(answers: Sequence[TableAnswer], expected: TableAnswer) -> list[TableAnswer]:
    """Those that gave other rows than ``expected``."""
    return [one for one in answers if one.digest is not None and one.signature != expected.signature]


def contradicted(
    answers: Sequence[TableAnswer], filters: Sequence[TableRead]
) -> Iterator[tuple[TableAnswer, TableAnswer]]:
    """Each answer to one of ``filters`` that is wrong, and the right one, computed of all rows of the expected answer.

    A reader whose rows already differ is held against its own as well: the filter is not to blame for the difference.
    """
    whole = [one for one in answers if one.parts]
    if not whole:
        return
    expected = expected_of(whole) or whole[0]
    for at, question in enumerate(filters):
        for one in answers:
            if one.question != question or one.digest is None:
                continue
            own = next(each for each in whole if (each.reader, each.source) == (one.reader, one.source))
            if one.signature not in {each.filtered(at, question).signature for each in (expected, own)}:
                yield one, expected.filtered(at, question)


def differing_columns(one: Json, other: Json) -> tuple[str, ...]:
    """The columns whose values, taken together, are not the same; none where only their places in rows differ."""

    def compared(column: Json) -> dict[str, Any]:
        return {key: value for key, value in column.items() if key != "shown_as"}

    pairs = zip(one["columns"].items(), other["columns"].values(), strict=True)
    return tuple(name for (name, left), right in pairs if compared(left) != compared(right))


def differing_buckets(one: Json, other: Json) -> list[int]:
    """The buckets of rows that are not the same."""
    pairs = zip(one["buckets"], other["buckets"], strict=True)
    return [at for at, (left, right) in enumerate(pairs) if left != right]
