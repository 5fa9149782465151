"""The command on machines that lack something: disk, folders, descriptors, locale, time."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from tests.support.tap_process import Tap, Told, covered_days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = {f"2024-02-0{day}" for day in range(1, 7)}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    config = SandboxConfig(now=datetime(2025, 1, 1, tzinfo=UTC), rows_per_day=300)
    with Sandbox(config) as started:
        yield started


def tap_in(folder: Path, sandbox: Sandbox) -> Tap:
    settings = {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": "2024-02-01",
        "end_date": "2024-02-06",
        "window_days": 3,
        "poll_interval_seconds": 0.05,
        "request_timeout_seconds": 5,
        "request_attempts": 2,
    }
    return Tap(folder, settings)


@pytest.fixture
def tap(sandbox: Sandbox, tmp_path: Path) -> Tap:
    return tap_in(tmp_path, sandbox)


@pytest.fixture(scope="module")
def plain(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A run where nothing is odd."""
    return tap_in(tmp_path_factory.mktemp("plain"), sandbox).run()


def bare(told: Told) -> list[str]:
    """The records without what differs from run to run."""
    own = {"export_id", "exported_at", "confirmed_at"}
    records = told.records("report_daily") + told.records("report_periods")
    return sorted(str({key: row[key] for key in row if key not in own}) for row in records)


def in_shell(
    tap: Tap, before: str = "", behind: str = "", environment: dict[str, str] | None = None
) -> Told:
    """The command with something of the shell's before and behind it."""
    command = f"{before} exec {shlex.join(tap.arguments())} {behind}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        check=False,
        timeout=60,
        env=os.environ | (environment or {}),
    )
    return Told(done.returncode, done.stdout, done.stderr.decode())


def assert_is_one_line(told: Told, *words: str) -> None:
    assert told.code == 1
    told.assert_is_quiet()
    told.assert_states_are_true()
    assert len(told.errors) == 1, told.log
    for word in words:
        assert word in told.errors[0]


# --- Disk -------------------------------------------------------------------------------------


def test_a_spool_that_hits_the_limit_of_a_file_is_one_line(tap: Tap) -> None:
    assert_is_one_line(in_shell(tap, "ulimit -f 16;"), "spool in ", "File too large", "TMPDIR")


def test_stdout_that_hits_the_limit_of_a_file_is_one_line(tap: Tap, tmp_path: Path) -> None:
    out = tmp_path / "messages"
    out.write_bytes(b" " * (1024 * 1023) + b"\n")
    told = in_shell(tap, "ulimit -f 1024;", f">> {out}")
    assert_is_one_line(told, "stdout: File too large")


def test_a_full_device_as_stdout_is_one_line(tap: Tap) -> None:
    assert_is_one_line(in_shell(tap, behind="> /dev/full"), "stdout: No space left on device")


def test_a_full_disk_below_the_spool_is_one_line(tap: Tap, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        assert os.geteuid() or not _may_mount(), "mounting fails though this is root"
        pytest.skip("only root can mount a small disk")
    try:
        told = in_shell(tap, environment={"TMPDIR": str(folder)})
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert_is_one_line(told, "spool in ", "No space left on device", "TMPDIR")


def _may_mount() -> bool:
    """Whether the process has CAP_SYS_ADMIN, which root in a container often lacks."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        [line] = [line for line in status if line.startswith("CapEff:")]
    return bool(int(line.split()[1], 16) >> 21 & 1)


def test_a_temporary_folder_that_does_not_exist_is_passed_over_or_told(tap: Tap) -> None:
    told = in_shell(tap, environment={"TMPDIR": "/nowhere/at/all"})
    told.assert_is_quiet()
    assert told.code == 0


def test_no_usable_temporary_folder_is_one_line(tap: Tap, tmp_path: Path) -> None:
    """As with a read-only file system: nothing that Python would try can be written."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import tempfile\n"
        "def refuse(*_, **__):\n"
        "    raise FileNotFoundError(2, 'No usable temporary directory found')\n"
        "tempfile.gettempdir = tempfile._get_default_tempdir = refuse\n"
        "tempfile.TemporaryFile.__globals__['gettempdir'] = refuse\n"
    )
    told = in_shell(tap, environment={"PYTHONPATH": str(site)})
    assert_is_one_line(told, "spool in no usable temporary folder", "TMPDIR")


def test_nothing_is_left_in_the_temporary_folder_and_nobody_else_may_read_it(
    tap: Tap, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    told = in_shell(tap, "umask 0;", environment={"TMPDIR": str(folder)})
    assert told.code == 0
    assert list(folder.iterdir()) == []


# --- Descriptors ------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_closed_descriptors_change_no_row(tap: Tap, plain: Told, closed: str) -> None:
    told = in_shell(tap, behind=closed)
    assert told.code == 0
    assert covered_days(told.state) == DAYS
    assert bare(told) == bare(plain)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stdout_ends_the_tap_with_an_error(tap: Tap, closed: str) -> None:
    told = in_shell(tap, behind=closed)
    assert told.code == 1
    told.assert_is_quiet()


def test_a_full_stderr_changes_no_row(tap: Tap) -> None:
    told = in_shell(tap, behind="2> /dev/full")
    assert told.code == 0
    assert covered_days(told.state) == DAYS


def test_a_socket_as_stdout_gets_every_row(tap: Tap, plain: Told) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            tap.arguments(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL
        )
        theirs.close()
        got = b"".join(iter(lambda: ours.recv(65_536), b""))
        assert process.wait() == 0
    told = Told(0, got, "")
    assert covered_days(told.state) == DAYS
    assert bare(told) == bare(plain)


# --- Locale and time --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": ""},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii", "TZ": "Pacific/Kiritimati"},
        {"TZ": ":/nowhere", "PYTHONTZPATH": ""},
        {"PYTHONHASHSEED": "1", "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"},
    ],
    ids=["C, no zone", "POSIX, far zone", "odd zone, no zone files", "optimised, no warnings"],
)
def test_locale_and_zone_of_the_machine_change_no_row(
    tap: Tap, plain: Told, environment: dict[str, str]
) -> None:
    told = in_shell(tap, environment=environment)
    assert told.code == 0, told.log
    assert bare(told) == bare(plain)


def test_a_state_from_the_future_repeats_days_and_loses_none(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The clock of the run before ran ahead, or was set back since."""
    now = datetime.now(UTC)  # noqa: TID251 - the command reads the real clock
    start = now.date() - timedelta(days=5)
    ahead = (now + timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
    days = [(start + timedelta(days=n)).isoformat() for n in range(60)]
    state = {
        "bookmarks": {
            "report_daily": {
                "replication_key": "time",
                "replication_key_value": days[-1],
                "settled": [[days[0], days[20]]],
                "unsettled": [[days[21], days[-1], ahead]],
                "sent": [],
                "pending": [
                    {"task_id": "x", "first": days[0], "last": days[1], "submitted_at": ahead}
                ],
            }
        }
    }
    settings = {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": start.isoformat(),
        "lookback_days": 3,
        "poll_interval_seconds": 0.05,
    }
    told = Tap(tmp_path, settings).run_forked(state)
    told.assert_is_quiet()
    assert told.code == 0, told.log
    yesterday = now.date() - timedelta(days=1)
    assert max(covered_days(told.state)) == yesterday.isoformat()
    refreshed = {row["period"] for row in told.records("report_periods")}
    assert {(yesterday - timedelta(days=n)).isoformat() for n in range(2)} <= refreshed
    assert date.fromisoformat(min(refreshed)) >= start


# --- Secrets ----------------------------------------------------------------------------------


def test_the_token_is_in_no_log_at_debug_nor_in_the_output(tap: Tap, sandbox: Sandbox) -> None:
    told = in_shell(tap, environment={"TAP_ADVEXPORT_LOGLEVEL": "DEBUG"})
    assert told.code == 0
    assert "DEBUG" in told.log
    assert sandbox.token not in told.log + told.out.decode()
    assert "signature=" not in told.log + told.out.decode()


def test_neither_is_it_in_a_traceback_at_debug(tap: Tap, sandbox: Sandbox) -> None:
    with Sandbox(SandboxConfig(token="another")) as other:
        other_tap = Tap(tap.folder, tap.settings | {"api_url": other.url})
        told = in_shell(other_tap, environment={"TAP_ADVEXPORT_LOGLEVEL": "DEBUG"})
    assert told.code == 1
    assert "Traceback" in told.log
    assert sandbox.token not in told.log + told.out.decode()


def test_a_run_over_small_files_starts_no_other_process(tap: Tap, tmp_path: Path) -> None:
    """So that nothing of its environment or arguments can be seen in one."""
    site = tmp_path / "site"
    site.mkdir()
    note = tmp_path / "started"
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "def audit(event, args):\n"
        "    if event in ('subprocess.Popen', 'os.system', 'os.exec', 'os.fork'):\n"
        f"        open({str(note)!r}, 'a').write(event + repr(args))\n"
        "sys.addaudithook(audit)\n"
    )
    told = in_shell(tap, environment={"PYTHONPATH": str(site)})
    assert told.code == 0
    assert not note.exists(), note.read_text()


def test_a_token_of_the_environment_is_not_in_the_arguments(sandbox: Sandbox) -> None:
    variables = {
        "TAP_ADVEXPORT_AUTH_TOKEN": sandbox.token,
        "TAP_ADVEXPORT_API_URL": sandbox.url,
        "TAP_ADVEXPORT_START_DATE": "2024-02-01",
        "TAP_ADVEXPORT_END_DATE": "2024-02-01",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--config=ENV"],
        capture_output=True,
        check=False,
        env=os.environ | variables,
        timeout=60,
    )
    assert done.returncode == 0
    assert sandbox.token.encode() not in done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "STATE"
