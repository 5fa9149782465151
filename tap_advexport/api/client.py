"""The three calls of the API: submit, poll and download.

`exports` decides when to send a request again; here, only a submission to an `api_url` without its
last slash is. Every error leaves as one of ours, without the token, without the query of a download
URL, and without the HTTP library's exception as its context (it holds the URL).
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

from tap_advexport.api.advice import NOT_THE_API, on_page, on_server_error, refused_token
from tap_advexport.api.answers import (
    AnswerError,
    FailedTask,
    Finished,
    Unfinished,
    is_page,
    names_no_task,
    parse_poll_answer,
    parse_submit_answer,
    retry_after,
    text_of,
    words_of,
)
from tap_advexport.api.bodies import MAX_ANSWER_BYTES, BodyReader, Downloaded
from tap_advexport.api.faults import password_advice
from tap_advexport.api.origins import UrlRefused, literal_url
from tap_advexport.api.session import REDIRECTS, Session
from tap_advexport.errors import (
    SUPPORT,
    AuthorizationError,
    ConfigError,
    ExportError,
    FileError,
    FileNotFoundYetError,
    RejectedError,
    RequestError,
    TapAdvexportError,
    TaskError,
    TaskNotFoundError,
)
from tap_advexport.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import requests
    from requests.adapters import BaseAdapter

    from tap_advexport.clock import Clock
    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow

# Real tokens are longer than this; only tests use shorter ones.
MIN_TOKEN_LENGTH: Final = 16
MAX_ERROR_BYTES: Final = 4096
# As the last part of a URL, they would be resolved, and another resource requested.
DOT_SEGMENTS: Final = frozenset({".", ".."})

_TRANSIENT = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_NO_SUCH_PLACE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
_REFUSES_TOKEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
# Answers of the API and of file hosts for something that does not exist yet, or no longer.
_NO_SUCH_TASK = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN})
_NO_SUCH_FILE = _REFUSES_TOKEN | {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class ApiClient:
    """A client of the API for one account. Safe to use from several threads."""

    def __init__(  # noqa: PLR0913 - what it needs to know of one account
        self,
        *,
        api_url: str,
        auth_token: str,
        user_agent: str,
        timeout_seconds: float,
        pool_size: int,
        clock: Clock,
        adapter: BaseAdapter | None = None,
    ) -> None:
        self.redactor = Redactor(auth_token)
        self._api_url = api_url
        self._token = auth_token
        self._clock = clock
        self._session = Session(
            api_url=api_url,
            auth_token=auth_token,
            user_agent=user_agent,
            timeout_seconds=timeout_seconds,
            pool_size=pool_size,
            redactor=self.redactor,
            adapter=adapter,
        )
        self._bodies = BodyReader(clock, timeout_seconds, self.redactor)
        # A 403 is not blamed on a token that has worked in this run.
        self._is_token_accepted = False
        # What polls are answered does not show where submissions are taken.
        self._is_submission_answered = False

    def __repr__(self) -> str:
        return f"ApiClient({self._session.origin})"

    def submit(self, window: DateWindow, *, interval: Interval, sorting: str) -> str:
        """Submit an export and return its task id (API, "Demand an export").

        Raises:
            AuthorizationError, ConfigError: no request will work.
            RejectedError: the API refuses the window, for now or for good.
            RequestError: there is no usable answer; a task may exist anyway.
        """
        what = f"submitting {interval} {window}"
        body = {
            "start_date": window.first.isoformat(),
            "stop_date": window.last.isoformat(),
            "sorting": sorting,
            "format": "csv",
            "csv_headers": True,
            "interval": interval.value,
        }
        wire = json.dumps(body).encode()
        with self._post(what, wire) as response:
            self._refuse_redirected_submission(what, response)
            self._refuse_status(what, response, RejectedError)
            try:
                return self._task_id(what, response)
            except RequestError as error:
                error.is_accepted = True
                raise

    def _task_id(self, what: str, response: requests.Response) -> str:
        """Return the id of the task that a submission created."""
        content = self._content(what, response)
        try:
            answer, reason = parse_submit_answer(content)
        except AnswerError:
            error = self._undocumented(what, response, content)
            error.names_no_task = names_no_task(content)
            raise error from None
        self._session.has_answered = self._is_submission_answered = True
        if answer.is_refused:
            said = self.redactor.excerpt(answer.result) or "no result"
            said += f": {self.redactor.excerpt(reason)}" if reason else ""
            msg = f"{what}: the API answers {said}"
            raise RejectedError(msg, refusal="ERROR", said=said)
        task_id = "" if answer.task_id is None else str(answer.task_id)
        # Ids go into state and logs, so none may hold the token; a short token can match by chance.
        holds_token = len(self._token) >= MIN_TOKEN_LENGTH and self._token in task_id
        if not answer.is_queued or not task_id or task_id in DOT_SEGMENTS or holds_token:
            raise self._undocumented(what, response, content)
        self._is_token_accepted = True
        return task_id

    def poll(self, task_id: str) -> Unfinished | Finished:
        """Poll a task (API, "Ask for its state").

        Raises:
            AuthorizationError, ConfigError: no request will work.
            RequestError: there is no usable answer.
            TaskNotFoundError: the API does not know the task.
            TaskError: the task failed.
        """
        what = f"polling task {self.redactor.excerpt(task_id)}"
        if task_id in DOT_SEGMENTS:
            raise TaskNotFoundError(f"{what}: no URL can name it")
        url = f"{self._api_url.rstrip('/')}/{quote(task_id, safe='')}"
        with self._session.follow(what, url, is_api=True) as response:
            self._refuse_status(what, response, TaskError, TaskNotFoundError, _NO_SUCH_TASK)
            content = self._content(what, response)
        try:
            answer = parse_poll_answer(content)
        except AnswerError:
            raise self._undocumented(what, response, content) from None
        self._session.has_answered = self._is_token_accepted = True
        match answer:
            case FailedTask(state, reason):
                said = f"{state}: {self.redactor.excerpt(reason)}" if reason else state
                said = said.removesuffix(".")
                refusal = state if state == "FAILURE" else ""
                msg = f"{what}: its state is {said}"
                of_task = f"{said} (task {self.redactor.excerpt(task_id)})"
                raise TaskError(msg, refusal=refusal, said=of_task)
            case Unfinished(state, is_known):
                return Unfinished(self.redactor.excerpt(state), is_known)
            case Finished():
                return answer

    def download(
        self, url: str, spool: BinaryIO, *, is_cancelled: Callable[[], bool] = lambda: False
    ) -> Downloaded:
        """Download the file of a finished task to a spool, byte for byte (API, "Fetch the file").

        Raises:
            FileNotFoundYetError: there is no file at the URL yet, or no longer.
            FileError: the URL must not be followed, or returns no file.
            CutFileError: the file is truncated.
            RequestError: there is no usable answer.
            OSError: the spool cannot be written to.
        """
        try:
            url = literal_url(url, self._api_url)
        except UrlRefused as refused:
            msg = f"download from {self.redactor.place_of(url)}: {refused}"
            raise FileError(msg) from None
        what = f"download from {self.redactor.place_of(url)}"
        urls = [url]
        try:
            with self._session.follow(what, url, is_api=False) as response:
                urls.append(response.url)
                self._refuse_status(what, response, FileError, FileNotFoundYetError, _NO_SUCH_FILE)
                if response.status_code != HTTPStatus.OK:
                    msg = f"{what}: HTTP {response.status_code} brings no file"
                    raise FileError(msg)
                found = self._bodies.spool(what, response, spool, is_cancelled)
                return replace(found, urls=tuple(urls))
        except ExportError as error:
            self.clear(error, urls)
            raise

    def shown(self, text: str) -> str:
        """Return a text of the API as messages may show it."""
        return self.redactor.excerpt(text)

    def clear(self, error: ExportError, urls: Iterable[str]) -> None:
        """Remove the token, and the queries of a file's URLs, from an error about the file."""
        redactor = self.redactor
        for url in urls:
            redactor = redactor.for_url(url)
        error.rewrite(redactor.without_secrets)

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def _post(self, what: str, body: bytes) -> requests.Response:
        """Send a submission; if `api_url` needs a slash at its end, send it there."""
        url = self._api_url
        response = self._session.send(what, "POST", url, body=body)
        is_proven = self._is_submission_answered and url == self._api_url
        if is_proven or not self._lacks_slash(what, url, response):
            return response
        response.close()
        response = self._session.send(what, "POST", f"{url}/", body=body)
        if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            self._api_url = f"{url}/"
        return response

    def _lacks_slash(self, what: str, url: str, response: requests.Response) -> bool:
        if url.endswith("/"):
            return False
        if response.status_code in REDIRECTS:
            return self._session.redirected(what, url, response, is_api=True) == f"{url}/"
        return response.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}

    def _refuse_redirected_submission(self, what: str, response: requests.Response) -> None:
        if response.status_code in REDIRECTS:
            url = self._session.redirected(what, self._api_url, response, is_api=True)
            msg = (
                f"api_url: the API redirects submissions (HTTP {response.status_code}): "
                f"set api_url to {self.redactor.place_of(url)}"
            )
            raise ConfigError(msg)

    def _refuse_status(
        self,
        what: str,
        response: requests.Response,
        refused: type[ExportError],
        not_found: type[ExportError] | None = None,
        not_found_statuses: frozenset[int] = frozenset(),
    ) -> None:
        """Raise the error that an answer's status means; for any other 4xx, raise `refused`."""
        status = response.status_code
        if status < HTTPStatus.BAD_REQUEST:
            return
        text = self._error_text(what, response)
        shown = self.redactor.excerpt(words_of(text)).removesuffix(".")
        said = f"HTTP {status}: {shown}" if shown else f"HTTP {status}"
        words = f"{what}: {said}"
        is_of_api = not issubclass(refused, FileError)
        page_advice = self._advice_on_page(text, is_of_api=is_of_api)
        if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            is_odd = status == HTTPStatus.NOT_IMPLEMENTED and not self._session.has_answered
            raise RequestError(
                words,
                retry_after_seconds=retry_after(
                    response.headers.get("Retry-After", ""), self._clock.now()
                ),
                is_throttled=status == HTTPStatus.TOO_MANY_REQUESTS,
                advice=NOT_THE_API if is_odd else on_server_error(is_of_api=is_of_api),
                said=said,
            )
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            scheme = self._session.origin.scheme
            raise ConfigError(f"{words}; {password_advice(scheme, os.environ)}")
        if is_of_api and (
            status == HTTPStatus.UNAUTHORIZED
            or (status == HTTPStatus.FORBIDDEN and not self._is_token_accepted)
        ):
            msg = refused_token(words, page_advice=page_advice, has_worked=self._is_token_accepted)
            raise AuthorizationError(msg, status=status)
        if not_found and status in not_found_statuses:
            raise not_found(words, advice=page_advice)
        is_elsewhere = refused is RejectedError and status in _NO_SUCH_PLACE
        is_not_api = is_elsewhere and not self._session.has_answered
        advice = page_advice or (NOT_THE_API if is_not_api else "")
        refusal = f"HTTP {status}" if refused is RejectedError else ""
        raise refused(words, advice=advice, refusal=refusal, said=said)

    def _error_text(self, what: str, response: requests.Response) -> str:
        """Return the beginning of the body of an error answer; empty if it cannot be read."""
        found = bytearray()
        try:
            for chunk in self._bodies.answer(what, response, MAX_ERROR_BYTES):
                found += chunk
        except TapAdvexportError:
            return ""
        return text_of(bytes(found[:MAX_ERROR_BYTES]))

    def _content(self, what: str, response: requests.Response) -> bytes:
        content = b"".join(self._bodies.answer(what, response))
        if len(content) > MAX_ANSWER_BYTES:
            msg = f"{what}: the answer is longer than {MAX_ANSWER_BYTES} bytes"
            raise RequestError(msg, advice=self._advice_on_answer())
        return content

    def _undocumented(self, what: str, response: requests.Response, content: bytes) -> RequestError:
        text = text_of(content)
        shown = self.redactor.excerpt(words_of(text) if is_page(text) else text)
        kind = "a page and no JSON" if is_page(text) else "not as documented"
        problem = f"is {kind}: {shown}" if shown else "is empty"
        msg = f"{what}: the answer (HTTP {response.status_code}) {problem}"
        advice = self._advice_on_page(text) or self._advice_on_answer()
        return RequestError(msg, advice=advice, said=shown)

    def _advice_on_page(self, text: str, *, is_of_api: bool = True) -> str:
        has_answered = self._session.has_answered
        return on_page(is_of_api=is_of_api, has_answered=has_answered) if is_page(text) else ""

    def _advice_on_answer(self) -> str:
        return SUPPORT if self._session.has_answered else NOT_THE_API
