"""Keeps the queries of download URLs out of the logs of the HTTP libraries."""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"\?\S*")


class _QueryFilter(logging.Filter):
    """Removes queries from the HTTP library's logs: a download URL's query is its signature."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove queries and the traceback, which can hold a URL too; never drop the record."""
        record.msg = _QUERY.sub("?***", record.getMessage())
        record.args = ()
        record.exc_info = record.exc_text = None
        return True


def guard_logs() -> None:
    """Keep signed URLs out of the logs of the HTTP libraries, at every level."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.connection", "requests"):
        logger = logging.getLogger(name)
        if not any(isinstance(found, _QueryFilter) for found in logger.filters):
            logger.addFilter(_QueryFilter())
