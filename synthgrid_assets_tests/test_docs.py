"""The reference of the world file names every key there is, and links that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.world import input_tables, spec

PROJECT = Path(__file__).parent.parent
REFERENCE = (PROJECT / "docs" / "world-file.md").read_text(encoding="utf-8")
TABLES = [
    spec.WorldTable,
    spec.RasterInput,
    spec.VectorInput,
    spec.LayerTable,
    spec.NearTable,
    spec.TessellationTable,
    spec.ReleaseTable,
    input_tables.ConstantInput,
    input_tables.GradientInput,
    input_tables.ZarrInput,
]
PAGES = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_is_in_the_reference(table):
    missing = [key for key in table.model_fields if f"`{key}`" not in REFERENCE]
    assert not missing


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_process_and_parameter_is_in_the_reference(name):
    line = next(line for line in REFERENCE.splitlines() if f"`{name}`" in line and "|" in line)
    assert all(key in line for key in REGISTRY[name].parameters.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]
