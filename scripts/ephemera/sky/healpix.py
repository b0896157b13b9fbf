"""HEALPix cells in nested order: their centres, and the cells of positions.

Equations of Gorski et al. 2005, ApJ 622, 759, sections 4.1 and 5.3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Deepest order whose cell numbers fit 64 bits.
MAX_ORDER = 29


def cell_centres(cells: npt.ArrayLike, order: int) -> tuple[FloatArray, FloatArray]:
    """Right ascension in [0, 360) and declination, degrees, of nested cell numbers at `order`.

    With nside = 2^order, the base cell f in row r = f // 4 and the coordinates (u, v) in it, a cell lies on
    ring i = (r + 2) nside - u - v - 1 from the north pole. Rings of the caps have 4 i' cells (i' = i, or
    4 nside - i in the south) and z = +-(1 - i'^2 / (3 nside^2)); rings of the belt have 4 nside cells and
    z = (4 nside - 2 i) / (3 nside). The azimuth of the cell is (c i' + u - v) pi / (4 i') with i' = nside in
    the belt, c = 2 (f mod 4) in the middle row of base cells and one more in the others.
    Raises ValueError for an order outside 0..29 and cells that are not in 0..12 nside^2 - 1.
    """
    if not 0 <= order <= MAX_ORDER:
        msg = f"order must be in 0..{MAX_ORDER}, got {order!r}"
        raise ValueError(msg)
    numbers, nside = np.asarray(cells).astype(np.int64), 1 << order
    if np.any((numbers < 0) | (numbers >= 12 * nside**2)):
        msg = f"cells must be in 0..{12 * nside**2 - 1}, got {numbers.min()}..{numbers.max()}"
        raise ValueError(msg)
    face = numbers >> (2 * order)
    u, v = _even_bits(numbers), _even_bits(numbers >> 1)
    u, v = u & (nside - 1), v & (nside - 1)
    row = face // 4
    ring = (row + 2) * nside - u - v - 1
    from_pole = np.minimum(ring, 4 * nside - ring)
    cap = np.minimum(from_pole, nside)
    height = 1 - cap.astype(float) ** 2 / (3.0 * nside**2)
    z = np.where(from_pole < nside, np.copysign(height, 2 * nside - ring), (4 - 2 * ring / nside) / 3)
    column = 2 * (face % 4) + np.where(row == 1, 0, 1)
    azimuth = np.mod(45.0 * (column + (u - v) / cap), 360.0)
    # Near the poles 1 - z is small and known without cancellation: sin of the distance from the pole.
    sine = np.where(from_pole < nside, cap / nside * np.sqrt((1 + height) / 3), np.sqrt(1 - z**2))
    return azimuth, np.degrees(np.arctan2(z, sine))


def cells_of(vectors: npt.ArrayLike, order: int) -> IntArray:
    """Nested cell numbers at `order` of unit vectors (..., 3); the inverse of `cell_centres`.

    Raises ValueError for an order outside 0..29.
    """
    if not 0 <= order <= MAX_ORDER:
        msg = f"order must be in 0..{MAX_ORDER}, got {order!r}"
        raise ValueError(msg)
    x, y, z = np.moveaxis(np.asarray(vectors, float), -1, 0)
    nside = 1 << order
    quarter = np.mod(np.arctan2(y, x) / (np.pi / 2), 4.0)
    quarter = np.where(quarter >= 4.0, 0.0, quarter)
    # The belt: lines of both diagonal directions, counted from the base cells' corners.
    along, up = nside * (0.5 + quarter), nside * z * 0.75
    rising, falling = np.floor(along - up).astype(np.int64), np.floor(along + up).astype(np.int64)
    row_up, row_down = rising >> order, falling >> order
    face = np.where(
        row_up == row_down, (row_up & 3) + 4, np.where(row_up < row_down, row_up & 3, (row_down & 3) + 8)
    )
    u, v = falling & (nside - 1), nside - (rising & (nside - 1)) - 1
    # The caps: distance from the pole in cells, without cancellation near it.
    sector = np.minimum(np.floor(quarter).astype(np.int64), 3)
    part = quarter - sector
    distance = nside * np.sqrt(3 * (x * x + y * y) / (1 + np.abs(z)))
    first = np.minimum(np.floor(part * distance).astype(np.int64), nside - 1)
    second = np.minimum(np.floor((1 - part) * distance).astype(np.int64), nside - 1)
    cap = np.abs(z) > 2 / 3
    north = cap & (z > 0)
    face = np.where(cap, np.where(north, sector, sector + 8), face)
    u = np.where(cap, np.where(north, nside - second - 1, first), u)
    v = np.where(cap, np.where(north, nside - first - 1, second), v)
    return np.asarray((face << (2 * order)) | _spread(u) | (_spread(v) << 1), np.int64)


def _spread(numbers: IntArray) -> IntArray:
    """Bits moved to places 0, 2, 4, ...; the inverse of `_even_bits`."""
    bits = numbers & 0x00000000FFFFFFFF
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        bits = (bits | (bits << shift)) & mask
    return bits


def _even_bits(numbers: IntArray) -> IntArray:
    """Bits 0, 2, 4, ... moved together."""
    bits = numbers & 0x5555555555555555
    for shift, mask in (
        (1, 0x3333333333333333),
        (2, 0x0F0F0F0F0F0F0F0F),
        (4, 0x00FF00FF00FF00FF),
        (8, 0x0000FFFF0000FFFF),
        (16, 0x00000000FFFFFFFF),
    ):
        bits = (bits | (bits >> shift)) & mask
    return bits
