"""Workflows, container and issue templates, held to the project and to one another."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
    return loaded


def test_every_supported_python_is_tested_by_tox_and_by_the_workflow() -> None:
    prefix = "Programming Language :: Python :: 3."
    classifiers = [c for c in PROJECT["project"]["classifiers"] if c.startswith(prefix)]
    versions = [c.rpartition(" ")[2] for c in classifiers]
    assert PROJECT["tool"]["tox"]["env_list"] == versions
    assert workflow("test")["jobs"]["test"]["strategy"]["matrix"]["python"] == versions
    assert PROJECT["project"]["requires-python"] == f">={versions[0]}"


def test_only_the_job_that_publishes_can_sign_in_and_it_builds_nothing() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert not any("checkout" in step.get("uses", "") for step in jobs["publish"]["steps"])


def test_the_changelog_has_the_version_of_the_project_and_the_command_says_it() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert released[0] == PROJECT["project"]["version"]
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--version"], capture_output=True, check=True
    )
    assert done.stdout.decode().startswith(f"tap-advexport v{released[0]}, ")


@pytest.mark.parametrize(("tag", "code"), [("v1.0.0", 0), ("v1.0.1", 1), ("1.0", 1)])
def test_the_release_workflow_takes_the_tag_of_the_version_alone(tag: str, code: int) -> None:
    steps = workflow("release")["jobs"]["build"]["steps"]
    [check] = [step["run"] for step in steps if "The tag" in step.get("name", "")]
    version = PROJECT["project"]["version"]
    shell = ["bash", "-e", "-c", check]
    done = subprocess.run(
        shell, cwd=ROOT, env={"GITHUB_REF_NAME": tag.replace("1.0.0", version)}, check=False
    )
    assert done.returncode == code


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_scripts_that_exist(path: Path) -> None:
    scripts = re.findall(r"\brun: (scripts/[\w-]+)$", path.read_text("utf-8"), re.MULTILINE)
    assert [name for name in scripts if not (ROOT / name).stat().st_mode & 0o111] == []


def test_container_runs_the_tap_as_nobody_in_particular() -> None:
    last_stage = CONTAINERFILE.rpartition("\nFROM ")[2]
    [user] = re.findall(r"^USER (\d+):\d+$", last_stage, re.MULTILINE)
    assert int(user) > 0
    [program] = re.findall(r'^ENTRYPOINT \["([\w-]+)"\]$', last_stage, re.MULTILINE)
    assert program in PROJECT["project"]["scripts"]
    assert "VOLUME /spool" in last_stage
    assert "TMPDIR=/spool" in last_stage


def test_container_gets_only_what_the_script_prepares() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
    assert [name for line in copied for name in line.split()] == [
        "dist/tap_advexport-*.whl",
        "constraints.txt",
    ]
    ignored = (ROOT / ".containerignore").read_text("utf-8")
    assert ignored.splitlines() == ["*", "!dist/*.whl", "!constraints.txt"]
    assert (ROOT / ".dockerignore").read_text("utf-8") == ignored
    script = (ROOT / "scripts/build-container").read_text("utf-8")
    assert "uv build --quiet --wheel" in script
    assert "--output-file constraints.txt" in script


def test_bug_report_asks_for_log_state_and_coverage() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text("utf-8"))
    asked = {field["id"]: field for field in form["body"] if "id" in field}
    assert {"log", "state", "coverage", "settings", "versions"} <= set(asked)
    for field in asked.values():
        named = re.findall(r"`(tap-advexport-[\w-]+)`", field["attributes"].get("description", ""))
        assert set(named) <= set(PROJECT["project"]["scripts"])
