from __future__ import annotations

from typing import Any

import psycopg
import pytest

from lakebench.engines.postgresql import connect, create_database, login, provider_of
from lakebench.errors import EngineUnavailable, UsageError
from lakebench.model import Endpoint, Runtime

ENDPOINT = Endpoint("citus", Runtime.LOCAL, "", "h", 7, "17", "u", "p", {"database": "d"})


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("de_DE.UTF-8", "LOCALE_PROVIDER libc LC_COLLATE 'de_DE.UTF-8' LC_CTYPE 'de_DE.UTF-8'"),
        ("icu:de-DE", "LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LC_COLLATE 'C' LC_CTYPE 'C'"),
        ("builtin:C.UTF-8", "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'"),
    ],
)
def test_a_database_with_a_collation(locale: str, words: str) -> None:
    assert create_database('a"b', locale) == f'CREATE DATABASE "a""b" TEMPLATE template0 ENCODING \'UTF8\' {words}'


def test_an_unknown_provider_has_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean icu"):
        provider_of("ico:de")


def test_zone_and_protocol_are_those_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(psycopg, "connect", lambda conninfo, **named: asked.update(named, conninfo=conninfo))
    connect(login(ENDPOINT, "other"), zone="Europe/Berlin", protocol="prepared")
    assert asked["prepare_threshold"] == 0
    assert asked["options"] == "-c TimeZone=Europe/Berlin"
    assert asked["conninfo"] == "dbname='other' host='h' port='7' user='u' password='p'"
    connect(login(ENDPOINT))
    assert asked["prepare_threshold"] is None


def test_a_server_that_does_not_let_us_in_has_no_password_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError('password authentication failed for user "u"')

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(EngineUnavailable, match=r"^PostgreSQL does not let us in: password authentication failed"):
        connect(login(ENDPOINT))
