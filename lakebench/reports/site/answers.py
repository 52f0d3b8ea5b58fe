"""What ``lakebench stack`` and ``lakebench upgrade`` answer, by the same functions, as tables that the pages look up.

Both look at one catalog: the default one, or the commonest where nothing ran behind that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from lakebench import engines
from lakebench.datasets.interop.features import all_features
from lakebench.engines import CanOperate
from lakebench.model import EngineRef, Selection
from lakebench.phases.interop.ways import lacking
from lakebench.reports.site.observations import UNKNOWN, EngineVersion, Observation
from lakebench.results import matrix_cells
from lakebench.results.cell_changes import ChangeKind
from lakebench.results.matrix_cells import Key, MatrixCell, Origin
from lakebench.results.stack import Advice, stack
from lakebench.results.upgrade import UpgradePair, upgrade

ADVICE = tuple(Advice)
CHANGES = tuple(ChangeKind)


def main_catalog(cells: Sequence[Observation]) -> str:
    """The catalog that answers are about."""
    counts = Counter(one.coordinates.catalog or "" for one in cells)
    usual = Selection().catalog
    return usual if usual in counts or not counts else counts.most_common(1)[0][0]


def upgrade_pairs(
    cells: Sequence[Observation], timed: Iterable[EngineVersion]
) -> Iterator[tuple[EngineRef, EngineRef]]:
    """Each two versions of an engine that has cells or times (``timed``), in both directions."""
    main = main_catalog(cells)
    seen = [version for one in cells if one.coordinates.catalog == main for version in one.participants]
    versions: dict[str, list[EngineRef]] = defaultdict(list)
    for ref in dict.fromkeys(map(_ref, (*seen, *timed))):
        if ref.version:
            versions[ref.name].append(ref)
    return (pair for refs in versions.values() for pair in permutations(refs, 2))


class Answers:
    """The cells that answers are made of: of each feature, writer and reader at their versions the one that counts."""

    def __init__(self, cells: Sequence[Observation]) -> None:
        made = {catalog: list(rows) for catalog, rows in _by_catalog(cells).items()}
        self.row_of = {id(cell): row for rows in made.values() for row, cell in rows}
        self.known = {catalog: matrix_cells.merged([cell for _, cell in rows]) for catalog, rows in made.items()}
        self._made = made  # row_of knows them by their identity
        self.main = self.known.get(main_catalog(cells), {})
        self._order = {key: number for number, key in enumerate(self.main)}

    def advice(self) -> dict[int, int]:
        """Row of a cell that counts → what a stack is advised by it alone, as an index of :data:`ADVICE`."""
        found = {}
        for known in self.known.values():
            no_way = ways_lacking({writer.name for _, writer, _ in known})
            for (feature, writer, reader), cell in known.items():
                alone = {(feature, writer, reader): cell}
                found[self.row_of[id(cell)]] = ADVICE.index(_advice(alone, feature, writer, reader, no_way))
        return found

    def upgrades(self, pairs: Iterable[tuple[EngineRef, EngineRef]]) -> Iterator[dict[str, Any]]:
        """The answer for each of ``pairs``: the version before, the version now."""
        near = _by_engine(self.main)
        return (self._upgrade(near, before, now) for before, now in pairs)

    def _upgrade(self, near: Mapping[EngineRef, Mapping[Key, MatrixCell]], before: EngineRef, now: EngineRef) -> Any:
        cells = {**near.get(before, {}), **near.get(now, {})}
        answer = upgrade({key: cells[key] for key in sorted(cells, key=self._order.__getitem__)}, before, now)
        return {
            "engine": before.name,
            "from": before.version,
            "to": now.version,
            "changes": [self._change(one) for one in answer.changed],
            "same": answer.same,
            "unknown": len(answer.unknown),
        }

    def _change(self, pair: UpgradePair) -> list[int]:
        """The kind of change, and the rows of both cells; -1 where no source has the cell."""
        rows = [self.row_of[id(cell)] if cell else -1 for cell in (pair.before, pair.now)]
        return [CHANGES.index(pair.change) if pair.change else -1, *rows]


def _by_catalog(cells: Sequence[Observation]) -> dict[str, list[tuple[int, MatrixCell]]]:
    found: dict[str, list[tuple[int, MatrixCell]]] = defaultdict(list)
    for row, one in enumerate(cells):
        found[one.coordinates.catalog or ""].append((row, _cell(one)))
    return found


def _cell(one: Observation) -> MatrixCell:
    case = one.coordinates
    writer, reader = (_ref(one.version_of(name)) if name else None for name in (case.writer, case.reader))
    origin = Origin(one.source.id, one.source.date, one.source.accepted)
    return MatrixCell(one.case, case.feature or "", writer or EngineRef(""), reader, one.outcome, origin, one.reason)


def _ref(version: EngineVersion) -> EngineRef:
    return EngineRef(version.name, None if version.version == UNKNOWN else version.version)


def _advice(
    alone: Mapping[Key, MatrixCell],
    feature: str,
    writer: EngineRef,
    reader: EngineRef | None,
    no_way: Mapping[tuple[str, str], str],
) -> Advice:
    """What :func:`~lakebench.results.stack.stack` says of one cell."""
    (answer,) = stack(alone, [writer], [reader] if reader else [], [feature], {} if reader else no_way).features
    return answer.steps[-1].advice


def ways_lacking(writers: Iterable[str]) -> dict[tuple[str, str], str]:
    """(feature, name of a writer) → why nobody can ask the engine for it; nothing of engines that are not here."""
    known = [name for name in writers if (one := engines.engines().get(name)) and issubclass(one, CanOperate)]
    ways = {(feature.id, name): lacking(feature, name) for name in known for feature in all_features()}
    return {place: reason for place, reason in ways.items() if reason}


def _by_engine(known: Mapping[Key, MatrixCell]) -> dict[EngineRef, dict[Key, MatrixCell]]:
    """Engine at a version → its cells."""
    found: dict[EngineRef, dict[Key, MatrixCell]] = defaultdict(dict)
    for key, cell in known.items():
        for ref in {cell.writer, *([cell.reader] if cell.reader else [])}:
            found[ref][key] = cell
    return found
