from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from advexport_sandbox.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_readme_has_the_table_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    main(["faults"])
    assert capsys.readouterr().out in README, "paste the output of `advexport-sandbox faults`"


def test_the_readme_has_all_settings_with_their_defaults() -> None:
    for name, field in SandboxConfig.__dataclass_fields__.items():
        default = "" if field.default is None else field.default
        assert f"\n| `{name}` | {default} | " in README


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_the_commands_of_the_readme_answer_as_it_says() -> None:
    [block] = blocks("console")
    serve, printed, *calls = block.replace("8000", str(free_port())).splitlines()
    program, *arguments = shlex.split(serve.removeprefix("$ "))
    assert program == "advexport-sandbox"
    command = [sys.executable, "-m", "advexport_sandbox", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().rstrip("\n") == printed
            answers = [answer_to(*shlex.split(call.removeprefix("$ "))) for call in calls]
        finally:
            process.terminate()
        assert process.wait(10) == 0
    clock, faults = answers
    assert clock["now"].startswith("2024-04-05T03:00:0")
    assert faults == {"task-failure": 1, "cut": 2}


def answer_to(program: str, silent: str, place: str, option: str, body: str) -> Any:  # noqa: ANN401 - JSON
    """What curl would print."""
    assert (program, silent, option) == ("curl", "-s", "-d")
    request = Request(f"http://{place}", data=body.encode())  # on this machine
    with urlopen(request, timeout=10) as response:  # noqa: S310  # same
        return json.loads(response.read())


@pytest.mark.parametrize("block", blocks("python"), ids=["test", "limits"])
def test_the_code_of_the_readme_runs(block: str) -> None:
    used: list[str] = []
    names: dict[str, Any] = {"Sandbox": Sandbox, "SandboxConfig": SandboxConfig}
    exec("from advexport_sandbox import Options", names)  # noqa: S102  # as the first block does

    def loaded_rows() -> Any:  # noqa: ANN401 - whatever the sandbox gives
        return names["sandbox"].truth("daily", names["date"](2024, 3, 1), names["date"](2024, 4, 1))

    names |= {"run_what_is_under_test": lambda url, _: used.append(url), "loaded_rows": loaded_rows}
    exec(block, names)  # noqa: S102  # of this repository
    assert len(used) == block.count("run_what_is_under_test")
