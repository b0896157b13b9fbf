"""What a search found of an injection: a detection within a radius whose significant frames overlap it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.sky.sphere import separation_arcsec
from ephemera.xmm.cube_store import RunKey
from ephemera.xmm.features import feature_values
from ephemera.xmm.frames import base_frame
from ephemera.xmm.injection import Injection
from ephemera.xmm.observation import UNIT_ARCSEC, BoolArray, Events, IntArray, Subset
from ephemera.xmm.regions import FoundRegions, light_curves
from ephemera.xmm.search import Searched, main_runs

if TYPE_CHECKING:
    from ephemera.config.xmm import Xmm

#: Quantiles of the counts of a detection that are kept.
EXCESS = ("counts_excess_q16", "counts_excess_q50", "counts_excess_q84")


def plane_position(subset: Subset, ra: float, dec: float) -> tuple[float, float]:
    """Sky coordinates X, Y of a position in degrees."""
    x, y = subset.header.plane.to_plane(ra, dec)
    return float(x), float(y)


def matching(found: FoundRegions, item: Injection, radius_arcsec: float) -> IntArray:
    """Detections of one run that match, rows: within the radius, of the kind, significant in its time."""
    regions, spans = found.regions, found.spans
    kind = "eclipse" if item.is_eclipse else "peak"
    separation = separation_arcsec(found.columns["ra"], found.columns["dec"], item.ra, item.dec)
    overlap = np.zeros(len(regions), np.bool_)
    overlap[spans.label[(spans.start < item.stop) & (spans.stop > item.start)]] = True
    right = np.isin(regions["type"], [kind, "both"])
    return np.flatnonzero(right & overlap & (separation <= radius_arcsec))


def significance(found: FoundRegions, item: Injection) -> Any:
    """Significance of all detections of a run as peaks, or as eclipses for an eclipse."""
    return found.regions["sigma_eclipse" if item.is_eclipse else "sigma_peak"]


def found_rows(
    searched: Sequence[Searched],
    items: Sequence[Injection],
    photons: Sequence[Events],
    options: Xmm,
    radius_arcsec: float,
    *,
    masks: Mapping[RunKey, BoolArray],
    measure: bool = True,
) -> list[dict[str, Any]]:
    """Rows of `injection_columns.FOUND`, one for each injection and run, without what names the trial.

    `masks` are the source masks (N, N) of the runs without injections: a bright burst becomes part of its
    own. `measure`: whether light curves are made of what was found, for its counts in excess.
    """
    rows = []
    for grids in main_runs(searched):
        for number, (item, own) in enumerate(zip(items, photons, strict=True)):
            row = {"id": number} | _circumstances(grids[0], item, own, masks)
            matches = [
                (float(significance(one.found, item)[k]), -one.key.grid, -int(k), one)
                for one in grids
                for k in matching(one.found, item, radius_arcsec)
            ]
            row["found"] = bool(matches)
            if matches:
                sigma, _, place, one = max(matches, key=lambda match: match[:3])
                row |= {"sigma": sigma} | _measured(one, -place, item, options, measure=measure)
            rows.append(row)
    return rows


def any_match(
    searched: Sequence[Searched], item: Injection, radius_arcsec: float
) -> set[tuple[float, int, int]]:
    """Runs (frame length, band edges in eV) with a detection that matches."""
    return {
        (one.key.dt, one.key.band.low, one.key.band.high)
        for one in searched
        if len(matching(one.found, item, radius_arcsec))
    }


def _circumstances(
    one: Searched, item: Injection, own: Events, masks: Mapping[RunKey, BoolArray]
) -> dict[str, Any]:
    """Run, photons in its band, background class and mask at the place and time of an injection."""
    cube, key = one.run.cube, one.key
    low, high = key.band.kev
    inside = key.band.contains(own.pi) & (own.time >= item.start) & (own.time < item.stop)
    frames = cube.frames
    background = "off"
    if frames.t0 <= item.t_peak <= frames.t1:
        frame = int(base_frame(np.array([item.t_peak]), frames.t0, frames.t1, frames.dt)[0])
        if not frames.bccd[frame]:
            background = "bti" if frames.bti[frame] else "gti"
    x, y = plane_position(one.run.subset, item.ra, item.dec)
    i, j = (int(np.clip(k, 0, cube.grid.n - 1)) for k in (cube.grid.index(x, "x"), cube.grid.index(y, "y")))
    return {
        "t_bin": key.dt, "e_min": low, "e_max": high, "n_band": int(inside.sum()), "background": background,
        "masked": bool(masks[key][j, i]) if key in masks else None,
    }  # fmt: skip


def _measured(one: Searched, row: int, item: Injection, options: Xmm, *, measure: bool) -> dict[str, Any]:
    """Position and counts of a matching detection against the truth."""
    columns, regions = one.found.columns, one.found.regions
    x, y = plane_position(one.run.subset, item.ra, item.dec)
    detid = str(regions["detid"][row])
    values: dict[str, Any] = {
        "detid": detid,
        "dx": float(columns["x"][row] - x) * UNIT_ARCSEC,
        "dy": float(columns["y"][row] - y) * UNIT_ARCSEC,
        "poserr": float(columns["poserr"][row]),
        "n_grids_found": int(columns["n_grids_found"][row]),
    }
    if measure:
        curve = light_curves(one.run, regions.take(np.array([row])), options.regions, None).curve(0)
        features = feature_values(curve, detid=detid, t_bin=one.key.dt, min_gap=options.features.min_gap_s)
        values |= {name: features.get(name) for name in EXCESS}
    return values
