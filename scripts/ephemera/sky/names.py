"""Names of sources from their positions, as the IAU recommends: `PREFIX JHHMMSS.ss+DDMMSS.s`.

Digits are cut, never rounded, so that a name is a prefix of a more precise one. All arithmetic after one
rounding to 1e-6 of the last digit's unit is on integers: 5.999999999 of float noise cannot become 5, and
no formatting can carry 59.995 to 60.00.
"""

from __future__ import annotations

from itertools import product
from string import ascii_lowercase

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

#: Units of the last digit: 0.01 s of right ascension, 0.1 arcsec of declination, per degree.
RA_UNITS, DEC_UNITS = 24_000, 36_000
#: A day in units of 0.01 s.
DAY = 8_640_000
#: Fractions of a unit that count as float noise.
NOISE = 1_000_000


def iau_names(ra_deg: npt.ArrayLike, dec_deg: npt.ArrayLike, prefix: str) -> npt.NDArray[np.str_]:
    """Names of positions in degrees, such as `EPH J130200.09+274656.5` for the prefix `EPH`.

    Right ascension is taken modulo 24 h; the sign of the declination is '+' where all printed digits are 0.
    Positions that share a name get the suffixes a, b, ..., z, aa, ab, ... in the order given, the first
    included. An empty prefix gives names that start with J. Raises ValueError for unequal shapes, values
    that are not finite, and declinations beyond +-90.
    """
    ra, dec = np.atleast_1d(np.asarray(ra_deg, float)), np.atleast_1d(np.asarray(dec_deg, float))
    if ra.shape != dec.shape or ra.ndim != 1:
        msg = f"ra_deg and dec_deg must be of one length, got shapes {ra.shape} and {dec.shape}"
        raise ValueError(msg)
    if not np.all(np.isfinite(ra)):
        msg = f"ra_deg must be finite, got {ra[~np.isfinite(ra)][0]}"
        raise ValueError(msg)
    if not np.all(np.abs(dec) <= 90):
        msg = f"dec_deg must be in [-90, 90], got {dec[~(np.abs(dec) <= 90)][0]}"
        raise ValueError(msg)
    start = f"{prefix} J" if prefix else "J"
    names = np.char.add(start, _coordinates(ra, dec))
    return _told_apart(names)


def _coordinates(ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64]) -> npt.NDArray[np.str_]:
    """Text HHMMSS.ss+DDMMSS.s of each position."""
    across = _cut(np.mod(ra, 360.0) * RA_UNITS) % DAY
    up = _cut(np.abs(dec) * DEC_UNITS)
    hours, minutes, seconds = across // 360_000, across // 6_000 % 60, across % 6_000
    degrees, arcmin, arcsec = up // 36_000, up // 600 % 60, up % 600
    letters = np.empty((len(ra), 18), np.uint8)
    for at, value, digits in (
        (0, hours, 2),
        (2, minutes, 2),
        (4, seconds // 100, 2),
        (7, seconds % 100, 2),
        (10, degrees, 2),
        (12, arcmin, 2),
        (14, arcsec // 10, 2),
        (17, arcsec % 10, 1),
    ):
        for place in range(digits):
            letters[:, at + place] = ord("0") + value // 10 ** (digits - 1 - place) % 10
    letters[:, [6, 16]] = ord(".")
    letters[:, 9] = np.where((dec < 0) & (up > 0), ord("-"), ord("+"))
    return letters.view("S18").ravel().astype("U18")


def _cut(units: npt.NDArray[np.float64]) -> IntArray:
    """Whole units, after rounding off float noise."""
    return np.rint(units * NOISE).astype(np.int64) // NOISE


def _told_apart(names: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Names with a suffix where several are equal."""
    order = np.argsort(names, kind="stable")
    ordered = names[order]
    new = np.ones(len(names), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    group = np.cumsum(new) - 1
    rank = np.arange(len(names)) - np.flatnonzero(new)[group] if len(names) else group
    shared = np.bincount(group)[group] > 1 if len(names) else new
    if not np.any(shared):
        return names
    suffixes = np.array(_suffixes(int(rank.max()) + 1))
    told = np.empty(len(names), f"U{names.dtype.itemsize // 4 + suffixes.dtype.itemsize // 4}")
    told[order] = np.where(shared, np.char.add(ordered, suffixes[rank]), ordered)
    return told


def _suffixes(n: int) -> list[str]:
    """First `n` of a, b, ..., z, aa, ab, ..."""
    found: list[str] = []
    length = 1
    while len(found) < n:
        found += ["".join(letters) for letters in product(ascii_lowercase, repeat=length)]
        length += 1
    return found[:n]
