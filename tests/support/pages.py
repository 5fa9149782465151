"""The pages of the documentation, and the commands on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README: Final = ROOT / "README.md"
PAGES: Final = [README, *sorted((ROOT / "docs").rglob("*.md"))]
# Followed as a whole on a fresh machine, by tests/command/test_pages_with_meltano.py; the page of
# dlt by tests/command/test_dlt_pages.py.
FOLLOWED: Final = [README, ROOT / "docs/start.md", ROOT / "docs/dlt.md"]
_BLOCK: Final = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MELTANO: Final = re.compile(r"\bmeltano (?!state (?:get|set))[\w-]+ ")


@dataclass(frozen=True, slots=True)
class Block:
    """Some commands of a page, to be run as they stand."""

    page: Path
    text: str

    @property
    def needs_meltano(self) -> bool:
        """Whether Meltano runs in it; its state store alone has a stand-in."""
        return bool(_MELTANO.search(self.text))

    @property
    def needs_a_warehouse(self) -> bool:
        """Whether it reads one, or installs what does: run by tests/command/test_audit_pages.py."""
        return "tap-advexport-audit" in self.text or "[audit-" in self.text


def blocks(page: Path) -> list[Block]:
    """All blocks of commands of a page, in their order."""
    return [Block(page, text) for text in _BLOCK.findall(page.read_text("utf-8"))]


def in_tab(page: Path, label: str) -> list[Block]:
    """The blocks under a label such as `Meltano`, and those that stand outside of tabs."""
    text = re.sub(
        rf"^\*\*(?!{label}\*\*)[\w ]+\*\*\n.*?(?=^\*\*[\w ]+\*\*\n|^<!-- end of tabs -->$)",
        "",
        page.read_text("utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    return [Block(page, block) for block in _BLOCK.findall(text)]
