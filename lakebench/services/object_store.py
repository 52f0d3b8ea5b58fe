"""The object store: S3Proxy over a folder, with one bucket."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping

from lakebench import artifacts
from lakebench.errors import ServiceUnavailable
from lakebench.model import Endpoint, ObjectStore, Runtime
from lakebench.services.base import JavaService
from lakebench.web import HOST, HttpError, http

BUCKET = "lake"
REGION = "us-east-1"
_REQUESTS = re.compile(
    r'^http_server_request_duration_seconds_count\{[^}]*s3_operation="(?P<operation>\w+)"[^}]*\} (?P<count>\S+)',
    re.MULTILINE,
)


class ObjectStoreService(JavaService):
    """S3Proxy, or any S3-compatible endpoint of the user's.

    Endpoint: ``user`` and ``password`` are the access and secret key; properties ``bucket``, ``region``, and where the
    store is ours ``metrics``, the address of its request counters. A property ``latency.X`` in the settings becomes
    ``s3proxy.latency-blobstore.X``: simulated latency in ms (``latency.get.latency``) or speed in kB/s.
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
        self.java = self.find_java(17)
        (self.folder / "data" / BUCKET).mkdir(parents=True)  # a bucket is a folder to the file system back end

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """S3Proxy reads everything else from a properties file."""
        lines = [f"{key}={value}" for key, value in self._properties(ports).items()]
        properties = self.private("s3proxy.conf", "\n".join(lines) + "\n")
        return ["-jar", str(self._jar), "--properties", str(properties)]

    def _properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        given = self.context.settings.properties
        simulated = {
            f"s3proxy.latency-blobstore.{key.removeprefix('latency.')}": value
            for key, value in given.items()
            if key.startswith("latency.")
        }
        return {
            "s3proxy.endpoint": f"http://{HOST}:{ports['s3']}",
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": self.user,
            "s3proxy.credential": self.password,
            "s3proxy.ignore-unknown-headers": "true",  # Trino sends some, and its writes fail without this
            "s3proxy.metrics.enabled": "true",
            "s3proxy.metrics.host": HOST,
            "s3proxy.metrics.port": str(ports["metrics"]),
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": str(self.folder / "data"),
            **simulated,
        }

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The S3 address, its keys, bucket and metrics."""
        return Endpoint(
            self.name,
            self.runtime,
            f"http://{HOST}:{ports['s3']}",
            HOST,
            ports["s3"],
            self.version,
            self.user,
            self.password,
            {"bucket": BUCKET, "region": REGION, "metrics": f"http://{HOST}:{ports['metrics']}/metrics"},
        )

    def external_endpoint(self) -> Endpoint:
        """The user's endpoint; ``bucket`` and ``region`` have our names where none are given."""
        endpoint = super().external_endpoint()
        return dataclasses.replace(endpoint, properties={"bucket": BUCKET, "region": REGION, **endpoint.properties})

    def check(self, endpoint: Endpoint) -> None:
        """An unsigned request is refused by a store that works."""
        try:
            http(endpoint.uri)
        except HttpError as error:
            if error.status >= 500:  # noqa: PLR2004 - a server's own failure
                raise
        if endpoint.runtime is Runtime.EXTERNAL:
            _check_bucket(store(endpoint))


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
    """Requests so far by S3 operation, empty where the store does not tell. S3Proxy counts no bytes.

    Raises:
        OSError: the metrics' address does not answer.
    """
    address = endpoint.properties.get("metrics")
    if address is None:
        return {}
    total: Counter[str] = Counter()
    for found in _REQUESTS.finditer(http(address).decode()):
        total[found["operation"]] += int(float(found["count"]))
    return dict(total)


def _check_bucket(target: ObjectStore) -> None:
    """Ask for the bucket with the keys, as engines will."""
    from pyarrow import fs

    client = fs.S3FileSystem(
        access_key=target.access_key,
        secret_key=target.secret_key,
        endpoint_override=target.endpoint,
        region=target.region,
        force_virtual_addressing=not target.path_style,
    )
    try:
        found = client.get_file_info(target.bucket).type is fs.FileType.Directory
    except OSError as error:
        raise ServiceUnavailable(
            f"the object store at {target.endpoint} refuses the keys for bucket {target.bucket}: correct user and "
            "password of services.object-store in lakebench.toml"
        ) from error
    if not found:
        raise ServiceUnavailable(
            f"the object store at {target.endpoint} has no bucket {target.bucket}: make it, or name another with "
            "properties.bucket of services.object-store in lakebench.toml"
        )
