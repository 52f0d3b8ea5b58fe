"""How our own clients of REST catalogs log in: the headers of one request."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from lakebench.errors import Refused, ServiceUnavailable
from lakebench.http import HttpError, bearer, http
from lakebench.model import Authentication, BearerToken, OAuth2, SigV4

_LIMIT_S = 30
_EARLY_S = 60  # a token is renewed this long before it ends
_LASTS_S = 3600  # where the answer does not say how long
_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
_tokens: dict[OAuth2, tuple[str, float]] = {}
_asking = threading.Lock()


def login_headers(authentication: Authentication | None, method: str, url: str, body: bytes = b"") -> dict[str, str]:
    """The headers of a login; a token of OAuth 2.0 is kept as long as it lasts.

    Raises:
        Refused: the token's address says no.
        ServiceUnavailable: it does not answer.
    """
    if authentication is None:
        return {}
    if isinstance(authentication, BearerToken):
        return bearer(authentication.token)
    if isinstance(authentication, OAuth2):
        return bearer(_token(authentication))
    return aws_signature(authentication, method, url, body, datetime.now(UTC))


def _token(login: OAuth2) -> str:
    with _asking:
        token, ends = _tokens.get(login, ("", 0.0))
        if time.monotonic() >= ends:
            token, lasts = _new_token(login)
            _tokens[login] = token, time.monotonic() + lasts - _EARLY_S
        return token


def _new_token(login: OAuth2) -> tuple[str, float]:
    """A token, and how many seconds it lasts."""
    form = {
        "grant_type": "client_credentials",
        "client_id": login.client_id,
        "client_secret": login.client_secret,
        "scope": login.scope,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = http(login.token_uri, method="POST", body=urlencode(form).encode(), headers=headers, timeout=_LIMIT_S)
        content = json.loads(answer)
        return str(content["access_token"]), float(content.get("expires_in") or _LASTS_S)
    except HttpError as error:
        # Not the body, which may repeat what was sent.
        raise Refused(f"the catalog's token address answers {error.status}", status=error.status) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ServiceUnavailable(f"the catalog's token address gives no token: {type(error).__name__}") from error


def aws_signature(login: SigV4, method: str, url: str, body: bytes, at: datetime) -> dict[str, str]:
    """The headers of a request signed at ``at`` (AWS's documentation, *Create a signed AWS API request*)."""
    address, moment = urlsplit(url), at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{login.region}/{login.service}/aws4_request"
    query = "&".join(
        f"{quote(key, safe=_UNRESERVED)}={quote(value, safe=_UNRESERVED)}"
        for key, value in sorted(parse_qsl(address.query, keep_blank_values=True))
    )
    request = [
        method,
        quote(address.path, safe=f"/{_UNRESERVED}") or "/",
        query,
        f"host:{address.netloc}\nx-amz-date:{moment}\n",
        "host;x-amz-date",
        hashlib.sha256(body).hexdigest(),
    ]
    signed = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256("\n".join(request).encode()).hexdigest()])
    key = f"AWS4{login.secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    parameters = (
        f"Credential={login.access_key}/{scope}, SignedHeaders=host;x-amz-date, Signature={_hmac(key, signed).hex()}"
    )
    return {"X-Amz-Date": moment, "Authorization": f"{_ALGORITHM} {parameters}"}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
