"""Puts an answer on a connection, byte for byte as the answer says."""

from __future__ import annotations

import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING

from advexport_sandbox.answers import Answer, Ending, Framing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINE_FEED = ord("\n")
_CHUNK_BYTES = 64 * 1024
# Closing with a linger time of zero sends RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def send(connection: socket.socket, answer: Answer, pause: Callable[[float], object]) -> bool:
    """Send an answer, and tell whether the connection can serve one more.

    Args:
        pause: Waits for some seconds.
    """
    if answer.is_silent:
        pause(answer.head_pause_seconds)
    else:
        _send_head(connection, answer, pause)
        _send_body(connection, answer, pause)
        pause(answer.stall_seconds)
    if answer.ending is Ending.RESET:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # Before the server can end the connection with FIN, in good order.
        connection.close()
    return answer.ending is Ending.KEEP and answer.framing is not Framing.CLOSE


def _send_head(connection: socket.socket, answer: Answer, pause: Callable[[float], object]) -> None:
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {text}" for name, text in _headers(answer)]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    if answer.head_pause_seconds:
        middle = len(head) // 2
        connection.sendall(head[:middle])
        pause(answer.head_pause_seconds)
        head = head[middle:]
    connection.sendall(head)


def _headers(answer: Answer) -> Iterator[tuple[str, str]]:
    yield "Content-Type", answer.content_type
    yield from answer.headers
    match answer.framing:
        case Framing.LENGTH:
            yield "Content-Length", str(len(answer.body))
        case Framing.CHUNKED:
            yield "Transfer-Encoding", "chunked"
        case Framing.CLOSE:
            yield "Connection", "close"


def _send_body(connection: socket.socket, answer: Answer, pause: Callable[[float], object]) -> None:
    wire = _framed(answer)
    if answer.sent_share < 1:
        wire = wire[: _cut_position(wire, answer.sent_share)]
    if not answer.byte_pause_seconds:
        connection.sendall(wire)
        return
    for position in range(len(wire)):
        connection.sendall(wire[position : position + 1])
        pause(answer.byte_pause_seconds)


def _cut_position(wire: memoryview, share: float) -> int:
    position = min(int(len(wire) * share), max(len(wire) - 1, 0))
    # A file that ends with a line and without a length could not be told from a whole one.
    while position and wire[position - 1] == _LINE_FEED:
        position -= 1
    return position


def _framed(answer: Answer) -> memoryview:
    if answer.framing is not Framing.CHUNKED:
        return memoryview(answer.body)
    parts = []
    for start in range(0, len(answer.body), _CHUNK_BYTES):
        chunk = answer.body[start : start + _CHUNK_BYTES]
        parts += [b"%x\r\n" % len(chunk), chunk, b"\r\n"]
    return memoryview(b"".join((*parts, b"0\r\n\r\n")))
