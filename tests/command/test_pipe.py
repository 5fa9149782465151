"""`advexport-pipe`: what the target has acknowledged is kept, and nothing else replaces it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.paths import ROOT
from tests.support.servers import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PIPE: Final = ROOT / "examples/pipe/advexport-pipe"
BEFORE: Final = {"bookmarks": {"report_daily": {"replication_key_value": "2024-01-01"}}}
# A tap that emits as many states as it is told, then waits for a signal or ends with a code.
TAP: Final = """\
import json, pathlib, signal, sys, time
states, code, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
pathlib.Path("tap.json").write_text(json.dumps(sys.argv[4:]))
def say(value):
    print(json.dumps({"type": "STATE", "value": value}), flush=True)
def stop(number, frame):
    say({"bookmarks": {"s": {"interrupted": True}}})
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
for number in range(states):
    say({"bookmarks": {"s": {"n": number + 1}}})
time.sleep(pause)
sys.exit(code)
"""
TARGET: Final = """\
import json, sys
print("not a state")
for line in sys.stdin:
    print(json.dumps(json.loads(line)["value"]), flush=True)
sys.exit(int(sys.argv[1]))
"""


def state_of(number: int) -> dict[str, Any]:
    return {"bookmarks": {"s": {"n": number}}}


class Pipe:
    """A folder with a tap, a target and a state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state.json"
        (folder / "tap.py").write_text(TAP)
        (folder / "target.py").write_text(TARGET)

    def start(
        self, tap: tuple[object, ...], target: list[str], options: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        words = ["state.json", sys.executable, "tap.py", *map(str, tap), "--", *target]
        return subprocess.Popen(
            [str(PIPE), *options, *words],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *tap: object, target: list[str] | None = None, options: Sequence[str] = ()
    ) -> tuple[int, str]:
        process = self.start(tap, target or [sys.executable, "target.py", "0"], options)
        _, errors = process.communicate(timeout=60)
        return process.returncode, errors

    def kept(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.state.read_text("utf-8"))

    def leftovers(self) -> set[str]:
        known = {"tap.py", "target.py", "tap.json", "state.json", "state.json.lock"}
        return {path.name for path in self.folder.iterdir()} - known


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    return Pipe(tmp_path)


def wait_for_state(pipe: Pipe) -> None:
    path = pipe.folder / "state.json.new"
    for _ in range(500):
        if path.exists() and json.dumps(state_of(1)) in path.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(path)


def test_the_last_state_is_kept_and_given_to_the_next_run(pipe: Pipe) -> None:
    assert pipe.run(2, 0, 0) == (0, "")
    assert pipe.kept() == state_of(2)
    assert json.loads((pipe.folder / "tap.json").read_text()) == []
    assert pipe.run(3, 0, 0) == (0, "")
    assert pipe.kept() == state_of(3)
    assert json.loads((pipe.folder / "tap.json").read_text()) == ["--state", "state.json"]
    assert pipe.leftovers() == set()


@pytest.mark.parametrize(
    ("tap", "target", "code"),
    [
        ((0, 1, 0), [sys.executable, "target.py", "0"], 1),
        ((0, 0, 0), [sys.executable, "target.py", "0"], 0),
        ((2, 0, 0), ["no-such-target"], 127),
        ((2, 0, 0), ["false"], 1),
        ((2, 0, 0), ["sh", "-c", "printf '{\"bookmarks\": {'; exit 4"], 4),
        ((2, 0, 0), ["sh", "-c", "kill -9 $$"], 137),
    ],
    ids=["failing tap", "no state", "missing target", "failing target", "cut state", "killed"],
)
def test_a_run_in_which_nothing_was_stored_leaves_the_state_as_it_is(
    pipe: Pipe, tap: tuple[int, int, float], target: list[str], code: int
) -> None:
    text = json.dumps(BEFORE)
    pipe.state.write_text(text)
    # The tap may write to a target that has gone; a pause lets the target end first.
    assert pipe.run(tap[0], tap[1], 0.5 if code > 1 else 0, target=target)[0] == code
    assert pipe.state.read_text() == text
    assert pipe.leftovers() == set()


def test_a_run_that_went_well_and_has_no_state_is_told_of(pipe: Pipe) -> None:
    code, told = pipe.run(0, 0, 0)
    assert (code, told.count("\n")) == (0, 1)
    assert "the target has printed no state" in told
    assert pipe.run(0, 1, 0) == (1, "")


@pytest.mark.parametrize(
    "line",
    [
        '{"level": "info", "message": "done"}',
        '{"bookmarks": null}',
        '{"bookmarks": {}}',
        '{"bookmarks": {"report_daily": null}}',
        '{"bookmarks": {"report_daily": {}}, "level": "info"}',
        '{"type": "RECORD", "bookmarks": {"s": {"n": 7}}}',
        "[" * 100_000,
        "[1]",
        "7",
    ],
    ids=lambda line: line[:40],
)
def test_other_json_that_a_target_prints_is_no_state(pipe: Pipe, line: str) -> None:
    (pipe.folder / "last.json").write_text(line)
    both = f"{sys.executable} target.py 0 && cat last.json"
    assert pipe.run(2, 0, 0, target=["sh", "-c", both]) == (0, "")
    assert pipe.kept() == state_of(2)


def test_a_target_that_prints_the_whole_message_keeps_its_value(pipe: Pipe) -> None:
    target = ["grep", "STATE"]
    assert pipe.run(2, 0, 0, target=target) == (0, "")
    assert pipe.kept() == state_of(2)


def test_a_state_keeps_its_permissions(pipe: Pipe) -> None:
    pipe.state.write_text(json.dumps(BEFORE))
    pipe.state.chmod(0o640)
    assert pipe.run(2, 0, 0) == (0, "")
    assert pipe.state.stat().st_mode & 0o777 == 0o640


def test_what_was_stored_before_a_failure_is_kept(pipe: Pipe) -> None:
    pipe.state.write_text(json.dumps(BEFORE))
    assert pipe.run(2, 3, 0)[0] == 3
    assert pipe.kept() == state_of(2)
    assert pipe.run(4, 0, 0, target=[sys.executable, "target.py", "5"])[0] == 5
    assert pipe.kept() == state_of(4)


def test_a_second_run_on_the_same_state_is_refused(pipe: Pipe) -> None:
    first = pipe.start((1, 0, 60), [sys.executable, "target.py", "0"])
    wait_for_state(pipe)
    code, errors = pipe.run(1, 0, 0)
    assert (code, errors.count("\n")) == (75, 1)
    assert "another run uses state.json" in errors
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)


def test_a_state_that_is_a_link_stays_one_and_has_one_lock(pipe: Pipe) -> None:
    shared = pipe.folder / "shared"
    shared.mkdir()
    (shared / "real.json").write_text(json.dumps(BEFORE))
    pipe.state.symlink_to("shared/real.json")
    with (shared / "real.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert pipe.run(2, 0, 0)[0] == 75
    assert pipe.run(2, 0, 0) == (0, "")
    assert pipe.state.is_symlink()
    assert json.loads((shared / "real.json").read_text()) == state_of(2)
    assert {path.name for path in shared.iterdir()} == {"real.json", "real.json.lock"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_tap_and_keeps_its_last_state(pipe: Pipe, number: signal.Signals) -> None:
    """A closed terminal too: a tap knows nothing of SIGHUP, and would die amid a line."""
    process = pipe.start((1, 0, 60), [sys.executable, "target.py", "0"])
    wait_for_state(pipe)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert pipe.kept() == {"bookmarks": {"s": {"interrupted": True}}}


def kill_amid_a_run(pipe: Pipe) -> None:
    """Kill a run after its first state, and wait until tap and target have ended too."""
    process = pipe.start((1, 0, 60), [sys.executable, "target.py", "0"])
    wait_for_state(pipe)
    process.kill()
    process.communicate(timeout=60)
    with (pipe.folder / "state.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends orphans on Linux only")
def test_a_pipe_that_is_killed_takes_the_tap_along_and_the_next_run_takes_its_state(
    pipe: Pipe,
) -> None:
    process = pipe.start((1, 0, 60), [sys.executable, "target.py", "0"])
    wait_for_state(pipe)
    process.kill()
    process.communicate(timeout=60)
    # Refused until both have ended, then begins with what the target has acknowledged.
    code = 75
    for _ in range(100):
        code, _ = pipe.run(0, 0, 0)
        if code != 75:
            break
        time.sleep(0.1)
    assert code == 0
    assert pipe.kept() == {"bookmarks": {"s": {"interrupted": True}}}


@pytest.mark.parametrize("age", [1, 0])
def test_a_state_that_somebody_has_changed_since_a_run_was_killed_is_kept(
    pipe: Pipe, age: int
) -> None:
    """A copy from a backup may be older than what the run left."""
    pipe.state.write_text(json.dumps(BEFORE))
    kill_amid_a_run(pipe)
    pipe.state.write_text(json.dumps(state_of(7)))
    if age:
        os.utime(pipe.state, (1, 1))
    code, told = pipe.run(0, 0, 0)
    assert (code, pipe.kept()) == (0, state_of(7))
    assert "was changed after a run was killed, so what that run left goes" in told
    assert pipe.leftovers() == set()


def test_a_state_that_was_removed_after_a_run_was_killed_stays_removed(pipe: Pipe) -> None:
    """Whoever starts over has emptied the warehouse too: days of the old state would never come."""
    pipe.state.write_text(json.dumps(BEFORE))
    kill_amid_a_run(pipe)
    pipe.state.unlink()
    code, told = pipe.run(1, 0, 0)
    assert (code, pipe.kept()) == (0, state_of(1))
    assert "was changed after a run was killed" in told
    assert json.loads((pipe.folder / "tap.json").read_text()) == []
    assert pipe.leftovers() == set()


def test_what_a_killed_first_run_left_is_taken(pipe: Pipe) -> None:
    kill_amid_a_run(pipe)
    code, _ = pipe.run(0, 0, 0)
    assert (code, pipe.kept()) == (0, {"bookmarks": {"s": {"interrupted": True}}})


def test_what_a_killed_run_left_is_taken_with_a_word(pipe: Pipe) -> None:
    pipe.state.write_text(json.dumps(BEFORE))
    kill_amid_a_run(pipe)
    # A line separator of Unicode ends no line of JSON.
    with (pipe.folder / "state.json.new").open("a", encoding="utf-8") as left:
        left.write('{"bookmarks": {"s": {"n": "a\u2028b"}}}\n')
    code, told = pipe.run(0, 0, 0)
    assert (code, pipe.kept()) == (0, {"bookmarks": {"s": {"n": "a\u2028b"}}})
    assert "is what a killed run had stored last" in told


def test_a_log_that_somebody_removes_does_not_change_the_exit_code(pipe: Pipe) -> None:
    target = ["sh", "-c", "cat; rm log; exit 5"]
    assert pipe.run(1, 0, 0, target=target, options=["--log", "log"]) == (5, "")


def test_a_hangup_that_is_ignored_as_by_nohup_ends_nothing(pipe: Pipe) -> None:
    command = [str(PIPE), "--grace", "1", "state.json", sys.executable, "tap.py", "1", "0", "2.5"]
    process = subprocess.Popen(
        ["nohup", *command, "--", sys.executable, "target.py", "0"],
        cwd=pipe.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_state(pipe)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 0
    assert pipe.kept() == state_of(1)


def test_a_child_of_whoever_became_the_pipe_ends_nothing(pipe: Pipe) -> None:
    script = 'sleep 0.3 & exec "$@"'
    words = [PIPE, "state.json", sys.executable, "tap.py", 1, 0, 1.5, "--", sys.executable]
    command = ["sh", "-c", script, "sh", *map(str, words), "target.py", "0"]
    done = subprocess.run(
        command, cwd=pipe.folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert pipe.kept() == state_of(1)


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends orphans on Linux only")
def test_the_lock_of_a_killed_pipe_holds_though_its_stdin_was_closed(pipe: Pipe) -> None:
    """The lock must not get the number of a stream that the children replace."""
    (pipe.folder / "target.py").write_text(
        TARGET.replace("sys.exit", "import time; time.sleep(5); sys.exit")
    )
    words = [PIPE, "state.json", sys.executable, "tap.py", 1, 0, 60, "--", sys.executable]
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *map(str, words), "target.py", "0"]
    process = subprocess.Popen(command, cwd=pipe.folder, stderr=subprocess.DEVNULL)
    wait_for_state(pipe)
    process.kill()
    process.wait(timeout=60)
    assert pipe.run(0, 0, 0)[0] == 75


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "the following arguments are required: state, tap"),
        ("state.json", "the tap is missing: it comes after the state file"),
        ("state.json -- target", "the tap is missing: it comes after the state file"),
        ("state.json tap -c x", "the target is missing: it comes after the tap and --"),
        ("tap -c x -- target", "the state file comes first, then the tap"),
        ("--wait long state.json tap", "argument --wait: invalid patience value: 'long'"),
        ("--wait nan state.json tap", "argument --wait: invalid patience value: 'nan'"),
        ("state.json tap --w x", "the target is missing: it comes after the tap and --"),
        ("--busy-code 256 state.json tap", "argument --busy-code: invalid exit_code value: '256'"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, arguments: str, told: str) -> None:
    command = [str(PIPE), *arguments.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"advexport-pipe: {told}; see advexport-pipe --help\n"
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing at all


def test_help_says_how_it_is_used() -> None:
    done = subprocess.run([PIPE, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "advexport-pipe state.json tap-advexport" in done.stdout


def test_a_file_that_cannot_be_opened_is_one_line(pipe: Pipe) -> None:
    for option, state in [(["--log", "none/log"], "state.json"), ([], "none/state.json")]:
        command = [str(PIPE), *option, state, sys.executable, "tap.py", "0", "0", "0", "--"]
        done = subprocess.run(
            [*command, sys.executable, "target.py", "0"],
            cwd=pipe.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.startswith("advexport-pipe: none/")
        assert done.stderr.count("\n") == 1


def test_words_of_a_target_in_another_encoding_are_passed_over(pipe: Pipe) -> None:
    target = (pipe.folder / "target.py").read_text()
    odd = r'sys.stdout.buffer.write(b"gr\xfc\xdfe\n"); sys.stdout.flush()'
    (pipe.folder / "target.py").write_text(target.replace('print("not a state")', odd))
    assert pipe.run(2, 0, 0)[0] == 0
    assert pipe.kept() == state_of(2)


# --- What a scheduler needs ----------------------------------------------------------------------

ENDLESS: Final = (1, 0, 60)
COPY: Final = [sys.executable, "target.py", "0"]


def test_a_run_ends_in_order_when_its_stdin_is_closed(pipe: Pipe) -> None:
    process = pipe.start(ENDLESS, COPY, options=["--while-stdin"])
    wait_for_state(pipe)
    # Closes stdin first of all.
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")
    assert pipe.kept() == {"bookmarks": {"s": {"interrupted": True}}}


def test_a_run_waits_for_the_lock_as_long_as_it_is_told(pipe: Pipe) -> None:
    first = pipe.start(ENDLESS, COPY, options=["--while-stdin"])
    wait_for_state(pipe)
    assert pipe.run(1, 0, 0, options=["--busy-code", "0"])[0] == 0
    assert pipe.run(1, 0, 0, options=["--wait", "0.3"])[0] == 75
    second = pipe.start((2, 0, 0), COPY, options=["--wait", "60"])
    first.communicate()
    second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (143, 0)
    assert json.loads((pipe.folder / "tap.json").read_text()) == ["--state", "state.json"]
    assert pipe.kept() == state_of(2)


def test_a_run_that_waits_for_the_lock_is_interrupted_without_a_traceback(pipe: Pipe) -> None:
    first = pipe.start(ENDLESS, COPY)
    wait_for_state(pipe)
    second = pipe.start(ENDLESS, COPY, options=["--wait", "60"])
    time.sleep(0.5)
    second.send_signal(signal.SIGINT)
    _, errors = second.communicate(timeout=60)
    assert (second.returncode, errors) == (130, "")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)


def test_a_run_that_waits_for_the_lock_ends_with_its_stdin_too(pipe: Pipe) -> None:
    first = pipe.start(ENDLESS, COPY, options=["--while-stdin"])
    wait_for_state(pipe)
    second = pipe.start((2, 0, 0), COPY, options=["--wait", "60", "--while-stdin"])
    second.communicate(timeout=60)
    assert second.returncode == 143
    first.communicate(timeout=60)
    assert pipe.kept() == {"bookmarks": {"s": {"interrupted": True}}}


def test_a_target_that_does_not_end_is_killed_after_the_grace(pipe: Pipe) -> None:
    target = ["sh", "-c", "trap '' TERM; cat >/dev/null; while :; do sleep 0.1; done"]
    process = pipe.start(ENDLESS, target, options=["--grace", "1"])
    wait_for((pipe.folder / "tap.json").exists)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (143, "")


def test_a_signal_that_comes_while_tap_and_target_start_is_forwarded(pipe: Pipe) -> None:
    at_once = ["state.json", "sh", "-c", "kill -TERM $PPID; exec sleep 60", "--", "cat"]
    for _ in range(10):
        done = subprocess.run(
            [PIPE, *at_once], cwd=pipe.folder, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (143, b"")


def test_further_signals_do_not_lengthen_the_grace(pipe: Pipe) -> None:
    deaf = ["sh", "-c", "trap '' TERM; touch tap.json; while :; do sleep 0.1; done"]
    words = ["--grace", "2", "state.json", *deaf, "--", "sh", "-c", deaf[2]]
    with subprocess.Popen([PIPE, *words], cwd=pipe.folder) as process:
        wait_for((pipe.folder / "tap.json").exists)
        for _ in range(20):
            process.send_signal(signal.SIGTERM)
            if process.poll() is not None:
                break
            time.sleep(0.5)
        assert process.wait(timeout=60) == 137


def test_a_run_is_waited_for_where_children_are_nobody_s_business(pipe: Pipe) -> None:
    ignoring = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv"
    words = [PIPE, "state.json", sys.executable, "tap.py", 2, 0, 0, "--", *COPY]
    code = f"{ignoring}(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=pipe.folder, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert pipe.kept() == state_of(2)


def test_a_log_is_shown_at_its_end_when_the_run_fails(pipe: Pipe) -> None:
    target = ["sh", "-c", "cat; seq 1 30 >&2; exit $0", "0"]
    assert pipe.run(1, 0, 0, target=target, options=["--log", "log"]) == (0, "")
    lines = [f"{number}\n" for number in range(1, 31)]
    assert (pipe.folder / "log").read_text() == "".join(lines)
    target[-1] = "3"
    assert pipe.run(1, 0, 0, target=target, options=["--log", "log"]) == (3, "".join(lines[-20:]))
