"""The object store: S3Proxy over a folder, with one bucket."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from lakebench.errors import ServiceUnavailable, UsageError
from lakebench.http import HOST, HttpError, http
from lakebench.iceberg.files import file_system
from lakebench.inputs import files
from lakebench.model import Endpoint, ObjectStore, Runtime
from lakebench.provisioning import artifacts
from lakebench.services.java import JavaService
from lakebench.services.quoting import java_properties
from lakebench.services.storages import latency, storage_facts

BUCKET = "lake"
REGION = "us-east-1"
_REQUESTS = re.compile(
    r'^http_server_request_duration_seconds_count\{[^}]*s3_operation="(?P<operation>\w+)"[^}]*\} (?P<count>\S+)',
    re.MULTILINE,
)


class ObjectStoreService(JavaService):
    """S3Proxy, or any S3-compatible endpoint of the user's.

    Endpoint: ``user`` and ``password`` are the access and secret key; properties ``bucket``, ``region``,
    ``setting.<name>`` for the reports, and where the server is ours ``metrics``, the address of its request counters.
    A property ``latency.X`` in the settings becomes ``s3proxy.latency-blobstore.X``: simulated latency in ms
    (``latency.get.latency``) or speed of one request in kB/s. With a property ``credentials``, the path of a service
    account's JSON, the back end is Google Cloud Storage (S3Proxy's ``google-cloud-storage``) and no folder.
    """

    name = "object-store"
    title = "the object store (S3Proxy)"
    version = "4.1.0"
    memory = 512 * 2**20
    ports = ("s3", "metrics")
    start_s = 40

    def prepare(self) -> None:
        """Get S3Proxy and a Java, and make the bucket."""
        (self._jar,) = artifacts.ensure("s3proxy", self.context.progress)
        # Below 21, Java rounds each of the sleeps that make a speed up to 1 ms: 50 MB/s come out as 7.
        self.java = self.find_java(21 if self._latency() else 17)
        if not self._google():
            # S3Proxy serves files that other accounts may read to everybody, without a signature.
            self._bucket_folder().mkdir(mode=0o700, parents=True, exist_ok=True)

    def data_folder(self) -> Path | None:
        """The folder that is the bucket, where the server runs as a process here and keeps its objects in files."""
        here = self.runtime is Runtime.LOCAL and not self._google()
        return self._bucket_folder() if here else None

    def _bucket_folder(self) -> Path:
        return self.kept() / "data" / BUCKET  # a bucket is a folder to the file system back end

    def _google(self) -> str:
        """The path of the service account's JSON; empty where the back end is a folder."""
        return self.context.settings.properties.get("credentials", "")

    def _latency(self) -> dict[str, str]:
        return latency(self.context.settings.properties)

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """S3Proxy reads everything else from a properties file."""
        properties = self.private("s3proxy.conf", java_properties(self._properties(ports)))
        return ["-jar", str(self._jar), "--properties", str(properties)]

    def _properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {
            "s3proxy.endpoint": f"http://{HOST}:{ports['s3']}",
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": self.user,
            "s3proxy.credential": self.password,
            "s3proxy.ignore-unknown-headers": "true",  # Trino sends some, and its writes fail without this
            "s3proxy.metrics.enabled": "true",
            "s3proxy.metrics.host": HOST,
            "s3proxy.metrics.port": str(ports["metrics"]),
            **self._back_end(),
            **{f"s3proxy.latency-blobstore.{key.removeprefix('latency.')}": ms for key, ms in self._latency().items()},
        }

    def _back_end(self) -> dict[str, str]:
        if not self._google():
            basedir = str(self._bucket_folder().parent)
            return {"jclouds.provider": "filesystem-nio2", "jclouds.filesystem.basedir": basedir}
        return {
            "jclouds.provider": "google-cloud-storage-sdk",
            "jclouds.identity": _project(Path(self._google()), self.settings_table),
            "jclouds.credential": self._google(),
        }

    def _settings(self) -> dict[str, str]:
        """What the reports keep of it."""
        if self.context.storage:
            folder = None if self._google() else self._bucket_folder()
            facts = storage_facts(self.context.storage, self.context.all_settings, folder)
        else:
            facts = self._latency()
        return {f"setting.{key}": value for key, value in facts.items()}

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The S3 address, its keys, bucket and metrics."""
        return Endpoint(
            self.full_name,
            self.runtime,
            f"http://{HOST}:{ports['s3']}",
            HOST,
            ports["s3"],
            self.version,
            self.user,
            self.password,
            {
                "bucket": self.context.settings.properties.get("bucket", BUCKET),
                "region": REGION,
                "metrics": f"http://{HOST}:{ports['metrics']}/metrics",
                **self._settings(),
            },
        )

    def external_endpoint(self) -> Endpoint:
        """The user's endpoint; ``bucket`` and ``region`` have our names where the settings name none."""
        endpoint = super().external_endpoint()
        properties = {"bucket": BUCKET, "region": REGION, **endpoint.properties}
        if self.context.storage and not any(key.startswith("setting.") for key in properties):
            facts = storage_facts(self.context.storage, self.context.all_settings, None)
            properties |= {f"setting.{key}": value for key, value in facts.items()}
        return dataclasses.replace(endpoint, properties=properties)

    def check(self, endpoint: Endpoint) -> None:
        """A store that works refuses an unsigned request."""
        try:
            http(endpoint.uri)
        except HttpError as error:
            if error.status >= 500:  # noqa: PLR2004 - a server's own failure
                raise
        if endpoint.runtime is Runtime.EXTERNAL or self._google():
            _check_bucket(store(endpoint), self.settings_table)


def store(endpoint: Endpoint) -> ObjectStore:
    """The neutral description of the store at ``endpoint``."""
    properties = endpoint.properties
    return ObjectStore(
        endpoint.uri,
        properties["bucket"],
        endpoint.user,
        endpoint.password,
        properties["region"],
        path_style=endpoint.runtime is not Runtime.EXTERNAL or properties.get("path-style", "true") == "true",
    )


def counters(endpoint: Endpoint) -> dict[str, int]:
    """Requests so far by S3 operation, empty where the store does not count; :func:`transferred` counts bytes.

    Raises:
        OSError: the metrics' address does not answer.
    """
    address = endpoint.properties.get("metrics")
    if address is None:
        return {}
    total: Counter[str] = Counter()
    for match in _REQUESTS.finditer(http(address).decode()):
        total[match["operation"]] += int(float(match["count"]))
    return dict(total)


def settled_counters(endpoint: Endpoint) -> dict[str, int]:
    """:func:`counters`, once two readings 20 ms apart agree, or after a second.

    S3Proxy counts a request after it has sent the answer, so a client can be done before its last request is counted.
    """
    read = counters(endpoint)
    for _ in range(50 if read else 0):
        time.sleep(0.02)
        previous, read = read, counters(endpoint)
        if read == previous:
            break
    return read


def transferred(processes: Iterable[int]) -> dict[str, int]:
    """Bytes that a store's ``processes`` have taken in (``read``) and put out (``write``) so far, sockets and files.

    The kernel's count (``rchar`` and ``wchar`` of ``/proc/PID/io``, proc_pid_io(5)), since S3Proxy counts no bytes; it
    starts at zero with each process. While clients only read, ``write`` is the bytes of the answers, with
    about 360 of headers for each request, and ``read`` the same bytes from the files below. Where clients write too,
    the two cannot be told apart by direction: each object comes in from a socket (``read``) and goes out to a file
    (``write``), and one that was sent in parts does so twice. Empty where the kernel does not say.
    """
    total: Counter[str] = Counter()
    for pid in processes:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
            counts = dict(line.split(": ") for line in lines)
            total.update(read=int(counts["rchar"]), write=int(counts["wchar"]))
    return dict(total)


def _project(credentials: Path, table: str) -> str:
    """The project that a service account belongs to.

    Raises:
        UsageError: the file is not there, or is not what Google gives.
    """
    try:
        return str(json.loads(files.text(credentials))["project_id"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{credentials} is no service account's JSON ({type(error).__name__}): correct {table}.credentials in "
            "lakebench.toml"
        ) from None


def _check_bucket(target: ObjectStore, table: str) -> None:
    """Ask for the bucket with the keys, as engines will."""
    import pyarrow as pa
    from pyarrow import fs

    try:
        exists = file_system(target).get_file_info(target.bucket).type is fs.FileType.Directory
    except (OSError, pa.ArrowException) as error:
        raise ServiceUnavailable(
            f"the object store at {target.endpoint} refuses the keys for bucket {target.bucket}: correct user and "
            f"password of {table} in lakebench.toml"
        ) from error
    if not exists:
        key = "bucket" if table.startswith("storage.") else "properties.bucket"
        raise ServiceUnavailable(
            f"the object store at {target.endpoint} has no bucket {target.bucket}: make it, or name another with "
            f"{key} of {table} in lakebench.toml"
        )
