"""Our own client registers a table by its metadata file, and has the catalog forget it."""

from __future__ import annotations

from typing import Any

import pytest

from lakebench.errors import CommitConflict
from lakebench.iceberg import catalogs
from lakebench.model import Catalog, CatalogKind

CATALOG = Catalog(CatalogKind.REST, "http://127.0.0.1:1", "w")
TABLES = "http://127.0.0.1:1/v1/p/namespaces/n%20s"


class Asked:
    """A catalog that has the namespace already where ``there`` says so."""

    def __init__(self, *, there: bool = False) -> None:
        self.there, self.requests = there, list[tuple[str, str, Any]]()

    def __call__(self, url: str, method: str = "GET", body: Any = None, **_: Any) -> dict[str, Any]:
        if "/config?" in url:
            return {"defaults": {"prefix": "p"}}
        self.requests.append((method, url, body))
        if self.there and url.endswith("/namespaces"):
            raise CommitConflict("it exists")
        return {}


@pytest.mark.parametrize("there", [False, True])
def test_a_table_is_registered_in_a_namespace_that_may_be_there(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    asked = Asked(there=there)
    monkeypatch.setattr(catalogs, "ask", asked)
    catalogs.create_namespace(CATALOG, "n s")
    catalogs.register(CATALOG, "n s", "t", "s3://lake/1.metadata.json")
    assert asked.requests == [
        ("POST", "http://127.0.0.1:1/v1/p/namespaces", {"namespace": ["n s"]}),
        ("POST", f"{TABLES}/register", {"name": "t", "metadata-location": "s3://lake/1.metadata.json"}),
    ]


def test_what_is_forgotten_keeps_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    monkeypatch.setattr(catalogs, "ask", asked)
    catalogs.unregister(CATALOG, "n s", "t")
    assert asked.requests == [
        ("DELETE", f"{TABLES}/tables/t?purgeRequested=false", None),
    ]
