"""The search of one light curve: scores, quality, events, and the rows of tables that tell of them.

Real and injected light curves go through the same functions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.survey.finder import Event, Signs, events
from ephemera.survey.light_curve import LightCurve
from ephemera.survey.matched_filter import matched_scores
from ephemera.survey.photometry import mag_of
from ephemera.survey.plugins import finder_of, quality_of
from ephemera.survey.quality import Check, Scores, judge
from ephemera.survey.templates import Bank, bank

#: Letters of a detection's id.
ID_LENGTH = 20

#: What a finder plug-in gives: a score per epoch, and events.
Finder = Callable[
    [LightCurve, Scores, npt.NDArray[np.bool_]], tuple[npt.NDArray[np.float64], Sequence[Event]]
]


@dataclass(frozen=True)
class Search:
    """How light curves are searched; `finder` and `check` are plug-ins or None."""

    offset_threshold: float = 3.5
    threshold: float = 5.0
    sideband: float = -2.0
    most: int | None = None
    signs: Signs = "both"
    min_points: int = 1
    max_gap_days: float | None = None
    remove_failed: bool = False
    bank: Bank | None = None
    check: Check | None = None
    finder: Finder | None = None
    finder_name: str = ""

    @property
    def method(self) -> str:
        """Name of the finder."""
        return self.finder_name or ("matched" if self.bank is not None else "runs")


@dataclass(frozen=True)
class Searched:
    """A light curve, its scores, its events, and the score by which they were found."""

    curve: LightCurve
    scores: Scores
    events: Sequence[Event]
    score: npt.NDArray[np.float64]
    kernel: npt.NDArray[np.int64] | None

    @property
    def detected(self) -> npt.NDArray[np.bool_]:
        """Epochs that belong to an event."""
        marks = np.zeros(len(self.curve), bool)
        for event in self.events:
            marks[event.rows] = True
        return marks


def search_of(
    settings: Any, survey: str, rows: Mapping[str, Mapping[str, Any]], *, sim: bool = False
) -> Search:
    """The search that the options ask for in one survey, with their plug-ins.

    `rows` are those of the catalogue by source, `sim` says that light curves have events injected: both are
    for quality plug-ins.
    """
    found = settings.finder
    plugin = finder_of(settings)
    templates = None
    if found.method == "matched" and plugin is None:
        templates = bank(found.shape, found.min_width, found.max_width, found.overlap)
    return Search(
        offset_threshold=settings.quality.offset_threshold,
        threshold=found.snr_threshold,
        sideband=found.sideband,
        most=found.max_per_curve,
        signs=found.signs,
        min_points=found.min_points,
        max_gap_days=getattr(found.max_gap_days, survey, None),
        remove_failed=found.remove_failed,
        bank=templates,
        check=quality_of(settings, rows, sim=sim),
        finder=None if plugin is None else plugin[1],
        finder_name="" if plugin is None else plugin[0],
    )


def search_curve(curve: LightCurve, search: Search) -> Searched:
    """Scores and events of one light curve."""
    scores = judge(curve, search.offset_threshold, search.check)
    usable = curve.usable & np.isfinite(scores.snr)
    if search.remove_failed:
        usable &= ~scores.qflag
    if search.finder is not None:
        score, found = search.finder(curve, scores, usable)
        return Searched(curve, scores, found, np.asarray(score, np.float64), None)
    score, kernel = scores.snr, None
    if search.bank is not None:
        score, kernel = matched_scores(curve, scores, search.bank, usable)
    found = events(
        curve.mjd,
        score,
        usable,
        threshold=search.threshold,
        sideband=search.sideband,
        signs=search.signs,
        max_gap_days=search.max_gap_days,
        min_points=search.min_points,
        most=search.most,
    )
    return Searched(curve, scores, found, score, kernel)


def finite(value: float) -> float | None:
    """A number as it goes into tables: null where it is not finite."""
    return float(value) if math.isfinite(value) else None


def curve_row(searched: Searched) -> dict[str, Any]:
    """Row of the table `curve`; statistics of usable epochs, null where undefined."""
    curve, scores = searched.curve, searched.scores
    usable = curve.usable
    n_good = int(np.count_nonzero(usable))
    mag, mag_err = mag_of(scores.mean, scores.rms, curve.zero_point)
    row: dict[str, Any] = {
        "curve_id": curve.curve_id,
        "n": len(curve),
        "n_good": n_good,
        "mean": finite(scores.mean),
        "rms": finite(scores.rms),
        "mag_mean": finite(float(mag)),
        "mag_rms": finite(float(mag_err)),
        "zero_point_measured": finite(curve.zero_point_measured),
        "exptime": finite(curve.exptime),
        "cadence": finite(curve.cadence),
        "live": float(curve.live[usable].sum()),
        "uniform": curve.uniform,
    }
    for name in ("source", "survey", "object_id", "filter", "season", "season_of", "flux_unit", "zero_point"):
        row[name] = getattr(curve, name)
    for name, values in (("snr", scores.snr), ("dmag", scores.dmag)):
        some = values[usable & np.isfinite(values)]
        row[f"{name}_min"] = float(some.min()) if len(some) else None
        row[f"{name}_max"] = float(some.max()) if len(some) else None
    return row


def detection_rows(searched: Searched, search: Search, injection: str | None = None) -> list[dict[str, Any]]:
    """Rows of the table `detection`, one an event; `injection` names the injected event if there is one."""
    return [_detection(searched, event, search, injection) for event in searched.events]


def _detection(searched: Searched, event: Event, search: Search, injection: str | None) -> dict[str, Any]:
    curve, scores, rows, peak = searched.curve, searched.scores, event.rows, event.peak
    mag, _ = mag_of(curve.flux[peak], curve.flux_err[peak], curve.zero_point)
    fluence = float(np.nansum((curve.flux[rows] - scores.mean) * curve.live[rows]))
    row: dict[str, Any] = {
        "curve_id": curve.curve_id,
        "source": curve.source,
        "survey": curve.survey,
        "filter": curve.filter,
        "method": search.method,
        "sign": event.sign,
        "mjd_start": float(curve.mjd[rows[0]]),
        "mjd_peak": float(curve.mjd[peak]),
        "mjd_end": float(curve.mjd[rows[-1]]),
        "snr": finite(scores.snr[peak]),
        "score": finite(searched.score[peak]),
        "peak_mag": finite(float(mag)),
        "peak_dmag": finite(scores.dmag[peak]),
        "fluence": finite(fluence),
        "n": len(rows),
        "touches_gap": event.touches_gap,
        "quality_flag": bool(scores.qflag[peak]),
        "quality": {k: w for k, c in scores.quality.items() if math.isfinite(w := c.worst(rows))},
        "epochs": rows.tolist(),
        "kernel": None if searched.kernel is None else int(searched.kernel[peak]),
        "simulated": injection is not None,
        "injection_id": injection,
    }
    text = json.dumps(row, sort_keys=True)
    return {"id": hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH], **row}
