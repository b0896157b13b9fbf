"""Wavelength grids of a series: which occur, the common one, and interpolation onto it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.jwst.flags import Bit, valid
from ephemera.jwst.observation import BoolArray, ByteArray, FloatArray, IntArray, SingleArray
from ephemera.jwst.problems import Unusable

#: Grids that differ by less than this part of the local step are one.
SAME_GRID = 1e-3
#: Neighbours further apart than this many local steps do not make a value between them.
WIDEST_STEP = 2.0


class GridList:
    """Different wavelength vectors of a table in the order in which they occur; NaN equals NaN."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._grids: list[FloatArray] = []
        self._places: dict[bytes, int] = {}

    def add(self, waves: FloatArray) -> IntArray:
        """Number of the grid of each row of `waves` (row, channel)."""
        numbers = np.zeros(len(waves), np.int64)
        rest = np.arange(len(waves))
        if self._grids:
            rest = rest[~_equal(waves, self._grids[0])]
        elif len(waves):
            self.add_one(waves[0])
            rest = rest[~_equal(waves, self._grids[0])]
        for row in rest:
            numbers[row] = self.add_one(waves[row])
        return numbers

    def add_one(self, wave: FloatArray) -> int:
        """Number of a grid, which is remembered when it is new."""
        name = wave.tobytes()
        if name not in self._places:
            self._places[name] = len(self._grids)
            self._grids.append(wave.copy())
        return self._places[name]

    def array(self) -> FloatArray:
        """All grids (number, channel)."""
        return np.array(self._grids).reshape(-1, self._width)


def _equal(waves: FloatArray, grid: FloatArray) -> BoolArray:
    missing = np.isnan(grid)
    same: BoolArray = ((waves == grid) | (np.isnan(waves) & missing)).all(axis=1)
    return same


@dataclass(frozen=True)
class Channels:
    """Usable channels of a raw grid: their places in the order of increasing wavelength, and wavelengths."""

    places: IntArray
    wavelength: FloatArray


def usable(grid: FloatArray) -> Channels:
    """Channels with a finite, positive wavelength, ascending; the first of two equal ones."""
    places = np.flatnonzero(np.isfinite(grid) & (grid > 0))
    places = places[np.argsort(grid[places], kind="stable")]
    keep = np.diff(grid[places], prepend=-np.inf) > 0
    return Channels(places[keep], grid[places][keep])


def local_steps(wavelength: FloatArray) -> FloatArray:
    """Distance of neighbouring channels at each channel."""
    if len(wavelength) < 2:
        return np.ones(len(wavelength)) * 0.01 * wavelength
    return np.abs(np.gradient(wavelength))


def same(one: FloatArray, other: FloatArray) -> bool:
    """Whether two grids are equal within 1e-3 of the local step."""
    if len(one) != len(other):
        return False
    return bool(np.all(np.abs(one - other) <= SAME_GRID * local_steps(one)))


def reference_grid(grids: Sequence[tuple[FloatArray, int]]) -> FloatArray:
    """The most frequent grid among (wavelengths, number of integrations); ties by length, then values."""
    kept: list[FloatArray] = []
    totals: list[int] = []
    for wavelength, count in sorted(
        grids, key=lambda entry: (-entry[1], -len(entry[0]), tuple(entry[0][:3]))
    ):
        for k, known in enumerate(kept):
            if same(known, wavelength):
                totals[k] += count
                break
        else:
            kept.append(wavelength)
            totals.append(count)
    return kept[int(np.argmax(totals))]


def regrid(
    target: FloatArray, wavelength: FloatArray, flux: SingleArray, error: SingleArray, mask: ByteArray
) -> tuple[SingleArray, SingleArray, ByteArray, BoolArray]:
    """Linear interpolation of spectra (time, channel) onto `target`; also tells which rows it changed.

    Value (1-q) F1 + q F2, error sqrt((1-q)^2 e1^2 + q^2 e2^2); valid where both neighbours are valid and
    no further apart than two local steps; nothing outside the range. Raises Unusable when the ranges do
    not overlap, naming both.
    """
    if len(wavelength) == 0 or wavelength[-1] < target[0] or wavelength[0] > target[-1]:
        span = f"{wavelength[0]:.4f} to {wavelength[-1]:.4f}" if len(wavelength) else "no channel"
        message = f"wavelengths {span} um do not overlap {target[0]:.4f} to {target[-1]:.4f} um"
        raise Unusable("no_overlap", message, n_lost=len(flux))
    right = np.clip(np.searchsorted(wavelength, target), 1, max(len(wavelength) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(wavelength) - 1)
    width = wavelength[right] - wavelength[left]
    q = np.divide(target - wavelength[left], width, out=np.zeros(len(target)), where=width > 0)
    steps = local_steps(target)
    near = SAME_GRID * steps
    q[np.abs(target - wavelength[left]) <= near] = 0.0
    q[np.abs(target - wavelength[right]) <= near] = 1.0
    inside = (target >= wavelength[0] - SAME_GRID * steps) & (target <= wavelength[-1] + SAME_GRID * steps)
    inside &= (width <= WIDEST_STEP * steps * (1 + 1e-9)) | (q <= 0) | (q >= 1)
    good = valid(mask)
    use = (good[:, left] | (q >= 1)) & (good[:, right] | (q <= 0)) & inside
    q32 = np.clip(q, 0, 1).astype(np.float32)
    with np.errstate(invalid="ignore"):
        value = (1 - q32) * flux[:, left] + q32 * flux[:, right]
        sigma = np.sqrt(((1 - q32) * error[:, left]) ** 2 + (q32 * error[:, right]) ** 2)
    value = np.where(q <= 0, flux[:, left], np.where(q >= 1, flux[:, right], value))
    sigma = np.where(q <= 0, error[:, left], np.where(q >= 1, error[:, right], sigma))
    bits = np.where(q <= 0, mask[:, left], np.where(q >= 1, mask[:, right], mask[:, left] | mask[:, right]))
    bits = np.where(use, bits, bits | np.where(valid(bits), np.uint8(Bit.PADDING), np.uint8(0)))
    value = np.where(use, value, np.float32(np.nan))
    moved = (use & (q > 0) & (q < 1)).any(axis=1)
    return value.astype(np.float32), sigma.astype(np.float32), bits.astype(np.uint8), moved


def band_channels(wavelength: FloatArray, low: float | None, high: float | None) -> npt.NDArray[np.bool_]:
    """Channels of a band, both ends inclusive, either end open."""
    chosen = np.ones(len(wavelength), bool)
    if low is not None:
        chosen &= wavelength >= low
    if high is not None:
        chosen &= wavelength <= high
    return chosen
