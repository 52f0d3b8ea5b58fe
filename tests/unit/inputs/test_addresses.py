"""Addresses with passwords: which are refused, and that nothing repeats what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakebench.commands.doctor import examine
from lakebench.config import Settings, load
from lakebench.errors import UsageError
from lakebench.inputs.addresses import passwords_within, without_passwords

NONE = (
    "postgresql://me:s3c[ret@127.0.0.1:5432/lake",
    "postgresql://me:s3cret/s3cret@127.0.0.1:5432/lake",
    "postgresql://me:12/s3cret@127.0.0.1:5432/lake",
    "postgresql://me:12?s3cret@127.0.0.1:5432/lake",
    "postgresql://me:12#s3cret@127.0.0.1:5432/lake",
    "postgresql://me:s3cret@127.0.0.1:99999/lake",
    "host=127.0.0.1 user=me password=s3cret dbname=lake",
    "me:s3cret@127.0.0.1",
)


@pytest.mark.parametrize("uri", NONE)
@pytest.mark.parametrize("table", ["services.citus", "storage.mine", "catalog.mine"])
def test_what_is_no_address_is_a_users_mistake_and_not_repeated(tmp_path: Path, table: str, uri: str) -> None:
    kind = {"services": 'runtime = "external"', "storage": 'kind = "s3"', "catalog": 'kind = "rest"'}
    file = tmp_path / "lakebench.toml"
    file.write_text(f'[{table}]\n{kind[table.partition(".")[0]]}\nuri = "{uri}"\n')
    with pytest.raises(UsageError, match=rf"{table}: uri is no address: write") as caught:
        load(file)
    assert "s3c" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_address_of_a_catalog_without_host_is_one() -> None:
    given = {"catalog": {"mine": {"kind": "jdbc", "uri": "jdbc:sqlite:/x"}, "h": {"kind": "hive", "uri": "thrift://h"}}}
    assert Settings.model_validate(given).secrets() == ()


def test_passwords_are_seen_wherever_an_address_has_them() -> None:
    assert passwords_within("postgresql://me:a%2Fb@h/d") == ("a%2Fb", "a/b")
    assert passwords_within("jdbc:postgresql://h/d?user=me&password=a+b%21") == ("a+b%21", "a+b!", "a b!")
    assert passwords_within("http://h:80/x") == passwords_within("http://[::1") == ()
    assert without_passwords("https://me:pw@h/x") == "https://me:***@h/x"


def test_doctor_shows_no_password() -> None:
    uri = "postgresql://me:s3cret@127.0.0.1:5432/lake"
    settings = Settings.model_validate({"services": {"citus": {"runtime": "external", "uri": uri}}})
    (line,) = [one for one in examine(settings) if one.name == "citus"]
    assert "postgresql://me:***@127.0.0.1:5432/lake" in line.how
    assert "s3cret" not in str(line)
