"""What the tap and its conversion processes send each other over a Unix socket."""

from __future__ import annotations

import pickle
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tap_advexport.records.convert import Conversion, Converted

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH_BYTES: Final = 8
_MOST_DESCRIPTORS: Final = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a conversion failed.

    Attributes:
        kind: the name of the error's class; empty for a bug.
        text: its message; the traceback of a bug.
        errno: of an OSError.
    """

    kind: str
    text: str
    errno: int | None = None


Order: TypeAlias = Conversion
Reply: TypeAlias = Converted | Fault


def send(line: socket.socket, parcel: Order | Reply, descriptors: Sequence[int] = ()) -> None:
    """Send one parcel, and open files with it.

    Raises:
        OSError: the other side is gone.
    """
    body = pickle.dumps(parcel, protocol=pickle.HIGHEST_PROTOCOL)
    head = len(body).to_bytes(_LENGTH_BYTES)
    if descriptors:
        socket.send_fds(line, [head], list(descriptors))
    else:
        line.sendall(head)
    line.sendall(body)


def receive(line: socket.socket) -> tuple[Any, list[int]] | None:
    """The next parcel and the files that came with it; None when the other side is gone."""
    head, descriptors, _, _ = socket.recv_fds(line, _LENGTH_BYTES, _MOST_DESCRIPTORS)
    head += _read(line, _LENGTH_BYTES - len(head)) if head else b""
    if len(head) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(head)
    body = _read(line, length)
    if len(body) < length:
        return None
    # From this very program, through a socket that nobody else has.
    return pickle.loads(body), descriptors  # noqa: S301


def _read(line: socket.socket, length: int) -> bytes:
    pieces = []
    while length and (piece := line.recv(min(length, 1 << 20))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
