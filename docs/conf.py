"""Sphinx's settings. `make docs` builds the site; warnings are errors, and nothing is fetched."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from pages import write_pages  # noqa: E402

write_pages(HERE.parent, HERE / "generated")

project = "ean-search"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "ean-search"
exclude_patterns = ["_build"]
nb_execution_mode = "off"  # what notebooks show is committed, and built in no time
myst_heading_anchors = 3
autodoc_typehints = "none"  # signatures stay readable; the docstrings say what is what
autodoc_member_order = "bysource"


def setup(app):
    """The log lies beside the experiments; the site has a copy, which links to it lead to."""
    app.connect("source-read", _link_to_the_log)


def _link_to_the_log(app, name, source):
    source[0] = source[0].replace("](../experiments/README.md", "](generated/log.md")
