"""The user's own workload: a folder of Parquet and SQL.

``mine/orders.parquet`` or ``mine/orders/*.parquet`` is a table ``orders``; ``mine/q1.sql`` or ``mine/queries/q1.sql``
is a query ``q1``, in the dialect that a first line ``-- dialect: duckdb`` names, PostgreSQL's where it names none;
``q1.trino.sql`` beside it is the same query for Trino. There are no reference answers.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench import engines
from lakebench.datasets import cache, sql_rules
from lakebench.datasets.rules import Rules
from lakebench.datasets.workload import Question, TableData, Workload
from lakebench.errors import UsageError, suggest, unknown
from lakebench.inputs import files as local_files
from lakebench.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.engines import Engine

DIALECT = "postgres"
_QUERIES = "queries"
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_FIRST_LINE = re.compile(r"--\s*dialect\s*:\s*(\S+)\s*$", re.IGNORECASE)
_DECIMAL_DIGITS = 38


@dataclass(frozen=True)
class _Query:
    """One query: ``sql`` in ``dialect``, and what is hand-written for an engine, by its name."""

    name: str
    sql: str
    dialect: str
    rules: Rules
    tables: frozenset[str]
    variants: Mapping[str, str]


def workload(path: Path, progress: Progress) -> Workload:
    """The tables and queries in the folder ``path``.

    Raises:
        UsageError: the folder has no Parquet or no SQL, or a file cannot be used; the message names it and says why.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is no folder: name one with Parquet files and SQL files, such as ./mine")
    parquet = _parquet(path)
    if not parquet:
        raise UsageError(f"{path}: no Parquet there: put tables in as <table>.parquet or <table>/*.parquet")
    texts = _sql_files(path)
    if not texts:
        raise UsageError(f"{path}: no SQL there: put queries in as <name>.sql or {_QUERIES}/<name>.sql, one a file")
    schemas = {name: _schema(files) for name, files in parquet.items()}
    columns = {name: tuple(schema.names) for name, schema in schemas.items()}
    queries = [_query(name, file, texts, columns) for name, file in sorted(texts.items()) if "." not in name]
    _check_variants(texts)
    tables = {name: _table(name, files) for name, files in parquet.items()}
    return Workload(
        name="own",
        title=f"Queries of {path.resolve().name}",
        tables=tables,
        questions=tuple(_question(query) for query in queries),
        content_hash=_content_hash(tables, progress),
        workload_hash=_workload_hash(queries),
        seed="none: your own data",
        generator="your own Parquet",
    )


def _parquet(path: Path) -> dict[str, list[Path]]:
    """Table → its files, in the order of their names."""
    tables: dict[str, list[Path]] = {}
    for file in sorted(path.glob("*.parquet")):
        _add(tables, file.stem, sorted(file.glob("*.parquet")) if file.is_dir() else [file], file)
    for folder in sorted(one for one in path.iterdir() if one.is_dir() and one.suffix != ".parquet"):
        if files := sorted(folder.glob("*.parquet")):
            _add(tables, folder.name, files, folder)
    return tables


def _add(tables: dict[str, list[Path]], stem: str, files: list[Path], where: Path) -> None:
    """Names are in small letters: that is what unquoted names mean to most engines."""
    name = stem.lower()
    if not _NAME.fullmatch(name):
        raise UsageError(f"{where}: '{stem}' is no name for a table: rename it to letters, digits and _")
    if name in tables:
        raise UsageError(f"{where}: a second table '{name}', beside {tables[name][0]}: rename one")
    if files:
        tables[name] = files


def _sql_files(path: Path) -> dict[str, Path]:
    """``q1`` or ``q1.trino`` → its file."""
    texts: dict[str, Path] = {}
    for file in [*sorted(path.glob("*.sql")), *sorted((path / _QUERIES).glob("*.sql"))]:
        if file.stem in texts:
            raise UsageError(f"{file}: a second query '{file.stem}', beside {texts[file.stem]}: rename one")
        texts[file.stem] = file
    return texts


def _schema(files: Sequence[Path]) -> pa.Schema:
    """The schema of a table whose files agree on it, all of types that Iceberg has."""
    first = _read_schema(files[0])
    if refused := [f"{field.name} ({field.type})" for field in first if not _is_iceberg(field.type)]:
        raise UsageError(
            f"{files[0]}: Iceberg has no such column types: {', '.join(refused)}; write the file with types that it "
            "has, such as int, bigint, double, decimal, date, varchar, or timestamp in microseconds"
        )
    names = [name.lower() for name in first.names]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"{files[0]}: columns that differ only in their case, or not at all: {', '.join(twice)}")
    for file in files[1:]:
        if different := _differences(_read_schema(file), first):
            raise UsageError(f"{file}: other columns than in {files[0].name}, the same table: {different}")
    return first


def _read_schema(file: Path) -> pa.Schema:
    with local_files.parquet(file) as opened:
        return opened.schema_arrow


def _differences(actual: pa.Schema, wanted: pa.Schema) -> str:
    """How ``actual`` differs from ``wanted``; nullability and metadata do not count."""
    got, expected = ([(field.name, str(field.type)) for field in schema] for schema in (actual, wanted))
    lost = [f"{name} ({kind}) is missing" for name, kind in expected if (name, kind) not in got]
    extra = [f"{name} ({kind}) is new" for name, kind in got if (name, kind) not in expected]
    return ", ".join([*lost, *extra]) or ("in another order" if got != expected else "")


def _is_iceberg(kind: pa.DataType) -> bool:
    """Whether Iceberg has exactly this type (specification, *Primitive Types* and *Nested Types*, version 2)."""
    import pyarrow as pa

    if pa.types.is_struct(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return all(_is_iceberg(kind.field(n).type) for n in range(kind.num_fields))
    if pa.types.is_decimal(kind):
        return bool(0 < kind.precision <= _DECIMAL_DIGITS and kind.scale >= 0)
    if pa.types.is_timestamp(kind) or pa.types.is_time64(kind):
        return bool(kind.unit == "us")
    return str(kind) in {
        *("bool", "int32", "int64", "float", "double", "date32[day]"),
        *("string", "large_string", "string_view", "binary", "large_binary", "extension<arrow.uuid>"),
    } or pa.types.is_fixed_size_binary(kind)


def _table(name: str, files: Sequence[Path]) -> TableData:
    import pyarrow.parquet as pq

    rows = tuple(pq.read_metadata(file).num_rows for file in files)
    return TableData(name, tuple(files), sum(rows), sum(file.stat().st_size for file in files), rows)


def _query(name: str, file: Path, texts: Mapping[str, Path], columns: Mapping[str, Sequence[str]]) -> _Query:
    if not _NAME.fullmatch(name.lower()):
        raise UsageError(f"{file}: '{name}' is no name for a query: rename it to letters, digits and _")
    dialect, sql = _read(file)
    try:
        sql_rules.parse(sql, dialect)
        sql = sql_rules.without_semicolon(sql, dialect)
        tables = _checked_tables(sql_rules.tables_of(sql, dialect), columns)
        sql = sql_rules.with_exact_columns(sql, dialect, {one: columns[one] for one in tables})
        rules = sql_rules.rules_of(sql, dialect, columns)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None
    variants = {one.rpartition(".")[2]: variant for one, variant in texts.items() if one.rpartition(".")[0] == name}
    return _Query(
        name,
        sql,
        dialect,
        rules,
        tables,
        {engine: _read(variant)[1].rstrip("; \n") for engine, variant in variants.items()},
    )


def _read(file: Path) -> tuple[str, str]:
    """The dialect and the text of a file; the line that names the dialect stays, as the comment that it is."""
    import sqlglot

    try:
        text = local_files.text(file).strip()
    except FileNotFoundError:
        raise UsageError(f"{file} is a link to nothing: remove it, or put the query there") from None
    named = _FIRST_LINE.match(text.partition("\n")[0])
    dialect = named.group(1).lower() if named else DIALECT
    dialect = {"ansi": DIALECT, "postgresql": DIALECT, "sparksql": "spark"}.get(dialect, dialect)
    dialects = sorted(one.value for one in sqlglot.Dialects if one.value)
    if dialect not in dialects:
        raise UsageError(f"{file}: {unknown('dialect', dialect, dialects)}")
    return dialect, text


def _checked_tables(named: Iterable[str], columns: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The tables that a query names, in small letters."""
    for one in sorted(named):
        if one.lower() not in columns:
            hint = "name tables without a schema; " if "." in one else suggest(one.lower(), columns)
            raise UsageError(f"unknown table '{one}': {hint}the folder has {', '.join(sorted(columns))}")
    return frozenset(one.lower() for one in named)


def _check_variants(texts: Mapping[str, Path]) -> None:
    """Each ``q1.trino.sql`` belongs to a query and to an engine."""
    registered = engines.engines()
    for stem, file in texts.items():
        name, _, engine = stem.rpartition(".")
        if not name:
            continue
        if engine not in registered:
            raise UsageError(f"{file}: {unknown('engine', engine, registered)}")
        if name not in texts:
            raise UsageError(f"{file}: a variant of '{name}', and there is no {name}.sql")


def _question(query: _Query) -> Question:
    return Question(
        name=query.name,
        text=query.sql,
        sql=functools.partial(_sql, query),
        rules=query.rules,
        tables=query.tables,
        variant=functools.partial(_is_variant, query),
    )


def _sql(query: _Query, engine: type[Engine]) -> str:
    """``query`` in the words of ``engine``: its hand-written variant, or else a translation into its dialect."""
    variant = query.variants.get(engine.name) or query.variants.get(engine.variant_of or "")
    return variant or sql_rules.translated(query.sql, query.dialect, engine.dialect)


def _is_variant(query: _Query, engine: type[Engine]) -> bool:
    """Whether ``engine`` has a hand-written variant."""
    return engine.name in query.variants or (engine.variant_of or "") in query.variants


def _content_hash(tables: Mapping[str, TableData], progress: Progress) -> str:
    """SHA-256 over all files, named by their tables."""
    hashes: dict[str, list[str]] = defaultdict(list)
    total, done_files = sum(len(table.files) for table in tables.values()), 0
    with progress.count("hashing your Parquet", total) as done:
        for name, table in tables.items():
            for file in table.files:
                hashes[name].append(cache.sha256(file))
                done_files += 1
                done(done_files)
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _workload_hash(queries: Iterable[_Query]) -> str:
    """SHA-256 over names, texts, variants and rules: results of another hash are not comparable."""
    contents = [
        [query.name, query.dialect, query.sql, dict(sorted(query.variants.items())), dataclasses.asdict(query.rules)]
        for query in queries
    ]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()
