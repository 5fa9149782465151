"""Advice at the end of error messages: what to do about an answer of the API, or about none."""

from __future__ import annotations

from typing import Final

NOTHING_ANSWERS: Final = (
    "nothing answers there: check api_url and the network (proxy, firewall), or try again later"
)
ANSWERED_BEFORE: Final = (
    "the API has answered before in this run: try again later; if it stays, check the network "
    "(proxy, firewall)"
)
CANNOT_BE_REACHED: Final = (
    "the host of the files cannot be reached: check the network (proxy, firewall), or try again "
    "later"
)
NOT_THE_API: Final = "what answers there is not the API: check api_url"
OUT_OF_ORDER: Final = "the API is there and out of order or overloaded: try again later"
A_PAGE_ANSWERS: Final = (
    "a page answers and not the API: check api_url, and a firewall or proxy that may stand between"
)


def refused_token(words: str, *, is_page: bool, has_worked: bool) -> str:
    """Return the message for a 401 or 403 answer.

    Args:
        words: what was requested, and the answer.
        is_page: the answer is an HTML page, so it may not come from the API.
        has_worked: whether the API has accepted the token in this run.
    """
    if is_page:
        return f"api_url: {words}; {A_PAGE_ANSWERS}"
    if has_worked:
        return (
            f"auth_token: the API refuses the token, which has worked before, {words}; "
            "has it been replaced? The user profile has the one that is valid"
        )
    return (
        f"auth_token: the API refuses the token, {words}; "
        "take the token from the advertiser's user profile"
    )
