"""Raw pixels that are too bright for a while: tables by revolution, and a search in the events.

A table has one row per pixel and period: RAWX, RAWY, CCDNR, REV1, REV2, with REV2 = 10000 for a
pixel that is still bad.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import EPIC, BoolArray, Camera

#: Shape of a lookup table [CCDNR, RAWX, RAWY]. Raw coordinates of MOS run a little over 600.
DETECTOR_SHAPE: Mapping[Camera, tuple[int, int, int]] = {
    Camera.PN: (13, 65, 201),
    Camera.M1: (8, 612, 612),
    Camera.M2: (8, 612, 612),
}
TABLE_COLUMNS = ("RAWX", "RAWY", "CCDNR", "REV1", "REV2")

#: Chance at which a raw pixel's counts are called too many.
CHANCE = 1e-9
#: How much the centre of a point source may exceed the median of the 8 pixels around it: pixels of
#: PN are as wide as the core of the point spread function, those of MOS four times narrower.
SOURCE_CONTRAST: Mapping[Camera, float] = {Camera.PN: 4.0, Camera.M1: 1.5, Camera.M2: 1.5}


@dataclass(frozen=True)
class HotPixels:
    """Tables of hot pixels: for each camera an int64 array (m, 5) of `TABLE_COLUMNS`."""

    rows: Mapping[Camera, npt.NDArray[np.int64]]

    @classmethod
    def from_csv(cls, folder: str | os.PathLike[str]) -> HotPixels:
        """Read hotpix_PN.csv, hotpix_M1.csv, hotpix_M2.csv of a folder.

        A camera without a file has no hot pixels. Raises ValueError for a folder without any of them, or a
        file without the columns or with anything but whole numbers in them.
        """
        paths = {camera: Path(folder) / f"hotpix_{camera.name}.csv" for camera in EPIC}
        tables = {camera: _read_table(path) for camera, path in paths.items() if path.exists()}
        if not tables:
            raise ValueError(f"hot pixels: no hotpix_PN.csv, hotpix_M1.csv or hotpix_M2.csv in {folder}")
        return cls(tables)

    def applying(self, camera: Camera, revolution: int, *, strict: bool = False) -> npt.NDArray[np.int64]:
        """Rows with REV1 <= revolution <= REV2; with `strict` neither end counts, as in EXOD2."""
        rows = self.rows.get(camera, np.empty((0, 5), np.int64))
        first, last = rows[:, 3], rows[:, 4]
        if strict:
            return rows[(first < revolution) & (revolution < last)]
        return rows[(first <= revolution) & (revolution <= last)]

    def lookup(self, camera: Camera, revolution: int, *, strict: bool = False) -> BoolArray:
        """Table [CCDNR, RAWX, RAWY] that is True where a pixel is hot in this revolution.

        Published tables name a few pixels beyond the detector (RAWY 201 of PN): no event is there.
        """
        hot = np.zeros(DETECTOR_SHAPE[camera], bool)
        pixels = self.applying(camera, revolution, strict=strict)[:, [2, 0, 1]]
        pixels = pixels[((pixels >= 0) & (pixels < hot.shape)).all(axis=1)]
        hot[tuple(pixels.T)] = True
        return hot


def find_hot_pixels(
    camera: Camera,
    ccd: npt.NDArray[np.integer],
    rawx: npt.NDArray[np.integer],
    rawy: npt.NDArray[np.integer],
    legal: BoolArray,
) -> BoolArray:
    """Table [CCDNR, RAWX, RAWY] of raw pixels too bright for their column, and alone in it.

    A pixel with n events is hot if P(N >= n; m) < 1e-9 for three expectations m: the mean of its CCD
    (most pixels of MOS are empty), the median m_c of the legal pixels of its CCD column (RAWX), and
    m_c + contrast (m_8 - m_c), what a point source would put here that makes m_8 the median of the
    8 pixels around. The vectors are the raw coordinates of events on `legal` pixels.
    """
    from scipy.special import gammainc  # rarely asked for, and slow to import

    counts = np.zeros(DETECTOR_SHAPE[camera], np.int32)
    np.add.at(counts, (ccd, rawx, rawy), 1)
    area = legal.sum(axis=(1, 2))
    mean = np.divide(counts.sum(axis=(1, 2)), area, out=np.zeros(len(area)), where=area > 0)
    lit = np.nonzero(counts)
    bright = gammainc(counts[lit], mean[lit[0]]) < CHANCE
    hot = np.zeros(counts.shape, bool)
    for c, x, y in np.transpose(lit)[bright].tolist():
        n = counts[c, x, y]
        column = float(np.median(counts[c, x][legal[c, x]]))
        box = np.s_[c, max(0, x - 1) : x + 2, max(0, y - 1) : y + 2]
        beside = np.sort(counts[box][legal[box]])[:-1]
        excess = max(0.0, float(np.median(beside)) - column) if len(beside) else 0.0
        hot[c, x, y] = gammainc(n, column + SOURCE_CONTRAST[camera] * excess) < CHANCE
    return hot


def _read_table(path: Path) -> npt.NDArray[np.int64]:
    with path.open(encoding="utf-8-sig") as lines:
        names = [name.strip().upper() for name in lines.readline().split(",")]
        missing = [name for name in TABLE_COLUMNS if name not in names]
        if missing:
            raise ValueError(f"hot pixels: {path} has no column {', '.join(missing)}")
        text = [line for line in lines if line.strip()]
    order = [names.index(name) for name in TABLE_COLUMNS]
    if not text:
        return np.empty((0, 5), np.int64)
    try:
        return np.loadtxt(text, dtype=np.int64, delimiter=",", usecols=order, ndmin=2)
    except ValueError as error:
        raise ValueError(f"hot pixels: {path} must hold whole numbers: {error}") from error
