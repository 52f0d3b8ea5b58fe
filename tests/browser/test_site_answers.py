"""The site's answers are those of the commands, and the command on the page of a cell repeats it."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import webdriver
from started import lakebench
from typer.testing import CliRunner
from webdriver import Browser

from lakebench import cli, engines, harness
from lakebench.commands.answers import sources, titles
from lakebench.datasets.interop.features import all_features
from lakebench.engines import CanOperate
from lakebench.execution.request import Request
from lakebench.execution.settings import load
from lakebench.model import EngineRef
from lakebench.phases.interop.ways import lacking
from lakebench.reports.site import data, pages
from lakebench.results import matrix_cells, records
from lakebench.results.stack import stack
from lakebench.results.upgrade import upgrade

VERSIONS = Path(__file__).parents[1] / "fixtures" / "interop-versions" / "20261130T065346Z-interop-c3bb"
STORE = """
const store = lakebench.store(JSON.parse(document.getElementById("data").textContent));
const router = lakebench.router(store.segment), elements = lakebench.elements(router);
const { command } = lakebench.views(store, router, elements).shared;
"""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not webdriver.BROWSER or not webdriver.DRIVER,
        reason="no Chromium here: apt-get install chromium chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """With the site of the shipped baselines and a run that has two versions of DuckDB."""
    content = data.collect([records.read(VERSIONS)])
    file = tmp_path_factory.mktemp("site") / "site.html"
    file.write_text(pages.single(data.to_text(data.tables(content)), content.made))
    with Browser(tmp_path_factory.mktemp("browser")) as made:
        made.open(file.as_uri())
        yield made


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Any, matrix_cells.MatrixCell]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("empty"))  # without outcomes that a user accepted
        return sources(load(), [str(VERSIONS)]).known


def stack_of(known: Mapping[Any, matrix_cells.MatrixCell], writer: str, readers: tuple[str, ...]) -> list[Any]:
    """What the command says: each feature, the advice, and that of each step."""
    refs = [matrix_cells.resolved(known, engines.parse(one)) for one in (writer, *readers)]
    name = refs[0].name
    ways = {(one.id, name): lacking(one, name) for one in all_features()}
    no_way = {place: reason for place, reason in ways.items() if reason}
    answer = stack(known, refs[:1], refs[1:], list(titles(by_reference=name == "reference")), no_way)
    return sorted([one.feature, one.advice, [step.advice for step in one.steps]] for one in answer.features)


def test_a_stack_is_told_as_by_the_command(browser: Browser, known: Mapping[Any, matrix_cells.MatrixCell]) -> None:
    refs = {ref for _, writer, reader in known for ref in (writer, reader) if ref}
    here = engines.engines()
    writers = sorted({one.name for _, one, _ in known if issubclass(here[one.name], CanOperate)})
    readers = sorted({one.name for one in refs})
    asked = [(writer, (reader,)) for writer in writers for reader in readers]
    asked += [(writer, tuple(readers)) for writer in writers]
    asked += [
        ("duckdb@1.4.4", ("duckdb@1.5.5", "pyiceberg")),
        ("pyiceberg", ("duckdb@1.4.4",)),
        ("duckdb@9.9", ("trino",)),
    ]
    assert len(asked) > 80
    told = browser.run(
        f"{STORE} return arguments[0].map(([writer, readers]) => store.stack(writer, readers).map((one) => ["
        "one.feature.id, one.advice.text, [one.write, ...one.reads].map((step) => store.advice[step.advice].text)]))",
        asked,
    )
    for (writer, among), answer in zip(asked, told, strict=True):
        assert sorted(answer) == stack_of(known, writer, among), (writer, among)


def test_an_upgrade_is_told_as_by_the_command(browser: Browser, known: Mapping[Any, matrix_cells.MatrixCell]) -> None:
    told = browser.run(
        f"{STORE} const name = (row) => store.cell(row).state.name.replace('NOT WRITTEN', 'UNAVAILABLE');"
        "const state = (row) => (row < 0 ? null : name(row));"
        "return store.data.upgrades.map(({ engine, from, to }) => { const made = store.upgrade(engine, from, to);"
        "return [engine, from, to, made.same, made.unknown, made.changes.flatMap(({ kind, rows }) => rows.map("
        "({ before, after }) => [kind.name, store.cell(before < 0 ? after : before).feature.id,"
        " state(before), state(after)]))]; })"
    )
    seen: dict[str, set[str]] = {}
    for ref in (ref for _, writer, reader in known for ref in (writer, reader) if ref and ref.version):
        seen.setdefault(ref.name, set()).add(str(ref.version))
    pairs = {(name, *pair) for name, versions in seen.items() for pair in itertools.permutations(versions, 2)}
    assert {tuple(one[:3]) for one in told} == pairs
    assert ("duckdb", "1.4.4", "1.5.5") in pairs
    for engine, before, now, same, unknown, changes in told:
        answer = upgrade(known, EngineRef(engine, before), EngineRef(engine, now))
        assert (same, unknown) == (answer.same, len(answer.unknown)), (engine, before, now)
        assert sorted(changes) == sorted(map(line_of, answer.changed)), (engine, before, now)


def line_of(pair: Any) -> list[Any]:
    return [pair.change.value, pair.feature, *map(state_of, (pair.before, pair.now))]


def state_of(cell: matrix_cells.MatrixCell | None) -> str | None:
    """As the site has it, which says whose fault a read is."""
    return "MISLED" if cell and cell.misled else cell.outcome.value if cell else None


class Asked(Exception):
    """Carries the request that a command would run."""


def test_the_command_of_every_kind_of_cell_is_one(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One cell of each writer and reader at each version, behind each catalog."""
    monkeypatch.chdir(tmp_path)
    cells = browser.run(
        f"{STORE} const found = new Map(); for (const row of store.current) {{ const one = store.cell(row);"
        "found.set([one.writer, one.reader].map((each) => each && elements.label(each)).join() + one.catalog, ["
        "command(one), one.feature.id, one.catalog, ...[one.writer, one.reader].map((each) => each &&"
        " [each.name, each.version, each.choosable])]); } return [...found.values()];"
    )
    assert len(cells) > 70
    requests: list[Request] = []

    def stop(request: Request, *_: object, **__: object) -> None:
        requests.append(request)
        raise Asked

    monkeypatch.setattr(harness, "run", stop)
    for line, feature, catalog, writer, reader in cells:
        requests.clear()
        done = CliRunner().invoke(cli.app, shlex.split(line)[1:])
        assert isinstance(done.exception, Asked), (line, done.output)
        (request,) = requests
        asked = request.selection
        assert (asked.features, asked.catalog) == ((feature,), catalog)
        for side, named in ((writer, asked.writers), (reader, asked.readers)):
            if side:
                name, version, choosable = side
                assert named == (f"{name}@{version}" if choosable and version != "unknown" else name,)


@pytest.mark.integration
def test_the_command_of_a_cell_repeats_it(browser: Browser, lake_up: dict[str, str], tmp_path: Path) -> None:
    browser.run("location.hash = '#/cell/append/duckdb/pyiceberg'")
    browser.wait("return document.querySelector('h1').textContent.endsWith('pyiceberg reads')")
    setup, line = browser.run("return document.querySelector('.code pre').textContent").splitlines()
    shown = browser.run("return document.querySelector('.outcome').textContent")
    words = shlex.split(line)
    assert (setup, words[0]) == ("make setup", ".venv/bin/lakebench")
    lakebench(*words[1:], "--use-up", "--output", str(tmp_path / "runs"), cwd=tmp_path, **lake_up)
    (folder,) = (tmp_path / "runs").iterdir()
    run = records.read(folder)
    versions = {one.engine: next(iter(one.versions.values()), "") for one in run.engines}
    assert {"duckdb@1.5.5": "1.5.5", "pyiceberg@0.12.0": "0.12.0"}.items() <= versions.items()
    cell = [one for one in run.cases if one.coordinates.reader and str(one.coordinates.writer).startswith("duckdb")]
    (outcome,) = (one.outcome.value for one in cell)
    assert shown.startswith(f"{outcome[0]} {outcome}")
