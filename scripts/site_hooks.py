"""What MkDocs does not do by itself.

The pages are written to be read in the repository too, so they hold plain Markdown. Here
`<!-- tabs -->` makes tabs of what stands under bold labels, `<!-- file: PATH -->` shows a file of
the checkout, `<!-- buttons -->` makes buttons of a line of links, blocks of code get their language
as a title, columns of figures align right, and lists of tests fold.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ELSEWHERE = {
    "dbt.md": "dbt/README.md",
    "changelog.md": "CHANGELOG.md",
}
LANGUAGES = {
    "bash": "Shell",
    "console": "Shell",
    "json": "JSON",
    "python": "Python",
    "sql": "SQL",
    "yaml": "YAML",
}
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)[^)]+\)")
_TABS = re.compile(r"^<!-- tabs -->\n(.*?)^<!-- end of tabs -->$", re.DOTALL | re.MULTILINE)
_TAB = re.compile(r"^\*\*([\w ]+)\*\*\n(.*?)(?=^\*\*[\w ]+\*\*\n|\Z)", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^<!-- file: (\S+) (\w+) -->$", re.MULTILINE)
_BUTTONS = re.compile(r"^<!-- buttons -->\n(.*)$", re.MULTILINE)
_FENCE = re.compile(r"^( *)```(\w+)$", re.MULTILINE)
_TABLE = re.compile(r"^\|.*\|\n\|(?: ---:? \|)+\n(?:\|.*\|\n)+", re.MULTILINE)
_FIGURE = re.compile(r"[\W\d]*\d[\W\d]*(?: ?(s|MB|µs|rows/s))?|none|")
_URL = re.compile(r"(?<=\| )`(https?://[^`]+)`(?= \|)")
_TESTS = re.compile(r"(?:`test_\w+\.py::\w+` ?)+(?= \|$)", re.MULTILINE)


def on_config(config: Any) -> Any:  # noqa: ANN401 - MkDocs' own
    """Say at the foot of each page which version it describes."""
    config.copyright = f"tap-advexport {_version()}, Apache License 2.0"
    return config


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401 - MkDocs' own
    """Add the pages from elsewhere; what they link to stays in the checkout."""
    for name, source in ELSEWHERE.items():
        text = _LINK.sub(r"\1", (ROOT / source).read_text("utf-8"))
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **others: object) -> str:  # noqa: ANN401 - same
    """Make of a page of the repository a page of the site."""
    del others
    up = "../" * (page.file.src_uri.count("/") + 1)
    here = "../" * page.file.src_uri.count("/")
    for name, source in ELSEWHERE.items():
        markdown = markdown.replace(f"]({up}{source})", f"]({here}{name})")
    # Other files of the checkout are no pages; their names stay, as text.
    markdown = re.sub(rf"\[([^\]]+)\]\({re.escape(up)}[^)]+\)", r"\1", markdown)
    markdown = markdown.replace("<!-- version -->", _version())
    markdown = _FILE.sub(_shown_file, markdown)
    markdown = _BUTTONS.sub(_as_buttons, markdown)
    markdown = _TESTS.sub(_folded, markdown)
    markdown = _URL.sub(_breakable, markdown)
    markdown = _TABLE.sub(lambda table: _aligned(table[0]), markdown)
    markdown = _FENCE.sub(_titled, markdown)
    return _TABS.sub(lambda tabs: "\n".join(_as_tabs(tabs[1])), markdown)


def _version() -> str:
    return str(PROJECT.get("version") or version("tap-advexport"))


def _shown_file(found: re.Match[str]) -> str:
    path, language = found.groups()
    text = (ROOT / path).read_text("utf-8")
    return f'```{language} title="{path}"\n{text.rstrip()}\n```'


def _as_buttons(found: re.Match[str]) -> str:
    first, *others = re.findall(r"\[[^\]]+\]\([^)]+\)", found[1])
    buttons = [f"{first}{{ .md-button .md-button--primary }}"]
    return "\n".join([*buttons, *(f"{link}{{ .md-button }}" for link in others)])


def _folded(found: re.Match[str]) -> str:
    tests = found[0].split()
    count = f"{len(tests)} tests" if len(tests) > 1 else "1 test"
    return f"<details><summary>{count}</summary>{' '.join(tests)}</details>"


def _breakable(found: re.Match[str]) -> str:
    """Let a long URL in a table break after its slashes; names break nowhere."""
    return f"<code>{re.sub('(?<=[^/:])/(?=.)', '/<wbr>', found[1])}</code>"


def _aligned(table: str) -> str:
    head, _, *body = table.splitlines()
    columns = list(zip(*(_cells(line) for line in body), strict=True))
    rule = ["---:" if _holds_figures(column) else "---" for column in columns]
    return "\n".join([head, f"| {' | '.join(rule)} |", *body, ""])


def _holds_figures(cells: Sequence[str]) -> bool:
    return any(cells) and all(_FIGURE.fullmatch(cell.strip("*")) for cell in cells)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _titled(found: re.Match[str]) -> str:
    indent, language = found.groups()
    title = LANGUAGES.get(language)
    return f'{indent}```{language} title="{title}"' if title else found[0]


def _as_tabs(text: str) -> Iterator[str]:
    for label, content in _TAB.findall(text):
        yield f'=== "{label}"'
        yield ""
        yield from (f"    {line}".rstrip() for line in content.strip("\n").splitlines())
        yield ""
