"""Texts in a row that can be read in one way only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.records.netstrings import netstring, netstrings

# All that can be written as UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"]))


def test_the_length_is_that_of_the_bytes() -> None:
    assert netstring("") == b"0:,"
    assert netstring("Z\u00fcrich") == "7:Z\u00fcrich,".encode()


@given(st.lists(texts))
def test_they_are_read_back_as_they_were(given_texts: list[str]) -> None:
    rest, found = netstrings(*given_texts), []
    while rest:
        length, _, rest = rest.partition(b":")
        found.append(rest[: int(length)].decode())
        assert rest[int(length) : int(length) + 1] == b","
        rest = rest[int(length) + 1 :]
    assert found == given_texts
