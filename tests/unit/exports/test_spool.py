"""Spools have no name, and what cannot be written is one line."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from tap_advexport.exports.spool import open_spool, spool_error, without_buffer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_spool_leaves_nothing_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_spool() as spool:
        spool.write(b"rows")
        assert list(tmp_path.iterdir()) == []
        assert os.fstat(spool.fileno()).st_mode & 0o077 == 0


def test_a_spool_that_another_process_has_read_is_read_from_its_first_byte() -> None:
    with open_spool() as spool:
        spool.write(b"first\nsecond\n")
        spool.flush()
        os.lseek(spool.fileno(), 6, os.SEEK_SET)
        again = without_buffer(spool)
        again.seek(0)
        assert again.read() == b"first\nsecond\n"


def test_too_many_open_files_are_not_told_as_a_full_disk() -> None:
    assert "ulimit -n" in str(spool_error(OSError(errno.EMFILE, "Too many open files")))
    full = str(spool_error(OSError(errno.ENOSPC, "No space left on device")))
    assert "No space left on device" in full
    assert "TMPDIR" in full
