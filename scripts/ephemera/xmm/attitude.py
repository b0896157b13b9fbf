"""How steadily the telescope pointed: drift of pointing and position angle from the attitude time series.

Reads the pipeline product ATTTSR: table ATTHK with TIME (s) and the attitude history AHFRA, AHFDEC, AHFPA
(degrees; null where the attitude is not known).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ephemera.sky.sphere import positions, separation_arcsec, unit_vectors
from ephemera.xmm.fits_stream import FitsError, open_fits
from ephemera.xmm.observation import FloatArray

COLUMNS = ("TIME", "AHFRA", "AHFDEC", "AHFPA")
#: Share of the samples that may lie farther out than what is called the drift: single wrong records.
OUTLIERS = 0.01


class AttitudeUnreadable(Exception):  # noqa: N818 - named by what happened, as the outcomes are
    """An attitude time series cannot be read; the message says why."""


@dataclass(frozen=True)
class Drift:
    """How far pointing (arcsec) and position angle (deg) strayed from their medians; samples used."""

    pointing_arcsec: float
    angle_deg: float
    n_samples: int


def read_attitude(path: str | Path) -> dict[str, FloatArray]:
    """Columns of an attitude time series by name. Raises AttitudeUnreadable."""
    name = Path(path).name
    try:
        with open_fits(path) as stream:
            for hdu in stream:
                if set(COLUMNS) <= hdu.column_names():
                    return {
                        key: np.asarray(value, np.float64) for key, value in hdu.read(list(COLUMNS)).items()
                    }
    except (FitsError, OSError) as error:
        msg = f"{name}: {error}"
        raise AttitudeUnreadable(msg) from error
    msg = f"{name}: no table with columns {', '.join(COLUMNS)}"
    raise AttitudeUnreadable(msg)


def drift(attitude: dict[str, FloatArray], start: float, stop: float) -> Drift | None:
    """Drift between two times (s); None when the attitude is not known at any time between.

    Pointings are compared on the sphere, angles on the circle; 99 % of the samples strayed no farther.
    """
    time, ra, dec, angle = (attitude[name] for name in COLUMNS)
    good = (time >= start) & (time <= stop) & np.isfinite(ra) & np.isfinite(dec) & np.isfinite(angle)
    good &= np.abs(np.where(np.isfinite(dec), dec, 91.0)) <= 90
    if not good.any():
        return None
    middle_ra, middle_dec = positions(np.median(unit_vectors(ra[good], dec[good]), axis=0))
    away = separation_arcsec(ra[good], dec[good], middle_ra, middle_dec)
    turn = np.exp(1j * np.radians(angle[good]))
    middle = np.median(turn.real) + 1j * np.median(turn.imag)
    turned = np.abs(np.degrees(np.angle(turn / middle)))
    return Drift(
        float(np.quantile(away, 1 - OUTLIERS)), float(np.quantile(turned, 1 - OUTLIERS)), int(good.sum())
    )
