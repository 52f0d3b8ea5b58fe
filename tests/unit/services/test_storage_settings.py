from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from lakebench import services
from lakebench.config import STORAGES, ServiceSettings, Settings, StorageKind
from lakebench.errors import UsageError
from lakebench.execution import settings as of_a_run
from lakebench.model import Endpoint, Runtime
from lakebench.progress import Quiet
from lakebench.services import Services, base, lakes, object_store, storages, with_needs
from lakebench.services.compose import Composed
from lakebench.services.object_store import ObjectStoreService, transferred
from lakebench.services.rest_catalog import RestCatalogService


class Folder:
    """As much of a guard as a service that starts nothing needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.removed: list[Path] = []

    def remove(self, folder: Path) -> None:
        self.removed.append(folder)


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "lakebench.toml"
    file.write_text(text)
    return of_a_run.load(file)


def context(settings: Settings, storage: str, guard: Folder, data: Path | None = None) -> base.Context:
    def endpoint(name: str) -> Endpoint:
        return Endpoint(name, Runtime.LOCAL, "http://s", "s", 1, "1", "u", "p", {"bucket": "mine", "region": "r"})

    folder = guard.folder / "own"
    folder.mkdir(exist_ok=True)
    stop = threading.Event()
    return base.Context(ServiceSettings(), settings, folder, guard, Quiet(), endpoint, stop, Composed, storage, data)  # type: ignore[arg-type] - nothing is spawned


def test_some_storages_are_there_without_settings() -> None:
    assert {name: str(one.kind) for name, one in Settings().storages().items()} == {
        "local": "local",
        "s3": "s3",
        "simulated-gcs": "simulated",
        "gcs": "gcs",
    }
    assert Settings().storage("simulated-gcs").properties["latency.get.latency"] == "60"


def test_a_table_goes_over_the_built_in_one(tmp_path: Path) -> None:
    settings = load(
        tmp_path, '[storage.gcs]\nuser = "u"\npassword = "p"\nbucket = "b"\n[storage.local]\npath = "/fast"\n'
    )
    assert settings.storage("gcs").kind is StorageKind.GCS
    assert settings.storage("local").path == Path("/fast")
    assert settings.storage("simulated-gcs") == STORAGES["simulated-gcs"]


def test_latencies_may_be_numbers(tmp_path: Path) -> None:
    text = '[storage.simulated-slow]\nkind = "simulated"\nproperties = { "latency.get.latency" = 5 }\n'
    assert load(tmp_path, text).storage("simulated-slow").properties == {"latency.get.latency": "5"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[storage.s3]\nurl = 'x'", r"unknown key storage\.s3\.url: did you mean uri\? valid keys are kind, path, uri"),
        ("[storag.s3]\nuri = 'x'", r"unknown key storag: did you mean storage\? valid keys are .*engines, storage"),
        ("[storage.nvme]\npath = '/x'", r"storage\.nvme\.kind: Field required"),
        ("[storage.nvme]\nkind = 'locl'", r"storage\.nvme\.kind: .*'local', 's3', 'simulated' or 'gcs'"),
        ("[storage.nvme]\nkind = 'local'\nuri = 'x'", r"storage\.nvme: uri is no key of kind local: it has path"),
        ("[storage.minio]\nkind = 's3'\nuser = 'x'", r"storage\.minio: needs uri = "),
        ("[storage.simulated-x]\nkind = 'simulated'", r"storage\.simulated-x: needs properties = "),
        (
            "[storage.simulated-x]\nkind = 'simulated'\nproperties = { 'latency.gett.latency' = 1 }",
            r"unknown property latency\.gett\.latency: did you mean latency\.get\.latency\?",
        ),
        (
            "[storage.simulated-x]\nkind = 'simulated'\nproperties = { 'latency.get.speed' = 0 }",
            r"latency\.get\.speed must be a whole number of kB/s",
        ),
        ("[storage.slow]\nkind = 'simulated'\nproperties = { 'latency.get.latency' = 1 }", "begin with simulated-"),
        ("[storage.simulated-x]\nkind = 'local'", "and no others, begin with simulated-"),
        ("[storage.s3]\nkind = 'local'", r"toml: storage\.s3 is of kind s3: give the other one its own name"),
        ("[storage.'a b']\nkind = 'local'", r"storage\.a b: a name has small letters"),
        ("[services.'object-stor@s3']\nmemory = '1GiB'", r"unknown key services\.object-stor@s3"),
    ],
)
def test_a_wrong_key_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load(tmp_path, text)


def test_an_unknown_storage_has_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"unknown storage 'simulated-gsc': did you mean simulated-gcs\? valid names"):
        Settings().storage("simulated-gsc")


def test_instances_need_those_of_their_storage() -> None:
    assert services.find("rest-catalog@s3") is RestCatalogService
    assert with_needs(["rest-catalog@s3", "nessie"]) == ["object-store@s3", "rest-catalog@s3", "object-store", "nessie"]
    assert with_needs(["rest-catalog@local"]) == ["rest-catalog@local"]
    nvme = Settings.model_validate({"storage": {"nvme": {"kind": "local"}}})
    assert lakes.storage_services(nvme, "nvme") == ("rest-catalog@nvme",)


@pytest.mark.parametrize("name", ["nessie@s3", "object-store@", "objectstore@s3", "rest-catalog@s4"])
def test_a_name_that_is_no_instance_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="unknown s"):
        with_needs([name])


def test_gcs_says_which_keys_it_needs() -> None:
    with pytest.raises(
        UsageError, match=r"gcs needs user = .*HMAC.*, password = .*, bucket = .* under \[storage\.gcs\]"
    ):
        lakes.storage_services(Settings(), "gcs")
    google = Settings.model_validate({"storage": {"gcs": {"backend": "google", "bucket": "b"}}})
    with pytest.raises(UsageError, match=r"needs credentials = .*JSON"):
        lakes.storage_services(google, "gcs")


def test_gcs_is_google_s_endpoint_with_the_user_s_keys() -> None:
    settings = Settings.model_validate({"storage": {"gcs": {"user": "u", "password": "p", "bucket": "b"}}})
    assert lakes.storage_services(settings, "gcs") == ("object-store@gcs", "rest-catalog@gcs")
    service = settings.service("object-store@gcs")
    assert (service.runtime, service.uri) == (Runtime.EXTERNAL, "https://storage.googleapis.com")
    assert service.properties == {"bucket": "b", "region": "auto"}
    assert "'p'" not in repr(settings)


def test_the_google_back_end_is_our_own_server(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text('{"project_id": "mine"}')
    table = {"backend": "google", "bucket": "b", "credentials": str(account)}
    settings = Settings.model_validate({"storage": {"gcs": table}})
    service = settings.service("object-store@gcs")
    assert service.runtime is Runtime.LOCAL
    store = ObjectStoreService(_with(context(settings, "gcs", Folder(tmp_path)), service))
    properties = store._properties({"s3": 1, "metrics": 2})
    assert properties["jclouds.provider"] == "google-cloud-storage-sdk"
    assert (properties["jclouds.identity"], properties["jclouds.credential"]) == ("mine", str(account))
    assert store.local_endpoint({"s3": 1, "metrics": 2}).properties["bucket"] == "b"
    account.write_text("{}")
    with pytest.raises(UsageError, match=r"no service account's JSON .* storage\.gcs\.credentials"):
        store._properties({"s3": 1, "metrics": 2})


def _with(base_context: base.Context, settings: ServiceSettings) -> base.Context:
    return base.Context(**{**vars(base_context), "settings": settings})


def test_an_endpoint_of_the_user_s_is_external(tmp_path: Path) -> None:
    table = {"kind": "s3", "uri": "http://minio.example:9000", "user": "u", "password": "p", "bucket": "b"}
    settings = Settings.model_validate({"storage": {"minio": table}})
    service = ObjectStoreService(
        _with(context(settings, "minio", Folder(tmp_path)), settings.service("object-store@minio"))
    )
    endpoint = service.external_endpoint()
    assert endpoint.service == "object-store@minio"
    assert (object_store.store(endpoint).bucket, object_store.store(endpoint).region) == ("b", "us-east-1")
    assert endpoint.properties["setting.endpoint"] == "minio.example"
    assert service.title == "the object store (S3Proxy) object-store@minio"
    assert service.settings_table == "storage.minio"


def test_a_file_system_has_no_object_store() -> None:
    with pytest.raises(UsageError, match="start rest-catalog@local"):
        Settings().service("object-store@local")


def test_an_instance_has_the_plain_service_s_memory_and_no_external_runtime() -> None:
    plain = ServiceSettings(runtime=Runtime.EXTERNAL, uri="http://mine", memory=2**30)
    instance = Settings(services={"object-store": plain}).service("object-store@s3")
    assert (instance.runtime, instance.memory, instance.uri) == (Runtime.LOCAL, 2**30, "")


def test_a_storage_that_is_up_is_used_as_it_is() -> None:
    there = ServiceSettings(runtime=Runtime.EXTERNAL, uri="http://127.0.0.1:1")
    assert Settings(services={"object-store@s3": there}).service("object-store@s3") == there


def test_tables_on_the_file_system_lie_below_the_storage_s_path(tmp_path: Path) -> None:
    settings = Settings.model_validate({"storage": {"local": {"path": str(tmp_path / "fast")}}})
    guard = Folder(tmp_path)
    warehouse = RestCatalogService(context(settings, "local", guard))._catalog()["warehouse"]
    assert warehouse.startswith(f"file://{tmp_path}/fast/lakebench-")
    assert [one.as_uri() for one in guard.removed] == [warehouse]


def test_the_address_of_the_tables_is_the_same_at_the_next_start(tmp_path: Path) -> None:
    settings = Settings.model_validate({"storage": {"local": {"path": str(tmp_path / "fast")}}})
    guard, data = Folder(tmp_path), tmp_path / "data"
    first, second = (RestCatalogService(context(settings, "local", guard, data)) for _ in range(2))
    assert first._catalog()["warehouse"] == second._catalog()["warehouse"]
    assert guard.removed == []
    assert first.keeps() == [data, first._folder]
    assert str(data) in first._catalog()["uri"]


def test_a_user_s_bucket_has_a_prefix_of_the_run_s_own(tmp_path: Path) -> None:
    settings = Settings.model_validate({"storage": {"gcs": {"user": "u", "password": "p", "bucket": "mine"}}})
    assert RestCatalogService(context(settings, "s3", Folder(tmp_path)))._catalog()["warehouse"] == "s3://mine/rest"
    assert (
        RestCatalogService(context(settings, "gcs", Folder(tmp_path)))
        ._catalog()["warehouse"]
        .startswith("s3://mine/lakebench-")
    )


def test_a_name_that_engines_write_in_different_ways_is_refused(tmp_path: Path) -> None:
    settings = Settings.model_validate({"storage": {"local": {"path": str(tmp_path / "a b")}}})
    with pytest.raises(UsageError, match=r"cannot hold tables.*path of storage\.local"):
        RestCatalogService(context(settings, "local", Folder(tmp_path)))._catalog()


def test_a_container_keeps_nothing_beyond_a_run(tmp_path: Path) -> None:
    compose_context = context(Settings(), "s3", Folder(tmp_path), tmp_path / "data")
    service = ObjectStoreService(_with(compose_context, ServiceSettings(runtime=Runtime.COMPOSE)))
    with pytest.raises(UsageError, match="--runtime local"):
        service.kept()


def test_the_facts_say_what_is_simulated_and_where_it_lies(tmp_path: Path) -> None:
    facts = storages.storage_facts("simulated-gcs", Settings(), tmp_path)
    assert facts["kind"] == "simulated"
    assert "S3Proxy's latency middleware" in facts["simulated"]
    assert facts["latency.get.latency"] == "60"
    assert facts["device.filesystem"]
    assert "simulated" not in storages.storage_facts("s3", Settings(), None)


def test_the_facts_have_no_secret() -> None:
    table = {
        "user": "theuser",
        "password": "thepassword",
        "bucket": "b",
        "uri": "https://theuser:thepassword@g.example",
    }
    settings = Settings.model_validate({"storage": {"gcs": table}})
    facts = storages.storage_facts("gcs", settings, None)
    assert facts == {"kind": "gcs", "endpoint": "g.example"}


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A ``/sys`` with one disk that has one partition; the file systems hide their device numbers."""
    disk = tmp_path / "devices" / "nvme0n1"
    for name, text in (("device/model", "Fast 9000  \n"), ("queue/rotational", "0\n"), ("nvme0n1p2/partition", "2\n")):
        (disk / name).parent.mkdir(parents=True, exist_ok=True)
        (disk / name).write_text(text)
    named = tmp_path / "class"
    named.mkdir()
    (named / "nvme0n1p2").symlink_to(disk / "nvme0n1p2")
    monkeypatch.setattr(storages, "_BLOCKS", tmp_path / "none")
    monkeypatch.setattr(storages, "_NAMED_BLOCKS", named)
    return tmp_path


def mounted(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    def partitions(**_: Any) -> list[Any]:
        return [type("Mount", (), {"device": device, "mountpoint": "/", "fstype": "btrfs"})]

    monkeypatch.setattr(psutil, "disk_partitions", partitions)


def test_the_device_of_a_partition_is_its_disk(monkeypatch: pytest.MonkeyPatch, blocks: Path) -> None:
    mounted(monkeypatch, "/dev/nvme0n1p2")
    assert storages.device(blocks) == {
        "name": "nvme0n1",
        "model": "Fast 9000",
        "rotational": "0",
        "filesystem": "btrfs",
        "mount": "/",
    }


def test_what_a_device_does_not_report_has_its_reason(monkeypatch: pytest.MonkeyPatch, blocks: Path) -> None:
    mounted(monkeypatch, "/dev/nvme0n1p2")
    (blocks / "devices/nvme0n1/device/model").unlink()
    assert storages.device(blocks)["model"] == "not had: the device reports no model"
    mounted(monkeypatch, "tmpfs")
    assert storages.device(blocks)["name"] == "not had: no block device is known for tmpfs"


def test_bytes_are_those_of_all_processes_that_are_there() -> None:
    mine = threading.get_native_id()
    Path("/proc/self/status").read_bytes()
    once, twice = transferred([mine]), transferred([mine, mine, 2**22 + 1])
    assert once.keys() == {"read", "write"}
    assert once["read"] > 0
    assert twice["read"] >= 2 * once["read"]
    assert transferred([2**22 + 1]) == {}


def test_data_lies_in_a_folder_for_each_service(tmp_path: Path) -> None:
    service = Services(Settings(), Folder(tmp_path), Quiet(), tmp_path / "data")._make("object-store@s3")  # type: ignore[arg-type] - nothing is spawned
    assert service.kept() == tmp_path / "data" / "object-store-s3"
    assert service.keeps() == [service.kept()]
    assert service.folder == tmp_path / "object-store-s3"
