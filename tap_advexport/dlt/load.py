"""Running a pipeline: the fast file format, what was left behind, and days that failed."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dlt.load.exceptions import LoadClientJobFailed, LoadClientJobTerminalRetry
from dlt.pipeline.exceptions import PipelineStepFailed

from tap_advexport.errors import IncompleteError, TapAdvexportError

if TYPE_CHECKING:
    import dlt
    from dlt.common.pipeline import LoadInfo

    from tap_advexport.sync.totals import FailedDays
    from tap_advexport.windows import DateWindow

logger = logging.getLogger(__name__)

FAST_FORMAT: Final = "parquet"
# PostgreSQL's job reads all of its file, some twenty times as large there, before it sends a row:
# small files bound the memory of any load, and two at a time read while they send.
JOB_LIMITS: Final = {"recommended_file_size": 8 << 20, "max_parallel_load_jobs": 2}


class FailedDaysError(IncompleteError):
    """Days failed; everything else was loaded, and the next run tries them again.

    Attributes:
        failures: the days, and why.
        load_info: what was loaded.
    """

    def __init__(self, failures: list[FailedDays], load_info: LoadInfo | None) -> None:
        lines = "; ".join(map(str, failures))
        super().__init__(f"Failed days: {lines}; the rest was loaded, run again to try them again")
        self.failures = failures
        self.load_info = load_info


@dataclass
class Load:
    """What resources tell to whoever runs their pipeline.

    Attributes:
        done: by resource and account, the days that were brought or failed.
        days_left: days that are due and were left for a later load.
    """

    failures: list[FailedDays] = field(default_factory=list)
    done: dict[tuple[str, str | None], tuple[DateWindow, ...]] = field(default_factory=dict)
    days_left: int = 0


_current: ContextVar[Load | None] = ContextVar("advexport_load", default=None)


def current_load() -> Load:
    """Give the load under way; under a plain `pipeline.run` one that nobody looks at."""
    return _current.get() or Load()


def load(
    pipeline: dlt.Pipeline,
    source: Any,  # noqa: ANN401 - whatever dlt takes
    *,
    until_complete: bool = False,
) -> LoadInfo:
    """Run a pipeline with the file format that is fast at its destination.

    What an earlier run extracted and did not load is loaded before, or exported again.

    Args:
        until_complete: with `max_days_per_load`, go on load by load until every day that is due
            was brought, or failed; otherwise one load.

    Returns:
        what dlt tells of the last load.

    Raises:
        FailedDaysError: days failed; all others were loaded.
        TapAdvexportError: a setting is wrong, the token is refused or the API does not work;
            nothing of this run was loaded.
        PipelineStepFailed: dlt could not load.
    """
    told = Load()
    token = _current.set(told)
    try:
        known = pipeline.state.get("_version_hash")
        pipeline.sync_destination()
        for name, value in JOB_LIMITS.items():
            pipeline.destination.caps_params.setdefault(name, value)
        if pipeline.has_pending_data:
            is_overtaken = pipeline.state.get("_version_hash") != known
            _load_leftovers(pipeline, is_stale=is_overtaken or _was_loading(pipeline))
        info = _run(pipeline, source)
        while until_complete and told.days_left:
            told.days_left = 0
            info = _run(pipeline, source)
    except PipelineStepFailed as error:
        cause = _cause(error)
        if cause is None:
            raise
        logger.debug("%s", cause, exc_info=error)
        # A person who reads the traceback needs none of what lies between.
        raise cause.with_traceback(None) from None
    finally:
        _current.reset(token)
    if told.failures:
        raise FailedDaysError(told.failures, info)
    return info


def _load_leftovers(pipeline: dlt.Pipeline, *, is_stale: bool) -> None:
    """Load what an earlier run extracted, or have it extracted again where that is not safe.

    dlt empties the staging tables at the start of a load and not when it goes on. So rows come
    twice where a load was killed between a job's commit and dlt's note of it, or where another
    machine has loaded since; other jobs fail every time then (PostgreSQL: the pipeline's state is
    there already). A bookmark counts at the destination only once all of its package is loaded, so
    the days come again without the package.
    """
    if not is_stale:
        try:
            pipeline.run()
        except PipelineStepFailed as error:
            if not isinstance(error.exception, LoadClientJobTerminalRetry | LoadClientJobFailed):
                raise
        else:
            return
    logger.warning("What an earlier run left cannot be loaded; its days are exported again")
    pipeline.drop()
    pipeline.sync_destination()


def _was_loading(pipeline: dlt.Pipeline) -> bool:
    """Whether a load ended with jobs under way, as only those do that are killed."""
    packages = map(pipeline.get_load_package_info, pipeline.list_normalized_load_packages())
    return any(package.jobs["started_jobs"] for package in packages)


def _run(pipeline: dlt.Pipeline, source: Any) -> LoadInfo:  # noqa: ANN401 - same
    formats = pipeline.destination.capabilities().supported_loader_file_formats or []
    fast: Any = FAST_FORMAT if FAST_FORMAT in formats else None
    return pipeline.run(source, loader_file_format=fast)


def _cause(error: BaseException | None) -> BaseException | None:
    """What a person has to know, without what dlt puts around it: an error of ours, or Ctrl-C."""
    while error is not None and not isinstance(error, TapAdvexportError | KeyboardInterrupt):
        error = error.__cause__
    return error
