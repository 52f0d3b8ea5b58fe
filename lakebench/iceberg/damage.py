"""Damage of the files that a writer left, raised on purpose, so that no error of ours is taken for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lakebench.errors import ServiceUnavailable, WrongAnswer

_OF_THE_STORE = "AWS Error"  # how Arrow's messages about S3 begin
_T = TypeVar("_T")


class Damaged(WrongAnswer):
    """A file, or a part of it, is not what the specification says."""


class StrictObject(dict[str, Any]):
    """An object that a writer wrote: a missing key is damage, and no mistake of the code that reads it."""

    def __missing__(self, key: str) -> Any:
        """Raise the damage."""
        raise Damaged(f"it lacks {key}")


def strict(value: Any) -> Any:
    """``value`` (JSON, or records of Avro) with every object in it a :class:`StrictObject`."""
    if isinstance(value, Mapping):
        return StrictObject({key: strict(one) for key, one in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [strict(one) for one in value]
    return value


def whole(value: Any, name: str) -> int:
    """``value`` as a whole number.

    Raises:
        Damaged: it is none.
    """
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Damaged(f"its {name} is {value!r}, not a whole number") from None


def parsed(parse: Callable[[], _T], *kinds: type[Exception]) -> _T:
    """What a library's ``parse`` makes of a file; nothing but that library's call may be in it.

    Raises:
        Damaged: the file is why it raised one of ``kinds``.
        ServiceUnavailable: the store does not answer.
        FileNotFoundError: there is no such file.
    """
    try:
        return parse()
    except FileNotFoundError:
        raise
    except kinds as error:
        message = (str(error).splitlines() or [""])[0]
        if _OF_THE_STORE in message:
            raise ServiceUnavailable(f"the object store does not answer: {message}") from None
        raise Damaged(f"{type(error).__name__}: {message}") from None
