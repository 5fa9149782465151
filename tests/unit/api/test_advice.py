"""What is said of a token that the API refuses, of a page, and of a server that is out of order."""

from __future__ import annotations

import pytest

from tap_advexport.api.advice import on_page, on_server_error, refused_token


@pytest.mark.parametrize(
    ("page_advice", "has_worked", "said"),
    [
        ("", False, "auth_token: the API refuses the token, HTTP 401; take the token from"),
        ("", True, "auth_token: the API refuses the token, which has worked before, HTTP 401"),
        ("a page", False, "api_url: HTTP 401; a page"),
        ("a page", True, "HTTP 401; a page"),
    ],
)
def test_the_token_is_blamed_only_where_it_may_be_the_reason(
    page_advice: str, said: str, *, has_worked: bool
) -> None:
    message = refused_token("HTTP 401", page_advice=page_advice, has_worked=has_worked)
    assert message.startswith(said)


def test_api_url_is_doubted_only_where_nothing_has_answered_as_the_api() -> None:
    assert "check api_url" in on_page(is_of_api=True, has_answered=False)
    for is_of_api, has_answered in ((True, True), (False, True), (False, False)):
        assert "api_url" not in on_page(is_of_api=is_of_api, has_answered=has_answered)


def test_what_is_out_of_order_is_what_was_asked() -> None:
    assert on_server_error(is_of_api=True).startswith("the API")
    assert on_server_error(is_of_api=False).startswith("the host of the files")
