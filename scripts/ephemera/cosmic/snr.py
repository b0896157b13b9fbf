"""How much a path stands out of the edges of its cut-out.

Noise is the spread of 40 column sums, 20 from each side: N_c = sum over time of W[t, c]. The signal is the
sum S of W along the path, as many pixels as a column sum has. SNR = (S - mean N)/std N (population std).

The reference viewer sums the edges along the other axis (20 channels of each time step), so that its noise
has another unit than its signal; that number is biased and stands beside, under the name legacy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Columns taken at each side.
EDGE_COLUMNS = 20
#: Columns this near to the path hold signal.
GUARD = 2
#: Spread of the edges, in units of what their noise explains, above which they hold a signal.
CONTAMINATED = 1.5


@dataclass(frozen=True)
class PathStatistics:
    """Path against edges for one or more powers of one shape.

    `power` S, `noise` mean N, `noise_std` std N, `snr`, `snr_legacy`, `edge_q` = std N / sqrt(T mean over the
    edges of the variance in time), `edge_asym` = (mean left - mean right)/mean. NaN where not defined.
    """

    power: FloatArray
    noise: FloatArray
    noise_std: FloatArray
    snr: FloatArray
    snr_legacy: FloatArray
    edge_q: FloatArray
    edge_asym: FloatArray

    @property
    def excess(self) -> FloatArray:
        """S - mean N."""
        return self.power - self.noise


def inside(path: IntArray, n_chan: int) -> npt.NDArray[np.bool_]:
    """Which steps of a path lie in a cut-out of `n_chan` columns."""
    return (path >= 0) & (path < n_chan)


def edge_columns(path: IntArray, n_chan: int, per_side: int = EDGE_COLUMNS) -> IntArray | None:
    """Columns (2, per_side) of the left and right edge that keep away from the path.

    Where the path comes near an edge the next columns inward are taken. None when fewer than
    2 `per_side` columns are free.
    """
    near = (path[:, np.newaxis] + np.arange(-GUARD, GUARD + 1)).ravel()
    free = np.ones(n_chan, bool)
    free[near[(near >= 0) & (near < n_chan)]] = False
    columns = np.flatnonzero(free)
    if len(columns) < 2 * per_side:
        return None
    return np.stack((columns[:per_side], columns[-per_side:]))


def outer_columns(n_chan: int, per_side: int = EDGE_COLUMNS) -> IntArray:
    """Columns (2, k) at the very edges, as the reference takes them; both sides meet in a narrow cut-out."""
    width = min(per_side, n_chan)
    return np.stack((np.arange(width), np.arange(n_chan - width, n_chan)))


def path_statistics(on_path: npt.ArrayLike, edges: npt.ArrayLike, outer: npt.ArrayLike) -> PathStatistics:
    """Statistics of powers on a path (..., T), in its edges (..., T, 2, k), and at the outer edges.

    Time steps at which the path is outside the cut-out are left out of all three.
    """
    pixels, sides = np.asarray(on_path, np.float64), np.asarray(edges, np.float64)
    n_time = sides.shape[-3]
    power = pixels.sum(axis=-1)
    sums = sides.sum(axis=-3)
    columns = sums.reshape(*sums.shape[:-2], -1)
    noise, spread = columns.mean(axis=-1), columns.std(axis=-1)
    rows = np.asarray(outer, np.float64).sum(axis=-1)
    rows = rows.reshape(*rows.shape[:-2], -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if n_time > 1:
            in_time = sides.var(axis=-3, ddof=1).mean(axis=(-2, -1))
            quality = spread / np.sqrt(n_time * in_time)
        else:
            quality = np.full_like(spread, np.nan)
        return PathStatistics(
            power=power,
            noise=noise,
            noise_std=spread,
            snr=_finite((power - noise) / spread),
            snr_legacy=_finite((power - rows.mean(axis=-1)) / rows.std(axis=-1)),
            edge_q=_finite(quality),
            edge_asym=_finite((sums[..., 0, :].mean(axis=-1) - sums[..., 1, :].mean(axis=-1)) / noise),
        )


def measure(power: npt.ArrayLike, path: npt.ArrayLike, per_side: int = EDGE_COLUMNS) -> PathStatistics | None:
    """Statistics of a power (..., time, channel) along `path`; None where there is no room for edges."""
    values, columns = np.asarray(power), np.asarray(path, np.int64)
    n_time, n_chan = values.shape[-2:]
    if len(columns) != n_time:
        message = f"the path has {len(columns)} steps, the power {n_time}"
        raise ValueError(message)
    seen = np.flatnonzero(inside(columns, n_chan))
    free = edge_columns(columns, n_chan, per_side)
    if free is None or len(seen) == 0:
        return None
    rows = values[..., seen, :]
    on_path = values[..., seen, columns[seen]]
    return path_statistics(on_path, rows[..., free], rows[..., outer_columns(n_chan, per_side)])


def local_snr(power: npt.ArrayLike, path: npt.ArrayLike) -> float:
    """SNR of `path` (column of each time step) in `power` (time, channel); NaN where there is no room."""
    found = measure(power, path)
    return float("nan") if found is None else float(found.snr)


def legacy_local_snr(power: npt.ArrayLike, path: npt.ArrayLike) -> float:
    """The reference viewer's number: path sum against sums of 20 channels of each time step. Biased."""
    values, columns = np.asarray(power, np.float64), np.asarray(path, np.int64)
    seen = np.flatnonzero(inside(columns, values.shape[1]))
    sides = values[seen][:, outer_columns(values.shape[1])].sum(axis=-1)
    spread = float(sides.std()) if len(seen) else 0.0
    if spread == 0.0:
        return float("nan")
    return float((values[seen, columns[seen]].sum() - sides.mean()) / spread)


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)
