"""The three calls of the API, and the faults that befall them."""

from __future__ import annotations

import hmac
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from advexport_sandbox.answers import (
    Answer,
    Endpoint,
    Request,
    detail_answer,
    json_answer,
    storage_error,
)
from advexport_sandbox.demands import BadDemandError, parse_demand
from advexport_sandbox.faults import Ail, Alter, Disturb, Refuse, Spoil
from advexport_sandbox.injections import Call, Injections
from advexport_sandbox.signing import FILES_PATH, Signer, signed_task

if TYPE_CHECKING:
    from advexport_sandbox.clock import Clock
    from advexport_sandbox.config import SandboxConfig
    from advexport_sandbox.files import Files
    from advexport_sandbox.tasks import Task, Tasks

COLLECTION_PATH = "/advertiser/api/v1/reports/exports/"
_METHODS = {Endpoint.DEMAND: "POST", Endpoint.POLL: "GET", Endpoint.DOWNLOAD: "GET"}


def endpoint_of(path: str) -> Endpoint | None:
    """Tell which call a path belongs to."""
    if path == COLLECTION_PATH:
        return Endpoint.DEMAND
    if path.startswith(COLLECTION_PATH):
        return Endpoint.POLL
    return Endpoint.DOWNLOAD if path.startswith(FILES_PATH) else None


class Api:
    """Answers calls; it knows no sockets."""

    def __init__(  # noqa: PLR0913  # the parts of the API, put together in one place
        self,
        config: SandboxConfig,
        *,
        clock: Clock,
        tasks: Tasks,
        files: Files,
        signer: Signer,
        injections: Injections,
    ) -> None:
        self._config = config
        self._clock = clock
        self._tasks = tasks
        self._files = files
        self._signer = signer
        self._injections = injections

    def answer(self, request: Request, endpoint: Endpoint) -> Answer:
        """Answer a request, rightly or as the faults have it."""
        if request.method != _METHODS[endpoint]:
            return detail_answer(HTTPStatus.METHOD_NOT_ALLOWED)
        call = self._identify(request, endpoint)
        refusal = self._injections.take(Refuse, call)
        if refusal:
            return self._disturbed(refusal.effect.answer(call, refusal.options), call)
        answer = self._act(call)
        alteration = self._injections.take(Alter, call) if answer.status == HTTPStatus.OK else None
        if alteration:
            answer = alteration.effect.change(answer, alteration.options)
        return self._disturbed(answer, call)

    def _identify(self, request: Request, endpoint: Endpoint) -> Call:
        if endpoint is Endpoint.DEMAND:
            with suppress(BadDemandError):
                return Call(endpoint, request, parse_demand(request.body))
            return Call(endpoint, request)
        task_id = signed_task(request.target) or request.path.removeprefix(COLLECTION_PATH)
        task = self._tasks.get(task_id)
        return Call(endpoint, request, task.demand if task else None, task_id)

    def _disturbed(self, answer: Answer, call: Call) -> Answer:
        disturbance = self._injections.take(Disturb, call)
        if disturbance is None:
            return answer
        return disturbance.effect.change(answer, disturbance.options)

    def _act(self, call: Call) -> Answer:
        if call.endpoint is Endpoint.DOWNLOAD:
            return self._download(call)
        if not self._is_authorized(call.request):
            return detail_answer(
                HTTPStatus.UNAUTHORIZED, "Invalid token.", headers=(("WWW-Authenticate", "Token"),)
            )
        return self._demand(call) if call.endpoint is Endpoint.DEMAND else self._poll(call)

    def _is_authorized(self, request: Request) -> bool:
        given = request.header("Authorization") or ""
        return hmac.compare_digest(given.encode(), f"Token {self._config.token}".encode())

    def _demand(self, call: Call) -> Answer:
        try:
            demand = parse_demand(call.request.body)
        except BadDemandError as error:
            return detail_answer(HTTPStatus.BAD_REQUEST, str(error))
        task = self._tasks.add(demand, self._clock.local(), self._clock.seconds())
        return json_answer({"result": "QUEUED", "task_id": task.task_id})

    def _poll(self, call: Call) -> Answer:
        task = self._tasks.get(call.task_id or "")
        if task is None:
            return detail_answer(HTTPStatus.NOT_FOUND, "Not found.")
        if task.ailment is None:
            task.ailment = self._injections.take(Ail, call)
        ailment = task.ailment.effect if task.ailment else None
        is_over = task.finishes <= self._clock.seconds()
        if ailment and (is_over or ailment.is_sudden):
            return self._tell_ailment(task, ailment)
        if not is_over:
            return json_answer({"state": "PENDING", "result": None})
        self._tasks.close(task)
        return json_answer({"state": "SUCCESS", "result": self._sign(task, call.request)})

    def _tell_ailment(self, task: Task, ailment: Ail) -> Answer:
        if ailment.is_final:
            self._tasks.close(task)
        if ailment.state is None:
            return detail_answer(HTTPStatus.NOT_FOUND, "Not found.")
        return json_answer({"state": ailment.state, "result": None})

    def _sign(self, task: Task, request: Request) -> str:
        origin = request.origin
        if self._config.files_host:
            origin = f"http://{self._config.files_host}:{urlsplit(origin).port}"
        expires = self._clock.seconds() + self._config.url_lifetime
        return origin + self._signer.sign(task.task_id, expires)

    def _download(self, call: Call) -> Answer:
        if self._config.files_host and call.request.header("Authorization"):
            # As S3 does when a signed URL comes with a second way to authorise.
            return storage_error(HTTPStatus.BAD_REQUEST, "InvalidArgument")
        task = self._tasks.get(call.task_id or "")
        if task is None or not self._signer.is_valid(call.request.target, self._clock.seconds()):
            return storage_error(HTTPStatus.FORBIDDEN, "AccessDenied")
        if task.spoiled is None:
            task.spoiled = self._injections.take(Spoil, call)
        body = self._files.render(task.demand, task.demanded_at)
        if task.spoiled:
            body = task.spoiled.effect.change(body, task.demand, task.spoiled.options)
        return Answer(HTTPStatus.OK, body, "text/csv")
