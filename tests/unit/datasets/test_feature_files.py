"""Features from outside the package: the documented file is one, and an error in a file is reported with its name."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from own_catalog import OwnReference
from typer.testing import CliRunner

from lakebench import cli
from lakebench.config import Settings
from lakebench.datasets.interop import feature_files, features
from lakebench.datasets.interop.oracle import Oracle
from lakebench.datasets.interop.program import planned
from lakebench.datasets.interop.same import same_read
from lakebench.errors import UsageError
from lakebench.execution.request import Scope
from lakebench.iceberg.operations import Append, Concurrent, Create
from lakebench.model import Coordinates, EngineRef, Selection
from lakebench.phases import find
from lakebench.phases.selection import select

PAGE = (Path(__file__).parents[3] / "docs" / "adding-a-feature.md").read_text("utf-8")
DOCUMENTED = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PLAIN = """
[[feature]]
id = "mine"
title = "mine"
claim = "append"
source = "mine"
program = [
    { op = "Create", columns = [
        { name = "id", type = "int" }, { name = "d", type = "date" },
        { name = "l", type = { type = "list", element = "string" } },
    ] },
    { op = "Append", rows = [{ id = 1, d = 2024-02-29, l = ["a"] }, { l = [] }] },
    { op = "Concurrent", operations = [
        { op = "Append", rows = [{ id = 2 }] }, { op = "Append", rows = [{ id = 3 }] },
    ] },
    { op = "EqualityDelete", key = ["id"], columns = ["id"], rows = [{ id = 2 }] },
]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_documented_file_is_written_and_read_as_the_oracle_expects(tmp_path: Path) -> None:
    text = DOCUMENTED[0]
    (feature,) = feature_files.load(written(tmp_path, text))
    assert [read.name for read in feature.reads] == ["w is null"]
    writer = OwnReference(tmp_path)
    for one in planned(feature, lambda table: table).operations:
        writer.operate(one, lambda _: None)
    sameness = same_read(writer.read("t"), Oracle(feature.program).answer(feature.basic[0]))
    assert sameness.diff is None


def test_rows_are_tables_of_columns(tmp_path: Path) -> None:
    (feature,) = feature_files.load(written(tmp_path, PLAIN))
    create, append, both, gone = feature.program
    assert isinstance(create, Create)
    assert isinstance(append, Append)
    assert append.rows == ((1, "2024-02-29", ["a"]), (None, None, []))
    assert isinstance(both, Concurrent)
    assert [one.rows for one in both.operations] == [((2, None, None),), ((3, None, None),)]  # type: ignore[attr-defined]
    assert gone.rows == ((2,),)  # type: ignore[attr-defined]
    assert feature.group == feature_files.GROUP


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('id = "mine"', 'id = "Mine!"', "feature Mine!: an id is of small letters"),
        ('id = "mine"', "", "feature number 1: there is no 'id'"),
        ('title = "mine"', "", "feature mine: .*title"),
        ('"Append", rows = [{ id = 1', '"Append", rows = [{ is = 1', "feature mine: a row has the column is, and its"),
        ("{ id = 1, d = 2024-02-29", '{ id = 1, d = "soon"', "feature mine: .*soon"),
        ("{ id = 1, d", '{ id = "one", d', "feature mine: "),
        ("[{ id = 2 }] },\n]", "5 },\n]", "feature mine: "),
        ('op = "EqualityDelete"', 'op = "Vanish"', "feature mine: there is no 'Vanish'"),
        ('op = "Create"', 'op = "Append"', "feature mine: "),
        ('claim = "append"', 'claim = "append"\nproof = [{ fact = "x", test = "like", value = 1 }]', "like is no test"),
        ('claim = "append"', 'claim = "append"\nreads = [{ name = "n", columns = ["none"] }]', "feature mine: .*none"),
        ("[[feature]]", "[[features]]", "has tables .*feature.*, and nothing else"),
        ("[[feature]]", "[feature]", "has tables .*feature.*, and nothing else"),
        ("[[feature]]", "[[feature]", "is no TOML"),
    ],
)
def test_a_faulty_feature_is_an_error_that_names_the_file(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in PLAIN
    file = written(tmp_path, PLAIN.replace(before, after, 1))
    with pytest.raises(UsageError, match=rf"^{file}.*{message}"):
        feature_files.load(file)


def test_an_id_of_ours_is_taken(tmp_path: Path) -> None:
    file = str(written(tmp_path, PLAIN.replace('id = "mine"', 'id = "rename-column"')))
    with pytest.raises(UsageError, match=rf"{file}: there is another feature rename-column"):
        features.all_features((file,))
    mine = str(written(tmp_path / "..", PLAIN))
    with pytest.raises(UsageError, match="there is another feature mine"):
        features.all_features((mine, mine))


def test_another_distribution_brings_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: dict[str, Any] = {"mine": feature_files.load(written(tmp_path, PLAIN)), "none": (7,), "broken": None}
    points = {name: EntryPoint(name, "an_outsider:FEATURES", features.ENTRY_POINTS) for name in exported}

    def named(name: str) -> None:
        features._installed.cache_clear()
        monkeypatch.setattr(features, "entry_points", lambda **_: [points[name]])
        monkeypatch.setattr(EntryPoint, "load", lambda point: exported[point.name])

    named("mine")
    assert [one.id for one in features.all_features()[len(features.FEATURES) :]] == ["mine"]
    assert features.chosen(("mine",)) == exported["mine"]
    for name, message in {"none": "which is no Feature", "broken": "cannot be loaded .TypeError"}.items():
        named(name)
        with pytest.raises(UsageError, match=message):
            features.all_features()
    monkeypatch.undo()
    features._installed.cache_clear()
    assert features.all_features() == features.FEATURES


def test_the_command_lists_and_takes_them(tmp_path: Path) -> None:
    file = written(tmp_path, PLAIN)
    listed = CliRunner().invoke(cli.app, ["list", "features", "--feature-file", str(file), "--json"])
    assert '"feature": "mine"' in listed.stdout
    options = {"features": "mine", "feature-file": str(file)}
    for wanted in (["interop"], ["phase1", "interop"]):
        chosen = select([find(one) for one in wanted], options, (), Settings())
        assert chosen.options["interop"] == {"feature-file": [str(file)]}
    with pytest.raises(UsageError, match="unknown feature 'mine'"):
        select([find("interop")], {"features": "mine"}, (), Settings())
    with pytest.raises(UsageError, match="--feature-file"):
        select([find("phase4")], {"feature-file": str(file)}, (), Settings())


def test_a_case_of_a_file_is_missed_only_where_a_file_is_named(tmp_path: Path) -> None:
    case, refs = Coordinates(feature="mine", writer="duckdb", catalog="rest"), (EngineRef("duckdb"),)
    with_file = Selection(options={"interop": {"feature-file": [str(written(tmp_path, PLAIN))]}})
    assert find("interop").covers(case, Scope(refs, with_file, "quick"))
    assert not find("interop").covers(case, Scope(refs, Selection(), "quick"))
