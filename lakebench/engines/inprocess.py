"""What the adapters of engines inside the worker share: PyIceberg's catalog, answers, and an engine's words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lakebench.errors import CommitConflict, EngineUnavailable, LakebenchError, OutOfMemory, Refused
from lakebench.model import Lake, ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

_LINES = 6
_CONFLICT = re.compile(r"CommitFailed|Conflict_?409|\b409\b|requirement failed|has changed: expected", re.IGNORECASE)
_MEMORY = re.compile(r"out of memory|resources exhausted|cannot allocate|allocation failed", re.IGNORECASE)


class Answer:
    """The rows of one answer, fetched as they are asked for, with their schema even where there is no row."""

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self.schema = schema
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Each batch once.

        Raises:
            Refused: the engine failed on the way.
        """
        with refusals():
            yield from self._batches


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn whatever an engine raises inside the block into an error of ours with the engine's words.

    Raises:
        EngineUnavailable: a package is missing.
        CommitConflict: another commit came first.
        OutOfMemory: the engine says that it ran out.
        Refused: anything else.
    """
    try:
        yield
    except (LakebenchError, MemoryError):
        raise
    except ImportError as error:
        raise EngineUnavailable(f"{words(error)}: install what is missing, or the version that fits") from error
    except Exception as error:
        raise _refusal(error) from error


def _refusal(error: Exception) -> LakebenchError:
    said = f"{type(error).__name__}: {words(error)}"
    if _CONFLICT.search(said):
        return CommitConflict(said)
    return OutOfMemory(said) if _MEMORY.search(said) else Refused(said)


def words(error: BaseException) -> str:
    """The first lines of what ``error`` says; an error without words has those of its cause."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    if not lines and error.__cause__ is not None:
        return words(error.__cause__)
    return "\n".join(lines[:_LINES]) or repr(error)


def version_of(distribution: str) -> str:
    """The installed version of ``distribution``, ``""`` where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def pyiceberg_catalog(lake: Lake) -> Any:
    """The catalog of ``lake`` as a PyIceberg catalog that reads and writes by Arrow's own file systems."""
    import pyiceberg.io.pyarrow  # noqa: F401 - it is imported on first use, which a cold query's clock would hold
    from pyiceberg.catalog import load_catalog

    return load_catalog(
        lake.name,
        **{
            "type": "rest",
            "uri": lake.catalog.rest_uri,
            "warehouse": lake.catalog.warehouse,
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            **s3_properties(lake.store),
        },
    )


def s3_properties(store: ObjectStore) -> dict[str, str]:
    """``store`` in PyIceberg's words (its documentation, *FileIO*), which Polars and iceberg-rust understand too."""
    return {
        "s3.endpoint": store.endpoint,
        "s3.access-key-id": store.access_key,
        "s3.secret-access-key": store.secret_key,
        "s3.region": store.region,
        "s3.force-virtual-addressing": str(not store.path_style).lower(),
        "s3.path-style-access": str(store.path_style).lower(),  # iceberg-rust's word for the contrary
    }


def create_namespace(catalog: Any, namespace: str) -> None:
    """Create ``namespace`` where it is not there; another writer may do so at the same moment."""
    from pyiceberg.exceptions import NamespaceAlreadyExistsError

    with contextlib.suppress(NamespaceAlreadyExistsError):
        catalog.create_namespace(namespace)


def drop_table(catalog: Any, identifier: tuple[str, str]) -> None:
    """Drop the table where it is there."""
    from pyiceberg.exceptions import NoSuchTableError

    with contextlib.suppress(NoSuchTableError):
        catalog.drop_table(identifier)
