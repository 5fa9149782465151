"""Who is measured: the tap, its peers and its limits, each a program of its own environment."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.warehouses import environment

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that takes `--config FILE` and writes rows to stdout.

    Attributes:
        name: as the table has it.
        script: of `peers`; None for the tap itself.
        packages: the requirements of its environment; None for the tap's own.
        distribution: whose version the table names.
        print_option: what makes it print its rows where it writes them elsewhere.
        is_limit: it does only a part of the work, so its output is not compared.
        omits: what it does not do, in a few words.
    """

    name: str
    script: str | None = None
    packages: str | None = None
    distribution: str = "singer-sdk"
    print_option: str | None = None
    is_exact: bool = False
    is_limit: bool = False
    omits: str = ""

    @property
    def python(self) -> str:
        """The interpreter of its environment, which is made when it is missing."""
        if self.packages is None:
            return sys.executable
        requirements = (FOLDER / "requirements" / f"{self.packages}.txt").read_text("utf-8")
        return str(environment(f"benchmark-{self.packages}", requirements) / "python")

    def command(self, config: Path, *, is_printed: bool = False) -> list[str]:
        """Return the program and its arguments."""
        if self.script is None:
            program = [str(Path(sys.executable).parent / "tap-advexport")]
        else:
            program = [self.python, str(FOLDER / "peers" / f"{self.script}.py")]
        option = [self.print_option] if is_printed and self.print_option else []
        return [*program, "--config", str(config), *option]


TAP = Contender("tap-advexport", distribution="tap-advexport", is_exact=True)
CONVENTIONAL = Contender(
    "conventional SDK tap",
    "conventional",
    omits="no keys, no checks, floats, one export at a time, files in memory",
)
CONTENDERS = (
    TAP,
    CONVENTIONAL,
    Contender(
        "singer-python",
        "singer_python",
        "singer",
        "singer-python",
        omits="as the conventional tap",
    ),
    Contender(
        "airbyte-cdk, async job",
        "airbyte_source",
        "airbyte",
        "airbyte-cdk",
        omits="no keys, floats, a cut file goes through",
    ),
    Contender(
        "dlt resource",
        "dlt_resource",
        "dlt",
        "dlt",
        "--print",
        omits="as the conventional tap; its rows end in files, normalised",
    ),
    Contender(
        "limit: empty csv.reader loop",
        "limit_reader",
        is_limit=True,
        omits="reads the files and does nothing with them",
    ),
    Contender(
        "limit: copying ready lines",
        "limit_copy",
        is_limit=True,
        omits="no API, no CSV: the tap's output from a file",
    ),
)
