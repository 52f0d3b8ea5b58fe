"""The site: a static folder, or one file, made from the records of runs and the shipped baselines alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from lakebench.errors import UsageError
from lakebench.reports import html
from lakebench.reports.site import data, files, pages
from lakebench.results import records
from lakebench.results.records import Run

_MARK = ".lakebench-site"
"""A folder with this file is a site of ours, which a later one may replace."""


def write(runs: Sequence[Path], folder: Path) -> Path:
    """Write the site into ``folder``, in place of an earlier one; its first page.

    The site is made beside the folder and takes its place when it is complete.

    Raises:
        UsageError: records cannot be read, ``folder`` has something else in it, or cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / _MARK).exists() or not any(folder.iterdir()))):
        raise UsageError(f"{folder} is there and is no site of lakebench: name another folder with --output")
    content = data.collect([records.read(one) for one in runs])
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        _write(content, part)
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}; name another folder with --output") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder / "index.html"


def write_single(runs: Sequence[Path], file: Path) -> Path:
    """Write the site as one file.

    Raises:
        UsageError: records cannot be read, or the file not written.
    """
    content = data.collect([records.read(one) for one in runs])
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(pages.single(data.to_text(data.tables(content)), content.made), encoding="utf-8")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{file} cannot be written: {error.strerror}; name another file with --single") from None
    return file


def _write(content: data.Content, folder: Path) -> None:
    text = data.to_text(data.tables(content))
    _static(text, folder)
    files.write(content, folder / "data")
    (folder / "data" / "site.json").write_text(text, encoding="utf-8")
    (folder / "feed.xml").write_text(pages.feed(content), encoding="utf-8")
    (folder / _MARK).touch()
    for run in content.runs:
        _reports(run, folder / "runs" / pages.segment(run.header.run))
    for page in pages.all_pages(content):
        _text(folder / page.route / "index.html", pages.render(page, content.made))
    for route, one in pages.newest(content).items():
        _text(folder / route / "cell.json", json.dumps(files.cell(one), ensure_ascii=False, indent=1))
        _text(folder / route / "badge.svg", pages.badge(one.state))
    for feature, cells in pages.by_feature(content.cells).items():
        cell_values = [files.cell(one) for one in cells]
        _text(folder / "feature" / pages.segment(feature) / "feature.json", json.dumps(cell_values, ensure_ascii=False))


def _static(text: str, folder: Path) -> None:
    """The scripts, the style, and the data as a script: from a file on disk, a browser loads nothing else."""
    static = folder / "static"
    static.mkdir(parents=True)
    for name in pages.SCRIPTS:
        shutil.copyfile(pages.HERE / "static" / name, static / name)
    (static / "style.css").write_text(html.style(pages.STYLE), encoding="utf-8")
    shutil.copyfile(pages.HERE / "vendor" / "regular-table.LICENSE", static / "regular-table.LICENSE")
    (static / "regular-table.js").write_text(pages.grid_script(), encoding="utf-8")
    (static / "data.js").write_text(f"lakebench.data = JSON.parse({json.dumps(text)});\n", encoding="utf-8")


def _reports(run: Run, folder: Path) -> None:
    """The reports that lie beside the records of ``run``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in data.reports_of(run):
        shutil.copyfile(run.path.parent / name, folder / name)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
