"""Pages that live elsewhere in the repository: shown here as well, with links that fit.

A link in a page leads where it leads in the repository, so that pages can be read there too; here it leads to the page.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "findings": "tests/results/README.md",
    "peers": "tests/benchmarks/peers/README.md",
}
"""Page -> the file that it is."""
PAGES = {"README.md": "index", **{path: page for page, path in ELSEWHERE.items()}}
LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)\s]*)?(?=\))")


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the file in the place of its page, and lead links where they belong."""
    path = ELSEWHERE.get(page, f"docs/{page}.md")
    if page in ELSEWHERE:
        app.env.note_dependency(ROOT / path)
        source[0] = (ROOT / path).read_text(encoding="utf-8")
    source[0] = LINK.sub(lambda found: f"{found[1]}{link(found[2], path, page)}{found[3] or ''}", source[0])


def link(target: str, path: str, page: str) -> str:
    """Where a link of the file `path` leads, seen from its page."""
    goal = normpath(join(dirname(path), target))
    goal = f"docs/{PAGES[goal]}.md" if goal in PAGES else goal
    return relpath(goal, dirname(f"docs/{page}"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill pages as they are read."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
