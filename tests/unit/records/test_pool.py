"""Conversion in processes of their own: the same answers, and no process that outlives its use."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from tap_advexport.errors import CutFileError, InvalidHeaderError, InvalidRowError, OutputError
from tap_advexport.records.convert import SpoolFormat, convert
from tap_advexport.records.pool import ConversionProcesses
from tests.support.conversion_processes import spool, started_by_shell
from tests.support.paths import ROOT
from tests.support.records_reference import conversion, csv_bytes, row, run
from tests.support.tap_process import tap_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_advexport.errors import TapAdvexportError
    from tap_advexport.records.convert import Converted

ROWS = [row(aff_sub_id=str(number), time="2017-10-02 00:00") for number in range(500)]


def convert_all(processes: ConversionProcesses, data: bytes) -> tuple[Converted, bytes]:
    with spool(data) as source, spool(b"what was there before") as lines:
        converted = processes.convert(source, lines, conversion())
        lines.seek(0)
        return converted, lines.read()


@pytest.fixture
def processes() -> Iterator[ConversionProcesses]:
    with closing(ConversionProcesses()) as started:
        yield started


def test_a_process_gives_the_same_lines_and_totals_as_the_thread(
    processes: ConversionProcesses,
) -> None:
    data = csv_bytes(ROWS)
    expected = run(data)
    assert convert_all(processes, data) == (expected.converted, expected.spool)


def test_totals_and_spans_of_any_size_come_back(processes: ConversionProcesses) -> None:
    days = ["2017-10-01", "2017-10-03", "2017-10-02"] * 700
    rows = [row(time=f"{day} 00:00", clicks_aggr="9" * 4000) for day in days]
    data = csv_bytes(rows)
    expected = run(data)
    assert convert_all(processes, data) == (expected.converted, expected.spool)


def test_a_process_writes_arrow_as_well(processes: ConversionProcesses) -> None:
    wanted = conversion(spool_format=SpoolFormat.ARROW)
    data = csv_bytes(ROWS)
    here = io.BytesIO()
    converted = convert(io.BytesIO(data), here, wanted)
    with spool(data) as source, spool() as out:
        assert processes.convert(source, out, wanted) == converted
        out.seek(0)
        assert out.read() == here.getvalue()


def test_a_number_that_does_not_fit_comes_back_as_its_error(processes: ConversionProcesses) -> None:
    wanted = conversion(spool_format=SpoolFormat.ARROW)
    with (
        spool(csv_bytes([row(cost_aggr="1e16")])) as source,
        spool() as out,
        pytest.raises(InvalidRowError, match="column cost_aggr: '1e16' does not fit") as caught,
    ):
        processes.convert(source, out, wanted)
    assert "jsonl" in caught.value.advice


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


def test_a_full_disk_is_the_error_of_the_system() -> None:
    # Files of this process may have 1 kB.
    command = started_by_shell("ulimit -f 1")
    with (
        closing(ConversionProcesses(command)) as processes,
        pytest.raises(OSError, match="File too large"),
    ):
        convert_all(processes, csv_bytes(ROWS))


def test_a_process_that_is_killed_gets_one_successor(tmp_path: Path) -> None:
    once = tmp_path / "once"
    command = started_by_shell(f"mkdir {once} && kill -9 $$")
    with closing(ConversionProcesses(command)) as processes:
        assert convert_all(processes, csv_bytes(ROWS))[0].row_count == len(ROWS)


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (40, "signal 40")])
def test_a_process_that_is_killed_twice_is_one_error_that_says_so(number: int, name: str) -> None:
    with (
        closing(ConversionProcesses(started_by_shell(f"kill -{number} $$"))) as processes,
        pytest.raises(
            OutputError, match=rf"2017-10-01..2017-10-03: its process was killed twice \({name}\)"
        ),
    ):
        convert_all(processes, csv_bytes(ROWS))


@pytest.mark.parametrize(
    "variable",
    [
        "TAP_ADVEXPORT_AUTH_TOKEN",
        "SOURCES__ADVEXPORT__AUTH_TOKEN",
        "NORTH_TOKEN",
        "TAP_N_AUTH_TOKEN",
    ],
)
def test_a_process_does_not_know_the_token(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, "secret-token")
    known = tmp_path / "known"
    command = started_by_shell(f"cat /proc/$$/environ /proc/$$/cmdline > {known}")
    with closing(ConversionProcesses(command)) as processes:
        convert_all(processes, csv_bytes(ROWS))
    assert b"PATH=" in known.read_bytes()
    assert b"secret-token" not in known.read_bytes()


@contextmanager
def converting(processes: ConversionProcesses) -> Iterator[tuple[int, list[object]]]:
    """A conversion under way in a thread: its process, and what became of it in the end."""
    outcome: list[object] = []

    def convert() -> None:
        try:
            outcome.append(processes.convert(source, lines, conversion()).row_count)
        except OutputError as error:
            outcome.append(str(error))

    header, line, _ = csv_bytes([row()]).split(b"\n")
    with spool(header + b"\n" + (line + b"\n") * 100_000) as source, spool() as lines:
        thread = Thread(target=convert)
        thread.start()
        while os.fstat(lines.fileno()).st_size < 100_000:
            assert thread.is_alive()
        (process_id,) = processes.process_ids
        yield process_id, outcome
        thread.join()


def test_signals_are_the_parent_s_to_answer(processes: ConversionProcesses) -> None:
    with converting(processes) as (process_id, outcome):
        assert os.getpgid(process_id) != os.getpgrp()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(process_id, signum)
    assert outcome == [100_000]
    assert processes.process_ids == ()


def test_a_process_ends_with_its_killed_parent_also_in_the_middle_of_a_file() -> None:
    program = f"""
import os, sys, tempfile, threading
sys.path.insert(0, {str(ROOT)!r})
from tap_advexport.records.pool import ConversionProcesses
from tests.support.records_reference import conversion, csv_bytes, row
processes = ConversionProcesses()
with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as lines:
    header, line, _ = csv_bytes([row()]).split(b"\\n")
    source.write(header + b"\\n" + (line + b"\\n") * 400_000)
    source.flush()
    threading.Thread(target=processes.convert, args=(source, lines, conversion())).start()
    while os.fstat(lines.fileno()).st_size < 100_000:
        pass
    print(*processes.process_ids, flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    with open(child, closefd=True):  # noqa: PTH123 - a descriptor
        ended, _, _ = select.select([child], [], [], 20)
    assert ended


def test_closing_ends_a_conversion_under_way(processes: ConversionProcesses) -> None:
    with converting(processes) as (process_id, outcome):
        processes.close()
    assert outcome == ["conversion: the run is over"]
    assert not Path(f"/proc/{process_id}").exists()


def test_a_process_imports_the_core_only() -> None:
    program = "import sys, tap_advexport.records.worker; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert b"tap_advexport.records.convert" in found.split()
    heavy = {b"singer_sdk", b"requests", b"msgspec", b"click", b"pyarrow", b"socket", b"logging"}
    assert heavy.isdisjoint(found.split())


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
        arguments = tap_on(sandbox, tmp_path).arguments(
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
