"""What a query's text says about its answer: the tables it reads, and how two answers to it are compared.

By sqlglot, from the outermost SELECT. An ORDER BY is followed as far as its expressions are columns of the answer; what
it orders by beyond that can only be shown against the full answer, to which :func:`without_limit` adds the columns.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakebench.datasets.rules import Rules
from lakebench.errors import UsageError

if TYPE_CHECKING:
    from sqlglot import exp

_HIDDEN = "order_key_{}"


def rules_of(sql: str, dialect: str, columns: Mapping[str, Sequence[str]] | None = None) -> Rules:
    """The rules by which two answers to ``sql`` are compared.

    AVG and other quotients of aggregates have the rule ``average``, divisions the rule ``ratio``. ``columns`` are the
    columns of each table, by its name in small letters: only an ORDER BY column in ``SELECT *`` is found by them.

    Raises:
        UsageError: it is not one query, or its LIMIT is not a number.
    """
    tree = parse(sql, dialect)
    kinds = _kinds(tree)
    outputs = _outputs(tree, {})
    named = _outputs(tree, columns or {})
    positions = [_position(key.this, named) for key in _keys(tree)]
    order = positions[: positions.index(None)] if None in positions else positions
    limit, offset = _cut(tree)
    return Rules(
        order=tuple(position for position in order if position is not None),
        average=tuple(n for n, one in enumerate(named) if _kind(one.value, kinds) == "average"),
        ratio=tuple(n for n, one in enumerate(named) if _kind(one.value, kinds) == "ratio"),
        limit=limit,
        offset=offset,
        full_order=_full_order(tree, outputs),
    )


def without_limit(sql: str, dialect: str = "duckdb") -> str:
    """``sql`` without its LIMIT and OFFSET, and with the ORDER BY expressions that it does not select as last columns.

    Its answer is the full answer of :func:`lakebench.datasets.answers.top_n`.

    Raises:
        UsageError: it is not one query.
    """
    tree = parse(sql, dialect).copy()
    tree.set("limit", None)
    tree.set("offset", None)
    for number, key in enumerate(_hidden(tree, _outputs(tree, {})), 1):
        tree = tree.select(key.copy().as_(_HIDDEN.format(number)), copy=False)
    return tree.sql(dialect, pretty=True)


def tables_of(sql: str, dialect: str) -> frozenset[str]:
    """The tables that ``sql`` reads, as it names them (in small letters where the dialect does that), no CTEs.

    Raises:
        UsageError: it is not one query.
    """
    from sqlglot import exp
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
    from sqlglot.optimizer.scope import traverse_scope

    tree = normalize_identifiers(parse(sql, dialect), dialect)
    sources = (source for scope in traverse_scope(tree) for source in scope.sources.values())
    return frozenset(".".join(part.name for part in one.parts) for one in sources if isinstance(one, exp.Table))


def parse(sql: str, dialect: str) -> exp.Query:
    """The one query in ``sql``.

    Raises:
        UsageError: it does not parse (the message has line and column), is several statements, or no query.
    """
    import sqlglot
    from sqlglot import errors, exp

    try:
        statements = [one for one in sqlglot.parse(sql, dialect=dialect) if one is not None]
    except errors.ParseError as error:
        first = error.errors[0]
        why = f"{first['description']} at line {first['line']}, column {first['col']}"
        raise UsageError(f"it does not parse as {dialect}: {why}, near '{first['highlight']}'") from None
    except errors.TokenError as error:
        raise UsageError(f"it does not parse as {dialect}: {error}") from None
    statements = [one for one in statements if not isinstance(one, exp.Semicolon)]
    if len(statements) != 1:
        raise UsageError(f"it has {len(statements)} statements: a file holds one query")
    if not isinstance(statements[0], exp.Query):
        raise UsageError("it is no query: only SELECT, WITH and VALUES are allowed")
    return statements[0]


@dataclass(frozen=True)
class _Output:
    """A column of the answer: its name in small letters, and the expression, ``None`` for one of a star."""

    name: str
    value: exp.Expr | None


def _outputs(tree: exp.Query, columns: Mapping[str, Sequence[str]]) -> list[_Output]:
    """The columns of the answer, up to a star whose columns are unknown."""
    from sqlglot import exp

    outputs: list[_Output] = []
    for one in tree.selects:
        if one.is_star and not isinstance(one, exp.Count):
            names = _star(tree, one, columns)
            if not names:
                return [*outputs, _Output("*", None)]
            outputs += [_Output(name.lower(), None) for name in names]
        else:
            outputs.append(_Output(one.alias_or_name.lower(), one.unalias()))
    return outputs


def _star(tree: exp.Query, star: exp.Expr, columns: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The columns of ``star``, none where they are not known: it may be of one table alone."""
    from sqlglot import exp

    source = tree.args.get("from_") or tree.args.get("from")
    if source is None or star.args.get("except_") or star.args.get("replace"):
        return ()
    plain = isinstance(source.this, exp.Table) and not tree.args.get("joins")
    return columns.get(source.this.name.lower(), ()) if plain else ()


def _keys(tree: exp.Query) -> list[exp.Expr]:
    order = tree.args.get("order")
    return list(order.expressions) if order is not None else []


def _position(key: exp.Expr, outputs: Sequence[_Output]) -> int | None:
    """Where the answer has the ORDER BY expression ``key``."""
    from sqlglot import exp

    if isinstance(key, exp.Literal) and key.is_int:
        at = int(key.name) - 1
        return at if all(one.name != "*" for one in outputs[: at + 1]) else None
    if isinstance(key, exp.Column):
        for n, one in enumerate(outputs):
            is_itself = one.value is None or isinstance(one.value, exp.Column)
            if one.name == key.name.lower() and (not key.table or is_itself):
                return n
    text = _text(key)
    return next((n for n, one in enumerate(outputs) if one.value is not None and _text(one.value) == text), None)


def _text(one: exp.Expr) -> str:
    return one.sql(normalize=True, comments=False).lower()


def _hidden(tree: exp.Query, outputs: Sequence[_Output]) -> list[exp.Expr]:
    """The ORDER BY expressions that the answer does not have, and a column could be added for."""
    from sqlglot import exp

    if not isinstance(tree, exp.Select) or tree.args.get("distinct"):
        return []
    keys = [key.this for key in _keys(tree) if not isinstance(key.this, exp.Literal)]
    return [key for key in keys if _position(key, outputs) is None]


def _full_order(tree: exp.Query, outputs: Sequence[_Output]) -> tuple[int, ...]:
    """The positions of the ORDER BY in the answer to :func:`without_limit`, those of the added columns from its end."""
    hidden = len(_hidden(tree, outputs))
    positions: list[int] = []
    added = 0
    for key in _keys(tree):
        position = _position(key.this, outputs)
        if position is None:
            if added == hidden:
                break
            position = added - hidden
            added += 1
        positions.append(position)
    return tuple(positions)


def _kinds(tree: exp.Query) -> dict[str, str]:
    """The rule of each inner column, by its name."""
    from sqlglot import exp

    kinds: dict[str, str] = {}
    for select in reversed(list(tree.find_all(exp.Select))):  # the inner ones first
        if select is not tree:
            for one in select.selects:
                if kind := _kind(one.unalias(), kinds):
                    kinds[one.alias_or_name.lower()] = kind
    return kinds


def _kind(value: exp.Expr | None, kinds: Mapping[str, str]) -> str:
    """The rule that ``value`` needs: a quotient is cut to digits of the engine's own choice."""
    from sqlglot import exp

    if value is None:
        return ""
    averages = (exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr)
    inner = {kinds.get(column.name.lower(), "") for column in value.find_all(exp.Column)}
    if value.find(exp.Div) or "ratio" in inner:
        return "ratio"
    return "average" if value.find(*averages) or "average" in inner else ""


def _cut(tree: exp.Query) -> tuple[int | None, int]:
    """LIMIT and OFFSET."""
    limit, offset = tree.args.get("limit"), tree.args.get("offset")
    count = None
    if limit is not None:
        count = limit.args.get("count") if limit.key == "fetch" else limit.args.get("expression")
        options = limit.args.get("limit_options")
        if options is not None and options.args.get("with_ties"):
            count = None  # it cuts through no ties
    return _number(count, "LIMIT"), _number(offset.expression if offset else None, "OFFSET") or 0


def _number(one: exp.Expr | None, word: str) -> int | None:
    from sqlglot import exp

    if one is None:
        return None
    if not (isinstance(one, exp.Literal) and one.is_int):
        raise UsageError(f"its {word} is '{one.sql()}': give a number, so that answers can be compared")
    return int(one.name)


@functools.cache
def translated(sql: str, dialect: str, into: str) -> str:
    """``sql`` in the dialect ``into``, itself where that is the same or not said."""
    if into in {"", dialect}:
        return sql
    import sqlglot

    return sqlglot.transpile(sql, read=dialect, write=into, pretty=True)[0]


def without_semicolon(sql: str, dialect: str) -> str:
    """``sql`` up to the semicolons at its end, which not every engine takes."""
    import sqlglot

    for token in reversed(sqlglot.tokenize(sql, read=dialect)):
        if token.token_type.name != "SEMICOLON":
            break
        sql = sql[: token.start].rstrip()
    return sql


def with_exact_columns(sql: str, dialect: str, columns: Mapping[str, Sequence[str]]) -> str:
    """``sql`` with those of its columns quoted that are not in small letters in their tables.

    Some engines look for a name as it is written, and others fold what is not quoted to small letters. ``columns`` are
    those of the tables that it names. The text stays as it is where nothing is to be quoted.
    """
    from sqlglot import exp

    exact = {name.lower(): name for names in columns.values() for name in names if name != name.lower()}
    tree = parse(sql, dialect).copy()
    changed = False
    for column in tree.find_all(exp.Column):
        name = exact.get(column.name.lower())
        is_alias = not column.table and column.find_ancestor(exp.Order) and column.name.lower() in _aliases(tree)
        if name and not is_alias:
            column.this.replace(exp.to_identifier(name, quoted=True))
            changed = True
    return tree.sql(dialect, pretty=True) if changed else sql


def _aliases(tree: exp.Query) -> set[str]:
    from sqlglot import exp

    return {one.alias.lower() for one in tree.find_all(exp.Alias)}
