"""The interoperability matrix: each feature, written by each engine, read by every other, against the oracle."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets.interop import features
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import in_words, proof_in_words, read_in_words
from lakebench.engines import CanOperate, CanScan
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request, Scope
from lakebench.iceberg.catalogs import rest_base
from lakebench.model import Coordinates, EngineRef, Selection
from lakebench.phases.base import Phase
from lakebench.phases.interop.blame import REFERENCE
from lakebench.phases.interop.table_lakes import observed
from lakebench.phases.interop.written import Written
from lakebench.phases.options import FEATURES_OPTION, READERS_OPTION, WRITERS_OPTION, Asked, Option, listed
from lakebench.results.records import FeatureFacts
from lakebench.services import lakes


def _files(text: str, _: Asked) -> tuple[str, ...]:
    files = tuple(str(Path(one).resolve()) for one in listed(text))
    features.all_features(files)
    return files


_FILES = Option(
    "feature-file",
    "Files of features of your own (docs/adding-a-feature.md), separated by commas; they come beside lakebench's.",
    metavar="FILES",
    read=_files,
)


def _catalog(text: str, asked: Asked) -> str:
    lakes.check_catalog(asked.settings, text)
    return text


_OPTIONS = (
    FEATURES_OPTION,
    _FILES,
    WRITERS_OPTION,
    READERS_OPTION,
    Option(
        "catalog",
        f"The catalog that every engine uses: {', '.join(lakes.CATALOGS)}, or your own of lakebench.toml.",
        metavar="NAME",
        default="rest",
        read=_catalog,
        field="catalog",
    ),
)


class Interop(Phase):
    """Which engine reads what another wrote, feature by feature, compared with what the engines claim."""

    name: ClassVar[str] = "interop"
    subject: ClassVar[str] = "interoperability"
    title: ClassVar[str] = "Every Iceberg feature, written by each engine and read by every other"
    options: ClassVar[tuple[Option, ...]] = _OPTIONS

    def takes_times(self, request: Request) -> bool:  # noqa: ARG002
        """It has answers alone."""
        return False

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:
        """The object store and the catalog that was chosen."""
        return lakes.catalog_choice(settings, selection.catalog).services

    def namespaces(self, request: Request) -> tuple[str, ...]:
        """Those of the features."""
        return tuple(dict.fromkeys(one.namespace for one in self._chosen(request)))

    def load(self, context: RunContext) -> None:
        """Check that a catalog of the user's lets us in: no engine is blamed for one that does not."""
        if context.request.selection.catalog not in lakes.CATALOGS:
            rest_base(observed(context.request, context.services).catalog)

    def engines(self, selection: Selection) -> tuple[str, ...]:
        """The writers and the readers."""
        return tuple(dict.fromkeys([*_named(selection.writers, CanOperate), *_named(selection.readers, CanScan)]))

    def features(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The ids of the features."""
        return tuple(one.id for one in features.all_features(options.get(_FILES.name, ())))

    def plan(self, context: RunContext) -> Iterator[Block]:
        """The rows of the matrix; the reference writer comes first, so that readers are known before engines."""
        yield from self.rows(context.request)

    def rows(self, request: Request) -> Iterator[Written]:
        """A block a feature and writer of ``request``: what a run has is known before anything starts."""
        writers = sorted(
            _those(request, request.selection.writers, CanOperate),
            key=lambda ref: ref.name != REFERENCE,
        )
        readers = _those(request, request.selection.readers, CanScan)
        for feature in self._chosen(request):
            for writer in writers:
                yield Written(feature, writer, tuple(readers), request.selection.catalog)

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether feature, writer and reader are among those that were chosen."""
        feature, chosen = case.feature or "", scope.selection
        return (
            any(fnmatch.fnmatchcase(feature, one) for one in chosen.features or ("*",))
            and (bool(self.option(chosen, _FILES.name)) or feature in self.features({}))  # else it is of a file
            and super().covers(case, scope)
            and _among(case.writer or "", chosen.writers, CanOperate)
            and (not case.reader or _among(case.reader, chosen.readers, CanScan))
        )

    def facts(self, context: RunContext) -> Iterator[FeatureFacts]:
        """Each feature in words."""
        for one in self._chosen(context.request):
            yield FeatureFacts(
                feature=one.id,
                group=one.group,
                title=one.title,
                format_version=one.format_version,
                source=one.source,
                topic=one.claim,
                program=tuple(in_words(step) for step in one.program),
                reads=tuple(read_in_words(read) for read in one.all_reads),
                proof=tuple(proof_in_words(proof) for proof in one.proof),
            )

    def _chosen(self, request: Request) -> tuple[Feature, ...]:
        return features.chosen(request.selection.features, self.option(request.selection, _FILES.name))


def _named(chosen: tuple[str, ...], ability: type[Any]) -> tuple[str, ...]:
    """``chosen``, or the engines with ``ability`` that are no variant, not optional, and need no PostgreSQL."""
    adapters = engines.engines()
    return chosen or tuple(
        name
        for name, engine in adapters.items()
        if issubclass(engine, ability)
        and not engine.variant_of
        and not engine.optional
        and "postgres" not in (engine.service, *engine.needs)
    )


def _among(name: str, chosen: tuple[str, ...], ability: type[Any]) -> bool:
    """Whether ``name`` is one of :func:`_named`, or unknown here where none is chosen."""
    return name in _named(chosen, ability) or (not chosen and name not in engines.engines())


def _those(request: Request, chosen: tuple[str, ...], ability: type[Any]) -> list[EngineRef]:
    names = _named(chosen, ability)
    return [ref for ref in request.able(ability) if str(ref) in names]
