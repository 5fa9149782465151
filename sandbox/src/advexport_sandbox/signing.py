"""Signed download URLs, which open a file for some time and for whoever has them."""

from __future__ import annotations

import hmac
import re
from urllib.parse import parse_qs, urlencode

FILES_PATH = "/files/"
_TARGET = re.compile(re.escape(FILES_PATH) + r"([0-9a-f-]+)\.csv")


class Signer:
    """Makes and checks the targets of downloads."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, task_id: str, expires: float) -> str:
        """Make a target that holds until a time of the API's clock in seconds."""
        text = f"{expires:.3f}"
        query = urlencode({"signature": self._signature(task_id, text), "expires": text})
        return f"{FILES_PATH}{task_id}.csv?{query}"

    def is_valid(self, target: str, seconds: float) -> bool:
        """Tell whether a target is one of ours and still holds."""
        query = parse_qs(target.partition("?")[2])
        signature, expires = query.get("signature", [""])[0], query.get("expires", [""])[0]
        right = self._signature(signed_task(target) or "", expires)
        return hmac.compare_digest(signature.encode(), right.encode()) and seconds < float(expires)

    def _signature(self, task_id: str, expires: str) -> str:
        return hmac.digest(self._secret, f"{task_id}:{expires}".encode(), "sha256").hex()


def signed_task(target: str) -> str | None:
    """Read from a download's target which task's file it is."""
    match = _TARGET.fullmatch(target.partition("?")[0])
    return match[1] if match else None
