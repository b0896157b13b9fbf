"""Count rates of a source between observations, drawn for its page: points with 1 sigma bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemera.pages import Markup, escape
from ephemera.pages.drawing import nice_ticks, svg

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 240, 64, 20, 16, 200
#: Space between the frame and the first and last point.
_MARGIN = 20


def long_term(rates: Sequence[Mapping[str, Any]]) -> Markup:
    """Rates (`mjd`, `rate`, `rate_err`, `obsid`) against the date; nothing where none is known."""
    known = [row for row in rates if row["rate"] is not None and row["rate_err"] is not None]
    if not known:
        return Markup("")
    first = float(min(row["mjd"] for row in known))
    span = max(float(max(row["mjd"] for row in known)) - first, 1.0)
    low: float = min(0.0, *(row["rate"] - row["rate_err"] for row in known))
    top: float = low + 1.08 * max(max(row["rate"] + row["rate_err"] for row in known) - low, 1e-12)

    def x(mjd: float) -> float:
        return _LEFT + _MARGIN + (mjd - first) / span * (_WIDTH - _LEFT - _RIGHT - 2 * _MARGIN)

    def y(rate: float) -> float:
        return _BOTTOM - (rate - low) / (top - low) * (_BOTTOM - _TOP)

    frame = f'x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_BOTTOM - _TOP}"'
    parts = [f'<rect {frame} fill="none" stroke="currentColor"/>']
    for row in known:
        at, rate, error = x(row["mjd"]), row["rate"], row["rate_err"]
        title = f"<title>{escape(row['obsid'])}: {rate:.4g} +- {error:.2g} ct/s</title>"
        bar = f"M{at:.1f} {y(rate - error):.1f}V{y(rate + error):.1f}"
        parts.append(f'<path d="{bar}" stroke="currentColor"/>')
        parts.append(f'<circle cx="{at:.1f}" cy="{y(rate):.1f}" r="4" fill="#0072B2">{title}</circle>')
    parts += [
        f'<text x="{_LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in nice_ticks(low, top)
    ]
    parts += [
        f'<text x="{x(value):.1f}" y="{_BOTTOM + 16}" text-anchor="middle">{value:.9g}</text>'
        for value in nice_ticks(first, first + span, 4)
    ]
    parts.append(f'<text x="{_WIDTH / 2:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">MJD (TT)</text>')
    parts.append('<text transform="translate(12 108) rotate(-90)" text-anchor="middle">Rate [ct/s]</text>')
    return svg("".join(parts), _WIDTH, _HEIGHT, f"Count rates in {len(known)} observations")
