"""What a person can do about an answer of the API, or about none: the ends of error messages."""

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
    """Give the message for an answer of 401 or 403.

    Args:
        words: what was asked, and the answer.
        is_page: the answer is a page, so that it may be another's than the API's.
        has_worked: the API has accepted the token in this run.
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
