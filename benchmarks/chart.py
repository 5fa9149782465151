"""A bar chart as SVG, readable on light and on dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, ROW, BAR = 760, 30, 18
# The widest that a letter of a label is on average, in any sans-serif font of this size.
LETTER = 7.4
OURS = "tap-advexport"


def bar_chart(title: str, bars: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars: name, length, and what stands behind it."""
    most = max(length for _, length, _ in bars)
    left = LETTER * max(len(name) for name, _, _ in bars) + 8
    scale = (WIDTH - left - 120) / most
    height = ROW * (len(bars) + 2)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'font-family="sans-serif" font-size="13" fill="#777"><title>{escape(title)}</title>'
        ),
        f'<text x="0" y="{ROW * 0.7}" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, length, words) in enumerate(bars, start=1):
        top = ROW * number + (ROW - BAR) / 2
        width = max(length * scale, 1)
        color = "#2a7de1" if OURS in name else "#9aa5b1"
        size = f'width="{width:.1f}" height="{BAR}"'
        text_y = f"{top + BAR * 0.75:.1f}"
        lines += [
            f'<text x="{left - 8:.1f}" y="{text_y}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{color}"/>',
            f'<text x="{left + width + 6:.1f}" y="{text_y}">{escape(words)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
