"""Drawings of a locus as inline SVG: its light curve, and where its alerts lie on the sky.

Written by hand instead of by a plotting library: a night has hundreds of pages, and a page is one file.
Colours have a role by band, signs one by kind: filled positive, open negative, arrows limits, small forced.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ephemera.alerts.outcomes import Kind
from ephemera.pages import Markup, escape
from ephemera.pages.drawing import nice_ticks, svg

#: Colours by the last letter of the band, told apart with any common colour vision (Okabe and Ito 2008).
COLOURS: Mapping[str, str] = {
    "u": "#CC79A7", "g": "#009E73", "r": "#D55E00", "i": "#8a6d00", "z": "#0072B2", "y": "#7f7f7f",
    "c": "#0072B2", "o": "#D55E00", "V": "#009E73", "I": "#8a6d00",
}  # fmt: skip
_OTHER = "#CC79A7"
_WIDTH, _HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 14, 46


@dataclass(frozen=True)
class Point:
    """One alert of a drawing: `value` is a magnitude, or the limit."""

    mjd: float
    value: float
    error: float | None
    band: str
    kind: int
    sign: int
    east: float | None = None
    north: float | None = None


def colour(band: str) -> str:
    """Colour of a band."""
    return COLOURS.get(band[-1:], _OTHER)


def light_curve(points: Sequence[Point]) -> Markup:
    """Magnitudes against time, bright at the top; empty text where there is nothing to draw."""
    if not points:
        return Markup("<p>No brightness to draw.</p>")
    start = math.floor(min(p.mjd for p in points))
    times = [p.mjd - start for p in points]
    bright = min(p.value - (p.error or 0 if (p.error or 0) < 2 else 0) for p in points)
    faint = max(p.value + (p.error or 0 if (p.error or 0) < 2 else 0) for p in points)
    pad = max(0.05 * (faint - bright), 0.1)
    width = max(max(times) - min(times), 0.02)
    frame = _Frame((min(times) - 0.03 * width, max(times) + 0.03 * width), (faint + pad, bright - pad))
    order = {Kind.LIMIT: 0, Kind.FORCED: 1, Kind.DETECTION: 2}
    drawn = sorted(points, key=lambda p: (order.get(Kind(p.kind), 0), p.mjd))
    parts = [frame.axes(f"MJD (UTC) - {start} [d]", "magnitude [AB]")]
    parts += [_mark(p, frame.x(p.mjd - start), frame.y(p.value), frame) for p in drawn]
    bands = sorted({p.band for p in points})
    alternative = f"Light curve with {len(points)} measurements in {', '.join(bands)}"
    drawing = svg("".join(parts), _WIDTH, _HEIGHT, alternative)
    return Markup(f'<div class="wide" tabindex="0">{drawing}</div>{_legend(points)}')


def sky_offsets(points: Sequence[Point], radius_arcsec: float) -> Markup:
    """Offsets of the detections from the mean, with the radius; east is to the left."""
    located = [p for p in points if p.east is not None and p.north is not None]
    if not located:
        return Markup("<p>No positions to draw.</p>")
    largest = max([radius_arcsec, *(math.hypot(p.east or 0, p.north or 0) for p in located)]) * 1.15
    frame = _Frame((largest, -largest), (-largest, largest), width=360, height=360)
    unit = frame.x(0) - frame.x(1)
    parts = [
        frame.axes("offset east [arcsec]", "offset north [arcsec]"),
        (
            f'<circle cx="{frame.x(0):.1f}" cy="{frame.y(0):.1f}" r="{unit * radius_arcsec:.1f}" fill="none" '
            'stroke="currentColor" stroke-dasharray="5 4"/>'
        ),
    ]
    parts += [_mark(p, frame.x(p.east or 0), frame.y(p.north or 0), frame, bars=False) for p in located]
    x, y = frame.x(0), frame.y(0)
    parts.append(
        f'<path d="M{x - 9:.1f} {y:.1f}h18M{x:.1f} {y - 9:.1f}v18" stroke="currentColor" stroke-width="2"/>'
    )
    text = f"Offsets of {len(located)} detections from the mean, in a circle of {radius_arcsec:g} arcsec"
    return svg("".join(parts), 360, 360, text)


class _Frame:
    """A pair of linear axes on a drawing."""

    def __init__(
        self, across: tuple[float, float], up: tuple[float, float], width: int = _WIDTH, height: int = _HEIGHT
    ) -> None:
        self.across, self.up, self.width, self.height = across, up, width, height

    def x(self, value: float) -> float:
        """Place of a value on the horizontal axis."""
        low, high = self.across
        return _LEFT + (value - low) / (high - low) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Place of a value on the vertical axis."""
        low, high = self.up
        return self.height - _BOTTOM - (value - low) / (high - low) * (self.height - _TOP - _BOTTOM)

    def axes(self, horizontal: str, vertical: str) -> str:
        """Frame, ticks, numbers and labels."""
        left, right, top, bottom = _LEFT, self.width - _RIGHT, _TOP, self.height - _BOTTOM
        parts = [
            (
                f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="none" '
                'stroke="currentColor"/>'
            )
        ]
        for value in nice_ticks(*sorted(self.across)):
            x = self.x(value)
            parts.append(f'<path d="M{x:.1f} {bottom}v-6" stroke="currentColor"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{value:g}</text>')
        for value in nice_ticks(*sorted(self.up)):
            y = self.y(value)
            parts.append(f'<path d="M{left} {y:.1f}h6" stroke="currentColor"/>')
            parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
        middle = (left + right) / 2
        parts.append(
            f'<text x="{middle:.0f}" y="{self.height - 8}" text-anchor="middle">{escape(horizontal)}</text>'
        )
        at = (top + bottom) / 2
        parts.append(
            f'<text transform="translate(16 {at:.0f}) rotate(-90)" text-anchor="middle">'
            f"{escape(vertical)}</text>"
        )
        return "".join(parts)


def _mark(p: Point, x: float, y: float, frame: _Frame, *, bars: bool = True) -> str:
    paint = colour(p.band)
    title = f"<title>{escape(p.band)} {p.value:.3f} at MJD {p.mjd:.5f}</title>"
    if p.kind == Kind.LIMIT:
        path = f"M{x - 4:.1f} {y:.1f}h8M{x:.1f} {y:.1f}v9m-3 -4l3 4l3 -4"
        return f'<path d="{path}" stroke="{paint}" fill="none" opacity="0.75">{title}</path>'
    bar = ""
    if bars and p.error is not None and math.isfinite(p.error):
        top, bottom = frame.y(p.value - p.error), frame.y(p.value + p.error)
        top, bottom = max(top, _TOP), min(bottom, frame.height - _BOTTOM)
        bar = f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{paint}"/>'
    size = 2.2 if p.kind == Kind.FORCED else 4.2
    fill = paint if p.sign >= 0 else "var(--paper, #fff)"
    circle = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{fill}" stroke="{paint}" stroke-width="1.5">'
    )
    return f"{bar}{circle}{title}</circle>"


def _legend(points: Iterable[Point]) -> Markup:
    """What colours and signs mean, as far as they occur."""
    points = list(points)
    parts = []
    for band in sorted({p.band for p in points}):
        circle = f'<circle cx="6" cy="6" r="4.5" fill="{colour(band)}"/>'
        dot = f'<svg width="12" height="12" aria-hidden="true">{circle}</svg>'
        parts.append(f'<span class="key">{dot} {escape(band)}</span>')
    signs = (
        (any(p.kind == Kind.DETECTION and p.sign < 0 for p in points), "open: negative difference"),
        (any(p.kind == Kind.LIMIT for p in points), "arrow: 5 sigma limit"),
        (any(p.kind == Kind.FORCED for p in points), "small: forced photometry"),
    )
    parts += [f'<span class="key">{text}</span>' for there, text in signs if there]
    return Markup(f'<p class="legend">{"".join(parts)}</p>')
