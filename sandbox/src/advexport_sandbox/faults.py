"""The table of faults: what each is called, where it strikes and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advexport_sandbox import file_faults, refusals, wire_faults
from advexport_sandbox.answers import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from advexport_sandbox.answers import Answer
    from advexport_sandbox.demands import Demand
    from advexport_sandbox.injections import Call, Options

_DEMAND = frozenset({Endpoint.DEMAND})
_POLL = frozenset({Endpoint.POLL})
_DOWNLOAD = frozenset({Endpoint.DOWNLOAD})
_JSON = _DEMAND | _POLL
_ANY = _JSON | _DOWNLOAD


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answers in the API's place, which does nothing."""

    answer: Callable[[Call, Options], Answer]


@dataclass(frozen=True, slots=True)
class Ail:
    """Befalls a task for ever, from the first poll that it strikes.

    Args:
        state: What polls say; None is that there is no such task.
        is_sudden: Says so before the task's time is over.
    """

    state: str | None
    is_sudden: bool = False

    @property
    def is_final(self) -> bool:
        """Whether nothing can come of the task any more."""
        return self.state in {None, "FAILURE", "REVOKED"}


@dataclass(frozen=True, slots=True)
class Spoil:
    """Befalls a task's file for ever, from the first download that it strikes."""

    change: Callable[[bytes, Demand, Options], bytes]


@dataclass(frozen=True, slots=True)
class Alter:
    """Changes what one answer says."""

    change: Callable[[Answer, Options], Answer]


@dataclass(frozen=True, slots=True)
class Disturb:
    """Changes how one answer travels."""

    change: Callable[[Answer, Options], Answer]


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table. Faults with different kinds of effect can strike the same call."""

    name: str
    endpoints: frozenset[Endpoint]
    effect: Refuse | Ail | Spoil | Alter | Disturb
    about: str


def _statuses() -> Iterable[Fault]:
    for status in (400, 401, 403, 404, 408, 409, 410, 429, 500, 502, 503, 504):
        about = f"answers {status}, with `retry_after` as a header if given"
        yield Fault(f"status-{status}", _ANY, Refuse(refusals.refuse_with(status)), about)


_REFUSALS = (
    *_statuses(),
    Fault(
        "status-429-date",
        _ANY,
        Refuse(refusals.refuse_until_date),
        "answers 429 with a date in Retry-After, `retry_after` (1) seconds ahead",
    ),
    Fault(
        "demand-error-result",
        _DEMAND,
        Refuse(refusals.refuse_demand),
        "answers 200 with the result ERROR; no task is made",
    ),
    Fault(
        "url-expired",
        _DOWNLOAD,
        Refuse(refusals.refuse_expired),
        "answers 403 with XML as if the URL's time were over",
    ),
    Fault("download-404", _DOWNLOAD, Refuse(refusals.refuse_with(404)), "answers 404 with XML"),
    Fault("download-410", _DOWNLOAD, Refuse(refusals.refuse_with(410)), "answers 410 with XML"),
    Fault(
        "redirect",
        _ANY,
        Refuse(refusals.redirect_within),
        "answers 307 to another URL (`location`) of the same origin",
    ),
    Fault(
        "redirect-away",
        _ANY,
        Refuse(refusals.redirect_away),
        "answers 307 to another origin (`location`, else this host by the name localhost)",
    ),
    Fault(
        "redirect-loop", _ANY, Refuse(refusals.redirect_loop), "answers 307 to a loop without end"
    ),
)
_TASKS = (
    Fault("task-failure", _POLL, Ail("FAILURE"), "the task ends with the state FAILURE"),
    Fault("task-revoked", _POLL, Ail("REVOKED"), "the task ends with the state REVOKED"),
    Fault(
        "unknown-state",
        _POLL,
        Ail("HIBERNATING", is_sudden=True),
        "the task has a state that nobody knows, for ever",
    ),
    Fault("stuck", _POLL, Ail("PENDING"), "the task stays PENDING for ever"),
    Fault("task-404", _POLL, Ail(None, is_sudden=True), "the task is unknown from now on"),
)
_FILES = (
    Fault(
        "extra-column",
        _DOWNLOAD,
        Spoil(file_faults.on_rows(file_faults.add_column)),
        "the file has a column `installs_aggr`",
    ),
    Fault(
        "missing-column",
        _DOWNLOAD,
        Spoil(file_faults.on_rows(file_faults.drop_column)),
        "the file lacks the column `conversions_aggr`",
    ),
    Fault(
        "duplicate-column",
        _DOWNLOAD,
        Spoil(file_faults.on_rows(file_faults.repeat_column)),
        "the file has the column `clicks_aggr` twice",
    ),
    Fault(
        "reversed-columns",
        _DOWNLOAD,
        Spoil(file_faults.on_rows(file_faults.reverse_columns)),
        "the file's columns come in reverse order",
    ),
    Fault(
        "bad-cell",
        _DOWNLOAD,
        Spoil(file_faults.on_last_row(file_faults.spoil_cell)),
        "the last row has `cell` (abc) in `column` (clicks_aggr)",
    ),
    Fault(
        "short-row",
        _DOWNLOAD,
        Spoil(file_faults.on_last_row(file_faults.shorten)),
        "the last row lacks its last cell",
    ),
    Fault(
        "long-row",
        _DOWNLOAD,
        Spoil(file_faults.on_last_row(file_faults.lengthen)),
        "the last row has a cell too many",
    ),
    Fault(
        "row-outside-window",
        _DOWNLOAD,
        Spoil(file_faults.on_last_row(file_faults.leave_window)),
        "the last row's `time` is `cell`, else right behind the window",
    ),
    Fault(
        "off-grid-row",
        _DOWNLOAD,
        Spoil(file_faults.on_last_row(file_faults.leave_grid)),
        "the last row's `time` is `cell`, else no start of an hour, day or month",
    ),
    Fault(
        "invalid-utf8",
        _DOWNLOAD,
        Spoil(file_faults.in_last_row(b"caf\xe9")),
        "the last row has a campaign in Latin-1",
    ),
    Fault(
        "nul",
        _DOWNLOAD,
        Spoil(file_faults.in_last_row(b"nu\x00l")),
        "the last row has a campaign with a NUL in it",
    ),
    Fault(
        "quoted",
        _DOWNLOAD,
        Spoil(file_faults.on_last_row(file_faults.make_nasty)),
        "the last row has commas, quotes, line breaks and U+2028 in its cells, rightly quoted",
    ),
    Fault(
        "crlf",
        _DOWNLOAD,
        Spoil(file_faults.on_bytes(file_faults.end_lines_with_crlf)),
        "lines end with CR LF",
    ),
    Fault(
        "blank-lines",
        _DOWNLOAD,
        Spoil(file_faults.on_bytes(file_faults.add_blank_lines)),
        "an empty line follows each line",
    ),
    Fault(
        "bom",
        _DOWNLOAD,
        Spoil(file_faults.on_bytes(file_faults.mark_order)),
        "the file begins with the byte order mark of UTF-8",
    ),
    Fault(
        "utf16",
        _DOWNLOAD,
        Spoil(file_faults.on_bytes(file_faults.encode_utf16)),
        "the file is encoded in UTF-16",
    ),
)
_TEXTS = (
    Fault("task-started", _POLL, Alter(wire_faults.say_state("STARTED")), "one poll says STARTED"),
    Fault("task-retry", _POLL, Alter(wire_faults.say_state("RETRY")), "one poll says RETRY"),
    Fault(
        "success-without-url",
        _POLL,
        Alter(wire_faults.say_state("SUCCESS")),
        "one poll says SUCCESS with null as its result",
    ),
    Fault(
        "other-url",
        _POLL,
        Alter(wire_faults.say_url),
        "one poll says SUCCESS with `location` (file:///etc/passwd) as its result",
    ),
    Fault(
        "demand-without-id",
        _DEMAND,
        Alter(wire_faults.say("application/json", b'{"result": "QUEUED", "task_id": null}')),
        "the task is made, and its id kept secret",
    ),
    Fault(
        "odd-json",
        _JSON,
        Alter(wire_faults.say("application/json", b"[42]")),
        "JSON that is no object",
    ),
    Fault("truncated-json", _JSON, Alter(wire_faults.halve), "half of the JSON, whole as HTTP"),
    Fault("not-json", _JSON, Alter(wire_faults.say("text/plain", b"OK")), "the text OK"),
    Fault("huge-json", _JSON, Alter(wire_faults.say_huge), "the JSON with 2 MiB of padding"),
    Fault("empty-body", _ANY, Alter(wire_faults.say("text/csv", b"")), "200 and not a byte"),
    Fault(
        "html-body",
        _ANY,
        Alter(wire_faults.say("text/html", b"<!DOCTYPE html>\n<html>Please log in</html>\n")),
        "200 with a page of HTML",
    ),
    Fault(
        "json-body",
        _DOWNLOAD,
        Alter(wire_faults.say("application/json", b'{"detail": "Not ready."}')),
        "200 with JSON in place of the file",
    ),
    Fault(
        "xml-body",
        _DOWNLOAD,
        Alter(wire_faults.say("application/xml", b"<Error><Code>SlowDown</Code></Error>")),
        "200 with XML in place of the file",
    ),
    Fault("zip-body", _DOWNLOAD, Alter(wire_faults.zip_up), "the file in a ZIP archive"),
    Fault(
        "cut-mid-row",
        _DOWNLOAD,
        Alter(wire_faults.cut_row),
        "the body ends in the middle of its last row, with a length that fits",
    ),
    Fault(
        "cut-open-quote",
        _DOWNLOAD,
        Alter(wire_faults.cut_quote),
        "the body ends inside a quoted cell, with a length that fits",
    ),
    Fault("gzip", _DOWNLOAD, Alter(wire_faults.encode_gzip), "Content-Encoding gzip"),
    Fault(
        "gzip-multi-member",
        _DOWNLOAD,
        Alter(wire_faults.encode_members),
        "Content-Encoding gzip in two members",
    ),
    Fault(
        "gzip-file",
        _DOWNLOAD,
        Alter(wire_faults.file_gzip),
        "a gzip file without Content-Encoding",
    ),
    Fault(
        "gzip-file-multi-member",
        _DOWNLOAD,
        Alter(wire_faults.file_members),
        "a gzip file of two members without Content-Encoding",
    ),
    Fault(
        "cut-gzip",
        _DOWNLOAD,
        Alter(wire_faults.cut_after(wire_faults.encode_gzip)),
        "Content-Encoding gzip whose end is missing, with a length that fits",
    ),
    Fault(
        "cut-gzip-member",
        _DOWNLOAD,
        Alter(wire_faults.cut_after(wire_faults.encode_members)),
        "the same with a first member that is whole",
    ),
)
_WIRES = (
    Fault(
        "demand-lost",
        _DEMAND,
        Disturb(wire_faults.lose),
        "the task is made, and the connection closed without an answer",
    ),
    Fault("lost", _ANY, Disturb(wire_faults.lose), "the same on any call"),
    Fault(
        "silence",
        _ANY,
        Disturb(wire_faults.hold_back),
        "no answer for `pause_seconds` (30), then the connection is closed",
    ),
    Fault(
        "slow-headers",
        _ANY,
        Disturb(wire_faults.slow_head),
        "a pause of `pause_seconds` (0.2) amid the headers",
    ),
    Fault(
        "drip",
        _ANY,
        Disturb(wire_faults.drip),
        "a pause of `pause_seconds` (0.001) after each byte of the body",
    ),
    Fault(
        "stall",
        _ANY,
        Disturb(wire_faults.stall),
        "a pause of `pause_seconds` (30) amid the body, then the connection is closed",
    ),
    Fault("reset", _ANY, Disturb(wire_faults.reset), "the connection is reset (RST) amid the body"),
    Fault("cut", _ANY, Disturb(wire_faults.cut), "fewer bytes than Content-Length"),
    Fault("cut-chunked", _ANY, Disturb(wire_faults.cut_chunks), "a chunk that is not whole"),
    Fault(
        "cut-no-length",
        _ANY,
        Disturb(wire_faults.cut_until_close),
        "a part of the body, which nothing but its content tells",
    ),
    Fault("chunked", _ANY, Disturb(wire_faults.send_chunks), "the whole body in chunks"),
    Fault(
        "no-length",
        _ANY,
        Disturb(wire_faults.send_until_close),
        "the whole body, ended by closing the connection",
    ),
    Fault(
        "no-length-no-newline",
        _DOWNLOAD,
        Disturb(wire_faults.send_until_close_unfinished),
        "the same without the last line feed",
    ),
)

FAULTS = {fault.name: fault for fault in (*_REFUSALS, *_TASKS, *_FILES, *_TEXTS, *_WIRES)}
