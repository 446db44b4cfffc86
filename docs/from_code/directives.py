"""Directives whose text comes from the code: ```` ```{from-code} world_keys ````.

Belongs here: the one directive and the texts that it knows. Not here: any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from from_code.assets import assets_and_checks, laws
from from_code.commands import commands
from from_code.world_keys import process_keys, world_keys

TEXTS: dict[str, Callable[[], str]] = {
    text.__name__: text for text in (assets_and_checks, commands, laws, process_keys, world_keys)
}


class FromCode(SphinxDirective):
    """The Markdown that a function of this package makes."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Parse it where the directive stands, headings too."""
        text = TEXTS[self.arguments[0]]()
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directive."""
    app.add_directive("from-code", FromCode)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
