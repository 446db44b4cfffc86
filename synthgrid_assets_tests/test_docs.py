"""The documentation names every key that there is and no other, and its examples work."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.inputs.kinds.registry import INPUT_TABLES
from synthgrid_assets.processes.marks.table import LAWS
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.processes.shapes.footprint_table import (
    CircleTable,
    PolygonTable,
    RectangleTable,
)
from synthgrid_assets.processes.shapes.parcels_table import ParcelsTable
from synthgrid_assets.world import spec
from synthgrid_assets.world.tables.contract import ContractTable
from synthgrid_assets.world.tables.join import JoinTable
from synthgrid_assets.world.tables.reference import ReferenceTable
from synthgrid_assets.world.tables.tracks import TracksTable
from synthgrid_assets.world.validation import check_world

PROJECT = Path(__file__).parent.parent
PAGES = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
]
WORLD_FILE = (PROJECT / "docs" / "world-file.md").read_text()
SECTIONS = {
    "`[world]`": [spec.WorldTable],
    "`[inputs.NAME]`": [*INPUT_TABLES.values()],
    "`[privacy.NAME]`": [spec.PrivacyTable],
    "`[layers.NAME]`": [spec.LayerTable],
    "`[layers.NAME.tessellation]`": [spec.TessellationTable],
    "`[layers.NAME.footprint]`": [RectangleTable, PolygonTable, CircleTable],
    "`[layers.NAME.parcels]`": [ParcelsTable],
    "`[layers.NAME.tracks]`": [TracksTable],
    "`[layers.NAME.join]`": [JoinTable],
    "`[layers.NAME.contract]`": [ContractTable],
    "`[layers.NAME.reference]`": [ReferenceTable],
    "`[layers.NAME.release]`": [spec.ReleaseTable],
}


def section(heading):
    """The text between a heading of the reference and the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", WORLD_FILE, re.M | re.S)
    assert found, f"docs/world-file.md has no section {heading}"
    return found[1]


def rows(text):
    """Cells of the tables in a text, header lines left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if "`" in row[0]]


def in_backticks(text):
    """Inline code; fenced blocks are left out."""
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def models_below(annotation):
    """All models that a field's type holds, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_below(field.annotation)
    for part in get_args(annotation):
        yield from models_below(part)


def shown(value):
    """A default as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(f'{part:g}' for part in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_reference_has_each_key_of_a_table_and_no_other(heading):
    told = [key for row in rows(section(heading)) for key in in_backticks(row[0])]
    fields = {name for model in SECTIONS[heading] for name in model.model_fields}
    assert sorted(told) == sorted(fields)


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_reference_tells_defaults_and_what_is_required(heading):
    fields = {}
    for model in SECTIONS[heading]:
        fields = model.model_fields | fields  # of keys that several tables have, the first one's
    for row in rows(section(heading)):
        for key in in_backticks(row[0]):
            if fields[key].is_required():
                is_tag = heading == "`[inputs.NAME]`"  # an input is named by its required key
                assert is_tag or "required" in row[1], row
            elif fields[key].default is not None and fields[key].default_factory is None:
                assert shown(fields[key].default) in in_backticks(row[1]), row


def test_the_reference_has_each_process_with_its_parameters():
    told = {}
    for name_cell, parameters in (row[:2] for row in rows(section("Processes"))):
        for name in in_backticks(name_cell):
            told[name] = set(re.findall(r"\w+", " ".join(in_backticks(parameters))))
    assert set(told) >= set(REGISTRY)
    for name, family in REGISTRY.items():
        for model in models_below(family.parameters):
            assert told[name] >= set(model.model_fields), name


def test_every_key_of_any_table_is_told_on_the_pages_of_the_world_file():
    pages = WORLD_FILE + "".join(
        (PROJECT / "docs" / link).read_text() for link in re.findall(r"\]\((\w+\.md)\)", WORLD_FILE)
    )
    words = set(re.findall(r"\w+", " ".join([*in_backticks(pages), *blocks(pages, "toml")])))
    models = {
        model for top in (spec.WorldSpec, *INPUT_TABLES.values()) for model in models_below(top)
    }
    assert len(models) > 20
    for model in models:
        for name, field in model.model_fields.items():
            assert (field.alias or name) in words, f"{model.__name__}.{name}"
    assert words >= set(LAWS)


def test_the_tests_that_a_page_names_exist():
    named = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
    found = named.findall((PROJECT / "docs" / "upkeep.md").read_text())
    tests = PROJECT / "synthgrid_assets_tests"
    of_tests = [(file, name) for file, name in found if Path(file).name.startswith("test_")]
    assert len(of_tests) > 15
    for file, name in of_tests:
        assert re.search(
            rf"^(def|class) {name}\b" if name else "", (tests / file).read_text(), re.M
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_toml_of_a_page_is_toml(page):
    for block in blocks(page.read_text(), "toml"):
        tomllib.loads(block)


def test_the_world_of_the_readme_is_valid(tmp_path):
    (world,) = blocks((PROJECT / "README.md").read_text(), "toml")
    path = tmp_path / "readme.toml"
    path.write_text(world)
    assert check_world(path)[1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_exist_with_their_options(page):
    for console in blocks(page.read_text(), "console"):
        for line in re.findall(r"^\$ (?:\w+=\S+ )*synthgrid (.*)$", console, re.M):
            arguments = shlex.split(line, comments=True)
            result = CliRunner().invoke(app, [*arguments, "--help"])
            assert result.exit_code == 0, line


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with the worlds and a corner of Riverton."""
    (tmp_path / "worlds").symlink_to(PROJECT / "worlds")
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / ".synthgrid" / "data"))
    chosen = (
        "--tiles",
        "0:2,0:2",
        "--layers",
        "cafes",
        "--assets",
        "points,density,cell_neighbours",
    )
    riverton = str(PROJECT / "worlds" / "riverton.toml")
    assert CliRunner().invoke(app, ["materialize", riverton, *chosen]).exit_code == 0
    return tmp_path


def test_the_python_of_the_readme_runs(project, monkeypatch):
    """Its blocks one after the other, as a reader types them."""
    monkeypatch.chdir(project)
    names = {}
    for block in blocks((PROJECT / "README.md").read_text(), "python"):
        exec(block, names)
    density, kinds = names["density"], names["kinds"]
    assert names["w"].n == names["graph"].n > 100
    assert len(names["cafes"]) == kinds["cafes"].sum() == int(density.where(density > 0, 0).sum())
