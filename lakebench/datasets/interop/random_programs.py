"""Random programs of neutral operations on one table, as a Hypothesis strategy.

A program is drawn as plain choices, which are read in order while the table's columns, partitions and references are
kept up. A choice that nothing can be made of at its place is left out. So every program is valid, and what Hypothesis
leaves of one while it shrinks it is valid as well.

Left out, because engines differ with good reason: NaN and -0.0 (SQL and the specification order them differently), and
whatever needs a key that is there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from lakebench.iceberg import operations as ops
from lakebench.iceberg.operations import Operation, Read
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField, SortField, Type, kind

Program = tuple[Operation, ...]
"""Operations; ``by`` of each is the engine that carries it out, and empty for a mark."""
Writers = Mapping[str, frozenset[type[Operation]]]
"""Engine → the operations that it can be asked for."""

_VALUES: dict[str, tuple[Any, ...]] = {
    "int": (1, 0, -1, None, 2**31 - 1, -(2**31)),
    "long": (1, 0, -1, None, 2**63 - 1, -(2**63), 2**31),
    "string": ("a", "", None, "ä", "a value of more than sixteen characters", "a value of more than sixteen other"),
    "date": ("2024-02-29", "1970-01-01", None, "1969-12-31", "1960-01-01"),
    "timestamp": ("2024-02-29T12:30:00", "1970-01-01T00:00:00", None, "1969-12-31T23:59:59.9", "1960-01-01T00:00:01"),
    "decimal": ("1.50", "0.00", None, "-0.01", "9999999.99"),
    "float": (1.5, 0.0, None, -2.25),
    "double": (1.5, 0.0, None, -2.25, 1e300),
    "boolean": (True, False, None),
}  # fmt: skip
_TYPES = ("int", "string", "decimal(9,2)", "long", "date", "timestamp", "float", "double", "boolean")
_NAMES = ("v", "w", "p", "q", "r", "s", "u", "x", "a b", "Größe", "select", "Key")
_PROMOTED: dict[Type, Type] = {"int": "long", "float": "double", "decimal(9,2)": "decimal(18,2)"}
_TRANSFORMS: dict[str, tuple[str, ...]] = {
    "int": ("identity", "bucket[4]", "truncate[3]"),
    "long": ("identity", "bucket[4]", "truncate[3]"),
    "string": ("identity", "bucket[4]", "truncate[3]"),
    "decimal": ("identity", "bucket[4]", "truncate[3]"),
    "date": ("identity", "year", "month", "day", "bucket[4]"),
    "timestamp": ("day", "hour", "month", "year", "bucket[4]"),
    "boolean": ("identity",),
}
_TESTS = ("=", "!=", "<", "<=", ">", ">=", "in", "is-null", "not-null")
_MOST_STEPS = 12
_NEWEST_VERSION = 3


@dataclass(frozen=True)
class _Choice:
    """``what`` is done by the engine at ``by``; ``at`` and ``numbers`` say on which columns, with which values."""

    what: str
    by: int
    at: int
    numbers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Start:
    """How the table is created; numbers choose among names, types and partitions."""

    by: int
    columns: tuple[tuple[int, int], ...]
    partition: int
    version: int
    copy_on_write: bool


@dataclass
class _RandomTable:
    """What is known of the table while choices are read. A key is never used twice."""

    writers: Writers
    version: int
    columns: list[Field] = field(default_factory=list)
    partition: tuple[PartitionField, ...] = ()
    sources: set[str] = field(default_factory=set)
    marks: list[str] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    keys: int = 0
    named: int = 0
    written: bool = False
    program: list[Operation] = field(default_factory=list)

    def do(self, operation: Operation, by: int) -> bool:
        """Add ``operation`` by one of the engines that can be asked for it; whether there is one."""
        able = [name for name, known in self.writers.items() if type(operation) in known]
        if able:
            self.program.append(replace(operation, by=able[by % len(able)]))
        return bool(able)

    def new_name(self, prefix: str) -> str:
        self.named += 1
        return f"{prefix}{self.named}"

    def free_name(self, number: int) -> str:
        taken = {one.name for one in self.columns}
        free = [one for one in _NAMES if one not in taken]
        return free[number % len(free)]

    @property
    def others(self) -> list[Field]:
        """The columns beside the key."""
        return self.columns[1:]


def programs(writers: Writers) -> SearchStrategy[Program]:
    """Programs on the table ``t``: create, append and up to twelve more, each by one of ``writers`` that can do it."""
    small = st.integers(0, 7)
    numbers = st.lists(st.tuples(small, small, small, small), min_size=1, max_size=4).map(tuple)
    kinds = [name for name, (weight, _) in _READ.items() for _ in range(weight)]
    choice = st.builds(_Choice, st.sampled_from(kinds), small, st.integers(0, 20), numbers)
    start = st.builds(
        _Start,
        small,
        st.lists(
            st.tuples(st.integers(0, len(_NAMES) - 1), st.integers(0, len(_TYPES) - 1)), min_size=1, max_size=3
        ).map(tuple),
        st.integers(0, 20),
        st.sampled_from([2, 3, 1]),
        st.booleans(),
    )
    first = st.builds(_Choice, st.just("append"), small, small, numbers)
    choices = st.lists(choice, max_size=_MOST_STEPS)
    return st.builds(lambda begin, row, more: _program(writers, begin, [row, *more]), start, first, choices)


def quiet(most: int, *phases: Phase, **others: Any) -> settings:
    """Settings for ``most`` programs that say nothing, and have no time limit."""
    return settings(
        max_examples=most,
        phases=phases,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        **others,
    )


def program(writers: Writers, seed: int, number: int) -> Program:
    """Program ``number`` of ``seed``: it depends on these and on ``writers`` alone."""
    drawn: list[Program] = []

    def second(one: Program) -> bool:  # the first that Hypothesis draws is always the simplest
        drawn.append(one)
        return len(drawn) > 1

    return find(
        programs(writers), second, settings=quiet(2, Phase.generate, database=None), random=source(seed, number)
    )


def source(seed: int, number: int) -> Random:
    """What program ``number`` of ``seed`` is drawn from."""
    return Random(f"{seed}/{number}")  # noqa: S311 - a choice, not a secret


def reads_of(done: Program) -> tuple[Read, ...]:
    """The reads that check the table after ``done``: all rows, their number, each column, marks and branches."""
    table = _replayed(done)
    reads = [Read("all rows"), Read("count(*)", count=True)]
    for number, one in enumerate(table.columns):
        value = _cell(one, len(done) + number) if number else 1
        test = Condition(one.name, "is-null") if value is None else Condition(one.name, "=", value)
        reads.append(Read(f"{one.name} {test.test}", where=(test,)))
    reads += [Read(f"at {name}", at=name) for name in table.marks[-1:]]
    reads += [Read(f"branch {name}", ref=name) for name in table.branches]
    return tuple(reads)


def _replayed(done: Program) -> _RandomTable:
    """What is known of the table after ``done``, for its reads."""
    from lakebench.datasets.interop.feature import Feature
    from lakebench.datasets.interop.program import planned

    plan = planned(Feature("fuzz", "", "", done, "", ""), lambda name: name)
    table = _RandomTable({}, plan.format_version, columns=list(plan.fields["t"]))
    for one in done:
        if isinstance(one, ops.Mark):
            table.marks.append(one.name)
        elif isinstance(one, ops.ExpireSnapshots):
            table.marks.clear()
        elif isinstance(one, ops.CreateRef):
            table.branches.append(one.name)
        elif isinstance(one, ops.DropRef):
            table.branches.remove(one.name)
    return table


# From choices to operations.


def _program(writers: Writers, start: _Start, choices: Sequence[_Choice]) -> Program:
    table = _RandomTable(writers, start.version)
    table.columns.append(Field("id", "int"))
    for name, of in start.columns:
        table.columns.append(Field(table.free_name(name), _TYPES[of]))
    partitions = _partitions(table)
    _set_partition(table, partitions[start.partition % len(partitions)])
    mode = "copy-on-write" if start.copy_on_write else "merge-on-read"
    created = ops.Create(
        columns=tuple(table.columns),
        partition=table.partition,
        properties={f"write.{what}.mode": mode for what in ("delete", "update", "merge")},
        format_version=start.version,
    )
    table.do(created, start.by)
    for choice in choices:
        _READ[choice.what][1](table, choice)
    return tuple(table.program)


def _partitions(table: _RandomTable) -> list[tuple[PartitionField, ...]]:
    """No partition, and each transform of each column."""
    return [
        (),
        *(
            (PartitionField(one.name, transform),)
            for one in [*table.others, table.columns[0]]
            for transform in _TRANSFORMS.get(kind(one.type), ())
        ),
    ]


def _set_partition(table: _RandomTable, partition: tuple[PartitionField, ...]) -> None:
    table.partition = partition
    table.sources |= {one.source for one in partition}


def _cell(column: Field, number: int) -> Any:
    of = _VALUES[kind(column.type)]
    return of[number % len(of)]


def _row(table: _RandomTable, key: int, numbers: Sequence[int]) -> ops.Row:
    return (key, *(_cell(one, numbers[n % len(numbers)]) for n, one in enumerate(table.others)))


def _new_rows(table: _RandomTable, choice: _Choice) -> tuple[ops.Row, ...]:
    """Rows whose keys no row has had."""
    rows = []
    for numbers in choice.numbers:
        table.keys += 1
        rows.append(_row(table, table.keys, numbers))
    return tuple(rows)


def _condition(table: _RandomTable, choice: _Choice) -> Condition:
    column = table.columns[choice.at % len(table.columns)]
    test = _TESTS[choice.numbers[0][0] % len(_TESTS)]
    if test in {"is-null", "not-null"}:
        return Condition(column.name, test)
    values = [_value(table, column, one) for one in choice.numbers[0][1:]]
    if kind(column.type) == "boolean":
        return Condition(column.name, "=", values[0])
    return Condition(column.name, test, tuple(values) if test == "in" else values[0])


def _value(table: _RandomTable, column: Field, number: int) -> Any:
    """A value to compare with, which is not null."""
    if column is table.columns[0]:
        return 1 + number % max(table.keys, 1)
    there = [one for one in _VALUES[kind(column.type)] if one is not None]
    return there[number % len(there)]


def _append(table: _RandomTable, choice: _Choice) -> None:
    table.written |= table.do(ops.Append(rows=_new_rows(table, choice)), choice.by)


def _overwrite(table: _RandomTable, choice: _Choice) -> None:
    table.written |= table.do(ops.Overwrite(rows=_new_rows(table, choice)), choice.by)


def _delete(table: _RandomTable, choice: _Choice) -> None:
    table.do(ops.Delete(where=(_condition(table, choice),)), choice.by)


def _update(table: _RandomTable, choice: _Choice) -> None:
    if table.others:
        numbers = choice.numbers[-1]
        changed = table.others[numbers[0] % len(table.others)]
        values = {changed.name: _cell(changed, numbers[1])}
        table.do(ops.Update(where=(_condition(table, choice),), values=values), choice.by)


def _merge(table: _RandomTable, choice: _Choice) -> None:
    """The first row has a key that may be there; the others are new."""
    first = _row(table, 1 + choice.at % max(table.keys, 1), choice.numbers[0])
    table.keys = max(table.keys, 1)
    table.do(ops.Merge(rows=(first, *_new_rows(table, replace(choice, numbers=choice.numbers[1:])))), choice.by)


def _equality_delete(table: _RandomTable, choice: _Choice) -> None:
    if not table.partition and table.version > 1:
        column = table.columns[choice.at % len(table.columns)]
        value = _value(table, column, choice.numbers[0][0])
        table.do(ops.EqualityDelete(key=(column.name,), rows=((value,),)), choice.by)


def _add_column(table: _RandomTable, choice: _Choice) -> None:
    if len(table.columns) < len(_NAMES):
        of = _TYPES[choice.at % len(_TYPES)]
        has_default = table.version >= _NEWEST_VERSION and choice.numbers[0][1] % 2
        default = _VALUES[kind(of)][0] if has_default else None
        new = Field(table.free_name(choice.numbers[0][0]), of, default=default)
        if table.do(ops.AddColumn(column=new), choice.by):
            table.columns.append(new)


def _drop_column(table: _RandomTable, choice: _Choice) -> None:
    """The source of a partition or of a sort order, also of an earlier one, stays."""
    free = [one for one in table.others if one.name not in table.sources]
    if len(table.others) > 1 and free:
        gone = free[choice.at % len(free)]
        if table.do(ops.DropColumn(path=gone.name), choice.by):
            table.columns.remove(gone)


def _rename_column(table: _RandomTable, choice: _Choice) -> None:
    free = [one for one in table.others if one.name not in table.sources]
    if free and len(table.columns) < len(_NAMES):
        old = free[choice.at % len(free)]
        name = table.free_name(choice.numbers[0][0])
        if table.do(ops.RenameColumn(path=old.name, name=name), choice.by):
            table.columns[table.columns.index(old)] = replace(old, name=name)


def _promote(table: _RandomTable, choice: _Choice) -> None:
    narrow = [one for one in (*table.others, table.columns[0]) if one.type in _PROMOTED]
    if narrow:
        old = narrow[choice.at % len(narrow)]
        new = replace(old, type=_PROMOTED[old.type])
        if table.do(ops.ChangeType(path=old.name, type=new.type), choice.by):
            table.columns[table.columns.index(old)] = new


def _partition(table: _RandomTable, choice: _Choice) -> None:
    others = [one for one in _partitions(table) if one != table.partition]
    partition = others[choice.at % len(others)] if others else ()
    if others and table.do(ops.SetPartition(partition=partition), choice.by):
        _set_partition(table, partition)


def _order(table: _RandomTable, choice: _Choice) -> None:
    column = table.columns[choice.at % len(table.columns)].name
    if table.do(ops.SetOrder(order=(SortField(column),)), choice.by):
        table.sources.add(column)


def _upgrade(table: _RandomTable, choice: _Choice) -> None:
    if table.version < _NEWEST_VERSION and table.do(ops.UpgradeFormat(format_version=table.version + 1), choice.by):
        table.version += 1


def _mark(table: _RandomTable, _: _Choice) -> None:
    if table.written:
        table.marks.append(table.new_name("m"))
        table.program.append(ops.Mark(name=table.marks[-1]))


def _rollback(table: _RandomTable, choice: _Choice) -> None:
    if table.marks:
        table.do(ops.Rollback(to=table.marks[choice.at % len(table.marks)]), choice.by)


def _expire(table: _RandomTable, choice: _Choice) -> None:
    if table.written and table.do(ops.ExpireSnapshots(), choice.by):
        table.marks.clear()


def _branch(table: _RandomTable, choice: _Choice) -> None:
    name = f"b{table.named + 1}"
    if table.written and table.do(ops.CreateRef(name=name, type="branch"), choice.by):
        table.branches.append(table.new_name("b"))


def _append_to_branch(table: _RandomTable, choice: _Choice) -> None:
    if table.branches:
        branch = table.branches[choice.at % len(table.branches)]
        table.do(ops.Append(rows=_new_rows(table, choice), branch=branch), choice.by)


def _drop_branch(table: _RandomTable, choice: _Choice) -> None:
    if table.branches:
        name = table.branches[choice.at % len(table.branches)]
        if table.do(ops.DropRef(name=name, type="branch"), choice.by):
            table.branches.remove(name)


def _maintain(operation: Operation) -> Callable[[_RandomTable, _Choice], None]:
    def maintained(table: _RandomTable, choice: _Choice) -> None:
        if table.written:
            table.do(operation, choice.by)

    return maintained


_READ: dict[str, tuple[int, Callable[[_RandomTable, _Choice], None]]] = {
    "append": (3, _append),
    "delete": (3, _delete),
    "update": (4, _update),
    "merge": (2, _merge),
    "overwrite": (1, _overwrite),
    "equality-delete": (1, _equality_delete),
    "add-column": (2, _add_column),
    "drop-column": (2, _drop_column),
    "rename-column": (2, _rename_column),
    "promote": (3, _promote),
    "partition": (3, _partition),
    "order": (1, _order),
    "upgrade": (1, _upgrade),
    "compact": (1, _maintain(ops.Compact())),
    "rewrite-manifests": (1, _maintain(ops.RewriteManifests())),
    "mark": (1, _mark),
    "rollback": (1, _rollback),
    "expire": (1, _expire),
    "branch": (1, _branch),
    "append-to-branch": (1, _append_to_branch),
    "drop-branch": (1, _drop_branch),
}
"""What a choice may be, how often, and what makes an operation of it; Hypothesis takes the first for the simplest."""
