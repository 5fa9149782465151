"""Converts a downloaded file to a spool of record lines; a large file in a separate process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, BinaryIO, Final

from tap_advexport.exports.spool import open_spool, without_buffer
from tap_advexport.records.convert import Conversion, Converted, convert
from tap_advexport.records.pool import ConversionProcesses, NoProcessError
from tap_advexport.records.source import is_packed

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from tap_advexport.api.bodies import Downloaded
    from tap_advexport.records.convert import SpoolFormat
    from tap_advexport.reports import Interval
    from tap_advexport.windows import Task

logger = logging.getLogger(__name__)

# A little more than can be converted while a process starts (benchmarks/break_even.py).
PROCESS_BYTES: Final = 3_000_000
# A gzip file is assumed to hold this many times its own size.
PACKED_FACTOR: Final = 8


class Conversions:
    """Converts small files in the calling thread, and large ones in separate processes."""

    def __init__(
        self, process_bytes: int = PROCESS_BYTES, processes: ConversionProcesses | None = None
    ) -> None:
        self._process_bytes = process_bytes
        self._processes = processes or ConversionProcesses()
        self._has_processes = True

    def convert(
        self, source: BinaryIO, lines: BinaryIO, conversion: Conversion, byte_count: int
    ) -> Converted:
        """Convert a file of `byte_count` bytes.

        Raises:
            FileError, InvalidFileError: the file is cut or not valid.
            OSError: the lines cannot be written.
            OutputError: a process was killed, and so was the one that replaced it.
        """
        source, lines = without_buffer(source), without_buffer(lines)
        if self._has_processes and self._is_large(source, byte_count):
            try:
                return self._processes.convert(source, lines, conversion)
            except NoProcessError as error:
                self._has_processes = False
                logger.warning(
                    "Files are converted in the tap's own process, which is slower: no process "
                    "works for them (%s)",
                    error,
                )
        return convert(source, lines, conversion)

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    def _is_large(self, source: BinaryIO, byte_count: int) -> bool:
        if byte_count * PACKED_FACTOR < self._process_bytes:
            return False
        return byte_count * (PACKED_FACTOR if is_packed(source) else 1) >= self._process_bytes


def converter(
    conversions: Conversions,
    *,
    interval: Interval,
    zone: ZoneInfo,
    columns: tuple[str, ...],
    spool_format: SpoolFormat,
) -> Callable[[BinaryIO, Task, Downloaded], tuple[BinaryIO, Converted]]:
    """Return a function that converts one report's files; only `columns` are written."""

    def convert_file(
        source: BinaryIO, task: Task, downloaded: Downloaded
    ) -> tuple[BinaryIO, Converted]:
        conversion = Conversion(
            interval=interval,
            first=task.window.first,
            last=task.window.last,
            timezone=zone.key,
            columns=columns,
            is_end_proven=downloaded.is_end_proven,
            spool_format=spool_format,
        )
        lines = open_spool()
        try:
            return lines, conversions.convert(source, lines, conversion, downloaded.byte_count)
        except BaseException:
            lines.close()
            raise

    return convert_file
