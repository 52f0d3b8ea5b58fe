"""How our own clients log in."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from lakebench.errors import Refused, ServiceUnavailable
from lakebench.iceberg import login
from lakebench.iceberg.catalogs import table_metadata
from lakebench.iceberg.login import aws_signature, login_headers
from lakebench.model import BearerToken, Catalog, CatalogKind, OAuth2, SigV4

AWS = SigV4("us-east-1", "service", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


class Server(http.server.ThreadingHTTPServer):
    """A token endpoint that knows one client, and a catalog that wants its token."""

    lasts, requests = 3600, 0


class Answers(http.server.BaseHTTPRequestHandler):
    """The answers of :class:`Server`."""

    server: Server

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.requests += 1
        if form["client_secret"] != ["right"]:
            self._answer(401, {"error": "invalid_client", "said": form})
            return
        assert form == {
            "grant_type": ["client_credentials"],
            "client_id": ["me"],
            "client_secret": ["right"],
            "scope": ["a b"],
        }
        token = f"token-{self.server.requests}"
        self._answer(200, {"access_token": token, "token_type": "bearer", "expires_in": self.server.lasts})

    def do_GET(self) -> None:
        if not (self.headers["Authorization"] or "").startswith("Bearer token-"):
            self._answer(401, {"error": {"message": "who are you"}})
        elif self.path.startswith("/v1/config"):
            self._answer(200, {"defaults": {"prefix": "default"}, "overrides": {}})
        else:
            self._answer(200, {"metadata-location": self.path})

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, and no token of another test."""
    monkeypatch.setattr(login, "_tokens", {})
    with Server(("127.0.0.1", 0), Answers) as fake:
        threading.Thread(target=fake.serve_forever).start()
        yield fake
        fake.shutdown()


def oauth2(server: Server, secret: str = "right") -> OAuth2:  # noqa: S107 - a made up one
    """The login at ``server``."""
    return OAuth2(f"http://127.0.0.1:{server.server_port}/token", "me", secret, "a b")


def test_nobody_and_a_bearer() -> None:
    assert login_headers(None, "GET", "http://a/") == {}
    assert login_headers(BearerToken("one"), "GET", "http://a/") == {"Authorization": "Bearer one"}


def test_a_token_is_asked_for_once_and_again_where_it_ends(server: Server) -> None:
    first = login_headers(oauth2(server), "GET", "http://a/")
    assert first == login_headers(oauth2(server), "GET", "http://b/") == {"Authorization": "Bearer token-1"}
    login._tokens.clear()
    server.lasts = 1
    assert [login_headers(oauth2(server), "GET", "http://a/")["Authorization"][-1] for _ in range(2)] == ["2", "3"]


def test_our_clients_use_it_and_a_prefix_of_ours_goes_before_the_default(server: Server) -> None:
    uri = f"http://127.0.0.1:{server.server_port}"
    catalog = Catalog(CatalogKind.REST, uri, "w", authentication=oauth2(server), prefix="mine/one")
    assert table_metadata(catalog, "a", "b") == {"metadata-location": "/v1/mine/one/namespaces/a/tables/b"}
    with pytest.raises(Refused, match="the catalog answers 401: who are you"):
        table_metadata(Catalog(CatalogKind.REST, uri, "w"), "a", "b")


def test_a_refused_secret_is_not_in_the_message(server: Server) -> None:
    with pytest.raises(Refused, match="the catalog's token address answers 401") as caught:
        login_headers(oauth2(server, "a-wrong-one"), "GET", "http://a/")
    assert "a-wrong-one" not in str(caught.value)


def test_where_nothing_answers_there_is_no_token() -> None:
    with pytest.raises(ServiceUnavailable, match="gives no token"):
        login_headers(OAuth2("http://127.0.0.1:9/token", "me", "x"), "GET", "http://a/")


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)
def test_the_examples_of_awss_test_suite_are_signed_as_it_says(query: str, signature: str) -> None:
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    headers = aws_signature(AWS, "GET", f"https://example.amazonaws.com/{query}", b"", at)
    assert headers == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}",
    }


def test_a_signature_holds_for_one_body_and_one_path() -> None:
    at = datetime(2015, 8, 30, tzinfo=UTC)
    requests = [("https://a/v1/x%1Fy", b""), ("https://a/v1/x%1Fy", b"{}"), ("https://a/v1/xy", b"")]
    assert len({aws_signature(AWS, "POST", url, body, at)["Authorization"] for url, body in requests}) == 3
    assert login_headers(AWS, "GET", "https://a/")["Authorization"].startswith("AWS4-HMAC-SHA256 ")
