"""Frames in which a part of a camera was off.

Such a frame has too few counts where the CCD is, and looks like an eclipse there and a peak elsewhere.
Chance zeros are no gaps: EXOD2 masks every frame in which a camera has no event, at 5 s and 1 ct/s 0.7 %
of good frames per camera.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.xmm.exposure import missing_time
from ephemera.xmm.intervals import overlap
from ephemera.xmm.observation import BoolArray, Camera, FloatArray, IntArray, ListHeader

#: A CCD or camera is off without an event where at least this many are expected: chance exp(-10).
MIN_EXPECTED = 10.0
#: A CCD is off below this share of its camera's median exposure in the frame.
MIN_EXPOSURE_SHARE = 0.5
#: Counts above which the quadrants of PN are compared in flares.
MIN_QUADRANT_COUNTS = 10
#: Contrast (max - min) / (max + min) of quadrants above which one is not working: a ratio above 3.
MAX_QUADRANT_CONTRAST = 0.5
CCDS = 13
PN_QUADRANTS = np.arange(1, CCDS).reshape(4, 3)


def counts_by_ccd(frame: npt.NDArray[np.integer], ccd: npt.NDArray[np.uint8], n_frames: int) -> IntArray:
    """Counts (n_frames, 13) of events by their frame and CCDNR; CCDs without events have zeros.

    Cameras of other missions may number theirs beyond 12: those count together, as the last one.
    """
    key = frame.astype(np.int64) * CCDS + np.minimum(ccd, CCDS - 1)
    return np.bincount(key, minlength=n_frames * CCDS).reshape(n_frames, CCDS)


def frames_without_ccd(header: ListHeader, seconds: FloatArray, edges: FloatArray) -> BoolArray:
    """Frames (n,) in which the good times say that a kept CCD was off while its camera was on.

    A CCD was off if its `seconds` (n_ccd, n) are below half of the camera's median in this frame, and
    it misses more than two frame times in one piece.
    """
    off = np.zeros(seconds.shape[1], bool)
    doubtful = np.flatnonzero(seconds.min(axis=0) < MIN_EXPOSURE_SHARE * seconds.max(axis=0))
    if not len(doubtful):
        return off
    few = seconds[:, doubtful] < MIN_EXPOSURE_SHARE * np.median(seconds[:, doubtful], axis=0)
    for ccd, few_here in zip(header.kept_ccds, few, strict=True):
        if few_here.any():
            missing = overlap(missing_time(header, ccd), edges)[doubtful]
            off[doubtful] |= few_here & (missing > 0)
    return off


def frames_with_silent_ccd(counts: IntArray, kept_ccds: tuple[int, ...]) -> BoolArray:
    """Frames (n,) in which a kept CCD has no event though at least ten are expected.

    `counts` (n, 13) of one camera. Expected are the CCD's mean share x the camera's counts in the frame.
    """
    total = counts.sum(axis=1)
    share = counts.sum(axis=0) / max(1, total.sum())
    kept = np.minimum(np.array(kept_ccds, int), CCDS - 1)
    silent = (counts[:, kept] == 0) & (np.outer(total, share[kept]) >= MIN_EXPECTED)
    return np.asarray(silent.any(axis=1))


def frames_with_silent_camera(own: IntArray, others: IntArray) -> BoolArray:
    """Frames (n,) in which a camera has no event though the other cameras' counts predict ten or more."""
    expected = others * (own.sum() / max(1, others.sum()))
    return np.asarray((own == 0) & (expected >= MIN_EXPECTED))


def frames_with_weak_quadrant(counts: IntArray, kept_ccds: tuple[int, ...], camera: Camera) -> BoolArray:
    """Frames (n,) in which quadrants of PN differ by more than a factor 3, for frames in a flare.

    `counts` (n, 13). Quadrants are CCDs 1-3, 4-6, 7-9 and 10-12; of each the median of its three CCDs
    counts, where a missing CCD has zero. Frames whose brightest quadrant has at most 10 counts are not
    judged. A quadrant with fewer than two kept CCDs takes no part: its median is always zero.
    """
    if camera is not Camera.PN:
        return np.zeros(len(counts), bool)
    working = [quadrant for quadrant in PN_QUADRANTS if np.isin(quadrant, kept_ccds).sum() >= 2]
    if len(working) < 2:
        return np.zeros(len(counts), bool)
    in_quadrants = counts[:, np.array(working)]
    median = np.median(in_quadrants, axis=2)
    high, low = median.max(axis=1), median.min(axis=1)
    bright = in_quadrants.sum(axis=2).max(axis=1) > MIN_QUADRANT_COUNTS
    return np.asarray(bright & (high - low > MAX_QUADRANT_CONTRAST * (high + low)))
