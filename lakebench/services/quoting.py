"""Text of ours in the configuration files of servers, so that they read what was meant, whatever signs a path has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from lakebench.errors import UsageError

_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


def java_arguments(arguments: list[str]) -> str:
    r"""The text of an ``@file`` of the ``java`` command: an argument a line, in quotes.

    Within quotes the launcher knows ``\\`` before any sign, and ``\n``, ``\r``, ``\t``, ``\f`` (the JDK's *java*
    command, "java Command-Line Argument Files"); it takes the other bytes as those of the platform's encoding, which
    is UTF-8 as ``LC_ALL`` is ``C.UTF-8``.
    """
    signs = str.maketrans({"\\": "\\\\", '"': '\\"', **_CONTROLS})
    return "".join(f'"{one.translate(signs)}"\n' for one in arguments)


def class_path(parts: Iterable[object]) -> str:
    """``parts`` as Java's class path, in which nothing can quote a colon.

    Raises:
        UsageError: one of them has a colon in its path.
    """
    listed = [str(one) for one in parts]
    if bad := next((one for one in listed if os.pathsep in one), None):
        raise UsageError(f"{bad}: Java cannot have a colon in its class path; use a folder without one")
    return os.pathsep.join(listed)


def java_properties(values: Mapping[str, str]) -> str:
    r"""The text of a file that Java's ``Properties.load`` reads ``values`` from, in whatever encoding.

    All that is not ASCII is written as UTF-16 in ``\uXXXX``, as that method's documentation says.
    """
    return "".join(f"{_escaped(key, ' =:#!')}={_escaped(value, ' ')}\n" for key, value in values.items())


def _escaped(text: str, signs: str) -> str:
    return "".join(_sign(one, signs) for one in text)


def _sign(one: str, signs: str) -> str:
    if one in _CONTROLS:
        return _CONTROLS[one]
    if one == "\\" or one in signs:
        return f"\\{one}"
    if " " <= one <= "~":
        return one
    units = one.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def compose_variables(values: Mapping[str, str]) -> str:
    r"""The text of an env file of Docker Compose: within double quotes it knows ``\\``, ``\"``, ``\$`` and ``\n``."""
    signs = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n"})
    return "".join(f'{key}="{value.translate(signs)}"\n' for key, value in values.items())
