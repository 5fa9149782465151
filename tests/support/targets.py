"""The targets that the tests know, each in an environment of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.support.paths import ROOT
from tests.support.warehouses import environment

if TYPE_CHECKING:
    from pathlib import Path

LOADERS: Final[dict[str, dict[str, Any]]] = {
    loader["name"]: loader
    for loader in yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))["plugins"]["loaders"]
}
# Those that `meltano.yml` does not offer: as docs/targets.md says to install and set them.
OTHERS: Final[dict[str, dict[str, Any]]] = {
    "target-s3-jsonl": {
        "pip_url": "target-s3-jsonl==2.0.1",
        "config": {"path_template": "{stream}-{date_time:%Y%m%dT%H%M%S%f}.jsonl"},
    },
    "target-s3-csv": {
        "pip_url": "pipelinewise-target-s3-csv==2.0.0",
    },
}


def plugin_of(target: str) -> dict[str, Any]:
    """How a target is installed and set."""
    return LOADERS.get(target) or OTHERS[target]


def programs_of(target: str) -> Path:
    """The programs of a target's environment."""
    requirements = plugin_of(target)["pip_url"].replace(" ", "\n") + "\n"
    return environment(target, requirements)
