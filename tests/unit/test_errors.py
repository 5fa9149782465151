"""What an error knows beside its text."""

from __future__ import annotations

import pytest

from tap_advexport import errors
from tap_advexport.errors import ExportError, MachineError, RequestError, TapAdvexportError


def test_the_tree_of_the_docstring_is_the_one_there_is() -> None:
    drawn = [line.partition("──")[2].split()[0] for line in (errors.__doc__ or "").splitlines()
             if "──" in line]  # fmt: skip
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    assert sorted([*drawn, "TapAdvexportError"]) == sorted(each.__name__ for each in kinds)
    assert all(issubclass(each, TapAdvexportError) for each in kinds)


def test_advice_stands_behind_the_text() -> None:
    assert ExportError("HTTP 503").with_advice() == "HTTP 503"
    assert ExportError("HTTP 503", advice="try later").with_advice() == "HTTP 503; try later"


def test_a_429_refuses_days_and_has_done_nothing() -> None:
    throttled = RequestError("HTTP 429", is_throttled=True)
    assert (throttled.refusal, throttled.has_arrived) == ("HTTP 429", False)
    lost = RequestError("the answer was cut")
    assert (lost.refusal, lost.has_arrived) == ("", True)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "the machine: no memory is left; allow for more"),
        (RuntimeError("can't start new thread"), "the machine: no thread can be started; allow"),
        (RuntimeError("generator raised StopIteration"), None),
        (OSError("can't start new thread"), None),
    ],
    ids=["memory", "threads", "mistake", "another kind"],
)
def test_what_the_machine_lacks_is_told_from_mistakes_of_ours(
    error: Exception, words: str | None
) -> None:
    lack = MachineError.of(error)
    assert (lack is None) == (words is None)
    assert str(lack).startswith(str(words))
