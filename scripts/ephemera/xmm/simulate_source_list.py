"""The merged EPIC source list of a simulated observation.

One row per source with the columns of the real product: a merged and a per-camera value of each quantity
in each band. Rates are those of the simulation; positions carry a small error, corrected positions a
smaller one; a camera that does not see a source has no values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ephemera.sky.tan import to_sky
from ephemera.xmm.observation import UNIT_ARCSEC, Camera, FloatArray
from ephemera.xmm.simulate_fits import ColumnData, Hdu
from ephemera.xmm.simulate_scene import Pointing, Source

#: Edges of the detection bands, keV, by band digit; 8 and 9 are the sums.
BANDS: Mapping[str, tuple[float, float]] = {
    "1": (0.2, 0.5), "2": (0.5, 1.0), "3": (1.0, 2.0), "4": (2.0, 4.5), "5": (4.5, 12.0),
    "8": (0.2, 12.0), "9": (0.5, 4.5),
}  # fmt: skip
#: Flux of one count per second over all cameras, erg/cm2/s.
_FLUX_PER_RATE = 1.2e-12
#: Offset of the uncorrected positions from the true ones, arcsec, along RA and Dec.
_POINTING_ERROR = (0.8, -0.5)


def source_list(
    rng: np.random.Generator,
    pointing: Pointing,
    sources: Sequence[Source],
    shares: Mapping[Camera, FloatArray],
    seconds: Mapping[Camera, float],
    obsid: str,
) -> list[Hdu]:
    """HDUs of the source list.

    `shares`: per camera, the share of the counts of each source that it collects (0 where it does not see
    the source); `seconds`: exposure of each camera.
    """
    columns = _position_columns(rng, pointing, sources)
    rate = np.array([s.rate for s in sources], dtype=float)
    fraction = np.array(
        [[s.spectrum.fraction(1000 * a, 1000 * b) for a, b in BANDS.values()] for s in sources]
    )
    fraction = fraction.reshape(len(sources), len(BANDS))
    total = np.zeros(len(sources))
    for camera, share in shares.items():
        mine = rate * share
        total += mine
        columns |= _band_columns(camera.name, mine[:, None] * fraction, seconds[camera])
        columns[f"{camera.name}_ONTIME"] = np.full(len(sources), seconds[camera])
        columns[f"{camera.name}_MASKFRAC"] = (share > 0).astype(float)
    longest = max(seconds.values())
    columns |= _band_columns("EP", total[:, None] * fraction, longest)
    columns["EP_TOT"] = total
    columns["EP_DET_ML"] = columns["EP_8_DET_ML"]
    columns["EP_EXTENT"] = np.array([s.extent for s in sources], dtype=float)
    columns["EP_EXTENT_ML"] = np.where(columns["EP_EXTENT"] > 0, 20.0, 0.0)
    counts = np.arange(1, len(sources) + 1, dtype="i4")
    data = [ColumnData("ML_ID_SRC", counts), ColumnData("SRC_NUM", counts)]
    data += [_column(name, values) for name, values in columns.items()]
    data.append(ColumnData("EP_FLAG", np.zeros(len(sources), dtype="i2")))
    cards = (("TELESCOP", "XMM", ""), ("INSTRUME", "EPIC", ""), ("OBS_ID", obsid, ""))
    content = ("CONTENT", "EPIC SUMMARY SOURCE LIST", "")
    return [Hdu("PRIMARY", (*cards, content)), Hdu("SRCLIST", cards, tuple(data))]


def _position_columns(
    rng: np.random.Generator, pointing: Pointing, sources: Sequence[Source]
) -> dict[str, npt.NDArray[np.float64]]:
    """Measured and corrected positions, their errors, and the distance to the nearest neighbour."""
    x = np.array([s.x for s in sources], dtype=float)
    y = np.array([s.y for s in sources], dtype=float)
    error = 0.3 + 1.2 / np.sqrt(1 + 2000 * np.array([s.rate for s in sources], dtype=float))
    dx, dy = rng.standard_normal((2, len(x))) * error / np.sqrt(2) / UNIT_ARCSEC
    ra, dec = to_sky(x + dx, y + dy, pointing.ra, pointing.dec)
    shift = np.array(_POINTING_ERROR) / 3600
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.min(axis=1, initial=np.inf) * UNIT_ARCSEC
    return {
        "RA": (ra + shift[0] / np.cos(np.deg2rad(dec))) % 360,
        "DEC": dec + shift[1],
        "RADEC_ERR": error,
        "RA_CORR": ra,
        "DEC_CORR": dec,
        "DIST_NN": np.where(np.isfinite(nearest), nearest, 0.0),
    }


def _band_columns(prefix: str, rates: FloatArray, seconds: float) -> dict[str, npt.NDArray[np.float64]]:
    """Counts, rates, fluxes, likelihoods, exposures and backgrounds, [source, band]; NaN where unseen."""
    unseen = ~(rates[:, -2] > 0)
    columns = {}
    for number, band in enumerate(BANDS):
        rate = np.where(unseen, np.nan, rates[:, number])
        counts = rate * seconds
        background = np.full(len(rate), 2e-4 * seconds)
        columns[f"{prefix}_{band}_CTS"] = counts
        columns[f"{prefix}_{band}_RATE"] = rate
        columns[f"{prefix}_{band}_FLUX"] = rate * _FLUX_PER_RATE
        columns[f"{prefix}_{band}_DET_ML"] = 0.5 * counts**2 / (counts + background)
        columns[f"{prefix}_{band}_EXP"] = np.where(unseen, 0.0, seconds)
        columns[f"{prefix}_{band}_BG"] = background
    return columns


def _column(name: str, values: FloatArray) -> ColumnData:
    degrees = name in {"RA", "DEC", "RA_CORR", "DEC_CORR"}
    unit = "deg" if degrees else "arcsec" if name in {"RADEC_ERR", "EP_EXTENT", "DIST_NN"} else None
    return ColumnData(name, values.astype("f8" if degrees else "f4"), unit)
