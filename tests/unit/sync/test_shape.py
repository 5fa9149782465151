"""What tells that rows are written otherwise than before."""

from __future__ import annotations

from tap_advexport.sync.shape import Shape

PLAIN = Shape(("a", "row_key"), {"timezone": "UTC", "stream_maps": None})


def test_a_shape_is_16_hexadecimal_digits_and_the_same_in_every_process() -> None:
    assert PLAIN.digest == Shape(("a", "row_key"), {"stream_maps": None, "timezone": "UTC"}).digest
    assert len(PLAIN.digest) == 16
    assert int(PLAIN.digest, 16) >= 0


def test_columns_and_settings_make_another_shape() -> None:
    others = [
        Shape(("row_key",), PLAIN.settings),
        Shape(PLAIN.columns, {"timezone": "Europe/Rome", "stream_maps": None}),
        Shape(PLAIN.columns, {"timezone": "UTC", "stream_maps": {"report_daily": {"a": None}}}),
    ]
    assert len({PLAIN.digest, *(each.digest for each in others)}) == 4
