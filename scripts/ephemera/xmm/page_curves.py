"""Light curves of a source on its page: every observation on one time axis, coloured by band.

A row of panels for each frame length, a column for each observation; gaps between observations are cut out.
Curves with more frames than the drawing has columns are drawn as their range in each column, so that no
burst is lost. Rates are counts over exposed time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.pages import Markup, escape
from ephemera.pages.drawing import nice_ticks, svg
from ephemera.xmm.bayes import thresholds
from ephemera.xmm.observation import BoolArray, FloatArray

#: Colours of bands in order of energy, told apart with any common colour vision (Okabe and Ito 2008).
COLOURS = ("#D55E00", "#0072B2", "#8C8C8C", "#CC79A7", "#E69F00", "#56B4E9")
PEAK, ECLIPSE = "#56B4E9", "#009E73"
#: Significance of frames that get a mark, sigma.
MARKED = 3.0
#: Observations drawn; a source seen more often shows those with the most significant detections.
MOST_OBSERVATIONS = 12
#: Sides of the drawing, places of the panels in it.
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BETWEEN, _GAP, _BOTTOM = 960, 64, 12, 34, 150, 12, 16, 44
_SECONDS = 86400.0

Band = tuple[float, float]


@dataclass(frozen=True, eq=False)
class SourceCurve:
    """The curve of one detection: `edges` (n+1,) of frames, MJD; rates ct/s, NaN where masked."""

    obsid: str
    subset: int
    t_bin: float
    band: Band
    edges: FloatArray
    rate: FloatArray
    bad: BoolArray
    peak: BoolArray
    eclipse: BoolArray


def source_curve(
    obsid: str, subset: int, t_bin: float, band: Band, columns: Mapping[str, npt.NDArray[Any]]
) -> SourceCurve:
    """Curve of a detection from the columns of the file of light curves."""
    half = t_bin / 2 / _SECONDS
    middle = columns["time_mjd"].astype(np.float64)
    exposure = columns["exposure"].astype(np.float64)
    seen = (exposure > 0) & ~columns["bccd"].astype(bool)
    rate = np.where(seen, columns["n"] / np.where(seen, exposure, 1.0), np.nan)
    peak, eclipse = thresholds(MARKED)
    with np.errstate(invalid="ignore"):
        return SourceCurve(
            obsid, subset, t_bin, band, np.append(middle - half, middle[-1] + half), rate,
            columns["bti"].astype(bool), seen & (columns["B_peak_log"].astype(np.float64) >= peak),
            seen & (columns["B_eclipse_log"].astype(np.float64) >= eclipse),
        )  # fmt: skip


@dataclass(frozen=True)
class _Axis:
    """The common time axis: for each observation its first and last time (MJD) and its place."""

    spans: Mapping[str, tuple[float, float]]
    places: Mapping[str, tuple[float, float]]

    def x(self, obsid: str, mjd: FloatArray) -> FloatArray:
        """Place of times of an observation."""
        (start, stop), (left, right) = self.spans[obsid], self.places[obsid]
        return np.asarray(left + (mjd - start) / (stop - start) * (right - left))


def time_axis(curves: Sequence[SourceCurve]) -> _Axis:
    """Observations in order of time, as wide as they are long, with cuts between them."""
    spans: dict[str, tuple[float, float]] = {}
    for curve in curves:
        first, last = spans.get(curve.obsid, (np.inf, -np.inf))
        spans[curve.obsid] = (min(first, float(curve.edges[0])), max(last, float(curve.edges[-1])))
    ordered = sorted(spans, key=lambda obsid: (spans[obsid], obsid))
    usable = _WIDTH - _LEFT - _RIGHT - _GAP * (len(ordered) - 1)
    total = sum(spans[obsid][1] - spans[obsid][0] for obsid in ordered)
    # A short observation beside long ones keeps a width at which it can be seen.
    shares = np.array([max((spans[o][1] - spans[o][0]) / total, 0.5 / len(ordered)) for o in ordered])
    places, left = {}, float(_LEFT)
    for obsid, share in zip(ordered, shares / shares.sum(), strict=True):
        places[obsid] = (left, left + share * usable)
        left += share * usable + _GAP
    return _Axis({obsid: spans[obsid] for obsid in ordered}, places)


def light_curves(curves: Sequence[SourceCurve]) -> Markup:
    """The drawing with its legend; words where there is nothing to draw."""
    if not curves:
        return Markup("<p>No light curve of this source was kept.</p>")
    bands = sorted({curve.band for curve in curves})
    colours = {band: COLOURS[number % len(COLOURS)] for number, band in enumerate(bands)}
    axis = time_axis(curves)
    rows = sorted({curve.t_bin for curve in curves}, reverse=True)
    height = _TOP + len(rows) * (_ROW + _BETWEEN) + _BOTTOM
    parts = [_heads(axis)]
    for number, t_bin in enumerate(rows):
        top = _TOP + number * (_ROW + _BETWEEN)
        mine = [curve for curve in curves if curve.t_bin == t_bin]
        parts.append(_row(axis, mine, colours, t_bin, top))
    parts.append(_feet(axis, height - _BOTTOM - _BETWEEN, height))
    words = f"Light curves in {len(axis.spans)} observations, {len(bands)} bands, {len(rows)} frame lengths"
    drawing = svg("".join(parts), _WIDTH, height, words)
    return Markup(f'<div class="scroll wide" tabindex="0">{drawing}</div>{_legend(colours)}')


def _heads(axis: _Axis) -> str:
    """Observation and date above each column, as far as it is wide enough for them."""
    parts = []
    for obsid, (start, _) in axis.spans.items():
        left, right = axis.places[obsid]
        text = f"{obsid}, MJD {start:.3f}" if right - left > 190 else obsid
        if right - left > 75:
            parts.append(f'<text x="{left:.1f}" y="{_TOP - 14}">{escape(text)}</text>')
    return "".join(parts)


def _row(
    axis: _Axis, curves: Sequence[SourceCurve], colours: Mapping[Band, str], t_bin: float, top: int
) -> str:
    """Panels of one frame length."""
    rates = [float(np.nanmax(curve.rate, initial=0.0)) for curve in curves]
    most = 1.12 * max([*rates, 1e-6])
    bottom = top + _ROW

    def y(rate: FloatArray) -> FloatArray:
        return np.asarray(bottom - rate / most * _ROW)

    parts = []
    for obsid, (left, right) in axis.places.items():
        mine = {curve.subset: curve for curve in curves if curve.obsid == obsid}
        parts += [_bad_time(axis, curve, top) for curve in mine.values()]
        parts.append(
            f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="{_ROW}" fill="none" '
            'stroke="currentColor" stroke-width="0.8"/>'
        )
    for curve in sorted(curves, key=lambda one: one.band, reverse=True):
        path = curve_path(axis.x(curve.obsid, curve.edges), y(curve.rate))
        parts.append(f'<path d="{path}" fill="none" stroke="{colours[curve.band]}" stroke-width="1.1"/>')
    for curve in curves:
        parts.append(_marks(axis.x(curve.obsid, curve.edges), y(curve.rate), curve))
    for value in nice_ticks(0, most, 4):
        at = float(y(np.array(value)))
        parts.append(f'<path d="M{_LEFT} {at:.1f}h5" stroke="currentColor"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = (top + bottom) / 2
    label = f"{t_bin:g} s frames [ct/s]"
    parts.append(
        f'<text transform="translate(14 {middle:.0f}) rotate(-90)" text-anchor="middle">{label}</text>'
    )
    return "".join(parts)


def _bad_time(axis: _Axis, curve: SourceCurve, top: int) -> str:
    """Shade of flaring background."""
    step = np.diff(np.concatenate(([0], curve.bad.astype(np.int8), [0])))
    starts, stops = np.flatnonzero(step == 1), np.flatnonzero(step == -1)
    x = axis.x(curve.obsid, curve.edges)
    return "".join(
        f'<rect x="{x[a]:.1f}" y="{top}" width="{x[b] - x[a]:.1f}" height="{_ROW}" fill="#CC79A7" '
        'opacity="0.25"/>'
        for a, b in zip(starts, stops, strict=True)
    )


def curve_path(x: FloatArray, y: FloatArray) -> str:
    """Path of the frames `y` (n,) between `x` (n+1,): steps, or the range in each column of the drawing."""
    columns = np.floor(x[:-1])
    if len(y) <= 2 * len(np.unique(columns)):
        return _steps(x, y)
    known = np.isfinite(y)
    columns, y = columns[known], y[known]
    if not len(y):
        return ""
    starts = np.flatnonzero(np.diff(columns, prepend=-1.0))
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return "".join(
        f"M{column + 0.5:.1f} {a:.1f}V{b + (0.6 if a == b else 0):.1f}"
        for column, a, b in zip(columns[starts], low, high, strict=True)
    )


def _steps(x: FloatArray, y: FloatArray) -> str:
    parts, pen = [], False
    for (left, right), value in zip(pairwise(x), y, strict=True):
        if not np.isfinite(value):
            pen = False
            continue
        parts.append(f"{'V' if pen else f'M{left:.1f} '}{value:.1f}H{right:.1f}")
        pen = True
    return "".join(parts)


def _marks(x: FloatArray, y: FloatArray, curve: SourceCurve) -> str:
    """A dot on every frame that is significant by itself."""
    parts = []
    for chosen, colour, word in ((curve.peak, PEAK, "peak"), (curve.eclipse, ECLIPSE, "eclipse")):
        for frame in np.flatnonzero(chosen):
            at = (x[frame] + x[frame + 1]) / 2
            parts.append(
                f'<circle cx="{at:.1f}" cy="{y[frame]:.1f}" r="3.2" fill="{colour}" stroke="currentColor" '
                f'stroke-width="0.7"><title>{word}, {curve.band[0]:g}-{curve.band[1]:g} keV, '
                f"MJD {(curve.edges[frame] + curve.edges[frame + 1]) / 2:.5f}</title></circle>"
            )
    return "".join(parts)


def _feet(axis: _Axis, bottom: int, height: int) -> str:
    """Ticks of the time since each observation began, and the label of the axis."""
    parts = []
    for obsid, (start, stop) in axis.spans.items():
        left, right = axis.places[obsid]
        seconds = (stop - start) * _SECONDS
        for value in nice_ticks(0, seconds / 1e3, max((right - left) / 70, 1)):
            at = left + value * 1e3 / seconds * (right - left)
            parts.append(f'<path d="M{at:.1f} {bottom}v-5" stroke="currentColor"/>')
            parts.append(f'<text x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">{value:g}</text>')
    label = "Time since the start of each observation [ks]; time between observations is cut out"
    parts.append(
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{height - 8}" text-anchor="middle">{label}</text>'
    )
    return "".join(parts)


def _legend(colours: Mapping[Band, str]) -> str:
    """What colours and signs mean."""
    parts = []
    for (low, high), colour in colours.items():
        line = f'<path d="M0 6h18" stroke="{colour}" stroke-width="3"/>'
        parts.append(
            _key(f'<svg width="18" height="12" aria-hidden="true">{line}</svg>', f"{low:g}-{high:g} keV")
        )
    for colour, word in ((PEAK, "peak"), (ECLIPSE, "eclipse")):
        dot = f'<circle cx="6" cy="6" r="4" fill="{colour}" stroke="currentColor" stroke-width="0.7"/>'
        text = f"frame with a {word} of {MARKED:g} sigma" if word == "peak" else f"the same, {word}"
        parts.append(_key(f'<svg width="12" height="12" aria-hidden="true">{dot}</svg>', text))
    box = '<rect width="12" height="12" fill="#CC79A7" opacity="0.3"/>'
    parts.append(_key(f'<svg width="12" height="12" aria-hidden="true">{box}</svg>', "flaring background"))
    return f'<p class="legend">{"".join(parts)}</p>'


def _key(sign: str, text: str) -> str:
    return f'<span class="key">{sign} {escape(text)}</span>'
