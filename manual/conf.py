"""Sphinx's settings for the site. `arcade docs` builds it: docs/ -> site/."""

import gc
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
gc.set_threshold(200_000)  # pages are trees of many small objects: an eighth of the time went into looking for garbage

project = "Paper Arcade"
author = "Paper Arcade contributors"
copyright = author
release = version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "manual.directives"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
smartquotes = False  # what is quoted is mostly typed
toc_object_entries = False  # functions and classes: the contents of all pages are copied into each

nitpicky = True
html_theme = "furo"
html_title = "Paper Arcade"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_use_index = html_domain_indices = False  # functions are found by search, and on their pages
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"footer_icons": []}
pygments_style = "friendly"
