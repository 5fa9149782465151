"""What is shipped: the wheel holds the package and nothing else, and runs without the tools."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import pytest

from advexport_sandbox.config import SandboxConfig
from advexport_sandbox.sandbox import Sandbox
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.iterdir()
    return path


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    [script] = [name for name in names if ".data/" in name]
    assert script.endswith(".data/scripts/advexport-pipe")
    package = (path for path in (ROOT / "tap_advexport").rglob("*") if path.is_file())
    sources = {str(path.relative_to(ROOT)) for path in package if "__pycache__" not in path.parts}
    assert names - {script} == sources
    assert "tap_advexport/py.typed" in names


def test_wheel_alone_describes_itself_and_syncs(wheel: Path, tmp_path: Path) -> None:
    python = _environment_with(wheel, tmp_path)
    tap = str(python.parent / "tap-advexport")
    about = json.loads(_run(tap, "--about", "--format=json"))
    assert about["name"] == "tap-advexport"
    with Sandbox(SandboxConfig()) as sandbox:
        config = {
            "auth_token": "sandbox-token",
            "api_url": sandbox.url,
            "start_date": "2024-01-01",
            "end_date": "2024-01-03",
        }
        (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
        output = _run(tap, "--config", str(tmp_path / "config.json"))
        truth = sandbox.truth("daily", date(2024, 1, 1), date(2024, 1, 3))
    records = [json.loads(line) for line in output.splitlines() if '"RECORD"' in line]
    daily = [message for message in records if message["stream"] == "report_daily"]
    assert len(daily) == len(truth) > 0


def test_wheel_runs_as_the_container_runs_it(wheel: Path, tmp_path: Path) -> None:
    """No home, a working folder that is not its own, and room in TMPDIR alone."""
    python = _environment_with(wheel, tmp_path)
    spool = tmp_path / "spool"
    spool.mkdir()
    with Sandbox(SandboxConfig()) as sandbox:
        config = {
            "auth_token": "sandbox-token",
            "api_url": sandbox.url,
            "start_date": "2024-01-01",
            "end_date": "2024-01-03",
        }
        (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
        finished = subprocess.run(
            [python.parent / "tap-advexport", "--config", tmp_path / "config.json"],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": "/nonexistent",
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": str(spool),
            },
            cwd="/",
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert finished.stdout.count('"RECORD"') > 0
    assert list(spool.iterdir()) == []


def _environment_with(wheel: Path, folder: Path) -> Path:
    """Install the wheel and what it needs, in the locked versions; return the interpreter."""
    uv = shutil.which("uv", path=f"{ROOT / '.cache/uv/bin'}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: run scripts/test")
    locked = folder / "locked.txt"
    export = ["export", "--locked", "--no-default-groups", "--no-emit-project", "--no-hashes"]
    subprocess.run([uv, *export, "-q", "-o", str(locked)], cwd=ROOT, check=True)
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder / "venv")], check=True)
    python = folder / "venv/bin/python"
    install = ["pip", "install", "-q", "--python", str(python), "--constraint", str(locked)]
    subprocess.run([uv, *install, str(wheel)], check=True)
    return python


def _run(*command: str) -> str:
    """Run a program with nothing of this environment's but its PATH."""
    environment = {"PATH": os.environ["PATH"]}
    finished = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60
    )
    return finished.stdout
