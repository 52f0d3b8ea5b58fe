"""A finding: a folder with the program, what each engine got, both answers, and the feature for the matrix."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebench.datasets.interop import feature_files, feature_text
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import in_words, read_in_words
from lakebench.datasets.interop.random_programs import Program
from lakebench.errors import HarnessFault, UsageError
from lakebench.execution.request import Request
from lakebench.iceberg.operations import Read, from_json, to_json
from lakebench.inputs import files
from lakebench.phases.interop.fuzz import script
from lakebench.phases.interop.fuzz.failures import Failure
from lakebench.phases.interop.fuzz.known import FoundFailure, what_is_in
from lakebench.phases.interop.fuzz.program_run import ProgramResult
from lakebench.phases.interop.fuzz.script import TablePlace
from lakebench.phases.table_loading import word

FAILURE = "failure.json"
_HIDDEN = "***"
_BASIC = ("all rows", "count(*)")  # reads that every feature has


@dataclass(frozen=True)
class FuzzFinding:
    """``failure`` of ``program``, with the statements of each step.

    It came of program ``number`` of ``seed`` on ``engines``, separated by commas. ``place`` is where its table was.
    """

    failure: Failure
    program: Program
    statements: tuple[tuple[str, ...], ...]
    seed: int
    number: int
    engines: str
    place: TablePlace

    @classmethod
    def of(cls, failure: Failure, result: ProgramResult, request: Request, number: int) -> FuzzFinding:
        """The finding of ``failure`` in ``result``: the steps up to it, the last by the engine that failed."""
        done = failure.step - (failure.attempted is not None)
        program, statements = result.program[:done], result.statements[:done]
        if failure.attempted is not None:
            program, statements = [*program, failure.attempted], [*statements, tuple(failure.evidence["statements"])]
        place = TablePlace(word(request.selection.catalog), result.namespace, result.table, result.marks)
        engines = ",".join(map(str, request.refs))
        return cls(failure, tuple(program), tuple(statements), request.seed, number, engines, place)

    @property
    def found(self) -> FoundFailure:
        """What identifies the failure for later ones."""
        return FoundFailure(self.failure.name, what_is_in(self.program))

    @property
    def source(self) -> str:
        """What makes its program again."""
        return f"lakebench fuzz --seed {self.seed} --engines {self.engines}, program {self.number}"

    @property
    def id(self) -> str:
        """The name of its folder, and of its feature."""
        one = self.failure
        words = f"fuzz-{self.seed}-{self.number}-{one.engine}-{one.side}-{one.operation}-{one.outcome}"
        return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:58]

    def write(self, output: Path, secrets: Sequence[str] = ()) -> Path:
        """Write the finding below ``output``; its folder.

        Raises:
            HarnessFault: the feature that was written cannot be read.
        """
        folder = _new(output / self.id)
        written = {
            "finding.md": self._page(),
            FAILURE: json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n",
            "feature.toml": self._feature_file(),
            "reproduce.py": self._script(),
        }
        for name, text in written.items():
            if text:
                (folder / name).write_text(masked(text, secrets), encoding="utf-8")
        if written["feature.toml"]:
            _load(folder / "feature.toml")
        return folder

    def to_json(self) -> dict[str, Any]:
        """What identifies the failure, and where it was found."""
        one = self.failure
        return {
            "engine": one.engine, "side": one.side, "operation": one.operation, "outcome": one.outcome.value,
            "kind": one.kind, "reason": one.reason, "read": one.read.name if one.read else None,
            "seed": self.seed, "program": self.number, "operations": [to_json(step) for step in self.program],
            "evidence": dict(one.evidence),
        }  # fmt: skip

    def _page(self) -> str:
        one, lines = self.failure, [f"# {self.failure.title}", ""]
        lines += [f"Of {self.source}, shrunk to {len(self.program)} operations.", ""]
        lines += ["## Program", ""]
        for number, (step, statements) in enumerate(zip(self.program, self.statements, strict=True), 1):
            lines += [f"{number}. {step.by or 'lakebench'}: {in_words(replace(step, by=''))}", ""]
            lines += ["   ```", *(f"   {line}" for text in statements for line in text.splitlines()), "   ```", ""]
        if one.read:
            lines += ["## Read", "", read_in_words(one.read), ""]
            lines += ["```", *map(str, one.evidence.get("calls", ())), "```", ""]
        if diff := one.evidence.get("diff"):
            lines += ["## Expected and actual", "", "```", *_rows("expected", diff), *_rows("actual", diff), "```", ""]
        lines += ["## In the matrix", "", "```", self._matrix_command, "```", ""] if self._feature_file() else []
        return "\n".join(lines)

    @property
    def feature(self) -> Feature:
        """What has the failure in the matrix: the program by one writer, and where others had a part by another.

        The writer is the engine that failed, where it wrote; else the one that made the table.
        """
        one = self.failure
        writer = self.program[0].by if one.side == "read" else one.engine
        return Feature(
            id=self.id,
            group=feature_files.GROUP,
            title=one.title,
            program=tuple(replace(step, by="another" if step.by not in {"", writer} else "") for step in self.program),
            claim=self.id,
            source=self.source,
            reads=(one.read,) if one.read and one.read.name not in _BASIC else (),
        )

    @property
    def _matrix_command(self) -> str:
        """How ``feature.toml`` runs in the matrix: steps by another engine need one that is among the writers."""
        hands = [step.by for step in self.program if step.by]
        writer = hands[0] if self.failure.side == "read" else self.failure.engine
        writers = ",".join(dict.fromkeys([writer, *hands]))
        reader = f" --readers {self.failure.engine}" if self.failure.side == "read" else ""
        return f"lakebench run interop --feature-file feature.toml --features {self.id} --writers {writers}{reader}"

    def _script(self) -> str:
        """A wrong table is read by all engines that such a program can have, a wrong read by its engine."""
        one = self.failure
        readers = {"read": [one.engine], "table": sorted(script.ENGINES), "write": []}[one.side]
        read = one.read or Read("all rows")
        return script.of(self.program, self.statements, read, readers, self.place, one.title)

    def _feature_file(self) -> str:
        try:
            return feature_text.text_of(self.feature)
        except ValueError:  # an update to null
            return ""


def earlier(output: Path) -> list[FoundFailure]:
    """The failures whose findings are below ``output``.

    Raises:
        UsageError: a file there is no finding.
    """
    failures = []
    for file in sorted(output.glob(f"*/{FAILURE}")):
        try:
            found = json.loads(files.text(file))
            name = tuple(str(found[key]) for key in ("engine", "side", "operation", "outcome", "kind"))
            failures.append(FoundFailure(name, what_is_in(map(from_json, found["operations"]))))
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(f"{file} is no finding: remove its folder, or name another --output") from None
    return failures


def _new(folder: Path) -> Path:
    """``folder``, or one beside it that is not there yet."""
    number, made = 2, folder
    while made.exists():
        made, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    made.mkdir(parents=True)
    return made


def _load(file: Path) -> None:
    try:
        feature_files.load(file)
    except UsageError as error:
        raise HarnessFault(f"the feature of a finding cannot be read: {error}") from None


def masked(text: str, secrets: Sequence[str]) -> str:
    """``text`` without ``secrets``."""
    for one in filter(None, secrets):
        text = text.replace(one, _HIDDEN)
    return text


def _rows(name: str, diff: Mapping[str, Any]) -> Iterator[str]:
    yield f"{name}:"
    yield from (f"  {' | '.join(map(str, row))}" for row in diff.get(name, ()))
