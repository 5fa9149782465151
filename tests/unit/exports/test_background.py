"""Exports go on in a thread of their own, and what they bring comes in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_advexport.exports.background import Background

if TYPE_CHECKING:
    from collections.abc import Iterator


def idle() -> None:
    """Nothing comes for a second."""


def test_all_items_come_once_and_in_order() -> None:
    batches = Background(iter(range(1000))).batches(idle)
    assert [item for batch in batches for item in batch] == list(range(1000))


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError

    taken: list[list[int]] = []
    with pytest.raises(KeyError):
        taken.extend(Background(items()).batches(idle))
    assert taken == [[1]]
