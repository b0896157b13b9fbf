"""Join the series of two detectors along the wavelength axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ephemera.jwst.clocks import nearest
from ephemera.jwst.observation import FloatArray, Series
from ephemera.jwst.problems import Action, Problem


def stitch(series: Sequence[Series], detectors: Sequence[str]) -> tuple[list[Series], list[Problem]]:
    """Replace the series of `detectors` (same order and target) by one; others stay as they are.

    Integrations are paired by the nearest time within half a cadence; those without partner are lost. The gap
    between detectors stays empty; where they overlap the one with the better signal-to-noise is kept.
    """
    problems: list[Problem] = []
    joined: list[Series] = []
    groups: dict[tuple[str, int], list[Series]] = {}
    for one in series:
        if one.detector in detectors:
            groups.setdefault((one.target, one.order), []).append(one)
        else:
            joined.append(one)
    for members in groups.values():
        ordered = sorted(members, key=lambda one: one.wavelength[0])
        whole = ordered[0]
        for other in ordered[1:]:
            if whole.time_scale != other.time_scale or whole.flux_unit != other.flux_unit:
                message = f"{whole.name} and {other.name} differ in time scale or flux unit: not stitched"
                problems.append(Problem("", "", "not_stitched", message, Action.USED))
                joined.append(other)
                continue
            found, lost = _join(whole, other)
            if not len(found.time):
                message = f"{whole.name} and {other.name} were never observed together: not stitched"
                problems.append(Problem("", "", "not_stitched", message, Action.USED))
                joined.append(other)
                continue
            whole = found
            if lost:
                message = f"{lost} integrations have no partner: left out of {whole.detector}"
                problems.append(Problem("", "", "no_partner", message, Action.REFUSED, lost))
        joined.append(whole)
    return sorted(joined, key=lambda one: (one.target, one.detector, one.order)), problems


def _join(left: Series, right: Series) -> tuple[Series, int]:
    cadence = float(np.median(np.diff(left.time))) if len(left.time) > 1 else np.inf
    partner = nearest(right.time, left.time)
    close = np.abs(right.time[partner] - left.time) <= 0.5 * cadence
    # One partner each: the first of two that claim the same.
    first = np.zeros(len(partner), bool)
    first[np.unique(partner, return_index=True)[1]] = True
    rows, partner = np.flatnonzero(close & first), partner[close & first]
    keep_left, keep_right = _keep(left, right)
    places = np.argsort(
        np.concatenate([left.wavelength[keep_left], right.wavelength[keep_right]]), kind="stable"
    )

    def join(name: str) -> np.ndarray:
        parts = (getattr(left, name)[keep_left][:, rows], getattr(right, name)[keep_right][:, partner])
        return np.concatenate(parts)[places]

    outside = left.out_of_transit
    joined = replace(
        left,
        wavelength=np.concatenate([left.wavelength[keep_left], right.wavelength[keep_right]])[places],
        time=left.time[rows],
        flux=join("flux"),
        error=join("error"),
        mask=join("mask"),
        detector=f"{left.detector}+{right.detector}",
        integration_number=left.integration_number[rows],
        flags=left.flags[rows] | right.flags[partner],
        out_of_transit=None if outside is None else outside[rows],
        files={**left.files, **right.files},
    )
    return joined, len(left.time) + len(right.time) - 2 * len(rows)


def _keep(left: Series, right: Series) -> tuple[np.ndarray, np.ndarray]:
    """Channels of each that stay: all outside the overlap, and those of the better one inside."""
    low, high = right.wavelength[0], min(left.wavelength[-1], right.wavelength[-1])
    in_left = (left.wavelength >= low) & (left.wavelength <= high)
    in_right = right.wavelength <= high
    if not in_left.any() or not in_right.any():
        return np.ones(len(left.wavelength), bool), np.ones(len(right.wavelength), bool)
    better_left = _quality(left, in_left) >= _quality(right, in_right)
    return (
        (np.ones(len(in_left), bool), ~in_right) if better_left else (~in_left, np.ones(len(in_right), bool))
    )


def _quality(series: Series, channels: np.ndarray) -> float:
    """Median signal-to-noise ratio over channels."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: FloatArray = np.asarray(series.flux[channels] / series.error[channels], float)
    known = ratio[np.isfinite(ratio)]
    return float(np.median(known)) if known.size else 0.0
