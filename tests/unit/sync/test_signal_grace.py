"""How long writing may go on after a signal."""

from __future__ import annotations

from tap_advexport.sync.signal_grace import GraceAfterSignal

LENGTHS = [1, 2, 511, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000, 1_048_576, 1_500_000]


def test_after_a_signal_writing_may_go_on_for_three_seconds() -> None:
    now = [100.0]
    grace = GraceAfterSignal(monotonic=lambda: now[0])
    found = []
    for moment, event in [
        (200.0, "look"),
        (300.0, "begin"),
        (302.0, "begin"),
        (302.9, "look"),
        (303.0, "look"),
    ]:
        now[0] = moment
        if event == "begin":
            grace.begin()
        found.append(grace.is_over())
    assert found == [False, False, False, False, True]
    grace.extend(2)
    assert not grace.is_over()
    now[0] = 305.0
    assert grace.is_over()
