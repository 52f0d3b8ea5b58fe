"""Apache Iceberg's reference REST catalog, over a JDBC catalog in SQLite."""

from __future__ import annotations

import dataclasses
import functools
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from lakebench.config import StorageKind
from lakebench.errors import UsageError
from lakebench.http import HOST, http
from lakebench.model import Catalog, CatalogKind, Endpoint, Runtime
from lakebench.provisioning import artifacts
from lakebench.services.base import Context
from lakebench.services.catalog import CatalogService, with_warehouse
from lakebench.services.java import JavaService
from lakebench.services.quoting import class_path
from lakebench.services.storages import storage_facts

_SECRET_BYTES = 24
_JETTY = "org.eclipse.jetty.server"
_REWRITE = "org.eclipse.jetty.rewrite.handler"
_SERVLET = "org.eclipse.jetty.ee10.servlet"
_ICEBERG = "org.apache.iceberg"


class RestCatalogService(JavaService, CatalogService):
    """The servlet that Iceberg tests its REST clients against, on a Jetty that listens on 127.0.0.1 only.

    Its own main class listens on every address, so Jetty's XML builds the same objects behind another connector. The
    servlet has no authentication: all of its paths begin with a secret, and any other path is not found.
    Endpoint: ``uri`` is the REST address with the secret, ``password`` the secret; property ``warehouse``, and
    ``setting.<name>`` for the reports where the tables lie on the file system.
    """

    name = "rest-catalog"
    choice: ClassVar[str] = "rest"
    title = "the Iceberg REST catalog"
    version = "1.11.0"
    needs: ClassVar[tuple[str, ...]] = ("object-store",)
    memory = 512 * 2**20
    start_s = 60
    times_are_its_own: ClassVar[bool] = False
    catalog_name: ClassVar[str] = "lakebench"
    jdbc: ClassVar[Mapping[str, str]] = {"jdbc.schema-version": "V1"}
    paths: ClassVar[str] = ".*"
    """The paths behind the secret that are answered, as a regular expression; others are not found."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.password = secrets.token_hex(_SECRET_BYTES)  # DuckDB 1.5.0 sends the path of an address in lower case
        self.hide(self.password)

    def prepare(self) -> None:
        """Get the classpath and a Java."""
        self._classpath = artifacts.ensure("rest-catalog", self.context.progress)
        self.java = self.find_java(17, 25)

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """Jetty's XML names the catalog, its store and its connector."""
        backend = _call(f"{_ICEBERG}.CatalogUtil", "buildIcebergCatalog", self._called(), _map(self._catalog()), _CONF)
        xml = self.private("jetty.xml", _xml(ports["main"], self.password, backend, self.paths))
        classpath = class_path(self._classpath)
        plain = "-Dorg.eclipse.jetty.xml.XmlParser.Validating=false"  # the XML is ours and names no DTD
        # Answers of a few kB: optimising for a long life costs the engines more processor time than it saves them.
        light = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [*light, plain, "-cp", classpath, "org.eclipse.jetty.xml.XmlConfiguration", str(xml)]

    def _called(self) -> str:
        """The catalog's name in its own tables."""
        return self.catalog_name

    def _catalog(self) -> dict[str, str]:
        """The properties of the catalog behind the servlet."""
        if self._local():
            return {**self._behind(""), "io-impl": f"{_ICEBERG}.hadoop.HadoopFileIO"}
        return {**self._behind(self.context.endpoint("object-store").properties["bucket"]), **self._file_io()}

    def _behind(self, bucket: str) -> dict[str, str]:
        """The catalog itself, without the files of its tables."""
        return {"catalog-impl": f"{_ICEBERG}.jdbc.JdbcCatalog", **self.jdbc, **self._database(bucket)}

    def _file_io(self) -> dict[str, str]:
        store = self.context.endpoint("object-store")
        self.hide(store.password)
        return {
            "io-impl": f"{_ICEBERG}.aws.s3.S3FileIO",
            "s3.endpoint": store.uri,
            "s3.path-style-access": "true",
            "s3.access-key-id": store.user,
            "s3.secret-access-key": store.password,
            "client.region": store.properties["region"],
        }

    def _local(self) -> bool:
        """Whether the tables lie on the file system."""
        storage = self.context.storage
        return bool(storage) and self.context.all_settings.storage(storage).kind is StorageKind.LOCAL

    def _database(self, bucket: str) -> dict[str, str]:
        """Where the catalog keeps its tables, and their files."""
        return {
            # SQLite has one writer at a time; the others wait instead of failing.
            "uri": f"jdbc:sqlite:{self.kept()}/catalog.db?journal_mode=WAL&busy_timeout=30000",
            "warehouse": self._folder.as_uri() if self._local() else f"s3://{bucket}/{self._prefix()}",
        }

    def _prefix(self) -> str:
        """Where the tables begin in the bucket: a user's bucket may hold those of other runs."""
        storage = self.context.storage
        ours = not storage or self.context.all_settings.storage(storage).ours
        return "rest" if ours else f"lakebench-{self._mark()}"

    @functools.cached_property
    def _folder(self) -> Path:
        """The folder of the tables on the file system, made; below the storage's ``path`` where it has one.

        Raises:
            UsageError: it cannot be made, or engines would write its address in different ways.
        """
        path = self.context.all_settings.storage(self.context.storage).path
        folder = self.kept() / "warehouse"
        if path:
            folder = path.expanduser().absolute() / f"lakebench-{self._mark()}"
            if self.context.data is None:
                self.context.guard.remove(folder)
        if folder.as_uri() != f"file://{folder}":
            raise UsageError(
                f"{folder} cannot hold tables: engines write the blanks and signs of its name in different ways; name "
                f"another folder with path of {self.settings_table} in lakebench.toml, or run in another one"
            )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{folder} cannot be made ({error.strerror}): correct {self.settings_table}.path"
            ) from None
        return folder

    def _mark(self) -> str:
        """Some letters of this catalog alone, the same at each start."""
        file = self.kept() / "mark"
        if not file.exists():
            file.write_text(secrets.token_hex(4), encoding="ascii")
        return file.read_text(encoding="ascii")

    def keeps(self) -> list[Path]:
        """The tables on the storage's own device too."""
        folders = super().keeps()
        return [*folders, self._folder] if folders and self._local() and folders[0].exists() else folders

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The REST address."""
        properties = {"warehouse": self._catalog()["warehouse"]}
        if self._local():
            facts = storage_facts(self.context.storage, self.context.all_settings, self._folder)
            properties |= {f"setting.{key}": value for key, value in facts.items()}
        uri = f"http://{HOST}:{ports['main']}/{self.password}"
        endpoint = Endpoint(self.full_name, self.runtime, uri, HOST, ports["main"], self.version, properties=properties)
        return dataclasses.replace(endpoint, password=self.password)

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """The REST catalog; the secret in its address is all that it asks for."""
        return Catalog(CatalogKind.REST, endpoint.uri, endpoint.properties["warehouse"])

    def external_endpoint(self) -> Endpoint:
        """The user's catalog; ``warehouse`` is empty where none is given."""
        return with_warehouse(super().external_endpoint())

    def check(self, endpoint: Endpoint) -> None:
        """The catalog answers and can list what it holds."""
        http(f"{endpoint.uri}/v1/config?{urlencode({'warehouse': endpoint.properties['warehouse']})}", timeout=20)
        if endpoint.runtime is not Runtime.EXTERNAL:  # another's may ask for a token or a prefix
            http(f"{endpoint.uri}/v1/namespaces", timeout=20)


class RestBridge(RestCatalogService):
    """The same servlet over the JDBC catalog in PostgreSQL: its tables for engines that speak REST only."""

    name = "rest-bridge"
    choice: ClassVar[str] = "rest-bridge"
    title = "the REST catalog bridge to PostgreSQL"
    needs: ClassVar[tuple[str, ...]] = ("object-store", "postgres")
    database: ClassVar[str] = "postgres"
    catalog_name: ClassVar[str] = "jdbc"  # as the clients of the JDBC catalog call it: the tables' key begins with it

    def prepare(self) -> None:
        """Get the driver too."""
        super().prepare()
        self._classpath = [*self._classpath, *artifacts.ensure("postgresql-jdbc", self.context.progress)]

    def _database(self, bucket: str) -> dict[str, str]:
        """The database, the catalog's name and the warehouse that clients of the JDBC catalog use."""
        postgres = self.context.endpoint(self.database)
        self.hide(postgres.password)
        return {
            "uri": f"jdbc:postgresql://{postgres.host}:{postgres.port}/{postgres.properties['database']}",
            "jdbc.user": postgres.user,
            "jdbc.password": postgres.password,
            "warehouse": f"s3://{bucket}/jdbc",
        }


class PgLakeBridge(RestBridge):
    """The same servlet over pg_lake's own catalog, whose views are those of a JDBC catalog, of version 0.

    It is to be read: pg_lake refuses what would change its tables.
    """

    name = "pg_lake-bridge"
    choice: ClassVar[str] = ""
    title = "the REST catalog bridge to pg_lake"
    needs: ClassVar[tuple[str, ...]] = ("object-store", "pg_lake")
    database: ClassVar[str] = "pg_lake"
    # The catalog answers a question about a view with an error, and Trino asks for a view before it asks for a table.
    paths: ClassVar[str] = "(?!v1/namespaces/[^/]+/views(?:/|$)).*"
    jdbc: ClassVar[Mapping[str, str]] = {}  # version 1 would have a column more, which a view is not given

    def _called(self) -> str:
        """The database's, as pg_lake has it."""
        return self.context.endpoint(self.database).properties["database"]

    def _database(self, bucket: str) -> dict[str, str]:
        """The database, and where pg_lake has its tables."""
        return {**super()._database(bucket), "warehouse": self.context.endpoint(self.database).properties["location"]}


def _map(values: Mapping[str, str]) -> str:
    entries = "".join(f"<Entry><Item>{escape(k)}</Item><Item>{escape(v)}</Item></Entry>" for k, v in values.items())
    return f"<Map>{entries}</Map>"


def _xml(port: int, secret: str, backend: str, paths: str) -> str:
    servlet = _new(f"{_ICEBERG}.rest.RESTCatalogServlet", _new(f"{_ICEBERG}.rest.RESTCatalogAdapter", backend))
    return f"""<?xml version="1.0"?>
<Configure id="server" class="{_JETTY}.Server">
  <Call name="addConnector"><Arg>
    <New class="{_JETTY}.ServerConnector"><Arg name="server"><Ref refid="server"/></Arg>
      <Set name="host">{HOST}</Set><Set name="port">{port}</Set></New>
  </Arg></Call>
  <Set name="handler"><New class="{_REWRITE}.RewriteHandler">
    <Call name="addRule"><Arg><New class="{_REWRITE}.RewriteRegexRule">
      <Arg>^/{secret}(/{paths})$</Arg><Arg>$1</Arg><Set name="terminating">true</Set></New></Arg></Call>
    <Call name="addRule"><Arg><New class="{_REWRITE}.ResponsePatternRule">
      <Arg>/*</Arg><Arg type="int">404</Arg><Arg>not found</Arg></New></Arg></Call>
    <Set name="handler"><New class="{_SERVLET}.ServletContextHandler">
      <Call name="addServlet"><Arg>{servlet}</Arg><Arg>/*</Arg></Call>
    </New></Set>
  </New></Set>
</Configure>
"""


_CONF = '<New class="org.apache.hadoop.conf.Configuration"/>'


def _new(class_name: str, argument: str) -> str:
    return f"<New class={quoteattr(class_name)}><Arg>{argument}</Arg></New>"


def _call(class_name: str, method: str, *arguments: str) -> str:
    values = "".join(f"<Arg>{one}</Arg>" for one in arguments)
    return f"<Call class={quoteattr(class_name)} name={quoteattr(method)}>{values}</Call>"
