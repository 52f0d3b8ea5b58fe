"""Addresses from settings: which are none, and the passwords within the others. No message repeats an address."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_FORM = "write scheme://host:port/…, and what is special in a password as %XX, or the password under its own key"


def check_address(uri: str) -> None:
    """Check that ``uri`` is an address with a scheme and a host.

    Raises:
        ValueError: it is none, or its password is not to be told from the rest; the message has nothing of it.
    """
    if not uri:
        return
    try:
        address = urlsplit(uri)
        address.port  # noqa: B018 - it is read here
    except ValueError:
        raise ValueError(f"uri is no address: {_FORM}") from None
    if not address.scheme or not address.hostname or _at_sign_behind_host(address):
        raise ValueError(f"uri is no address: {_FORM}")


def passwords_within(uri: str) -> tuple[str, ...]:
    """The passwords in ``uri``, as they stand there and decoded; none where it is no address."""
    try:
        address = urlsplit(uri.removeprefix("jdbc:"))
    except ValueError:
        return ()
    written = [address.password or ""]
    written += [part.partition("=")[2] for part in address.query.split("&") if part.startswith("password=")]
    asked = [value for key, value in parse_qsl(address.query) if key == "password"]
    return tuple(dict.fromkeys(one for one in (*written, *map(unquote, written), *asked) if one))


def without_passwords(uri: str) -> str:
    """``uri`` with ``***`` for each password in it."""
    for password in passwords_within(uri):
        uri = uri.replace(password, "***")
    return uri


def _at_sign_behind_host(address: SplitResult) -> bool:
    """Whether a password with ``/`` cuts the address of a database: what stands before it is then no host."""
    return address.scheme.startswith("postgres") and "@" in f"{address.path}{address.query}{address.fragment}"
