"""Conversion in processes of their own: the same answers, and no process that outlives its use."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from tap_advexport.errors import CutFileError, InvalidHeaderError, InvalidRowError, OutputError
from tap_advexport.exports.conversion import PACKED_FACTOR, Conversions
from tap_advexport.records.pool import CHILD_COMMAND, ConversionProcesses, NoProcessError
from tests.command.test_end_to_end import Command
from tests.support.paths import ROOT
from tests.support.records_reference import conversion, csv_bytes, row, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_advexport.errors import TapAdvexportError
    from tap_advexport.records.convert import Converted

ROWS = [row(aff_sub_id=str(number), time="2017-10-02 00:00") for number in range(500)]
SHELL_CHILD = 'exec "$@"'


@contextmanager
def spool(content: bytes = b"") -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield cast("BinaryIO", file)


def convert_all(processes: ConversionProcesses, data: bytes) -> tuple[Converted, bytes]:
    with spool(data) as source, spool(b"what was there before") as lines:
        converted = processes.convert(source, lines, conversion())
        lines.seek(0)
        return converted, lines.read()


def started_by_shell(script: str) -> Sequence[str]:
    return ("sh", "-c", script, "sh", *CHILD_COMMAND)


@pytest.fixture
def processes() -> Iterator[ConversionProcesses]:
    with closing(ConversionProcesses()) as started:
        yield started


def test_a_process_gives_the_same_lines_and_totals_as_the_thread(
    processes: ConversionProcesses,
) -> None:
    data = csv_bytes(ROWS)
    expected = run(data)
    assert convert_all(processes, data) == (expected.converted, expected.lines)


def test_totals_and_spans_of_any_size_come_back(processes: ConversionProcesses) -> None:
    days = ["2017-10-01", "2017-10-03", "2017-10-02"] * 700
    rows = [row(time=f"{day} 00:00", clicks_aggr="9" * 4000) for day in days]
    data = csv_bytes(rows)
    expected = run(data)
    assert convert_all(processes, data) == (expected.converted, expected.lines)


@pytest.mark.parametrize(
    ("data", "error_type"),
    [
        (csv_bytes([row(), row(clicks_aggr="x")]), InvalidRowError),
        (csv_bytes([row()], header=["time"]), InvalidHeaderError),
        (b"", CutFileError),
    ],
)
def test_an_error_of_the_file_comes_back_as_it_is(
    processes: ConversionProcesses, data: bytes, error_type: type[TapAdvexportError]
) -> None:
    with pytest.raises(error_type) as here:
        run(data)
    with pytest.raises(error_type) as there:
        convert_all(processes, data)
    assert str(there.value) == str(here.value)
    # And the process goes on.
    assert convert_all(processes, csv_bytes(ROWS))[0].row_count == len(ROWS)
    assert len(processes.process_ids) == 1


def test_a_full_disk_is_the_error_of_the_system() -> None:
    # Files of this process may have 1 kB.
    command = started_by_shell(f"ulimit -f 1; {SHELL_CHILD}")
    with (
        closing(ConversionProcesses(command)) as processes,
        pytest.raises(OSError, match="File too large"),
    ):
        convert_all(processes, csv_bytes(ROWS))


def test_a_process_that_is_killed_gets_one_successor(tmp_path: Path) -> None:
    once = tmp_path / "once"
    command = started_by_shell(f"mkdir {once} && kill -9 $$; {SHELL_CHILD}")
    with closing(ConversionProcesses(command)) as processes:
        assert convert_all(processes, csv_bytes(ROWS))[0].row_count == len(ROWS)
        assert len(processes.process_ids) == 1


def test_a_process_that_is_killed_twice_is_one_error_that_says_so() -> None:
    with (
        closing(ConversionProcesses(started_by_shell("kill -9 $$"))) as processes,
        pytest.raises(OutputError, match=r"task-1: its process was killed twice \(SIGKILL\)"),
    ):
        convert_all(processes, csv_bytes(ROWS))


@pytest.mark.parametrize(
    "command", [("/no/such/program",), (sys.executable, "-c", "import no_such_module")]
)
def test_where_no_process_can_be_started_threads_convert(
    command: Sequence[str], caplog: pytest.LogCaptureFixture
) -> None:
    data = csv_bytes(ROWS)
    with closing(ConversionProcesses(command)) as processes, pytest.raises(NoProcessError):
        convert_all(processes, data)
    conversions = Conversions(1, ConversionProcesses(command))
    with closing(conversions), spool(data) as source, spool() as lines:
        for _ in range(2):
            converted = conversions.convert(source, lines, conversion(), len(data))
            assert converted == run(data).converted
    assert len(caplog.records) == 1


def test_a_process_does_not_know_the_token(
    processes: ConversionProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_ADVEXPORT_AUTH_TOKEN", "secret-token")
    convert_all(processes, csv_bytes(ROWS))
    (process_id,) = processes.process_ids
    for name in ("environ", "cmdline"):
        known = Path(f"/proc/{process_id}/{name}").read_bytes()
        assert known
        assert b"secret-token" not in known


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_the_parent_s_to_answer(
    processes: ConversionProcesses, signum: signal.Signals
) -> None:
    convert_all(processes, csv_bytes(ROWS))
    (process_id,) = processes.process_ids
    assert os.getpgid(process_id) != os.getpgrp()
    os.kill(process_id, signum)
    convert_all(processes, csv_bytes(ROWS))
    assert processes.process_ids == (process_id,)


def test_a_process_ends_with_its_killed_parent_also_in_the_middle_of_a_file() -> None:
    program = f"""
import os, sys, tempfile, threading
sys.path.insert(0, {str(ROOT)!r})
from tap_advexport.records.pool import ConversionProcesses
from tests.support.records_reference import conversion, csv_bytes, row
processes = ConversionProcesses()
with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as lines:
    source.write(csv_bytes([row()]))
    source.flush()
    processes.convert(source, lines, conversion())
    print(*processes.process_ids, flush=True)
    source.seek(0)
    header, line, _ = csv_bytes([row()]).split(b"\\n")
    source.write(header + b"\\n" + (line + b"\\n") * 400_000)
    source.flush()
    threading.Thread(target=processes.convert, args=(source, lines, conversion())).start()
    while os.fstat(lines.fileno()).st_size < 100_000:
        pass
    print("converting", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        assert parent.stdout.readline() == b"converting\n"
        parent.kill()
    with open(child, closefd=True):  # noqa: PTH123 - a descriptor
        ended, _, _ = select.select([child], [], [], 20)
    assert ended


def test_closing_ends_the_processes_and_a_conversion_under_way(
    processes: ConversionProcesses,
) -> None:
    convert_all(processes, csv_bytes(ROWS))
    (process_id,) = processes.process_ids
    processes.close()
    assert not Path(f"/proc/{process_id}").exists()
    with pytest.raises(OutputError, match="the run is over"):
        convert_all(processes, csv_bytes(ROWS))


@pytest.mark.parametrize(
    ("head", "byte_count", "is_large"),
    [
        (b"aff", 999, False),
        (b"aff", 1000, True),
        (b"\x1f\x8b\x08", 1000 // PACKED_FACTOR, True),
        (b"\x1f\x8b\x08", 1000 // PACKED_FACTOR - 1, False),
    ],
)
def test_only_large_files_start_a_process(head: bytes, byte_count: int, *, is_large: bool) -> None:
    conversions = Conversions(1000)
    with closing(conversions), spool(head) as source, spool() as lines:
        with pytest.raises(Exception, match=r"file|header"):
            conversions.convert(source, lines, conversion(), byte_count)
        assert len(conversions.process_ids) == is_large


# --- The command -------------------------------------------------------------------------------


def children_of(process_id: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process_id}/task").iterdir():
        # A thread may end while it is looked at.
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_signal_to_the_whole_group_ends_the_run_without_a_trace(
    tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    day = "2024-02-01"
    with Sandbox(SandboxConfig(rows_per_day=32_000, rows_spread=0, empty_day_share=0)) as sandbox:
        arguments = Command(tmp_path, sandbox).arguments(
            start_date=day, end_date=day, poll_interval_seconds=0.05
        )
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as tap:
            while not (found := children_of(tap.pid)):
                assert tap.poll() is None
            child = os.pidfd_open(found[0])
            os.killpg(tap.pid, signum)
            _, log = tap.communicate(timeout=60)
    with open(child, closefd=True):  # noqa: PTH123 - a descriptor
        ended, _, _ = select.select([child], [], [], 20)
    assert ended
    assert tap.returncode == code
    assert b"Traceback" not in log
    assert b"ERROR" not in log
