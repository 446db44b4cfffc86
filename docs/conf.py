"""How the pages become a site: `make docs`.

The source folder is the project itself, so a link between two files means the same in the site
and in a plain view of the repository. Nothing that a built page loads comes from elsewhere.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

project = "synthgrid_assets"
author = "The synthgrid_assets authors"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "from_code.directives",
]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/RESULTS.md",
    "docs/**.md",
    "findings/README.md",
    "worlds/**/ATTRIBUTION.md",
]
exclude_patterns = [".*", "build", "synthgrid_assets*", "**/node_modules"]

# GitHub's anchors, so that links to headings hold there too
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = "synthgrid_assets"
html_show_sourcelink = False
html_copy_source = False
html_additional_pages = {"index": "to_the_index.html"}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"docs/tutorial": []}  # alone in its section: the bar would be empty
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 1,
    "footer_start": ["copyright"],
    "footer_end": [],
}
