"""Sphinx builds these pages: `make docs`. Warnings are errors, and nothing is fetched."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "attridex"
copyright = "the attridex authors, Apache-2.0"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "docs.tools.formulas", "docs.tools.pages", "docs.tools.reference"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
exclude_patterns = ["tools"]
html_theme = "furo"
html_title = f"attridex {release}"
html_show_sourcelink = False
html_copy_source = False
python_use_unqualified_type_names = True
html_use_index = False
html_domain_indices = False
toc_object_entries = False
