"""Text for the configuration files of servers, quoted so that they read it as it is, whatever characters a path has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from lakebench.errors import UsageError

_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


def java_arguments(arguments: list[str]) -> str:
    r"""The text of an ``@file`` of the ``java`` command: an argument a line, in quotes.

    Within quotes the launcher knows ``\\`` before any character, and ``\n``, ``\r``, ``\t``, ``\f`` (the JDK's *java*
    command, "java Command-Line Argument Files"); it takes the other bytes as those of the platform's encoding, which
    is UTF-8 as ``LC_ALL`` is ``C.UTF-8``.
    """
    escapes = str.maketrans({"\\": "\\\\", '"': '\\"', **_CONTROLS})
    return "".join(f'"{one.translate(escapes)}"\n' for one in arguments)


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


def _escaped(text: str, special: str) -> str:
    return "".join(_escaped_character(character, special) for character in text)


def _escaped_character(character: str, special: str) -> str:
    if character in _CONTROLS:
        return _CONTROLS[character]
    if character == "\\" or character in special:
        return f"\\{character}"
    if " " <= character <= "~":
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def compose_variables(values: Mapping[str, str]) -> str:
    r"""The text of an env file of Docker Compose: within double quotes it knows ``\\``, ``\"``, ``\$`` and ``\n``."""
    escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n"})
    return "".join(f'{key}="{value.translate(escapes)}"\n' for key, value in values.items())
