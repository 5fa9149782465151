"""Answers that stand in for the API's own, which then does nothing."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

from advexport_sandbox.answers import Answer, Endpoint, detail_answer, json_answer, storage_error
from advexport_sandbox.clock import wall_clock
from advexport_sandbox.effects import ANY, DOWNLOAD, SUBMIT, Fault, Refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from advexport_sandbox.calls import Call, Options

LOOP_PATH = "/sandbox/loop"
_GATEWAY_STATUSES = frozenset({502, 503, 504})
_GATEWAY_PAGE = b"<html><body><h1>The gateway has a problem</h1></body></html>"
_FIREWALL_PAGE = b"<html><body><h1>Request blocked</h1>Incident 4711-0815</body></html>"


def refuse_with(status: int) -> Callable[[Call, Options], Answer]:
    """Refuse in the words of whoever would: gateway, file store or API."""

    def answer(call: Call, options: Options) -> Answer:
        retry_after = options.retry_after
        headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
        if status in _GATEWAY_STATUSES:
            return Answer(status, _GATEWAY_PAGE, "text/html", headers)
        if call.endpoint is Endpoint.DOWNLOAD:
            return storage_error(status, HTTPStatus(status).phrase.replace(" ", ""))
        return detail_answer(status, headers=headers)

    return answer


def refuse_until_date(_call: Call, options: Options) -> Answer:
    """Refuse with the date of a moment from which on it may be tried again."""
    seconds = 1 if options.retry_after is None else int(options.retry_after)
    moment = format_datetime(wall_clock() + timedelta(seconds=seconds), usegmt=True)
    status = HTTPStatus.TOO_MANY_REQUESTS
    return detail_answer(status, headers=(("Retry-After", moment),))


def refuse_submission(_call: Call, _options: Options) -> Answer:
    """Answer as documented that the export could not be queued, naming a task that never was."""
    return json_answer({"result": "ERROR", "task_id": str(uuid4())})


def refuse_at_firewall(_call: Call, _options: Options) -> Answer:
    """Refuse as something between client and API does that knows neither."""
    return Answer(HTTPStatus.FORBIDDEN, _FIREWALL_PAGE, "text/html")


def refuse_expired(_call: Call, _options: Options) -> Answer:
    """Say what a file store says about a URL whose time is over."""
    return storage_error(HTTPStatus.FORBIDDEN, "AccessDenied")


def redirect_within(call: Call, options: Options) -> Answer:
    """Lead to the same resource by another URL of the same origin."""
    target = call.request.target
    return _redirect(options.location or f"{target}{'&' if '?' in target else '?'}redirected=1")


def redirect_away(call: Call, options: Options) -> Answer:
    """Lead to the same resource under another name of this host, which is another origin."""
    port = call.request.origin.rpartition(":")[2]
    return _redirect(options.location or f"http://localhost:{port}{call.request.target}")


def redirect_loop(_call: Call, options: Options) -> Answer:
    """Lead to where one is led to the same place for ever."""
    return _redirect(options.location or LOOP_PATH)


def _redirect(location: str) -> Answer:
    return Answer(HTTPStatus.TEMPORARY_REDIRECT, headers=(("Location", location),))


def _statuses() -> Iterable[Fault]:
    for status in (400, 401, 403, 404, 408, 409, 410, 429, 500, 502, 503, 504):
        about = f"answers {status}, with `retry_after` as a header if given"
        yield Fault(f"status-{status}", ANY, Refuse(refuse_with(status)), about)


REFUSALS = (
    *_statuses(),
    Fault(
        "status-429-date",
        ANY,
        Refuse(refuse_until_date),
        "answers 429 with a date in Retry-After, `retry_after` (1) seconds ahead",
    ),
    Fault(
        "submit-error-result",
        SUBMIT,
        Refuse(refuse_submission),
        "answers 200 with the result ERROR; no task is made",
    ),
    Fault(
        "firewall-403",
        ANY,
        Refuse(refuse_at_firewall),
        "answers 403 with a page of HTML, as a firewall or proxy does",
    ),
    Fault(
        "url-expired",
        DOWNLOAD,
        Refuse(refuse_expired),
        "answers 403 with XML as if the URL's time were over",
    ),
    Fault("download-404", DOWNLOAD, Refuse(refuse_with(404)), "answers 404 with XML"),
    Fault("download-410", DOWNLOAD, Refuse(refuse_with(410)), "answers 410 with XML"),
    Fault(
        "redirect",
        ANY,
        Refuse(redirect_within),
        "answers 307 to another URL (`location`) of the same origin",
    ),
    Fault(
        "redirect-away",
        ANY,
        Refuse(redirect_away),
        "answers 307 to another origin (`location`, else this host by the name localhost)",
    ),
    Fault("redirect-loop", ANY, Refuse(redirect_loop), "answers 307 to a loop without end"),
)
