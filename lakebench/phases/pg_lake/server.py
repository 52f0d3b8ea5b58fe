"""The server that phase 4.5 asks, the names of its own in it, and the object store beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lakebench.errors import EngineUnavailable
from lakebench.execution.context import RunContext
from lakebench.model import Catalog, CatalogKind, Endpoint, EngineRef, Lake, ObjectStore, Runtime
from lakebench.phases.pg_lake import store as objects
from lakebench.phases.pg_lake.session import Session
from lakebench.phases.table_loading import word
from lakebench.services.object_store import store

SERVICE = "pg_lake"
CLIENT = EngineRef("pg_lake")
"""The engine whose outcomes these are; its worker says the versions."""


@dataclass(frozen=True)
class TwinServer:
    """pg_lake's server in a run."""

    context: RunContext

    @property
    def endpoint(self) -> Endpoint:
        """Where it is reached.

        Raises:
            ServiceUnavailable: it does not run here.
        """
        return self.context.services.endpoint(SERVICE)

    def opened(self) -> None:
        """Have the engine's worker ask the server for its versions, once a run.

        Raises:
            CaseError: the server does not run here.
        """
        self.context.prepared.once("pg_lake/opened", self._open)

    def _open(self) -> None:
        _ = self.endpoint
        lake = Lake("files", self.store, Catalog(CatalogKind.REST, "", ""))
        self.context.workers.open(CLIENT, lake)

    def schema(self, name: str) -> str:
        """The name of a schema for ``name``, which begins with that of the run's own one."""
        return f"{self.endpoint.properties['schema']}_{word(name)}"

    @contextlib.contextmanager
    def session(self, name: str, **options: Any) -> Iterator[Session]:
        """A session whose current schema is that for ``name``, made where it does not exist; see :class:`Session`."""
        session = Session(self.endpoint, **options)
        try:
            schema = self.schema(name)
            session.must(f"CREATE SCHEMA IF NOT EXISTS {schema}", f"SET search_path = {schema}, public")
            yield session
        finally:
            session.close()

    def must_be_ours(self) -> None:
        """Check that the server may be stopped, and all of its tables vacuumed.

        Raises:
            EngineUnavailable: it is a server of the user's, or runs in a container.
        """
        if self.endpoint.runtime is not Runtime.LOCAL:
            raise EngineUnavailable(
                "only a server that lakebench starts on this machine is stopped, and rid of all that it keeps: name "
                f"pg_config under [services.{SERVICE}] in lakebench.toml"
            )

    @property
    def store(self) -> ObjectStore:
        """The object store in which the server's tables lie.

        Raises:
            EngineUnavailable: they lie in another one.
        """
        here, location = store(self.context.services.endpoint("object-store")), self.endpoint.properties["location"]
        if not location.startswith(f"s3://{here.bucket}/"):
            raise EngineUnavailable(
                f"the tables of this server are at {location}, and the object store of the run is another one: name it "
                "with [services.object-store] in lakebench.toml"
            )
        return here

    def files(self, name: str, table: str = "") -> dict[str, int]:
        """The objects of the tables of the schema for ``name``, or of one table: path below the schema → bytes."""
        place = f"{self.endpoint.properties['location']}/{self.endpoint.properties['database']}/{self.schema(name)}/"
        every = self.context.checker.call(objects.listed, self.store, place)
        return {path: size for path, size in every.items() if path.startswith(f"{table}/" if table else "")}

    def metadata(self, session: Session, table: str) -> objects.FileMetadata:
        """What the metadata file of ``table`` in the current schema says, which pg_lake's catalog names."""
        location = session.value(
            "SELECT metadata_location FROM iceberg_tables "
            f"WHERE table_namespace = current_schema() AND table_name = '{table}'"
        )
        return self.context.checker.call(objects.metadata, self.store, location)

    def remove(self, location: str) -> None:
        """Remove the object at ``location``."""
        self.context.checker.call(objects.removed, self.store, location)
