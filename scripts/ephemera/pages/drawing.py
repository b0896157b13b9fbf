"""Drawings inside pages as SVG, written by hand: they take the colours of the page and any width.

A plotting library would take half a second to start and a file for each drawing; a report has thousands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ephemera.pages.page import Markup, escape

#: Rules for drawings, legends, two things side by side, and lists of facts.
STYLE = """
.drawing { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; } .wide .drawing { min-width: 34rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; } .legend svg { vertical-align: -1px; }
.two { display: flex; flex-wrap: wrap; gap: 1.5rem; } .two > * { flex: 1 1 22rem; min-width: 0; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
"""


def nice_ticks(low: float, high: float, about: float = 5) -> list[float]:
    """About so many round values between low and high."""
    span = max(high - low, 1e-9)
    raw = span / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def svg(content: str, width: int, height: int, alternative: str) -> Markup:
    """A drawing of our own `content`; `alternative` says in words what it shows."""
    return Markup(
        f'<svg class="drawing" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alternative)}" '
        f'style="max-width:{width}px" font-size="12" fill="currentColor">{content}</svg>'
    )


def facts(pairs: Mapping[str, object]) -> Markup:
    """A list of names and values; pairs without a value are left out."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        for name, value in pairs.items()
        if value is not None and value == value and value != ""
    )
    return Markup(f'<dl class="facts">{rows}</dl>')
