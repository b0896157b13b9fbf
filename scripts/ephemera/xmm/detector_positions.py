"""Where on the detectors a region lies: median DETX, DETY of its events, and sky coordinates turned back.

Sky coordinates turn with the position angle of the spacecraft. Turning them back about the reference pixel
gives coordinates fixed to the focal plane:

    X' = dX cos a + dY sin a,   Y' = -dX sin a + dY cos a,   dX = X - 25921, dY = Y - 25921, a = PA_PNT.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import EPIC, REFERENCE_PIXEL, XMM, Camera, Events, FloatArray, Subset

if TYPE_CHECKING:
    from ephemera.xmm.region_events import RegionEvents


def rotated(
    x: npt.ArrayLike, y: npt.ArrayLike, pa_deg: npt.ArrayLike, pivot: float = REFERENCE_PIXEL
) -> tuple[FloatArray, FloatArray]:
    """X', Y' (units of 0.05 arcsec from `pivot`) of sky coordinates; NaN where the angle is not known."""
    dx, dy = np.asarray(x, np.float64) - pivot, np.asarray(y, np.float64) - pivot
    a = np.radians(np.asarray(pa_deg, np.float64))
    return dx * np.cos(a) + dy * np.sin(a), -dx * np.sin(a) + dy * np.cos(a)


def median_detector(events: Events, inside: RegionEvents, n_regions: int) -> dict[str, FloatArray]:
    """Median DETX and DETY of the events of each region in each camera; NaN without any.

    Keys are `detx_pn`, `dety_pn`, `detx_m1`, ... `inside` says which events belong to which region.
    """
    columns = {
        f"{axis}_{camera.name.lower()}": np.full(n_regions, np.nan)
        for camera in EPIC
        for axis in ("detx", "dety")
    }
    start = np.searchsorted(inside.region, np.arange(n_regions + 1))
    for region, (first, last) in enumerate(pairwise(start)):
        mine = inside.event[first:last]
        for camera in np.intersect1d(events.camera[mine], EPIC):
            here = mine[events.camera[mine] == camera]
            suffix = Camera(camera).name.lower()
            columns[f"detx_{suffix}"][region] = np.median(events.detx[here])
            columns[f"dety_{suffix}"][region] = np.median(events.dety[here])
    return columns


def pointing_angle(subset: Subset) -> float:
    """Position angle PA_PNT of a subset, degrees: that of its first list that tells it; NaN without.

    NaN for other missions too, whose detectors are turned against the sky in another way.
    """
    known = [h.pa_pnt for h in subset.headers if h.pa_pnt is not None and h.mission == XMM]
    return known[0] if known else np.nan
