"""Runs a pipeline: the fast file format, leftovers of an earlier run, and days that failed."""

from __future__ import annotations

import errno
import logging
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dlt.common.storages.load_package import PackageStorage
from dlt.load.exceptions import LoadClientJobFailed, LoadClientJobTerminalRetry
from dlt.pipeline.exceptions import PipelineStepFailed
from msgspec import Struct, field

from tap_advexport.dlt.last_package import (
    Package,
    is_ahead,
    note_package,
    noted_package,
    sources_of,
)
from tap_advexport.errors import IncompleteError, TapAdvexportError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dlt
    from dlt.common.pipeline import LoadInfo
    from dlt.common.storages.load_package import LoadPackageInfo

    from tap_advexport.sync.totals import FailedDays
    from tap_advexport.windows import DateWindow

logger = logging.getLogger(__name__)

FAST_FORMAT: Final = "parquet"
# How dlt fails on a package of which a kill has left a part in another place.
HALF_MOVED: Final = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY)
# A PostgreSQL job reads its whole file before it sends a row, and takes about twenty times the
# file's size in memory. Small files bound the memory of a load. With two jobs at a time, one can
# read while the other sends.
JOB_LIMITS: Final = {"recommended_file_size": 8 << 20, "max_parallel_load_jobs": 2}


class FailedDaysError(IncompleteError):
    """Days failed, and the next run tries them again. All others that were exported are loaded.

    Attributes:
        failures: the days, and why they failed.
        load_info: what was loaded.
    """

    def __init__(
        self, failures: list[FailedDays], load_info: LoadInfo | None, days_left: int = 0
    ) -> None:
        lines = "; ".join(map(str, failures))
        rest = f"but for {days_left} days that wait for the next load, the" if days_left else "the"
        super().__init__(
            f"Failed days: {lines}; {rest} rest was loaded, run again to try them again"
        )
        self.failures = failures
        self.load_info = load_info


class Load(Struct):
    """What the resources report to the code that runs their pipeline.

    Attributes:
        done: the days that were exported or failed, by resource and account.
        days_left: the number of due days that were left for a later load.
    """

    failures: list[FailedDays] = field(default_factory=list)
    done: dict[tuple[str, str | None], tuple[DateWindow, ...]] = field(default_factory=dict)
    days_left: int = 0


_current: ContextVar[Load | None] = ContextVar("advexport_load", default=None)


def current_load() -> Load:
    """Return the current load; in a plain `pipeline.run`, one that is not read."""
    return _current.get() or Load()


def is_in_load() -> bool:
    """Return whether `load` runs the pipeline."""
    return _current.get() is not None


def load(
    pipeline: dlt.Pipeline,
    source: Any,  # noqa: ANN401 - whatever dlt takes
    *,
    until_complete: bool = False,
) -> LoadInfo:
    """Run a pipeline with the file format that is fast at its destination.

    What an earlier run extracted but did not load is loaded first, or exported again.

    Args:
        until_complete: with `max_days_per_load`, run one load after another until every due day
            was exported or failed; otherwise run one load.

    Returns:
        what dlt reports about the last load.

    Raises:
        FailedDaysError: days failed; all others were loaded.
        TapAdvexportError: a setting is wrong, the token is refused or the API does not work;
            nothing of this step was loaded.
        PipelineStepFailed: dlt could not load.
    """
    told = Load()
    token = _current.set(told)
    try:
        for name, value in JOB_LIMITS.items():
            pipeline.destination.caps_params.setdefault(name, value)
        try:
            _settle_leftovers(pipeline)
        except FileNotFoundError as error:
            logger.warning("The pipeline's folder was deleted in part (%s): it starts again", error)
            _take_state_of_destination(pipeline)
        _compare_with_destination(pipeline)
        info = _run(pipeline, source)
        while until_complete and told.days_left:
            told.days_left = 0
            if _compare_with_destination(pipeline):
                told.done.clear()
            with _without_refresh(pipeline):
                info = _run(pipeline, source)
    except PipelineStepFailed as error:
        cause = own_error(error)
        if cause is None:
            raise
        logger.debug("%s", cause, exc_info=error)
        # The frames of dlt in between do not help a person who reads the traceback.
        raise cause.with_traceback(None) from None
    finally:
        _current.reset(token)
    if told.failures:
        raise FailedDaysError(told.failures, info, told.days_left)
    return info


def _settle_leftovers(pipeline: dlt.Pipeline) -> None:
    """Load or drop what an earlier run left, so that nothing waits."""
    known = pipeline.state.get("_version_hash")
    pipeline.sync_destination()
    if pipeline.has_pending_data:
        is_overtaken = pipeline.state.get("_version_hash") != known
        is_stale = is_overtaken or _has_begun(pipeline) or _is_ahead(pipeline)
        _load_leftovers(pipeline, is_stale=is_stale)
    elif pipeline.list_normalized_load_packages():
        # An abort has not ended. Its end would take along what is extracted before it.
        pipeline.load()


def _load_leftovers(pipeline: dlt.Pipeline, *, is_stale: bool) -> None:
    """Load what an earlier run extracted, or drop it to be extracted again if that is not safe.

    dlt empties the staging tables when a load starts, but not when it continues. So a load that
    has begun does not continue: rows would be duplicated if it was killed between a job's commit
    and dlt's record of it, and lost if another pipeline has filled the staging tables since. Other
    jobs fail every time (PostgreSQL: the pipeline's state exists already). A bookmark counts at
    the destination only when its whole package is loaded, so if the package is dropped, its days
    are exported again.

    The destination may then hold rows of the package that its state knows nothing of, or tables
    that it has emptied; the next extraction sees to that (`last_package`).
    """
    _note_what_is_left(pipeline)
    if not is_stale:
        try:
            pipeline.run()
        except PipelineStepFailed as error:
            if not _cannot_be_loaded(error.exception):
                raise
        else:
            return
    logger.warning("What an earlier run left cannot be loaded; its days are exported again")
    _take_state_of_destination(pipeline)


def _cannot_be_loaded(error: BaseException | None) -> bool:
    """Return whether what is left cannot be loaded: a job fails, or dlt trips over its own files.

    It moves a package step by step, so a kill between two of them leaves it in two places.
    """
    is_half_moved = isinstance(error, OSError) and error.errno in HALF_MOVED
    return is_half_moved or isinstance(error, LoadClientJobTerminalRetry | LoadClientJobFailed)


def _compare_with_destination(pipeline: dlt.Pipeline) -> bool:
    """Take the destination's state where the local one covers what that lacks; tell whether so."""
    is_wrong = _is_ahead(pipeline)
    if is_wrong:
        logger.warning(
            "The destination does not have the last load of this pipeline, because it was "
            "restored, or is another one: its own state counts"
        )
        _take_state_of_destination(pipeline)
    return is_wrong


def _is_ahead(pipeline: dlt.Pipeline) -> bool:
    """Return whether the state of a source of ours, by whatever name, is ahead."""
    return any(is_ahead(pipeline, name, state) for name, state in sources_of(pipeline).items())


def _take_state_of_destination(pipeline: dlt.Pipeline) -> None:
    refresh = pipeline.refresh
    pipeline.drop()
    pipeline.sync_destination()
    # `drop` builds the pipeline again, without what it was given.
    pipeline.refresh = refresh


def _has_begun(pipeline: dlt.Pipeline) -> bool:
    """Return whether a package with rows is left whose load has begun."""
    begun = PackageStorage.APPLIED_SCHEMA_UPDATES_FILE_NAME
    return any(
        _tables_of(package) and (Path(package.package_path) / begun).exists()
        for package in map(pipeline.get_load_package_info, pipeline.list_normalized_load_packages())
    )


def _note_what_is_left(pipeline: dlt.Pipeline) -> None:
    """Note packages of which there is no note, such as those of a version that made none."""
    for package in map(pipeline.get_load_package_info, pipeline.list_normalized_load_packages()):
        schema, load_id, tables = package.schema, package.load_id, _tables_of(package)
        noted = noted_package(pipeline, schema.name)
        if tables and (noted is None or noted.load_id < load_id):
            is_refresh = "refresh" in pipeline.get_load_package_state(load_id)
            emptied = (
                name
                for name in sorted(tables)
                if is_refresh or schema.tables[name].get("write_disposition") == "replace"
            )
            note_package(pipeline, schema.name, Package(load_id, tuple(emptied)))


def _tables_of(package: LoadPackageInfo) -> set[str]:
    """Return the tables that a package has rows for, without those of dlt itself."""
    names = {job.job_file_info.table_name for jobs in package.jobs.values() for job in jobs}
    return {name for name in names if not name.lower().startswith("_dlt")}


@contextmanager
def _without_refresh(pipeline: dlt.Pipeline) -> Iterator[None]:
    """Let a step keep what the steps before it have loaded, where the pipeline refreshes."""
    refresh, pipeline.refresh = pipeline.refresh, None
    try:
        yield
    finally:
        pipeline.refresh = refresh


def _run(pipeline: dlt.Pipeline, source: Any) -> LoadInfo:  # noqa: ANN401 - same
    formats = pipeline.destination.capabilities().supported_loader_file_formats or []
    fast: Any = FAST_FORMAT if FAST_FORMAT in formats else None
    return pipeline.run(source, loader_file_format=fast)


def own_error(error: BaseException | None) -> BaseException | None:
    """Return the error of ours, or Ctrl-C, that dlt has wrapped; None if there is none."""
    while error is not None and not isinstance(error, TapAdvexportError | KeyboardInterrupt):
        error = error.__cause__
    return error
