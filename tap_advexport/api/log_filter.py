"""The logs of the libraries beneath, without what a download URL's query would give away."""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"\?\S*")


class _QueryFilter(logging.Filter):
    """Takes queries out of what the HTTP library logs: a download URL's query is its signature."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; never drop it. A traceback of theirs can hold a URL too."""
        record.msg = _QUERY.sub("?***", record.getMessage())
        record.args = ()
        record.exc_info = record.exc_text = None
        return True


def guard_logs() -> None:
    """Keep signed URLs out of the logs of the libraries beneath, at every level."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.connection", "requests"):
        logger = logging.getLogger(name)
        if not any(isinstance(found, _QueryFilter) for found in logger.filters):
            logger.addFilter(_QueryFilter())
