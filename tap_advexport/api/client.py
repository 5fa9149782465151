"""Demand, look, download: the three calls of the API, and the only module that speaks HTTP.

Every call is one request, never repeated here: when to send it again is the runner's to decide.
Every error leaves as one of ours, without the token, without a download URL's query, and without
the HTTP library's own exception behind it (which carries the URL).
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar
from urllib.parse import quote, urljoin

import msgspec
import requests
import urllib3
from typing_extensions import override

from tap_advexport.api.faults import NOT_TRUSTED, fault_of, is_without_bundle
from tap_advexport.api.framing import FramedAdapter
from tap_advexport.api.origins import Origin, UrlRefused, checked_origin
from tap_advexport.errors import (
    AuthorizationError,
    ConfigError,
    CutFileError,
    ExportError,
    FileError,
    RejectedError,
    RequestError,
    TapAdvexportError,
    TaskError,
)
from tap_advexport.redaction import excerpt, place_of, redact, without_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests.adapters import BaseAdapter

    from tap_advexport.clock import Clock
    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow

# Tokens are longer than this; a shorter one is a test's.
LEAST_TOKEN_LENGTH: Final = 16
LONGEST_ANSWER_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 16
MOST_REDIRECTS: Final = 5
# A download that brings less than this in a whole request time-out is one that drips for ever.
LEAST_PROGRESS_BYTES: Final = 1024

# Task states (API, "Ask for its state"). SUCCESS and PENDING are documented; the others are what a
# task queue of this shape can answer.
UNFINISHED_STATES: Final = frozenset({"PENDING", "STARTED", "RETRY"})
FAILED_STATES: Final = frozenset({"FAILURE", "REVOKED"})

# What a person can do when the API cannot even be asked for an export.
NOTHING_ANSWERS: Final = (
    "nothing answers there: check api_url and the network (proxy, firewall), or try again later"
)
CANNOT_BE_REACHED: Final = (
    "the host of the files cannot be reached: check the network (proxy, firewall), or try again "
    "later"
)
NOT_TRUSTED_ADVICE: Final = (
    "check REQUESTS_CA_BUNDLE, the machine's certificates and a proxy that may stand between"
)
OUT_OF_ORDER: Final = "the API is there and out of order or overloaded: try again later"
NOT_THE_API: Final = "what answers there is not the API: check api_url"

_Answer = TypeVar("_Answer")
_TRANSIENT = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_GZIP_WBITS: Final = 31
_RANGE: Final = re.compile(r"bytes +([0-9]+)-[0-9]+/([0-9]{1,18})")
_NO_SUCH_PLACE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class SubmitAnswer(msgspec.Struct):
    """Answer to a demand (API, "Demand an export")."""

    result: str
    task_id: str | None = None


class PollAnswer(msgspec.Struct):
    """Answer to a look at a task (API, "Ask for its state")."""

    state: str
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The task goes on. `is_known`: its state is one that a task queue goes through."""

    state: str
    is_known: bool


@dataclass(frozen=True, slots=True, repr=False)
class Finished:
    """The task is done; `url` is where its file lies, if the answer named one. A secret."""

    url: str | None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file in a spool. `is_end_proven`: its length or its last chunk says that it is whole."""

    byte_count: int
    is_end_proven: bool


class ApiClient:
    """Speaks to the API in one account's name. Safe to use from several threads."""

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
        self._api_url = api_url
        self._token = auth_token
        self._timeout = timeout_seconds
        self._clock = clock
        self._origin = checked_origin(api_url, is_http_allowed=True)
        self._session = _session(user_agent, adapter or _adapter(pool_size))

    def __repr__(self) -> str:
        return f"ApiClient({self._origin})"

    def submit(self, window: DateWindow, *, interval: Interval, sorting: str) -> str:
        """Demand an export and return its task id (API, "Demand an export").

        Raises:
            AuthorizationError, ConfigError: nothing will work.
            RejectedError: the API refuses these parameters.
            RequestError: no usable answer; a task may exist all the same.
            TaskError: the API answers that it cannot.
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
        with self._send(what, "POST", self._api_url, body=body) as response:
            self._refuse_redirected_submission(response)
            self._refuse_status(what, response, rejected=RejectedError)
            answer = self._answer(what, response, SubmitAnswer)
        if answer.result != "QUEUED":
            msg = f"{what}: the API answers {excerpt(answer.result, self._token) or 'no result'}"
            raise TaskError(msg)
        return self._checked_task_id(what, answer.task_id)

    def poll(self, task_id: str) -> Unfinished | Finished:
        """Ask for a task's state (API, "Ask for its state").

        Raises:
            AuthorizationError, ConfigError: nothing will work.
            RequestError: no usable answer.
            TaskError: the task failed or is not known.
        """
        what = f"polling task {self.shown(task_id)}"
        url = f"{self._api_url.rstrip('/')}/{quote(task_id, safe='')}"
        with self._follow(what, url, is_api=True) as response:
            self._refuse_status(what, response, rejected=TaskError)
            answer = self._answer(what, response, PollAnswer)
        if answer.state == "SUCCESS":
            return Finished(answer.result or None)
        if answer.state in FAILED_STATES:
            msg = f"{what}: its state is {answer.state}"
            raise TaskError(msg)
        return Unfinished(
            excerpt(answer.state, self._token), is_known=answer.state in UNFINISHED_STATES
        )

    def download(
        self, url: str, spool: BinaryIO, *, is_cancelled: Callable[[], bool] = lambda: False
    ) -> Downloaded:
        """Bring a finished task's file into a spool, byte for byte (API, "Fetch the file").

        Raises:
            FileError: nothing lies there (any more), or the URL is one that is not to be followed.
            CutFileError: the file ended before its end.
            RequestError: no usable answer.
            OSError: the spool cannot be written.
        """
        what = f"download from {place_of(url)}"
        with self._follow(what, url, is_api=False) as response:
            self._refuse_status(what, response, rejected=FileError, forbidden=FileError)
            if response.status_code != HTTPStatus.OK:
                msg = f"{what}: HTTP {response.status_code} brings no file"
                raise FileError(msg)
            downloaded = self._spool(what, response, spool, is_cancelled)
            _refuse_part(what, response, downloaded.byte_count)
            return downloaded

    def shown(self, text: str) -> str:
        """A text of the API as a message may show it."""
        return excerpt(text, self._token)

    def cleared(self, error: ExportError) -> ExportError:
        """An error about what a file holds, without the token."""
        text = str(error)
        clear = without_secret(text, self._token)
        return error if clear == text else type(error)(clear, advice=error.advice)

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def _send(
        self,
        what: str,
        method: str,
        url: str,
        *,
        body: dict[str, object] | None = None,
        encoding: str = "identity",
    ) -> requests.Response:
        """Send one request; what the HTTP library raises becomes ours, and leaves no trace."""
        is_ours = False
        try:
            is_ours = checked_origin(url, is_http_allowed=self._origin.is_plain) == self._origin
            return self._session.request(
                method,
                url,
                json=body,
                headers={"Accept-Encoding": encoding},
                auth=_TokenAuth(self._token) if is_ours else _NoAuth(),
                timeout=(self._timeout, self._timeout),
                allow_redirects=False,
                stream=True,
            )
        except UrlRefused as refused:
            error: TapAdvexportError = FileError(f"{what}: {refused}")
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            ValueError,
            OSError,
        ) as fault:
            words = f"{what}: {redact(fault_of(fault), self._token)}"
            if is_without_bundle(fault):
                error = ConfigError(words)
            elif isinstance(fault, ValueError) and not is_ours:
                error = FileError(words)
            else:
                error = RequestError(words, advice=_advice(words, is_ours=is_ours))
        raise error

    def _follow(self, what: str, url: str, *, is_api: bool) -> requests.Response:
        """GET, following redirects by hand: the token goes to the API's origin and nowhere else."""
        for _ in range(MOST_REDIRECTS + 1):
            # Packed, a file comes sooner; it is spooled as it comes, and unpacked when it is read.
            encoding = "identity" if is_api else "gzip"
            response = self._send(what, "GET", url, encoding=encoding)
            if response.status_code not in _REDIRECTS:
                return response
            response.close()
            url = _redirected(url, self._location(what, response, is_api=is_api))
            if is_api:
                self._refuse_redirect_elsewhere(what, url)
        msg = f"{what}: redirected more than {MOST_REDIRECTS} times"
        raise RequestError(msg) if is_api else FileError(msg)

    def _location(self, what: str, response: requests.Response, *, is_api: bool) -> str:
        location = response.headers.get("Location", "")
        if location:
            return location
        msg = f"{what}: HTTP {response.status_code} redirects and does not say where to"
        raise RequestError(msg, advice=NOT_THE_API) if is_api else FileError(msg)

    def _refuse_redirect_elsewhere(self, what: str, url: str) -> None:
        try:
            is_ours = checked_origin(url, is_http_allowed=True) == self._origin
        except UrlRefused:
            is_ours = False
        if not is_ours:
            msg = (
                f"api_url: {what} is redirected to {place_of(url)}: set api_url to where the API is"
            )
            raise ConfigError(msg)

    def _refuse_redirected_submission(self, response: requests.Response) -> None:
        if response.status_code in _REDIRECTS:
            url = _redirected(self._api_url, response.headers.get("Location", ""))
            msg = (
                f"api_url: the API redirects submissions (HTTP {response.status_code}): "
                f"set api_url to {place_of(url)}"
            )
            raise ConfigError(msg)

    def _refuse_status(
        self,
        what: str,
        response: requests.Response,
        *,
        rejected: type[RejectedError | TaskError | FileError],
        forbidden: type[FileError] | None = None,
    ) -> None:
        status = response.status_code
        if status < HTTPStatus.BAD_REQUEST:
            return
        said = f"{what}: HTTP {status}{self._words(what, response)}"
        if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RequestError(
                said,
                retry_after_seconds=self._retry_after(response),
                is_throttled=status == HTTPStatus.TOO_MANY_REQUESTS,
                advice=NOT_THE_API if status == HTTPStatus.NOT_IMPLEMENTED else OUT_OF_ORDER,
            )
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and not forbidden:
            msg = (
                f"auth_token: the API refuses the token, {said}; "
                "take the token from the advertiser's user profile"
            )
            raise AuthorizationError(msg, status=status)
        is_elsewhere = rejected is RejectedError and status in _NO_SUCH_PLACE
        raise rejected(said, advice=NOT_THE_API if is_elsewhere else "")

    def _words(self, what: str, response: requests.Response) -> str:
        """What an error answer says, cut and redacted."""
        try:
            text = b"".join(_bounded(self._body(what, response), 4096)).decode("utf-8", "replace")
        except TapAdvexportError:
            return ""
        return f" {shown}" if (shown := excerpt(text, self._token)) else ""

    def _retry_after(self, response: requests.Response) -> float | None:
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - self._clock.now()).total_seconds())

    def _answer(self, what: str, response: requests.Response, shape: type[_Answer]) -> _Answer:
        body = b"".join(self._body(what, response))
        try:
            if len(body) <= LONGEST_ANSWER_BYTES:
                return msgspec.json.decode(body, type=shape)
            problem = f"is longer than {LONGEST_ANSWER_BYTES} bytes"
        except (msgspec.MsgspecError, ValueError, RecursionError):
            problem = (
                f"is not as documented: {excerpt(body.decode('utf-8', 'replace'), self._token)}"
            )
        msg = f"{what}: the answer {problem}"
        raise RequestError(msg, advice=NOT_THE_API)

    def _body(self, what: str, response: requests.Response) -> Iterator[bytes]:
        """An answer of the API, at most one chunk over the limit and one time-out long."""
        deadline = self._clock.monotonic() + self._timeout
        byte_count = 0
        unpack = _unpacking(what, response)
        for wire in self._chunks(what, response, RequestError):
            chunk = unpack(wire)
            yield chunk
            byte_count += max(len(chunk), len(wire))
            if byte_count > LONGEST_ANSWER_BYTES:
                return
            if self._clock.monotonic() > deadline:
                msg = f"{what}: the answer was not complete after {self._timeout:g} s"
                raise RequestError(msg)

    def _spool(
        self,
        what: str,
        response: requests.Response,
        spool: BinaryIO,
        is_cancelled: Callable[[], bool],
    ) -> Downloaded:
        byte_count = 0
        mark, marked_at = 0, self._clock.monotonic()
        for chunk in self._chunks(what, response, CutFileError):
            if is_cancelled():
                msg = f"{what}: given up"
                raise CutFileError(msg)
            spool.write(chunk)
            byte_count += len(chunk)
            if byte_count - mark >= LEAST_PROGRESS_BYTES:
                mark, marked_at = byte_count, self._clock.monotonic()
            elif self._clock.monotonic() - marked_at > self._timeout:
                msg = f"{what}: fewer than {LEAST_PROGRESS_BYTES} bytes in {self._timeout:g} s"
                raise CutFileError(msg)
        spool.flush()
        return Downloaded(byte_count, is_end_proven=self._is_end_proven(what, response, byte_count))

    def _is_end_proven(self, what: str, response: requests.Response, byte_count: int) -> bool:
        coding = response.headers.get("Transfer-Encoding", "identity").strip().lower()
        if coding == "chunked":
            return True
        if coding != "identity":
            msg = f"{what}: the transfer encoding {self.shown(coding)} is none to be read"
            raise FileError(msg)
        lengths = {part.strip() for part in response.headers.get("Content-Length", "").split(",")}
        length = lengths.pop()
        if not length and "Content-Length" not in response.headers:
            return False
        if lengths or not (length.isascii() and length.isdigit()):
            msg = f"{what}: its length is given as {self.shown(length) or 'nothing'}"
            raise CutFileError(msg)
        if byte_count != int(length[:18]):
            msg = f"{what}: {byte_count} bytes came of {length[:18]}"
            raise CutFileError(msg)
        return True

    def _chunks(
        self,
        what: str,
        response: requests.Response,
        error_type: type[RequestError | CutFileError],
    ) -> Iterator[bytes]:
        """The body as it comes over the wire: each piece at once, still compressed if it is."""
        try:
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                yield chunk
        except (urllib3.exceptions.HTTPError, requests.RequestException, OSError) as fault:
            error = error_type(f"{what}: {redact(fault_of(fault), self._token)}")
        else:
            return
        raise error

    def _checked_task_id(self, what: str, task_id: str | None) -> str:
        # A dot segment would be resolved away and another resource asked for.
        # An id goes into state and logs; a token that is short may stand in one by chance.
        holds_token = len(self._token) >= LEAST_TOKEN_LENGTH and self._token in (task_id or "")
        if not task_id or task_id in {".", ".."} or holds_token:
            msg = f"{what}: the API answers QUEUED with no usable task_id"
            raise TaskError(msg)
        return task_id


class _TokenAuth(requests.auth.AuthBase):
    """Puts the token into a request. Being an `auth`, it keeps ~/.netrc out."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Token {self._token}"
        return request


class _NoAuth(requests.auth.AuthBase):
    """Sends no token, and keeps ~/.netrc out."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Session(requests.Session):
    """Never looks where a redirect leads: that reads the whole body, however long it is."""

    @override
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


def _session(user_agent: str, adapter: BaseAdapter) -> requests.Session:
    session = _Session()
    session.headers.clear()
    session.headers.update({"User-Agent": user_agent, "Accept": "*/*"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _adapter(pool_size: int) -> FramedAdapter:
    return FramedAdapter(pool_connections=pool_size, pool_maxsize=pool_size, max_retries=0)


def _advice(words: str, *, is_ours: bool) -> str:
    """What a person can do when a host cannot even be asked."""
    if words.endswith(NOT_TRUSTED):
        return NOT_TRUSTED_ADVICE
    return NOTHING_ANSWERS if is_ours else CANNOT_BE_REACHED


def _redirected(url: str, location: str) -> str:
    """Where a redirect leads; what cannot be a URL stays as it is, and is refused as one."""
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _refuse_part(what: str, response: requests.Response, byte_count: int) -> None:
    """A whole file has no range, or one of all its bytes."""
    match = _RANGE.match(response.headers.get("Content-Range", ""))
    if match and (match[1].lstrip("0") or int(match[2]) != byte_count):
        msg = f"{what}: it is a part of a file of {match[2]} bytes"
        raise CutFileError(msg)


def _unpacking(what: str, response: requests.Response) -> Callable[[bytes], bytes]:
    """What unpacks an answer that came packed although that was not asked for."""
    if response.headers.get("Content-Encoding", "").strip().lower() not in {"gzip", "x-gzip"}:
        return lambda wire: wire
    unpacker = zlib.decompressobj(_GZIP_WBITS)

    def unpack(wire: bytes) -> bytes:
        try:
            return unpacker.decompress(wire, LONGEST_ANSWER_BYTES + 1)
        except zlib.error:
            msg = f"{what}: the answer is damaged: its gzip stream is invalid"
            raise RequestError(msg) from None

    return unpack


def _bounded(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    left = most
    for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return


__all__ = [
    "ApiClient",
    "Downloaded",
    "Finished",
    "Origin",
    "Unfinished",
]
