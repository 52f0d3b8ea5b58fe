"""Servers read what was meant: expected texts follow the documents that each function names."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakebench.errors import UsageError
from lakebench.services.quoting import class_path, compose_variables, java_arguments, java_properties


def test_arguments_of_java_stand_in_quotes_a_line_each() -> None:
    text = java_arguments(["-cp", "/data/ü b/a\\b", '-Dname=say "it\'s"', "# no comment", "two\nlines\t\r\f"])
    assert text == ('"-cp"\n"/data/ü b/a\\\\b"\n"-Dname=say \\"it\'s\\""\n"# no comment"\n"two\\nlines\\t\\r\\f"\n')


def test_properties_of_java_are_ascii_and_escaped() -> None:
    text = java_properties({"a.path": " /data/ü b\\c'd\"=%#", "a key:=#!": "x", "emoji": "🦆", "lines": "a\nb\x7f"})
    assert text == (
        "a.path=\\ /data/\\u00fc\\ b\\\\c'd\"=%#\na\\ key\\:\\=\\#\\!=x\nemoji=\\ud83e\\udd86\nlines=a\\nb\\u007f\n"
    )
    assert text.isascii()


def test_variables_of_compose_are_not_expanded() -> None:
    text = compose_variables({"FOLDER": "/data/ü b\\c'd\"$HOME", "TWO": "a\nb"})
    assert text == 'FOLDER="/data/ü b\\\\c\'d\\"\\$HOME"\nTWO="a\\nb"\n'


def test_a_class_path_takes_no_colon() -> None:
    assert class_path([Path("/data/a b"), "/data/c/*"]) == "/data/a b:/data/c/*"
    with pytest.raises(UsageError, match=r"^/data/a:b: Java cannot have a colon"):
        class_path([Path("/data/a:b")])
