"""The site is built strictly, is complete, and loads nothing from elsewhere."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from synthgrid_assets.cli import app
from synthgrid_assets.processes.registry import REGISTRY
from synthgrid_assets.products.registry import PRODUCTS
from synthgrid_assets.world import spec
from synthgrid_assets_tests.browser.chromium import axe_script, chromium, serious_faults

PROJECT = Path(__file__).parent.parent
TUTORIAL = (PROJECT / "docs" / "tutorial.md").read_text()
LOOKED_AT = (
    "README",
    "CHANGELOG",
    "benchmarks/RESULTS",
    "search",
    "docs/index",
    "docs/tutorial",
    "docs/how_to",
    "docs/world-file",
    "docs/reference/world_keys",
    "docs/reference/commands",
    "docs/reference/python_api",
    "docs/reference/assets_and_checks",
)
# what a page loads by itself, as links that a person follows are not
LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object|link)\b[^>]*?"
    r"\b(?:src|href|data|poster)=[\"']?((?:https?:)?//[^\"'\s>]+)"
)
LOADED_BY_CSS = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; whatever Sphinx warns of fails here."""
    folder = tmp_path_factory.mktemp("site")
    options = ("-W", "--keep-going", "-q", "-b", "html", "-c", "docs")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ".", str(folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def text_of(site, page):
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", (site / page).read_text())).split())


def test_no_page_loads_anything_from_elsewhere(site):
    pages, sheets = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert len(pages) > 30
    assert len(sheets) > 2
    found = {
        (file.name, address)
        for files, pattern in ((pages, LOADED), (sheets, LOADED_BY_CSS), (pages, LOADED_BY_CSS))
        for file in files
        for address in pattern.findall(file.read_text())
    }
    assert found == set()


def test_the_patterns_find_what_is_loaded():
    for text in ('<script async src="https://cdn.x/y.js">', "<img alt=a src='//x/y.png'>"):
        assert LOADED.findall(text)
    for text in ("@import url(https://fonts.x/css)", "src: url('//x/y.woff2')", '@import "//x/y"'):
        assert LOADED_BY_CSS.findall(text)
    assert not LOADED.findall('<a href="https://x/">x</a>')


def test_the_reference_is_complete(site):
    keys = text_of(site, "docs/reference/world_keys.html")
    for model in (spec.WorldTable, spec.PrivacyTable, spec.LayerTable, spec.NearTable):
        for name, field in model.model_fields.items():
            assert re.search(rf"\b{field.alias or name}\b", keys), name
    processes = text_of(site, "docs/reference/processes.html")
    for name, family in REGISTRY.items():
        assert processes.count(name) >= 2, name  # among the laws, and with its parameters
        assert set(family.parameters.model_fields) <= set(re.findall(r"\w+", processes)), name
    checks = text_of(site, "docs/reference/assets_and_checks.html")
    for product in PRODUCTS.values():
        for test in product.claims:
            assert test in checks, (product, test)
    told = text_of(site, "docs/reference/commands.html")
    for name, command in commands(typer.main.get_command(app), "synthgrid"):
        assert name in told
        for option in (word for part in command.params for word in part.opts):
            assert option in told or not option.startswith("--") or option == "--version", option
    api = text_of(site, "docs/reference/python_api.html")
    assert "cell_neighbours_table" in api
    assert "Raises" in api


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_accessibility_checker_finds_nothing_serious(site, tmp_path):
    """A page of each kind, and those with the widest tables, on a screen and on a phone."""
    axe = axe_script(tmp_path)
    with chromium() as browser:
        for page in LOOKED_AT:
            for width in (1280, 390):
                browser.open((site / f"{page}.html").as_uri(), width=width)
                assert serious_faults(browser, axe) == [], page
                assert browser.overflow() <= 0, page


def commands(command, name):
    """All commands with their full names."""
    yield name, command
    for part in getattr(command, "commands", {}).values():
        yield from commands(part, f"{name} {part.name}")


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path, monkeypatch):
    """Its blocks one after the other, as a reader types them; the map alone is left out."""
    (tmp_path / "worlds").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHGRID_DATA", str(tmp_path / ".synthgrid" / "data"))
    monkeypatch.setenv("SYNTHGRID_WORLDS", str(tmp_path / "worlds"))
    world, mark = re.findall(r"^```toml\n(.*?)^```", TUTORIAL, re.M | re.S)
    file = tmp_path / "worlds" / "harbour.toml"
    file.write_text(world)
    told = []
    for line in re.findall(r"^\$ (.*)$", TUTORIAL, re.M):
        if line.startswith("sed "):
            subprocess.run(shlex.split(line), check=True)
        elif line.startswith("synthgrid ") and " view " not in line:
            answer = CliRunner().invoke(app, shlex.split(line)[1:])
            assert answer.exit_code == 0, (line, answer.output, answer.exception)
            told.append((line, answer.output))
    digests = [output.split()[-1] for line, output in told if " digest " in line]
    assert len(digests) == 2
    assert digests[0] == digests[1]
    states = [output for line, output in told if " status " in line]
    assert "stale" in states[1]
    with file.open("a") as opened:
        opened.write(mark)
    rows = json.loads(CliRunner().invoke(app, ["status", "harbour", "--json"]).output)
    stale = {row["asset"]: row["stale"] for row in rows}
    assert stale == {"points": 16, "density": 0, "voronoi": 0}
    assert (tmp_path / "harbour.html").stat().st_size > 10_000
    assert (tmp_path / "kiosks.gpkg").exists()
