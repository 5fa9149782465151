"""Writes the plugin definition for Meltano Hub from the plugin in meltano.yml.

With --check it writes nothing, and fails if the definition is not up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = ROOT / "hub/extractors/tap-advexport/advexport.yml"
HEAD = """\
# The plugin definition for Meltano Hub (there under _data/meltano), and for
# `meltano add tap-advexport --from-ref <path or URL of this file>`.
# Written by scripts/render_hub.py from meltano.yml.
"""
KEYWORDS = ["advertising", "api", "attribution", "meltano_sdk", "reports"]
NEXT_STEPS = (
    "Read `report_daily` joined with `report_periods`: rows that have vanished from the API stay "
    "in the warehouse, and `report_periods` says which version holds for each day."
)


def main(arguments: list[str]) -> int:
    """Write the definition; return the exit code."""
    text = rendered()
    if "--check" in arguments:
        is_current = DEFINITION.exists() and DEFINITION.read_text("utf-8") == text
        if not is_current:
            print("not up to date: run scripts/render_hub.py", file=sys.stderr)
        return 0 if is_current else 1
    DEFINITION.parent.mkdir(parents=True, exist_ok=True)
    DEFINITION.write_text(text, "utf-8")
    return 0


def rendered() -> str:
    """Return the text of the definition."""
    return HEAD + yaml.safe_dump(definition(), sort_keys=False, allow_unicode=True, width=100)


def definition() -> dict[str, Any]:
    """Build the definition: what Meltano needs from `meltano.yml`, and what the Hub shows."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
    [plugin] = project["plugins"]["extractors"]
    own = {key: plugin[key] for key in ("name", "namespace", "label", "description")}
    rest = ("executable", "commands", "capabilities", "select", "settings_group_validation")
    return {
        **own,
        "variant": "advexport",
        "pip_url": "tap-advexport",
        **{key: plugin[key] for key in rest},
        "maintenance_status": "beta",
        "keywords": KEYWORDS,
        "next_steps": NEXT_STEPS,
        "settings": [_setting(setting) for setting in plugin["settings"]],
    }


def _setting(setting: dict[str, Any]) -> dict[str, Any]:
    label = setting["name"].replace(".", " ").replace("_", " ").title()
    return {"name": setting["name"], "label": label, **setting}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
