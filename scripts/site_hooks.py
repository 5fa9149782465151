"""What MkDocs does not do by itself: pages that live elsewhere in the checkout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {
    "dbt.md": "dbt/README.md",
    "examples.md": "examples/README.md",
    "changelog.md": "CHANGELOG.md",
}
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)")


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401 - MkDocs' own
    """Add the pages from elsewhere; what they link to stays in the checkout."""
    for name, source in ELSEWHERE.items():
        text = _LINK.sub(r"\1", (ROOT / source).read_text("utf-8"))
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **others: object) -> str:  # noqa: ANN401 - same
    """Lead links to those files to their pages."""
    del others
    up = "../" * (page.file.src_uri.count("/") + 1)
    here = "../" * page.file.src_uri.count("/")
    for name, source in ELSEWHERE.items():
        markdown = markdown.replace(f"]({up}{source})", f"]({here}{name})")
    return markdown
