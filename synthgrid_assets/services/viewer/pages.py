"""The viewer's pages: documents without any script or style in them.

Belongs here: filling the documents. Not here: their looks (`static`), HTTP (`app`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from synthgrid_assets.reports.tile_map.page_files import data_block
from synthgrid_assets.services.viewer.dagster_link import DagsterLink
from synthgrid_assets.services.viewer.tile_facts import world_facts
from synthgrid_assets.services.viewer.watched import WatchedWorld

FILES = ("viewer.js", "viewer.css", "icon.svg")


def world_page(world: WatchedWorld, dagster: DagsterLink, token: str, names: Sequence[str]) -> str:
    """The map of a world."""
    facts = {**world_facts(world, dagster), "token": token, "worlds": list(names)}
    return _document("world.html").substitute(
        world=escape(world.spec.world.name), facts=data_block(facts)
    )


def front_page(names: Sequence[str]) -> str:
    """The list of worlds."""
    items = "".join(
        f'<li><a href="/worlds/{escape(name)}">{escape(name)}</a></li>' for name in names
    )
    return _document("front.html").substitute(
        title="Worlds", body=f"<ul>{items}</ul>" if items else "<p>The worlds folder is empty.</p>"
    )


def trouble_page(told: str) -> str:
    """What went wrong."""
    return _document("front.html").substitute(
        title="This cannot be shown", body=f"<pre>{escape(told)}</pre>"
    )


@cache
def _document(name: str) -> Template:
    return Template((files(__package__) / "static" / name).read_text(encoding="utf-8"))
