"""The logs of the libraries beneath lose a URL's query, and nothing else."""

from __future__ import annotations

import logging

import pytest

from tap_advexport.api.log_filter import guard_logs


@pytest.mark.parametrize(
    "name", ["urllib3.connectionpool", "urllib3.util.retry", "urllib3.connection", "requests"]
)
def test_logs_of_the_libraries_lose_queries_once_and_no_line(
    name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger(name)
    # Another test may have guarded it already.
    monkeypatch.setattr(logger, "filters", [])
    guard_logs()
    guard_logs()
    caplog.set_level(logging.DEBUG)
    logger.debug('"%s %s HTTP/1.1" %d', "GET", "/f?a=1'2\"3", 200)
    logger.warning("plain")
    logger.warning("odd", exc_info=ValueError("/f?sig"))
    assert caplog.messages == ['"GET /f?*** HTTP/1.1" 200', "plain", "odd"]
    assert caplog.records[0].args == ()
    assert "sig" not in caplog.text
    assert sum(type(each).__name__ == "_QueryFilter" for each in logger.filters) == 1
