"""The plugin definition for Meltano Hub, held to `meltano.yml` and to what the Hub accepts."""

from __future__ import annotations

from typing import Any

import yaml

from scripts.render_hub import DEFINITION, ROOT, rendered

HUB: dict[str, Any] = yaml.safe_load(DEFINITION.read_text("utf-8"))
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
[PLUGIN] = PROJECT["plugins"]["extractors"]
# What the Hub's schema of an extractor and of a setting allows.
KEYS = {
    "name",
    "pip_url",
    "variant",
    "namespace",
    "label",
    "description",
    "executable",
    "settings",
    "docs",
    "repo",
    "logo_url",
    "hidden",
    "settings_group_validation",
    "commands",
    "capabilities",
    "metadata",
    "schema",
    "select",
    "maintenance_status",
    "domain_url",
    "keywords",
    "requires",
    "definition",
    "next_steps",
    "settings_preamble",
    "usage",
    "prereq",
}
KINDS = {
    "hidden",
    "password",
    "date_iso8601",
    "file",
    "email",
    "integer",
    "options",
    "object",
    "array",
    "boolean",
    "string",
}


def test_definition_is_up_to_date() -> None:
    assert DEFINITION.read_text("utf-8") == rendered(), "run scripts/render_hub.py"


def test_definition_says_what_meltano_yml_says() -> None:
    same = set(PLUGIN) - {"pip_url", "settings"}
    assert {key: HUB[key] for key in same} == {key: PLUGIN[key] for key in same}
    assert [{**setting, "label": None} for setting in HUB["settings"]] == [
        {**setting, "label": None} for setting in PLUGIN["settings"]
    ]


def test_hub_takes_every_key_and_every_kind_of_setting() -> None:
    assert set(HUB) <= KEYS
    assert {"name", "namespace", "variant", "label"} <= set(HUB)
    assert {setting["kind"] for setting in HUB["settings"]} <= KINDS


def test_every_setting_has_a_label_and_a_description() -> None:
    assert [s["name"] for s in HUB["settings"] if not (s["label"] and s["description"])] == []
