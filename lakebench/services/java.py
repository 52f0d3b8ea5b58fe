"""Servers on Java: how a JVM is started, and how one that nobody times starts with less CPU time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from lakebench.model import Endpoint, Runtime
from lakebench.provisioning import artifacts, environments
from lakebench.provisioning.class_data import ClassData
from lakebench.results.records import SHORT_LIVED
from lakebench.services.base import Command, Service
from lakebench.services.quoting import java_arguments

_SHORT_LIVED = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+UnlockDiagnosticVMOptions",  # the next one needs it, before it
    "-XX:-BytecodeVerificationRemote",
)
"""The first compiler alone, a collector without threads, and no proof that jars whose hashes are known are sound."""
_CLASS_LIST = "classes"


class JavaService(Service):
    """A server on Java: its arguments go into one file, which keeps them out of the process list.

    A subclass sets ``java`` in :meth:`prepare` (see :meth:`find_java`) and writes :meth:`arguments` in place of
    :meth:`command`. Its container runs the same pinned jars from the local Maven repository.
    """

    java: Path
    times_are_its_own: ClassVar[bool] = True
    """Whether its start is part of what is measured: then it begins with an archive only where nobody takes times."""
    _class_data: ClassData | None = None
    _class_options: list[str]

    def find_java(self, major_min: int, major_max: int | None = None, fallback: str = "21.0.8.2") -> Path:
        """A Java that fits, see :func:`lakebench.provisioning.environments.java`; a container's image has its own."""
        if self.runtime is Runtime.COMPOSE:
            return Path("java")
        return environments.java(major_min, major_max, fallback, self.context.progress)

    def mounts(self) -> Path:
        """The local Maven repository."""
        return artifacts.repository()

    @abstractmethod
    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """What follows ``java`` and the common options: classpath, properties, main class."""

    def command(self, ports: Mapping[str, int]) -> Command:
        """``java @file`` with a memory limit, everything temporary in the service's own folder."""
        common = [
            f"-Xmx{self.limit // 2**20}m",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",  # else a file in /tmp outlives a kill
            f"-XX:ErrorFile={str(self.folder).replace('%', '%%')}/crash.log",  # %p is the process's number
            f"-Djava.io.tmpdir={self.folder}",
            f"-Duser.home={self.folder}",
            *self._options(),
        ]
        arguments = self.arguments(ports)
        file = self.private("java.args", java_arguments([*common, *self._archived(arguments), *arguments]))
        return Command([str(self.java), f"@{file}"])

    def stop(self) -> None:
        """End the server; the list of its classes stays for a later start."""
        super().stop()
        if self._class_data:
            self._class_data.keep(self.folder / _CLASS_LIST)

    def _options(self) -> tuple[str, ...]:
        """The user's options of the JVM, or those of a server that nobody times."""
        own = self.context.settings.java_options
        return own if own or not self.context.short_lived else _SHORT_LIVED

    def _archived(self, arguments: Sequence[str]) -> list[str]:
        """The options by which a server whose start nobody times begins with an archive of its classes."""
        data = ClassData(self.name, self.java, _classpath(arguments))
        wanted = self.context.short_lived or not self.times_are_its_own
        if not (wanted and self.runtime is Runtime.LOCAL and data.possible):
            return []
        if self._class_data is None:  # a server that starts again does as before
            self._class_data = data
            self._class_options = data.options(self.folder / _CLASS_LIST, self.context.progress)
        return self._class_options

    def _launch(self, ports: Mapping[str, int]) -> Endpoint | None:
        endpoint, options = super()._launch(ports), " ".join(self._options())
        shown = {"setting.java_options": options} if options else {}
        if self.context.short_lived:
            shown[f"setting.{SHORT_LIVED}"] = "true"
        return endpoint and replace(endpoint, properties={**endpoint.properties, **shown})


def _classpath(arguments: Sequence[str]) -> str:
    """The class path among the arguments of a JVM, or the jar that it runs; empty where they name none."""
    return next((arguments[arguments.index(one) + 1] for one in ("-cp", "-jar") if one in arguments), "")
