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
FILES_OUT_OF_ORDER: Final = "the host of the files is out of order or overloaded: try again later"
A_PAGE_ANSWERS: Final = (
    "a page answers and not the API: check api_url, and a firewall or proxy that may stand between"
)
A_PAGE_IN_BETWEEN: Final = (
    "a page answers in place of the API, which has answered before in this run: try again later; "
    "if it stays, check a firewall or proxy that may stand between"
)
A_PAGE_FOR_A_FILE: Final = (
    "a page answers in place of the file: try again later; if it stays, check a firewall or proxy "
    "that may stand between"
)


def on_page(*, is_of_api: bool, has_answered: bool) -> str:
    """Return advice on an HTML page in place of an answer.

    Args:
        is_of_api: the API was asked, and not a host of files.
        has_answered: the API has given a valid answer in this run.
    """
    if not is_of_api:
        return A_PAGE_FOR_A_FILE
    return A_PAGE_IN_BETWEEN if has_answered else A_PAGE_ANSWERS


def on_server_error(*, is_of_api: bool) -> str:
    """Return advice on an answer that says that the server is out of order (5xx, 429)."""
    return OUT_OF_ORDER if is_of_api else FILES_OUT_OF_ORDER


def refused_token(words: str, *, page_advice: str, has_worked: bool) -> str:
    """Return the message for a 401 or 403 answer.

    Args:
        words: what was requested, and the answer.
        page_advice: advice on an answer that is an HTML page, and may not come from the API; empty
            for any other.
        has_worked: whether the API has accepted the token in this run.
    """
    if page_advice:
        return f"{'' if has_worked else 'api_url: '}{words}; {page_advice}"
    if has_worked:
        return (
            f"auth_token: the API refuses the token, which has worked before, {words}; "
            "has it been replaced? The user profile has the one that is valid"
        )
    return (
        f"auth_token: the API refuses the token, {words}; "
        "take the token from the advertiser's user profile"
    )
