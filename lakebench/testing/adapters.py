"""What an adapter says of itself, and whose an exception is: tests that start nothing."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lakebench import engines
from lakebench.datasets.interop.features import all_features
from lakebench.engines import Engine
from lakebench.iceberg.scan import Scan
from lakebench.model import Catalog, CatalogKind, EngineSettings, Lake, ObjectStore
from lakebench.processes.worker import Worker
from lakebench.results.claims import FILE, Support, claim_of

NOWHERE = Lake(
    "lake",
    ObjectStore("http://127.0.0.1:9", "lake", "key", "secret"),
    Catalog(CatalogKind.REST, "http://127.0.0.1:9", "warehouse"),
)
SETTINGS = EngineSettings(1, 2**30, "/nowhere")
PLANTED = tuple(kind("planted") for kind in (KeyError, ValueError, TypeError, OSError, AttributeError))


@dataclass(frozen=True)
class Way:
    """A way through an adapter to its engine, on which exceptions are planted.

    ``holder`` is the attribute that holds the engine's object (connection, session, catalog) once the adapter is open;
    ``fails`` is a function of it, or of an object that it gives, that is called when the adapter is ``asked`` for SQL
    or a scan. ``adapter_function`` is a function of the adapter that is called on the same way: ``module:name`` or
    ``module:Class.name``. ``gives`` are attributes of the engine's objects that the adapter looks at, ``state`` those
    of an open adapter, and ``instead`` functions (``module:name``) with what they give here, where they need more.
    """

    holder: str
    fails: str
    asked: str | Scan
    adapter_function: str
    gives: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    instead: Mapping[str, Any] = field(default_factory=dict)


class AdapterTests:
    """What the class of an adapter and the files beside it say."""

    engine: ClassVar[type[Engine]]

    def test_it_is_found_by_its_name(self) -> None:
        """Its entry point is called as the engine is."""
        assert engines.find(self.engine.name) is self.engine

    def test_it_can_do_something(self) -> None:
        """It inherits an ability, and has a title and a distribution."""
        assert engines.abilities(self.engine)
        assert self.engine.title
        assert self.engine.distribution

    def test_its_module_imports_no_engine(self) -> None:
        """The parent process reads the class: packages of the engine are imported inside methods."""
        file = Path(inspect.getfile(self.engine))
        package = self.engine.__module__.partition(".")[0]
        imported = set(_imports(ast.parse(file.read_text("utf-8"))))
        assert imported <= {"lakebench", package, *sys.stdlib_module_names}

    def test_its_claims_are_about_features_and_have_a_source(self) -> None:
        """``claims.toml`` lies beside the adapter and can be read; each claim is about a feature or a topic."""
        file = Path(inspect.getfile(self.engine)).with_name(FILE)
        content = tomllib.loads(file.read_text("utf-8"))
        claim_of(self.engine.name, "", "", "0")  # reads the whole file
        topics = {one.id for one in all_features()} | {one.claim for one in all_features()}
        claims = {name: value for name, value in content.items() if isinstance(value, dict)}
        for topic, listed in [pair for value in claims.values() for pair in value.items() if pair[0] != "read_only"]:
            assert topic in topics
            for claim in listed if isinstance(listed, list) else [listed]:
                assert claim["support"] in {one.value for one in Support}
                assert claim["source"]

    def test_a_variant_gives_its_reason_first(self) -> None:
        """A query of the engine's own begins with a comment that says why."""
        for file in (Path(inspect.getfile(self.engine)).parent / "sql").rglob("*.sql"):
            assert file.read_text("utf-8").startswith("-- "), file


class WayTests:
    """Exceptions planted on a way through the adapter: the engine's are the engine's, all others the adapter's."""

    engine: ClassVar[type[Engine]]
    way: ClassVar[Way]

    @pytest.mark.parametrize("error", PLANTED, ids=lambda one: type(one).__name__)
    def test_what_the_engine_raises_is_refused(self, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        """The engine's own function fails."""
        reply = self._asked(_Gives(self.way, fails=self.way.fails, error=error), monkeypatch)
        assert reply["kind"] == "Refused"
        assert "planted" in reply["message"]

    @pytest.mark.parametrize("error", PLANTED, ids=lambda one: type(one).__name__)
    def test_what_is_raised_beside_it_is_a_fault_of_the_adapter(
        self, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A function of the adapter's own fails."""

        def broken(*_: Any, **__: Any) -> Any:
            raise error

        _replace(self.way.adapter_function, broken, monkeypatch)
        reply = self._asked(_Gives(self.way), monkeypatch)
        adapter = f"{self.engine.__module__}:{self.engine.__name__}"
        assert reply["kind"] == "HarnessFault"
        assert reply["message"].startswith(f"the adapter {adapter} raised ")
        assert "in broken" in reply["traceback"]

    def _asked(self, objects: _Gives, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What the worker says went wrong."""
        for where, replacement in self.way.instead.items():
            _replace(where, lambda *_, replacement=replacement: replacement, monkeypatch)
        made = self.engine(SETTINGS)
        for name, value in {"_lake": NOWHERE, **self.way.state, self.way.holder: objects}.items():
            setattr(made, name, value)
        asked = self.way.asked
        request = {"op": "query", "sql": asked} if isinstance(asked, str) else {"op": "scan", "scan": asked.to_json()}
        error: dict[str, Any] = Worker(made).answer({**request, "into": "/nowhere/rows"})["error"]
        return error


class _Gives:
    """An object of an engine: whatever is called gives another one, but for ``fails``, which raises ``error``."""

    def __init__(self, way: Way, fails: str = "", error: Exception | None = None) -> None:
        self._way, self._fails, self._error = way, fails, error

    def __getattr__(self, name: str) -> Any:
        if name in self._way.gives:
            return self._way.gives[name]

        def called(*_: Any, **__: Any) -> Any:
            if name == self._fails and self._error is not None:
                raise self._error
            return _Gives(self._way, self._fails, self._error)

        return called

    def __exit__(self, *_: object) -> None:
        """As a context manager it ends no exception."""


def _replace(where: str, function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, names = where.partition(":")
    *outer, last = names.split(".")
    owner: Any = importlib.import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    monkeypatch.setattr(owner, last, function)


def _imports(tree: ast.Module) -> Iterator[str]:
    """The packages that a module imports at its top level, outside ``if TYPE_CHECKING``."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
