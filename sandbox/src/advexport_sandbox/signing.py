"""Signed download URLs, which open a file for some time and for whoever has them."""

from __future__ import annotations

import hmac
import re

FILES_PATH = "/files/"
_TASK = re.compile(re.escape(FILES_PATH) + r"([0-9a-f-]+)(?:/[^/]*)?\.csv")
# What stands behind the signature was added by a redirect.
_TARGET = re.compile(
    r"(?P<text>[^?]*\?.*expires=(?P<expires>[0-9.]+))&signature=(?P<signature>[0-9a-f]{64})(?:&.*)?"
)


class Signer:
    """Makes and checks the targets of downloads; a signature is over the text before it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, task_id: str, expires: float, odd: str = "") -> str:
        """Make a target that holds until a time of the API's clock in seconds.

        Args:
            odd: Stands in the path and in the query, as it is.
        """
        path = f"{FILES_PATH}{task_id}" + (f"/{odd}.csv?odd={odd}&" if odd else ".csv?")
        text = f"{path}expires={expires:.3f}"
        return f"{text}&signature={self._signature(text)}"

    def is_valid(self, target: str, seconds: float) -> bool:
        """Tell whether a target is one of ours, to the letter, and still holds."""
        match = _TARGET.fullmatch(target)
        if match is None:
            return False
        right = self._signature(match["text"])
        return hmac.compare_digest(match["signature"], right) and seconds < float(match["expires"])

    def _signature(self, text: str) -> str:
        return hmac.digest(self._secret, text.encode(), "sha256").hex()


def signed_task(target: str) -> str | None:
    """Read from a download's target which task's file it is."""
    match = _TASK.fullmatch(target.partition("?")[0])
    return match[1] if match else None
