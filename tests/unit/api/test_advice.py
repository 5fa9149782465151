"""What is said of a token that the API refuses."""

from __future__ import annotations

import pytest

from tap_advexport.api.advice import A_PAGE_ANSWERS, refused_token


@pytest.mark.parametrize(
    ("is_page", "has_worked", "said"),
    [
        (False, False, "auth_token: the API refuses the token, HTTP 401; take the token from"),
        (False, True, "auth_token: the API refuses the token, which has worked before, HTTP 401"),
        (True, False, f"api_url: HTTP 401; {A_PAGE_ANSWERS}"),
        (True, True, f"api_url: HTTP 401; {A_PAGE_ANSWERS}"),
    ],
)
def test_the_advice_fits_what_answered_and_what_has_worked(
    said: str, *, is_page: bool, has_worked: bool
) -> None:
    assert refused_token("HTTP 401", is_page=is_page, has_worked=has_worked).startswith(said)
