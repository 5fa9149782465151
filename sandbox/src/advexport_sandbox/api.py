"""The three calls of the API, and the faults that befall them."""

from __future__ import annotations

import hmac
from contextlib import nullcontext, suppress
from http import HTTPStatus
from threading import Lock
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
from advexport_sandbox.calls import Call
from advexport_sandbox.effects import (
    ChangeBody,
    ChangeFile,
    ChangeTransport,
    DelayFile,
    DelayTask,
    DelayUrl,
    Outcome,
    Refuse,
    RepeatTask,
    WriteUrl,
)
from advexport_sandbox.signing import FILES_PATH, Signer, signed_task
from advexport_sandbox.submissions import BadSubmissionError, parse_submission

if TYPE_CHECKING:
    from advexport_sandbox.clock import Clock
    from advexport_sandbox.config import SandboxConfig
    from advexport_sandbox.files import Files
    from advexport_sandbox.injections import ActiveFault, Effect, Injections
    from advexport_sandbox.tasks import Task, Tasks

COLLECTION_PATH = "/advertiser/api/v1/reports/exports/"
_METHODS = {Endpoint.SUBMIT: "POST", Endpoint.POLL: "GET", Endpoint.DOWNLOAD: "GET"}


def endpoint_of(path: str) -> Endpoint | None:
    """Tell which call a path belongs to."""
    if path == COLLECTION_PATH:
        return Endpoint.SUBMIT
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
        # One submission at a time: two must not both be the last one that is allowed.
        self._submitting = Lock()

    def answer(self, request: Request, endpoint: Endpoint) -> Answer:
        """Answer a request, rightly or as the faults have it."""
        if request.method != _METHODS[endpoint]:
            return detail_answer(HTTPStatus.METHOD_NOT_ALLOWED)
        with self._submitting if endpoint is Endpoint.SUBMIT else nullcontext():
            return self._answer(self._identify(request, endpoint))

    def _answer(self, call: Call) -> Answer:
        refusal = self._injections.take(Refuse, call)
        if refusal:
            return self._transported(refusal.effect.answer(call, refusal.options), call)
        answer = self._act(call)
        change = self._injections.take(ChangeBody, call) if answer.status == HTTPStatus.OK else None
        if change:
            answer = change.effect.change(answer, change.options)
        return self._transported(answer, call)

    def _identify(self, request: Request, endpoint: Endpoint) -> Call:
        if endpoint is Endpoint.SUBMIT:
            submission = None
            with suppress(BadSubmissionError):
                submission = parse_submission(request.body)
            today = self._clock.local().date()
            load = self._tasks.load(submission, today, self._clock.seconds())
            return Call(endpoint, request, submission, load=load)
        task_id = signed_task(request.target) or request.path.removeprefix(COLLECTION_PATH)
        task = self._tasks.get(task_id)
        return Call(endpoint, request, task.submission if task else None, task_id)

    def _transported(self, answer: Answer, call: Call) -> Answer:
        transport = self._injections.take(ChangeTransport, call)
        if transport is None:
            return answer
        return transport.effect.change(answer, transport.options)

    def _act(self, call: Call) -> Answer:
        if call.endpoint is Endpoint.DOWNLOAD:
            return self._download(call)
        if not self._is_authorized(call.request):
            return detail_answer(
                HTTPStatus.UNAUTHORIZED, "Invalid token.", headers=(("WWW-Authenticate", "Token"),)
            )
        return self._submit(call) if call.endpoint is Endpoint.SUBMIT else self._poll(call)

    def _is_authorized(self, request: Request) -> bool:
        given = request.header("Authorization") or ""
        return hmac.compare_digest(given.encode(), f"Token {self._config.token}".encode())

    def _submit(self, call: Call) -> Answer:
        try:
            submission = parse_submission(call.request.body)
        except BadSubmissionError as error:
            return detail_answer(HTTPStatus.BAD_REQUEST, str(error))
        now = self._clock.local(), self._clock.seconds()
        twin = self._tasks.twin(submission)
        if twin and self._injections.take(RepeatTask, call):
            self._tasks.renew(twin, *now)
            return json_answer({"result": "QUEUED", "task_id": twin.task_id})
        task = self._tasks.add(submission, *now)
        return json_answer({"result": "QUEUED", "task_id": task.task_id})

    def _poll(self, call: Call) -> Answer:
        task = self._tasks.get(call.task_id or "")
        if task is None:
            return detail_answer(HTTPStatus.NOT_FOUND, "Not found.")
        if late := self._late(DelayTask, task, task.submitted, call):
            return late
        outcome = self._kept(Outcome, task, call)
        is_over = task.finishes <= self._clock.seconds()
        if outcome and (is_over or outcome.effect.is_sudden):
            return self._tell_outcome(task, outcome.effect)
        if not is_over:
            return json_answer({"state": "PENDING", "result": None})
        if late := self._late(DelayUrl, task, task.finishes, call):
            return late
        self._tasks.close(task)
        return json_answer({"state": "SUCCESS", "result": self._sign(task, call)})

    def _kept(self, kind: type[Effect], task: Task, call: Call) -> ActiveFault[Effect] | None:
        """Find the fault of a kind that the task has had since it first struck."""
        if kind not in task.faults:
            fault = self._injections.take(kind, call)
            if fault is None:
                return None
            task.faults[kind] = fault
        return task.faults[kind]

    def _late(
        self, kind: type[DelayTask | DelayUrl | DelayFile], task: Task, since: float, call: Call
    ) -> Answer | None:
        delay = self._kept(kind, task, call)
        if delay is None:
            return None
        seconds = 1 if delay.options.seconds is None else delay.options.seconds
        if self._clock.seconds() - since >= seconds:
            return None
        return delay.effect.answer(call, delay.options)

    def _tell_outcome(self, task: Task, outcome: Outcome) -> Answer:
        if outcome.is_final:
            self._tasks.close(task)
        if outcome.state is None:
            return detail_answer(HTTPStatus.NOT_FOUND, "Not found.")
        return json_answer({"state": outcome.state, "result": outcome.result})

    def _sign(self, task: Task, call: Call) -> str:
        written = self._injections.take(WriteUrl, call)
        way = written.effect if written else WriteUrl()
        expires = self._clock.seconds() + self._config.url_lifetime
        # A blank is signed as the client has to send it.
        target = self._signer.sign(task.task_id, expires, way.odd).replace("%20", " ")
        if not way.has_origin:
            return target
        origin = call.request.origin
        if self._config.files_host:
            origin = f"http://{self._config.files_host}:{urlsplit(origin).port}"
        return origin + target

    def _download(self, call: Call) -> Answer:
        host = (call.request.header("Host") or "").partition(":")[0]
        if self._config.files_host == host and call.request.header("Authorization"):
            # As S3 does when a signed URL comes with a second way to authorise.
            return storage_error(HTTPStatus.BAD_REQUEST, "InvalidArgument")
        task = self._tasks.get(call.task_id or "")
        if task is None or not self._signer.is_valid(call.request.target, self._clock.seconds()):
            return storage_error(HTTPStatus.FORBIDDEN, "AccessDenied")
        if late := self._late(DelayFile, task, task.finishes, call):
            return late
        change = self._kept(ChangeFile, task, call)
        body = self._files.render(task.submission, task.submitted_at)
        if change:
            body = change.effect.change(body, task.submission, change.options)
        return Answer(HTTPStatus.OK, body, "text/csv")
