"""The network between the tap and the API: carries requests, or what a fault makes of them."""

from __future__ import annotations

import gzip
import itertools
import json
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from typing_extensions import override

from tests.laws.simulation.api import BASE_URL, HOST, plain
from tests.laws.simulation.fate import LawBrokenError
from tests.laws.simulation.faults import OF_FILES
from tests.laws.simulation.wire import Whole, WireAdapter, head

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.laws.simulation.api import Api
    from tests.laws.simulation.clock import VirtualClock
    from tests.laws.simulation.expectations import Allowed
    from tests.laws.simulation.fate import Fate
    from tests.laws.simulation.faults import Faults
    from tests.laws.simulation.wire import Piece

TOKEN: Final = "t0ken-of-the-simulation"
CDN: Final = "cdn.example"
PAGE: Final = b"<!DOCTYPE html><html><body>Down for maintenance</body></html>"
_POOL: Final = urllib3.HTTPConnectionPool("api.invalid")


class Network(WireAdapter):
    """What `requests` sends through, one for each run."""

    def __init__(  # noqa: PLR0913 - everything that is there
        self,
        *,
        api: Api,
        clock: VirtualClock,
        random: Random,
        faults: Faults,
        fate: Fate,
        allowed: Allowed,
        run: int,
    ) -> None:
        super().__init__()
        self.trace: list[str] = []
        self._api = api
        self._clock = clock
        self._random = random
        self._faults = faults
        self._fate = fate
        self._allowed = allowed
        self._run = run
        self._refused_at: float | None = None

    @override
    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        self._fate.step()
        url = urlsplit(request.url or "")
        self._check(request, url.hostname or "")
        call = self._call_of(request, url.hostname or "", url.path)
        fault = "" if url.hostname == CDN else self._faults.draw(call) or ""
        self.trace.append(f"{self._clock.seconds:.3f} {call} {url.path} {request.body!r} {fault}")
        sent_at = self._clock.now()
        self._clock.pass_seconds(0.01 + 0.3 * self._random.random())
        if call == "submit":
            self._allowed.submit(json.loads(request.body or b""), self._clock.seconds)
        elif call == "poll":
            self._allowed.poll(_task_id(url.path))
        self._fail_to_connect(request, fault, timeout[0])
        pieces = self._pieces(request, call, url.path, fault, sent_at)
        response = self.receive(request, pieces, clock=self._clock, timeout=timeout[1])
        if response.status_code == 401 and call != "download":
            self._refused_at = self._clock.seconds
        return response

    def _check(self, request: requests.PreparedRequest, host: str) -> None:
        given = request.headers.get("Authorization")
        due = f"Token {TOKEN}" if host == HOST else None
        if given != due or "Cookie" in request.headers:
            msg = f"a request to {host} has the authorization {given}, or cookies"
            raise LawBrokenError(msg)
        if self._refused_at is not None and self._clock.seconds > self._refused_at:
            msg = "a request after the token was refused"
            raise LawBrokenError(msg)

    @staticmethod
    def _call_of(request: requests.PreparedRequest, host: str, path: str) -> str:
        if request.method == "POST":
            return "submit"
        is_file = path.startswith("/files/") or host != HOST
        return "download" if is_file else "poll"

    def _fail_to_connect(
        self, request: requests.PreparedRequest, fault: str, timeout: float
    ) -> None:
        reason: Exception
        match fault:
            case "refused":
                reason = urllib3.exceptions.NewConnectionError(_CONNECTION, "Connection refused")
            case "no name":
                text = OSError("Name or service not known")
                reason = urllib3.exceptions.NameResolutionError("api", _CONNECTION, text)  # type: ignore[arg-type]
            case "proxy":
                reason = urllib3.exceptions.ProxyError("Unable to connect", OSError("refused"))
                raise requests.exceptions.ProxyError(self._retried(reason), request=request)
            case "connect time-out":
                self._clock.pass_seconds(timeout)
                reason = urllib3.exceptions.ConnectTimeoutError(_CONNECTION, "timed out")
                raise requests.ConnectTimeout(self._retried(reason), request=request)
            case "silence":
                self._clock.pass_seconds(20 * timeout)
                reason = urllib3.exceptions.NewConnectionError(_CONNECTION, "after all")
            case _:
                return
        raise requests.ConnectionError(self._retried(reason), request=request)

    @staticmethod
    def _retried(reason: Exception) -> urllib3.exceptions.MaxRetryError:
        return urllib3.exceptions.MaxRetryError(_POOL, "/", reason)

    def _pieces(
        self, request: requests.PreparedRequest, call: str, path: str, fault: str, sent_at: datetime
    ) -> Iterable[Piece]:
        status = self._status(fault, path)
        if status is not None:
            return [(0.0, status)]
        match call:
            case "submit":
                answer = self._submit(request, fault, sent_at)
            case "poll":
                answer = self._poll(path, fault)
            case _:
                return self._download(path, fault)
        return self._carried(answer, fault)

    def _status(self, fault: str, path: str) -> bytes | None:
        """An answer that comes from something before the API."""
        kind, _, rest = fault.partition(" ")
        if kind != "http":
            return None
        code = int(rest[:3])
        seconds = self._random.randrange(400)
        headers = {}
        if rest.endswith("seconds"):
            headers["Retry-After"] = str(seconds)
        if rest.endswith("date"):
            moment = self._clock.true_now() + timedelta(seconds=seconds)
            headers["Retry-After"] = format_datetime(moment, usegmt=True)
        if code in {401, 403, 404, 410} and path.startswith("/files/"):
            self._api.expire(path)
        return plain(code, b"" if code == 204 else PAGE, headers)

    def _submit(self, request: requests.PreparedRequest, fault: str, sent_at: datetime) -> bytes:
        body = json.loads(request.body or b"")
        if fault == "error result":
            return plain(200, b'{"result": "ERROR", "task_id": null}')
        if fault == "no task id":
            return plain(200, b'{"result": "QUEUED", "task_id": ""}')
        refusal = self._api.refusal(body, self._clock.true_now())
        if refusal:
            self._allowed.refused += 1
            return refusal
        task = self._api.submit(
            body, now=self._clock.true_now(), submitted_at=sent_at, run=self._run, fault=fault
        )
        task.is_known = not fault or fault.startswith("task ") or fault == "slow"
        if task.is_known:
            self._allowed.learn(task, self._clock.seconds)
        answer = {"result": self._api.habits.said("QUEUED"), "task_id": task.task_id}
        return plain(201, json.dumps(answer).encode())

    def _poll(self, path: str, fault: str) -> bytes:
        if fault == "redirect" and not path.endswith("/"):
            return plain(301, b"", {"Location": f"{path}/"})
        answer = self._api.poll(_task_id(path), now=self._clock.true_now())
        if b'"state"' in answer:
            self._allowed.see(_task_id(path))
        return answer

    def _carried(  # noqa: PLR0911 - one for each fault
        self, answer: bytes, fault: str
    ) -> Iterable[Piece]:
        """A JSON answer, on its way back."""
        match fault:
            case "answer lost":
                return []
            case "read time-out":
                return [(1e9, answer)]
            case "slow":
                return [(4.0, answer[:20]), (4.0, answer[20:])]
            case "cut json":
                return [(0.0, answer[:-4])]
            case "html":
                return [(0.0, plain(200, PAGE))]
            case "other shape":
                body = self._random.choice([b"{}", b"[]", b"null", b'{"state": 1, "result": {}}'])
                return [(0.0, plain(200, body))]
            case "endless":
                start = head(200, {"Connection": "close"})
                return itertools.chain([(0.0, start)], itertools.repeat((1.0, b" " * 9)))
            case "odd gzip":
                return [(0.0, plain(200, gzip.compress(b"{}", mtime=0)))]
            case _:
                return Whole([(0.0, answer)])

    def _download(  # noqa: C901, PLR0911 - one for each fault
        self, path: str, fault: str
    ) -> Iterable[Piece]:
        match fault:
            case "answer lost":
                return []
            case "read time-out":
                return [(1e9, b"")]
            case "html":
                return [(0.0, plain(200, PAGE))]
            case "json":
                return [(0.0, plain(200, b'{"error": "try again"}'))]
            case "xml":
                return [(0.0, plain(200, b'<?xml version="1.0"?><Error/>'))]
            case "zip":
                return [(0.0, plain(200, b"PK\x03\x04\x00\x00"))]
            case "no bytes":
                return [(0.0, plain(200, b""))]
            case "redirect loop":
                return [(0.0, plain(302, b"", {"Location": path}))]
            case "redirect to http":
                return [(0.0, plain(302, b"", {"Location": f"http://{CDN}{path}"}))]
            case _ if not fault and not self._random.randrange(8) and not path.endswith("!"):
                return [(0.0, plain(307, b"", {"Location": f"https://{CDN}{path}!"}))]
        whole = "" if fault == "slow" else fault
        task = self._api.task_of_file(path)
        if fault in OF_FILES:
            task.is_spent = True
        return self._api.download(
            path, sorting=self._allowed.sorting, fault=whole, now=self._clock.true_now()
        )


def _task_id(path: str) -> str:
    return unquote(path.removeprefix(urlsplit(BASE_URL).path).removesuffix("/"))


_CONNECTION: Final = urllib3.connection.HTTPConnection("api.invalid")
