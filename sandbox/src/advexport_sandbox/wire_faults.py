"""What can go wrong with one answer on its way through the net."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from advexport_sandbox.answers import Answer, Ending, Framing
from advexport_sandbox.effects import ANY, DOWNLOAD, SUBMIT, ChangeTransport, Fault

if TYPE_CHECKING:
    from advexport_sandbox.calls import Options

_SHARE_OF_CUT = 0.6


def lose(answer: Answer, _options: Options) -> Answer:
    """Close the connection without a word."""
    return replace(answer, is_silent=True, ending=Ending.CLOSE)


def hold_back(answer: Answer, options: Options) -> Answer:
    """Say nothing for some time, and close the connection."""
    return replace(lose(answer, options), head_pause_seconds=_pause(options, 30))


def cut(answer: Answer, _options: Options) -> Answer:
    """Close the connection before as many bytes have left as were announced."""
    return replace(answer, sent_share=_SHARE_OF_CUT, ending=Ending.CLOSE)


def cut_chunks(answer: Answer, options: Options) -> Answer:
    """Close the connection within a chunk."""
    return replace(cut(answer, options), framing=Framing.CHUNKED)


def reset(answer: Answer, options: Options) -> Answer:
    """Tear the connection down in the middle of the body."""
    return replace(cut(answer, options), ending=Ending.RESET)


def send_chunks(answer: Answer, _options: Options) -> Answer:
    """Send the whole body in chunks."""
    return replace(answer, framing=Framing.CHUNKED)


def send_until_close(answer: Answer, _options: Options) -> Answer:
    """Send the whole body without telling its length, and close."""
    return replace(answer, framing=Framing.CLOSE)


def send_until_close_unfinished(answer: Answer, _options: Options) -> Answer:
    """Do the same without the body's last line feed."""
    return replace(answer, framing=Framing.CLOSE, body=answer.body.removesuffix(b"\n"))


def cut_until_close(answer: Answer, _options: Options) -> Answer:
    """Send a part of the body without telling its length, and close."""
    return replace(answer, framing=Framing.CLOSE, sent_share=_SHARE_OF_CUT)


def drip(answer: Answer, options: Options) -> Answer:
    """Pause after each byte of the body."""
    return replace(answer, byte_pause_seconds=_pause(options, 0.001))


def slow_head(answer: Answer, options: Options) -> Answer:
    """Pause in the middle of the headers."""
    return replace(answer, head_pause_seconds=_pause(options, 0.2))


def stall(answer: Answer, options: Options) -> Answer:
    """Pause in the middle of the body, then close."""
    return replace(cut(answer, options), stall_seconds=_pause(options, 30))


def _pause(options: Options, default: float) -> float:
    return default if options.pause_seconds is None else options.pause_seconds


WIRES = (
    Fault(
        "submit-lost",
        SUBMIT,
        ChangeTransport(lose),
        "the task is made, and the connection closed without an answer",
    ),
    Fault("lost", ANY, ChangeTransport(lose), "the same on any call"),
    Fault(
        "silence",
        ANY,
        ChangeTransport(hold_back),
        "no answer for `pause_seconds` (30), then the connection is closed",
    ),
    Fault(
        "slow-headers",
        ANY,
        ChangeTransport(slow_head),
        "a pause of `pause_seconds` (0.2) amid the headers",
    ),
    Fault(
        "drip",
        ANY,
        ChangeTransport(drip),
        "a pause of `pause_seconds` (0.001) after each byte of the body",
    ),
    Fault(
        "stall",
        ANY,
        ChangeTransport(stall),
        "a pause of `pause_seconds` (30) amid the body, then the connection is closed",
    ),
    Fault("reset", ANY, ChangeTransport(reset), "the connection is reset (RST) amid the body"),
    Fault("cut", ANY, ChangeTransport(cut), "fewer bytes than Content-Length"),
    Fault("cut-chunked", ANY, ChangeTransport(cut_chunks), "a chunk that is not whole"),
    Fault(
        "cut-no-length",
        ANY,
        ChangeTransport(cut_until_close),
        "a part of the body, which nothing but its content tells",
    ),
    Fault("chunked", ANY, ChangeTransport(send_chunks), "the whole body in chunks"),
    Fault(
        "no-length",
        ANY,
        ChangeTransport(send_until_close),
        "the whole body, ended by closing the connection",
    ),
    Fault(
        "no-length-no-newline",
        DOWNLOAD,
        ChangeTransport(send_until_close_unfinished),
        "the same without the last line feed",
    ),
)
