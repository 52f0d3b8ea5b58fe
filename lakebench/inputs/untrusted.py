"""JSON that others wrote: refuses values that cannot be, and makes texts safe to show."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

DEEPEST = 40
_LARGEST = 10**40
"""No integer of ours has more digits than a decimal, 38."""
_LARGEST_FIELD = 2**63
_SIGNED = frozenset({"offset_ns", "round", "snapshot_id", "seed"})
_LEAST = {"ns": 1}
"""Nothing takes no time at all: a ratio divides by it."""
_FREE = frozenset({"evidence", "settings", "machine", "theirs", "ours"})
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Control characters except tab and newline, and characters that change the direction of the text after them.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class NotBelieved(ValueError):
    """The value holds something that nothing of ours writes; the message says what."""


def parse(text: str | bytes) -> Any:
    """The JSON value in ``text``, with its texts made safe to show.

    Raises:
        NotBelieved: it is not JSON, is nested more than :data:`DEEPEST` deep, or has a number that is not one, or is
            too large.
    """
    try:
        return plain(json.loads(text, parse_constant=_no_number))
    except NotBelieved:
        raise
    except RecursionError:
        raise NotBelieved(f"it is nested more than {DEEPEST} deep") from None
    except ValueError:
        raise NotBelieved("it is not JSON") from None


def _no_number(name: str) -> NoReturn:
    raise NotBelieved(f"{name} is no number")


def plain(value: Any, depth: int = 0) -> Any:
    """The parsed JSON ``value``, with its texts and names made :func:`printable`.

    Raises:
        NotBelieved: as :func:`parse` says.
    """
    if isinstance(value, str):
        return printable(value)
    if value is None or isinstance(value, bool):
        return value
    if depth > DEEPEST:
        raise NotBelieved(f"it is nested more than {DEEPEST} deep")
    if isinstance(value, list):
        return [plain(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {printable(key): plain(one, depth + 1) for key, one in value.items()}
    if not math.isfinite(value) or abs(value) >= _LARGEST:
        raise NotBelieved("a number is out of range")
    return value


def printable(text: str) -> str:
    """``text`` without terminal colours, and with escapes for what a terminal, a page or JSON does not show as text."""
    if text.isascii() and text.isprintable():
        return text
    shown = _COLOURS.sub("", text).replace("\r\n", "\n")
    shown = _CONTROLS.sub(lambda match: _escaped(ord(match[0])), shown)
    return shown.encode("utf-8", "backslashreplace").decode()


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - as Python writes them


def out_of_range(value: Any, name: str = "") -> str:
    """The field of the dataclass ``value``, or of one in it, whose number is out of range; empty where none is."""
    if dataclasses.is_dataclass(value):
        fields = [one.name for one in dataclasses.fields(value) if one.name not in _FREE]
        return next((bad for one in fields if (bad := out_of_range(getattr(value, one), one))), "")
    if isinstance(value, Mapping):
        return next((bad for one in value.values() if (bad := out_of_range(one, name))), "")
    if isinstance(value, tuple | list):
        return next((bad for one in value if (bad := out_of_range(one, name))), "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "" if least(name) <= value < _LARGEST_FIELD else name
    return ""


def least(name: str) -> int:
    """The least number that the field ``name`` can have."""
    return -_LARGEST_FIELD if name in _SIGNED | _FREE else _LEAST.get(name, 0)
