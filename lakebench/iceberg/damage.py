"""What a writer left and a parser cannot take: told on purpose, so that no error of ours is taken for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lakebench.errors import ServiceUnavailable, WrongAnswer

_OF_THE_STORE = "AWS Error"  # how Arrow begins what S3 answers, or does not
_T = TypeVar("_T")


class Damaged(WrongAnswer):
    """A file, or a part of it, is not what the specification says."""


class Given(dict[str, Any]):
    """An object that a writer wrote: a key that is not there is its damage, and no mistake of who asks for it."""

    def __missing__(self, key: str) -> Any:
        """Tell the damage."""
        raise Damaged(f"it lacks {key}")


def given(value: Any) -> Any:
    """``value`` (JSON, or records of Avro) with every object in it a :class:`Given`."""
    if isinstance(value, Mapping):
        return Given({key: given(one) for key, one in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [given(one) for one in value]
    return value


def whole(value: Any, what: str) -> int:
    """``value`` as a whole number.

    Raises:
        Damaged: it is none.
    """
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Damaged(f"its {what} is {value!r}, and no whole number") from None


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
        said = (str(error).splitlines() or [""])[0]
        if _OF_THE_STORE in said:
            raise ServiceUnavailable(f"the object store does not answer: {said}") from None
        raise Damaged(f"{type(error).__name__}: {said}") from None
