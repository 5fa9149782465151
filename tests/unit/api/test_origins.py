"""Which URLs may be followed, and how they are written."""

from __future__ import annotations

import pytest

from tap_advexport.api.origins import (
    Origin,
    UrlRefused,
    checked_origin,
    literal_url,
    redirected_url,
    request_target,
)


@pytest.mark.parametrize(
    ("url", "origin", "shown"),
    [
        ("https://Api.Example/p?q", Origin("https", "api.example", 443), "https://api.example:443"),
        ("http://h:8080/", Origin("http", "h", 8080), "http://h:8080"),
        ("http://h", Origin("http", "h", 80), "http://h:80"),
        ("https://[::1]/f", Origin("https", "::1", 443), "https://[::1]:443"),
        ("HTTPS://h/", Origin("https", "h", 443), "https://h:443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: Origin, shown: str) -> None:
    found = checked_origin(url, is_http_allowed=True)
    assert (found, str(found)) == (origin, shown)
    assert found.is_plain == (origin.scheme == "http")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://h/a b", "the URL holds blanks or control characters"),
        ("https://h/a\tb", "the URL holds blanks or control characters"),
        ("https://h:99999/", "the URL is malformed"),
        ("https://[::1/", "the URL is malformed"),
        ("https:///p", "the URL is malformed"),
        ("https://h\\g/", "the URL is malformed"),
        ("file:///p", "the URL's scheme is file, and must be https"),
        ("//h/p", "the URL's scheme is missing, and must be https"),
        ("a" * 30 + "://h", f"the URL's scheme is {'a' * 20}, and must be https"),
        ("http://h/", "the URL is http, and the API is https: a downgrade is refused"),
        ("https://user@h/", "the URL holds a user name or password"),
        ("https://:pw@h/", "the URL holds a user name or password"),
    ],
)
def test_a_url_is_refused_with_the_reason_and_without_itself(url: str, words: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        checked_origin(url, is_http_allowed=False)
    assert str(caught.value) == words


def test_http_may_be_allowed() -> None:
    assert checked_origin("http://h/", is_http_allowed=True).is_plain
    with pytest.raises(UrlRefused, match=r"is ftp, and must be https or http$"):
        checked_origin("ftp://h/", is_http_allowed=True)


@pytest.mark.parametrize(
    ("url", "literal"),
    [
        ("https://f/a?s=%7e", "https://f/a?s=%7e"),
        ("/a?s=%7e", "https://h:8443/a?s=%7e"),
        ("https://f/a b?c d", "https://f/a%20b?c%20d"),
        ("https://f/é\ud800", "https://f/%C3%A9?"),
        # Nothing of a host is rewritten: whether it may be followed is said of it as it is.
        ("https://é/é", "https://é/%C3%A9"),
        ("//f/a", "https://f/a"),
        ("a/b", "a/b"),
    ],
)
def test_a_url_stays_literal_and_a_path_is_one_of_the_origin(url: str, literal: str) -> None:
    assert literal_url(url, "https://h:8443/exports/?q") == literal


@pytest.mark.parametrize("letter", ["\n", "\x00", "\x7f", "\t"])
def test_a_control_character_is_refused_before_anything_else(letter: str) -> None:
    with pytest.raises(UrlRefused, match=r"^the URL holds blanks or control characters$"):
        literal_url(f"https://f/a{letter}b", "https://h/")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://f/b?[s]", "https://f/b?[s]"),
        ("/b?[s]", "https://h/b?[s]"),
        ("/a/../b", "https://h/a/../b"),
        ("b", "https://h/p/b"),
        ("?s=1", "https://h/p/a?s=1"),
        ("//f/b", "https://f/b"),
        # Headers are Latin-1 to the HTTP library, and UTF-8 to whoever wrote this one.
        ("/é".encode().decode("latin-1"), "https://h/%C3%A9"),
        ("/\xe9 that no UTF-8 is", "https://h/%C3%A9%20that%20no%20UTF-8%20is"),
        ("//[", "https://["),
    ],
)
def test_a_redirect_leads_where_it_is_written(location: str, url: str) -> None:
    assert redirected_url("https://h/p/a?q", location) == url


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h", "/"),
        ("https://h?q", "/?q"),
        ("https://h/a%7e/../b?[c]#d?", "/a%7e/../b?[c]"),
    ],
)
def test_a_request_is_for_path_and_query_as_written(url: str, target: str) -> None:
    assert request_target(url) == target
