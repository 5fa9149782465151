"""The tap piped into real targets: each in an environment of its own, bare or through Meltano."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.paths import ROOT
from tests.support.servers import wait_for
from tests.support.targets import plugin_of, programs_of
from tests.support.warehouses import CACHE, environment, locked, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advexport_sandbox import Sandbox
    from tests.support.places import Place


def loader(target: str, place: Place, folder: Path) -> list[str]:
    """The command that loads into a place, with its settings in a file of the folder."""
    config = folder / "target.json"
    given = plugin_of(target).get("config", {}) | place.settings()
    config.write_text(json.dumps(given), "utf-8")
    return [str(programs_of(target) / target), "--config", str(config)]


@dataclass
class Bare:
    """The tap piped into a target, with the state as the last line that the target wrote."""

    target: str
    place: Place
    folder: Path
    sandbox: Sandbox

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    def __call__(self, settings: Mapping[str, Any], *, kill_after_submissions: int = 0) -> int:
        """Run once; gives the tap's exit code, or the target's when that fails."""
        states = self.folder / "states.jsonl"
        log = self.folder / "log"
        with states.open("wb") as out, log.open("ab") as err:
            tap = subprocess.Popen(self._tap(settings), stdout=subprocess.PIPE, stderr=err)
            command = loader(self.target, self.place, self.folder)
            loading = subprocess.Popen(command, stdin=tap.stdout, stdout=out, stderr=err)
            assert tap.stdout
            tap.stdout.close()
            if kill_after_submissions:
                wait_for(lambda: self.sandbox.submissions >= kill_after_submissions)
                loading.kill()
            codes = tap.wait(timeout=120), loading.wait(timeout=120)
        lines = states.read_text("utf-8").splitlines()
        if lines:
            self.state.write_text(lines[-1], "utf-8")
        return next((code for code in codes if code), 0)

    def _tap(self, settings: Mapping[str, Any]) -> list[str]:
        config = self._save("tap.json", settings)
        state = ["--state", str(self.state)] if self.state.exists() else []
        return [sys.executable, "-m", "tap_advexport", "--config", config, *state]

    def _save(self, name: str, value: object) -> str:
        path = self.folder / name
        path.write_text(json.dumps(value), "utf-8")
        return str(path)


@dataclass
class Meltano:
    """`meltano run` in this checkout, with everything that it keeps in folders of the test."""

    target: str
    place: Place
    folder: Path
    sandbox: Sandbox
    is_installed: bool = field(default=False, init=False)

    def __call__(self, settings: Mapping[str, Any], *, kill_after_submissions: int = 0) -> int:
        """Run once; gives the exit code."""
        assert not kill_after_submissions
        self.install()
        done = self.meltano("run", "tap-advexport", self.target, settings=settings, ok=(0, 1))
        (self.folder / "log").write_text(done.stderr, "utf-8")
        return done.returncode

    def install(self) -> None:
        """Install the tap and the target, once."""
        if not self.is_installed:
            self.meltano("--log-level=warning", "install", "tap-advexport", self.target)
            self.is_installed = True

    def meltano(
        self, *arguments: str, settings: Mapping[str, Any] | None = None, ok: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        command = [str(meltano_program()), *arguments]
        # One folder for each target, and one command at a time in it: two runs of one tap collide.
        with locked(CACHE / f"meltano-{self.target}.lock"):
            return run(command, env=self._variables(settings or {}), cwd=ROOT, ok=ok)

    def _variables(self, settings: Mapping[str, Any]) -> dict[str, str]:
        loader = self.target.upper().replace("-", "_")
        return {
            "MELTANO_SYS_DIR_ROOT": str(CACHE / f"meltano-{self.target}"),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
            "XDG_STATE_HOME": str(self.folder / "home"),
            "PATH": os.pathsep.join([str(Path(uv_program()).parent), os.environ["PATH"]]),
            **{f"TAP_ADVEXPORT_{name.upper()}": as_text(v) for name, v in settings.items()},
            **{f"{loader}_{name.upper()}": as_text(v) for name, v in self.place.settings().items()},
        }


def meltano_program() -> Path:
    """Meltano in the version of `uv.lock`."""
    export = ["export", "--quiet", "--locked", "--only-group", "meltano", "--no-hashes"]
    requirements = run([uv_program(), *export], cwd=ROOT).stdout
    return environment("meltano-venv", requirements) / "meltano"


def uv_program() -> str:
    """The uv that scripts/test has installed."""
    found = shutil.which("uv", path=f"{CACHE / 'uv/bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("uv is not installed: run scripts/test-targets")
    return found


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
