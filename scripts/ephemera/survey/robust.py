"""Mean and scatter that a few outliers do not move: the base of every score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Fewer values than this are not clipped.
LEAST_CLIPPED = 5
#: Values farther from the centre than this many times the scatter are outliers.
CLIP_SIGMA = 3.0
#: How often outliers are looked for.
ROUNDS = 3


def robust_mean_rms(values: npt.ArrayLike, good: npt.ArrayLike | None = None) -> tuple[float, float]:
    """Clipped mean and population standard deviation of the finite values among `good`.

    Fewer than five values: median and standard deviation. Else the centre is the median and the scatter the
    standard deviation; up to three times, values with |v - centre| > 3 scatter are discarded, and centre
    and scatter become mean and standard deviation of the rest, unless nothing was discarded or fewer than
    five would remain. (nan, nan) without values. Units are those of `values`.
    """
    array = np.asarray(values, np.float64)
    use = np.isfinite(array)
    if good is not None:
        use &= np.asarray(good, bool)
    kept = array[use]
    if len(kept) == 0:
        return float("nan"), float("nan")
    centre, scatter = _middle(kept), float(kept.std())
    if len(kept) < LEAST_CLIPPED:
        return centre, scatter
    for _ in range(ROUNDS):
        inside = np.abs(kept - centre) <= CLIP_SIGMA * scatter
        n_inside = int(np.count_nonzero(inside))
        if n_inside == len(kept) or n_inside < LEAST_CLIPPED or scatter == 0:
            break
        kept = kept[inside]
        centre, scatter = float(kept.mean()), float(kept.std())
    return centre, scatter


def _middle(values: npt.NDArray[np.float64]) -> float:
    """Median of finite values; `numpy.median` spends most of its time on looking for NaN."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    ordered = np.partition(values, (half - 1, half))
    return float(0.5 * (ordered[half - 1] + ordered[half]))


def median(values: npt.NDArray[np.float64]) -> float:
    """Median of values that are all finite; nan without values."""
    return _middle(values) if len(values) else float("nan")
