"""Tells which mutants survive without a reason in docs/mutation.md.

check_mutants.py RESULTS DOCUMENT: the output of `mutmut results`, and the page.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Whatever else became of a mutant: a test process that was killed has not shown anything.
_KILLED = "killed|caught by type check|not checked"
_SURVIVOR = re.compile(rf"^\s*(\S+__mutmut_\d+): (?!(?:{_KILLED})\s*$)")
_REASON = re.compile(r"^\| `(\S+__mutmut_\d+)` \|", re.MULTILINE)


def unjustified(results: str, document: str) -> list[str]:
    """Return the mutants that no test kills and no line of the document explains."""
    survivors = [found[1] for line in results.splitlines() if (found := _SURVIVOR.match(line))]
    known = set(_REASON.findall(document))
    return [name for name in survivors if name not in known]


def main() -> None:
    """Print them, and fail when there are any."""
    results, document = (Path(name).read_text("utf-8") for name in sys.argv[1:3])
    names = unjustified(results, document)
    for name in names:
        print(f"survives without a reason in {sys.argv[2]}: {name}")
    sys.exit(1 if names else 0)


if __name__ == "__main__":
    main()
