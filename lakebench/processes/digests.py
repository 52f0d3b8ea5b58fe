"""What a whole table comes to, computed over Arrow batches as they are drained, in the memory of one batch.

Two readers that give the same rows, in any order and in Arrow types of their own choice, have the same digest. Each
value is brought into the form of its Iceberg type and hashed to 64 bits; the hashes of a row's values make that of the
row, and the sums of these (modulo 2^64) do not depend on the order of rows. Hashes are not made against an attacker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type, kind
from lakebench.processes.canonical import ONLY_COUNTED, canonical, is_number, without_views
from lakebench.processes.conditions import holding

if TYPE_CHECKING:
    import pyarrow as pa

Hashes: TypeAlias = Any  # an array of numpy's, of uint64: numpy is not in each engine's environment
BUCKETS = 4096
"""Rows are counted by the first twelve bits of their hash, so that differing rows can be fetched alone."""
_SHIFT = 52
_NULL, _NAN, _BASE, _GOLDEN = 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x9E3779B97F4A7C15, 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # SplitMix64 (Steele, Lea, Flood 2014)
_MIX_LAST = 31
_SUMMED = frozenset({"int", "long", "decimal"})
_ORDERED = frozenset(
    {"int", "long", "decimal", "float", "double", "date", "time", "string"}
    | {f"timestamp{zone}{unit}" for zone in ("", "tz") for unit in ("", "_ns")}
)


@dataclass
class ColumnDigest:
    """One column: numbers of ``values`` and ``nulls``, of values that are ``nans``, extremes, sum and hash.

    Extremes and sum are Python's, without NaN; ``None`` where there is no value, or the type has none. ``shown_as`` are
    the Arrow types in which the reader gave the column.
    """

    values: int = 0
    nulls: int = 0
    nans: int = 0
    low: Any = None
    high: Any = None
    total: Any = None
    hash: int = 0
    shown_as: set[str] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        """As JSON values: extremes, sum and hash as text."""
        shown = {"min": _text(self.low), "max": _text(self.high), "sum": _text(self.total)}
        counts = {"values": self.values, "nulls": self.nulls, "nans": self.nans}
        return {**counts, **shown, "hash": f"{self.hash:016x}", "shown_as": ", ".join(sorted(self.shown_as))}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True)
class FilteredRows:
    """The rows for which ``where`` holds, and of them the ``columns`` alone (``None``: all)."""

    where: Condition
    columns: tuple[str, ...] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FilteredRows:
        """The part that :meth:`to_json` wrote."""
        columns = value["columns"]
        return cls(Condition(**value["where"]), None if columns is None else tuple(columns))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"where": vars(self.where), "columns": self.columns}


class TableDigest:
    """The digest of rows with the columns ``fields``; batches are added one after another.

    With ``wanted`` the rows whose bucket is one of these are kept, at most ``limit``, for a second look. With a
    ``part`` only its rows and columns count.
    """

    def __init__(
        self, fields: Sequence[Field], wanted: Collection[int] = (), limit: int = 0, part: FilteredRows | None = None
    ) -> None:
        np = _numpy()
        self._given, self._part = tuple(fields), part
        chosen = part.columns if part else None
        self._fields = tuple(one for one in self._given if chosen is None or one.name in chosen)
        self._buckets: Hashes = np.zeros(BUCKETS, np.uint64)
        self._wanted, self._limit = sorted(wanted), limit
        self.rows = 0
        self.columns = {one.name: ColumnDigest() for one in self._fields}
        self.kept: list[pa.RecordBatch] = []
        self._kept_rows = 0

    def add(self, batch: pa.RecordBatch, places: Mapping[str, pa.Array] | None = None) -> None:
        """Add the rows of ``batch``, whose columns are those of the fields, in their order.

        ``places`` are further columns of the rows that are kept.

        Raises:
            WrongAnswer: it has another number of columns.
        """
        if batch.num_columns != len(self._given):
            raise WrongAnswer(f"the engine gave {batch.num_columns} columns, and the table has {len(self._given)}")
        for one, column in zip(self._given, batch.columns, strict=True):
            if one.name in self.columns:
                self.columns[one.name].shown_as.add(str(column.type))
        batch = without_views(batch)
        if self._part is not None:
            batch, places = self._of_part(batch, self._part, places or {})
        np = _numpy()
        self.rows += batch.num_rows
        hashes: Hashes = np.zeros(batch.num_rows, np.uint64)
        for at, (one, column) in enumerate(zip(self._fields, batch.columns, strict=True)):
            hashes += _mixed(self._column(one, column) + _word(at * _GOLDEN))
        hashes = _mixed(hashes)
        buckets = (hashes >> np.uint64(_SHIFT)).astype(np.int64)
        np.add.at(self._buckets, buckets, hashes)
        if self._wanted and self._kept_rows < self._limit:
            more = {HASH: hashes, **(places or {})}
            self._keep(batch, more, np.isin(buckets, self._wanted))

    def _of_part(
        self, batch: pa.RecordBatch, part: FilteredRows, places: Mapping[str, Any]
    ) -> tuple[pa.RecordBatch, dict[str, pa.Array]]:
        import pyarrow as pa

        chosen = holding(batch, self._given, part.where)
        columns = [one.filter(chosen) for one in batch.columns]
        kept = [at for at, one in enumerate(self._given) if one in self._fields]
        rows = pa.RecordBatch.from_arrays([columns[at] for at in kept], [self._given[at].name for at in kept])
        return rows, {name: pa.array(values).filter(chosen) for name, values in places.items()}

    def _keep(self, batch: pa.RecordBatch, more: Mapping[str, Any], chosen: Any) -> None:
        import pyarrow as pa

        for name, values in more.items():
            batch = batch.append_column(name, pa.array(values))
        kept = batch.filter(pa.array(chosen))
        kept = kept.slice(0, self._limit - self._kept_rows)
        self._kept_rows += kept.num_rows
        self.kept.append(kept)

    def _column(self, one: Field, column: pa.Array) -> Hashes:
        digest = self.columns[one.name]
        digest.nulls += column.null_count
        digest.values += len(column) - column.null_count
        made = canonical(column, one.type)
        hashes = value_hashes(made, one.type)
        digest.hash = (digest.hash + int(_mixed(hashes).sum())) % 2**64
        _measure(digest, made, kind(one.type))
        return hashes

    def to_json(self) -> dict[str, Any]:
        """``rows``, ``columns`` by name, the ``hash`` of all rows, and the buckets' sums in hex."""
        return {
            "rows": self.rows,
            "columns": {name: one.to_json() for name, one in self.columns.items()},
            "hash": f"{int(self._buckets.sum()):016x}",
            "buckets": [f"{int(one):x}" for one in self._buckets],
        }


HASH = "lakebench row hash"
"""The column of kept rows that has their hashes."""


def digest_of(
    batches: Iterable[pa.RecordBatch],
    fields: Sequence[Field],
    wanted: Collection[int] = (),
    limit: int = 0,
    part: FilteredRows | None = None,
) -> TableDigest:
    """The digest of all ``batches``, one after another."""
    digest = TableDigest(fields, wanted, limit, part)
    for batch in batches:
        digest.add(batch)
    return digest


def with_parts(
    batches: Iterable[pa.RecordBatch], fields: Sequence[Field], parts: Sequence[FilteredRows]
) -> tuple[TableDigest, list[TableDigest]]:
    """The digest of all rows, and that of each part of them, in one pass."""
    whole, digests = TableDigest(fields), [TableDigest(fields, part=one) for one in parts]
    for batch in batches:
        for digest in (whole, *digests):
            digest.add(batch)
    return whole, digests


def _measure(digest: ColumnDigest, column: pa.Array, of: str) -> None:
    """Extremes and sum of one batch's column, added to those before it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if of in {"float", "double"} and pa.types.is_floating(column.type):
        digest.nans += pc.sum(pc.is_nan(column)).as_py() or 0
        column = column.filter(pc.invert(pc.is_nan(column)))
    is_of_kind = is_number(column.type) or pa.types.is_decimal(column.type) or of == "string"
    if of not in _ORDERED or not is_of_kind or column.null_count == len(column):
        return
    ends = pc.min_max(column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    digest.low = low if digest.low is None else min(digest.low, low)
    digest.high = high if digest.high is None else max(digest.high, high)
    if of in _SUMMED:
        wide = column.cast(pa.decimal256(76, column.type.scale)) if pa.types.is_decimal(column.type) else column
        total = pc.sum(wide).as_py() or 0
        digest.total = total if digest.total is None else _wrapped(digest.total + total)


def _wrapped(total: Any) -> Any:
    """A sum of 64-bit integers as Arrow has it, whatever the batches are; a decimal as it is."""
    return total if isinstance(total, Decimal) else (total + 2**63) % 2**64 - 2**63


# Hashes.


def value_hashes(column: pa.Array, of: Type) -> Hashes:
    """A 64-bit hash for each value of a column, which :func:`canonical` made."""
    import pyarrow as pa

    np = _numpy()
    if kind(of) in ONLY_COUNTED:
        hashes: Hashes = np.zeros(len(column), np.uint64)
    elif isinstance(of, Struct) and pa.types.is_struct(column.type):
        hashes = _struct_hashes(column, of)
    elif isinstance(of, ListOf) and _is_list(column.type):
        hashes = _list_hashes(column, of.element)
    elif isinstance(of, MapOf) and pa.types.is_map(column.type):
        hashes = _map_hashes(column, of)
    else:
        hashes = _flat_hashes(column)
    if column.null_count:
        hashes = np.where(np.asarray(column.is_null()), _word(_NULL), hashes)
    return hashes


def _struct_hashes(column: pa.StructArray, of: Struct) -> Hashes:
    np = _numpy()
    hashes: Hashes = np.zeros(len(column), np.uint64)
    for at, (one, values) in enumerate(zip(of.fields, column.flatten(), strict=False)):
        hashes += _mixed(value_hashes(canonical(values, one.type), one.type) + _word(at * _GOLDEN))
    return hashes


def _is_list(of: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(of) or pa.types.is_large_list(of))


def _list_hashes(column: pa.Array, element: Type) -> Hashes:
    import pyarrow.compute as pc

    np = _numpy()
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
    values = canonical(pc.list_flatten(column), element)
    return _folded(_mixed(value_hashes(values, element)), lengths)


def _map_hashes(column: pa.MapArray, of: MapOf) -> Hashes:
    """Entries in any order: a map has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    np = _numpy()
    entries = column.cast(
        pa.list_(pa.struct([column.type.key_field.with_name("key"), column.type.item_field.with_name("value")]))
    )
    lengths = np.asarray(pc.fill_null(pc.list_value_length(entries), 0), np.int64)
    of_entry = Struct((Field("key", of.key), Field("value", of.value)))
    hashes = _mixed(_struct_hashes(pc.list_flatten(entries), of_entry))
    return _segment_sums(hashes, lengths) + lengths.astype(np.uint64)


def _flat_hashes(column: pa.Array) -> Hashes:
    """Hashes of a column without children."""
    import pyarrow as pa

    np = _numpy()
    of = column.type
    if pa.types.is_floating(of):
        values = np.asarray(column.cast(pa.float64()).fill_null(0.0))
        return np.where(np.isnan(values), _word(_NAN), _mixed(values.view(np.uint64)))
    if pa.types.is_boolean(of):
        return _mixed(np.asarray(column.fill_null(fill_value=False)).astype(np.uint64))
    if pa.types.is_integer(of):
        return _mixed(np.asarray(column.fill_null(0)).astype(np.int64).view(np.uint64))
    if pa.types.is_decimal128(of):
        return _decimal_hashes(column)
    if pa.types.is_large_string(of) or pa.types.is_large_binary(of):
        return _byte_hashes(column)
    # No type of Iceberg's: what it looks like decides, so that it differs from the right one.
    if pa.types.is_temporal(of) and not pa.types.is_interval(of):  # Python has no years beyond 9999
        column = column.cast(pa.int32() if of.bit_width == pa.int32().bit_width else pa.int64())
    shown = pa.array([None if one is None else f"{of} {one}" for one in column.to_pylist()], pa.large_string())
    return _byte_hashes(shown)


def _decimal_hashes(column: pa.Array) -> Hashes:
    np = _numpy()
    buffer = column.buffers()[1]
    if buffer is None:
        return np.zeros(len(column), np.uint64)
    halves = np.frombuffer(buffer, np.uint64)[column.offset * 2 : (column.offset + len(column)) * 2].reshape(-1, 2)
    return _mixed(halves[:, 0] + _mixed(halves[:, 1] + _word(_GOLDEN)))


def _byte_hashes(column: pa.Array) -> Hashes:
    """Hashes of large strings and large binaries, from their buffers."""
    np = _numpy()
    _, starts, data = column.buffers()
    if starts is None or not len(column):
        return np.zeros(len(column), np.uint64)
    ends = np.frombuffer(starts, np.int64)[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(ends)
    stored = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data is not None else np.zeros(0, np.uint8)
    return _folded(_mixed(np.arange(1, 257, dtype=np.uint64))[stored], lengths)


def _folded(hashes: Hashes, lengths: Any) -> Hashes:
    """One hash for each run of ``lengths`` hashes, in which their order counts."""
    np = _numpy()
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(hashes)) - np.repeat(starts, lengths)
    powers = np.cumprod(np.full(int(lengths.max(initial=0)) + 1, _word(_BASE)))
    return _mixed(_segment_sums(hashes * powers[places], lengths) + lengths.astype(np.uint64))


def _segment_sums(hashes: Hashes, lengths: Any) -> Hashes:
    np = _numpy()
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashes, dtype=np.uint64)])
    ends = np.cumsum(lengths)
    result: Hashes = sums[ends] - sums[ends - lengths]
    return result


def _mixed(words: Hashes) -> Hashes:
    """Each word scrambled, modulo 2^64."""
    np = _numpy()
    for shift, factor in _MIX:
        words = (words ^ (words >> np.uint64(shift))) * _word(factor)
    return words ^ (words >> np.uint64(_MIX_LAST))


def _word(value: int) -> Any:
    return _numpy().uint64(value % 2**64)


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError:
        raise EngineUnavailable("the engine's environment has no numpy, which hashes the rows") from None
    return np
