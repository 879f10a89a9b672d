"""Sphinx's settings for the site. `arcade docs` builds it: docs/ -> site/."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "Paper Arcade"
author = "Paper Arcade contributors"
copyright = author
release = version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.viewcode", "manual.directives"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
viewcode_follow_imported_members = False  # to follow them it would import them

nitpicky = True
# Types of other packages in signatures, and of ours by their bare names: they lead nowhere.
nitpick_ignore_regex = [("py:class", r".*"), ("py:data", r".*"), ("py:exc", r".*")]

html_theme = "furo"
html_title = "Paper Arcade"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"footer_icons": []}
pygments_style = "friendly"
