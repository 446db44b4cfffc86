"""The house keeps its shape: small rooms and files, no branch on a kind outside its registry."""

from __future__ import annotations

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import synthgrid_assets

PACKAGE = Path(synthgrid_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_MODULES = 16
# how code asks what kind a thing is, where the thing should answer for itself
BRANCH = re.compile(r"noun ==|product is |isinstance\(.*(Source|Surface|Input)")


@pytest.mark.parametrize("folder", sorted({module.parent for module in MODULES}), ids=str)
def test_no_room_holds_more_than_sixteen_modules_unless_it_has_rooms_of_its_own(folder):
    modules = [module for module in folder.glob("*.py") if module.name != "__init__.py"]
    rooms = [inner for inner in folder.iterdir() if (inner / "__init__.py").is_file()]
    assert len(modules) <= MAX_MODULES or rooms


def test_no_module_is_longer_than_a_person_reads():
    lines = {module: module.read_text().count("\n") for module in MODULES}
    assert {module: count for module, count in lines.items() if count > MAX_LINES} == {}


def test_no_code_branches_on_a_kind_of_product_or_input():
    found = [
        f"{module.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for module in MODULES
        if module.name != "registry.py"
        for number, line in enumerate(module.read_text().splitlines(), start=1)
        if BRANCH.search(line)
    ]
    assert found == []


def test_no_module_imports_itself_by_way_of_others():
    graph = grimp.build_graph("synthgrid_assets", cache_dir=None)
    below = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # TopologicalSorter raises CycleError, which names the circle
    assert set(TopologicalSorter(below).static_order()) == graph.modules


def test_every_room_says_what_it_is_for():
    for folder in {module.parent for module in MODULES}:
        assert (folder / "__init__.py").read_text().startswith('"""'), folder


HEAVY = ("numpy", "numba", "scipy", "pyarrow", "shapely", "geopandas", "dagster", "sqlalchemy")


def test_the_command_line_tells_its_help_without_loading_what_computes():
    """A command imports what it needs when it is called."""
    code = "import sys, synthgrid_assets.cli; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "typer" in loaded
    assert loaded.isdisjoint(HEAVY)
