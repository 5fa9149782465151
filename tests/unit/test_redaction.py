"""What may be shown of texts that can hold a secret."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.redaction import MAX_EXCERPT, MAX_QUOTED, Redactor, excerpt, quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no secret", "no secret"),
        ("XXXX is a text like any other", "XXXX is a text like any other"),
        ("at https://h/p?sig=1&b=2 now", "at https://h/p?*** now"),
        ("HTTPS://H/p?sig", "HTTPS://H/p?***"),
        ("https://h/p#sig", "https://h/p?***"),
        ("https://user:pw@h/p?x", "https://h/p?***"),
        ("https://user:pw@h?x", "https://h?***"),
        ('"https://h/p?a\'b" and', '"https://h/p?***" and'),
        ("<a>https://h/p?s</a>", "<a>https://h/p?***</a>"),
        ("https://h/p", "https://h/p"),
        (" a\n\tb\r\nc\x00\x1b[31md\u2028e\x85 ", "a b c [31md e"),
        ("a\ud800b\u202ec\ue000", "a\ufffdb\ufffdc\ufffd"),
        ("", ""),
    ],
)
def test_secrets_are_taken_out_and_one_printable_line_is_left(text: str, shown: str) -> None:
    assert Redactor().redact(text) == shown


def test_the_token_is_taken_out_wherever_it_stands() -> None:
    assert Redactor("tok").redact("a tok b tok") == "a *** b ***"
    assert Redactor("").redact("a b") == "a b"


@given(st.text(), st.text(min_size=3))
def test_whatever_is_redacted_is_one_printable_line(text: str, secret: str) -> None:
    assert Redactor(secret).redact(text).isprintable()
    assert excerpt(text).isprintable()
    assert len(Redactor(secret).excerpt(text)) <= MAX_EXCERPT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("XXXX", "XXXX"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 197 + "..."),
        ("x" * 10**6, "x" * 197 + "..."),
        ("/f?sig=1 and ?b", "/f?*** and ?***"),
        ('{"u": "/f?sig"}', '{"u": "/f?***"}'),
        ("really ?", "really ?"),
        (r'{"u": "/f\u003fsig=1"}', '{"u": "/f?***"}'),
        ("/f%3Fsig=1", "/f?***"),
        ("https://h/f?a=b c&sig=1 gone", "https://h/f?*** *** gone"),
        ("sig=1&at=2 is over", "*** is over"),
        ("a & b=c, at=2", "a & b=c, at=2"),
    ],
    ids=[
        *("plain", "fits", "one more", "far more", "queries", "JSON", "a question"),
        *("escaped", "encoded", "behind a blank", "pairs alone", "no pairs"),
    ],
)
def test_an_excerpt_is_short_and_without_queries(text: str, shown: str) -> None:
    assert excerpt(text) == shown


def test_an_excerpt_is_as_long_as_asked_for() -> None:
    assert excerpt("a longer text", 10) == "a longe..."


def test_a_token_is_not_in_an_excerpt() -> None:
    assert Redactor("tok").excerpt("no tok") == "no ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a cell", "a cell"),
        ("what? nothing", "what? nothing"),
        ("?", "?"),
        ("a=b?c", "a=b?c"),
        ("at https://u:p@h/f?s1g#x, then", "at https://h/f?*** then"),
        ("/f?sig=1&b=2 and /g?x=", "/f?*** and /g?***"),
        ("<R>/b/k?X-Amz=1</R>", "<R>/b/k?***</R>"),
    ],
)
def test_a_text_of_a_file_loses_queries_and_keeps_questions(text: str, shown: str) -> None:
    assert quoted(text) == repr(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no access for abcdefgh", "no access for ***"),
        ("'x abcdefgh' and 'abcdefgh'", "'x ***' and '***'"),
        ("'no access for abcdef'...", "'no access for ***'..."),
        ("'no access for abcd...", "'no access for ***..."),
        ("'no access for abc'...", "'no access for abc'..."),
        ("'abcdefg'...", "'***'..."),
        ("abcd...", "***..."),
        ("abcd and 'abc'...", "abcd and 'abc'..."),
        ("abcdef is a word", "abcdef is a word"),
        ("nothing", "nothing"),
    ],
)
def test_the_token_is_taken_out_also_where_it_is_cut(text: str, shown: str) -> None:
    assert Redactor("abcdefgh").without_secrets(text) == shown
    assert Redactor("").without_secrets(text) == text


TOKEN = "t0ken/never+shown"


@pytest.mark.parametrize("length", [200, 60])
@pytest.mark.parametrize("shift", range(-20, 21, 4))
def test_a_token_that_straddles_a_cut_shows_no_beginning(length: int, shift: int) -> None:
    redactor = Redactor(TOKEN)
    for cut in (length, 20 * length):
        text = "x" * (cut + shift - 3) + TOKEN + "y" * 10_000
        assert TOKEN[:4] not in redactor.excerpt(text, length)
    # A long query shrinks to a few letters, so that what was far behind comes into view.
    text = f"https://h/f?{'q' * (20 * length - 40)} {'x' * (shift + 20)}{TOKEN}{'y' * 10_000}"
    assert TOKEN[:4] not in redactor.excerpt(text, length)


@pytest.mark.parametrize("cut", range(4, len(TOKEN)))
def test_nothing_but_the_token_is_missing_where_a_text_is_cut(cut: int) -> None:
    shrinks, length = "https://h/f?", 200
    before = f"{shrinks}{'q' * (20 * length - len(shrinks) - cut - 5)} end "
    text = f"{before}{TOKEN}{'y' * 10_000}"
    assert Redactor(TOKEN).excerpt(text, length) == "https://h/f?*** end"
    assert Redactor("another").excerpt(text, length) == f"https://h/f?*** end {TOKEN[:cut]}"


def test_a_beginning_that_reveals_nothing_stays_where_a_text_is_cut() -> None:
    shrinks, length = "https://h/f?", 200
    text = f"{shrinks}{'q' * (20 * length - len(shrinks) - 8)} end {TOKEN}{'y' * 10_000}"
    assert Redactor(TOKEN).excerpt(text, length) == "https://h/f?*** end t0k"


def test_a_token_beyond_ascii_is_known_as_a_url_writes_it() -> None:
    assert Redactor("tök€n").redact("at https://h/t%C3%B6k%E2%82%ACn/1") == "at https://h/***/1"


def test_a_cut_token_is_known_as_it_is_and_as_a_url_writes_it() -> None:
    redactor = Redactor("t/ken-never-shown")
    assert redactor.without_secrets("'t/ken-nev'...") == "'***'..."
    assert redactor.without_secrets("'t%2Fken-nev'...") == "'***'..."


@pytest.mark.parametrize("token", [TOKEN, "t0ken%2Fnever%2Bshown"])
def test_the_token_in_the_path_of_a_url_is_taken_out(token: str) -> None:
    redactor = Redactor(TOKEN)
    assert redactor.place_of(f"https://h/files/{token}/1.csv?s") == "https://h/files/***/1.csv"
    assert redactor.redact(f"at https://h/{token}/1.csv now") == "at https://h/***/1.csv now"


@pytest.mark.parametrize("scheme", ["https", "http", "postgresql", "socks5h"])
def test_users_and_passwords_are_taken_out_of_urls_without_a_query(scheme: str) -> None:
    assert Redactor().redact(f"{scheme}://user:pa@ss@h/p and so on") == f"{scheme}://h/p and so on"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no Sig=abc%2Fdef%2Bg&x=1a345&y=Abc/def&z=a+blank&flag.", "no ***."),
        ("no abc%2Fdef%2Bg", "no ***"),
        ("no abc/def+g", "no ***"),
        ("no Abc/def", "no ***"),
        (r"no Abc\/def, no abc\/def+g, no t\u0030ken-1", "no ***, no ***, no ***"),
        ("no a blank, no a+blank", "no ***, no ***"),
        ("no 'abc%2Fd'...", "no '***'..."),
        ("t0ken-1 and 1a345", "*** and 1a345"),
        ("a part of it", "a part of it"),
    ],
)
def test_the_query_of_a_url_and_its_values_are_taken_out(text: str, shown: str) -> None:
    url = "https://h/f?Sig=abc%2Fdef%2Bg&x=1a345&y=Abc/def&z=a+blank&flag#a part"
    assert Redactor("t0ken-1").for_url(url).without_secrets(text) == shown
    assert Redactor("t0ken-1").for_url("https://h/f").without_secrets("t0ken-1") == "***"


def test_a_value_that_begins_as_another_is_taken_out_whole() -> None:
    redactor = Redactor().for_url("https://h/f?a=Abcdef&b=Abcdefgh")
    assert redactor.without_secrets(r"no Abcdefgh, no Abcdef\u0067h") == "no ***, no ***"


def test_a_value_may_hold_what_separates_values_from_names() -> None:
    redactor = Redactor().for_url("https://h/f?a=ab?c=d==")
    assert redactor.without_secrets("no ab?c=d==, no a=ab?c=d==") == "no ***, no ***"


def test_a_value_of_a_query_is_a_secret_from_six_letters_on() -> None:
    redactor = Redactor().for_url("https://h/f?a=a2345&b=b23456&c=Abcdef")
    assert redactor.without_secrets("a2345 b23456 Abcdef") == "a2345 *** ***"


@pytest.mark.parametrize(
    "word", ["2024-03-01", "1700000000", "20240301T000000Z", "hourly", "text/csv", "attachment"]
)
def test_a_word_or_a_time_in_a_query_is_no_secret(word: str) -> None:
    redactor = Redactor().for_url(f"https://h/f?a={word}&b={'s' * 16}")
    assert redactor.without_secrets(f"{word} {'s' * 16}") == f"{word} ***"


def test_a_long_query_takes_no_time() -> None:
    query = "&".join(f"X-A{n}={'aB3' * 400}{n}" for n in range(4))
    text = f"X-A is {'X-A... ' * 200}" * 10
    began_at = time.process_time()
    assert "X-A" in Redactor().for_url(f"https://h/f?{query}").without_secrets(text)
    assert time.process_time() - began_at < 5


def test_a_redactor_does_not_show_its_secret() -> None:
    assert repr(Redactor(TOKEN)) == "Redactor(***)"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://user:pw@h:8443/p/q?sig#x", "https://h:8443/p/q"),
        ("https://H/p", "https://h/p"),
        ("https://h:port/p", "a malformed URL"),
        ("https://[::1/p", "a malformed URL"),
        ("https:///p", "https:///p"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("https://h/a\nb", "https://h/ab"),
        ("", "a URL without a scheme"),
        ("/files/1?sig", "a URL without a scheme"),
        ("//h/p?sig", "a URL without a scheme"),
        ("https://h/" + "p" * 10**6, "https://h/" + "p" * 187 + "..."),
    ],
)
def test_a_place_is_scheme_host_and_path(url: str, place: str) -> None:
    assert Redactor().place_of(url) == place


@pytest.mark.parametrize(
    "echo",
    [
        r'{"d":"bad token ab\/cd+ef=gh\u003cij"}',
        r'{"d":"bad token ab\\/cd+ef=gh\\u003Cij"}',
        "bad token ab%2Fcd%2bef%3Dgh%3Cij",
        "<p>bad token ab/cd+ef=gh&#60;ij</p>",
        "<p>bad token ab/cd&#x2B;ef=gh&#x3c;ij</p>",
    ],
)
def test_a_token_is_known_as_json_html_and_urls_write_it(echo: str) -> None:
    shown = Redactor("ab/cd+ef=gh<ij").excerpt(echo)
    assert "***" in shown
    assert "cd" not in shown
    assert "gh" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * MAX_QUOTED, repr("x" * MAX_QUOTED)),
        ("x" * (MAX_QUOTED + 1), repr("x" * MAX_QUOTED) + "..."),
        # Each of these letters becomes six.
        ("\u2028" * MAX_QUOTED, "'" + "\\u2028" * 19 + "\\u202..."),
        # 118 characters and two quotation marks are just what is shown.
        ("\x00" * 29 + "xx", "'" + "\\x00" * 29 + "xx'"),
        ("\x00" * 29 + "xxx", "'" + "\\x00" * 29 + "xxx..."),
    ],
    ids=["fits", "one more", "escapes", "escapes that fit", "one escape more"],
)
def test_a_text_of_a_file_is_cut(text: str, shown: str) -> None:
    assert quoted(text) == shown
