"""What lakebench can run: rows for ``lakebench list``, one dictionary per row."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from lakebench import engines as engine_registry
from lakebench import phases as phase_registry
from lakebench.config import Settings
from lakebench.model import Selection
from lakebench.services import SERVICES


def phases() -> list[dict[str, str]]:
    """Name, subject and title of each phase, and the services that it needs."""
    return [
        {
            "phase": one.name,
            "subject": one.subject,
            "title": one.title,
            "services": ", ".join(one.services(Selection(), Settings())),
        }
        for one in phase_registry.phases().values()
    ]


def engines() -> list[dict[str, str]]:
    """Name, title and installed version of each engine, what it can do, and the server it needs with its version."""
    return [
        {
            "engine": name,
            "title": engine.title,
            "version": engine.usual_version or _installed(engine.distribution),
            "abilities": ", ".join(engine_registry.abilities(engine)),
            "server": f"{engine.service} {SERVICES[engine.service].version}" if engine.service else "",
            "catalogs": ", ".join(engine.catalogs),
        }
        for name, engine in engine_registry.engines().items()
    ]


def services() -> list[dict[str, str]]:
    """Name, title and version of each service, and what it needs."""
    return [
        {"service": name, "title": service.title, "version": service.version, "needs": ", ".join(service.needs)}
        for name, service in SERVICES.items()
    ]


def datasets() -> list[dict[str, str]]:
    """Each dataset, how it is made, and where its answers come from."""
    from lakebench.datasets.tpch.queries import ANSWERED

    answered = ", ".join(str(one) for one in ANSWERED)
    return [
        {
            "dataset": "tpch",
            "made by": f"tpchgen-cli {_installed('tpchgen-cli')}",
            "command": "lakebench data tpch --sf N",
            "reference answers": f"at SF {answered}; elsewhere the engines are compared with each other",
        }
    ]


def features(files: Sequence[str] = ()) -> list[dict[str, str]]:
    """Each feature, also of ``files``: its format, its topic in the claims, its title, and its source."""
    from lakebench.datasets.ducklake.features import FEATURES as OF_DUCKLAKE
    from lakebench.datasets.interop.features import all_features

    of_iceberg = [
        {
            "feature": one.id,
            "format": f"v{one.format_version}",
            "claim": one.claim,
            "title": one.title,
            "source": one.source,
        }
        for one in all_features(files)
    ]
    of_ducklake = [
        {"feature": one.id, "format": "ducklake", "claim": "", "title": one.title, "source": one.source}
        for one in OF_DUCKLAKE
    ]
    return of_iceberg + of_ducklake


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
