"""Bits of the mask of a series, and flags of its integrations."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt


class Bit(enum.IntFlag):
    """Why a cell of the matrix cannot be used; `NO_ERROR` alone leaves the flux usable."""

    PADDING = 1
    NOT_FINITE = 2
    DATA_QUALITY = 4
    REDUCER = 8
    NO_ERROR = 16
    OUTLIER = 32
    USER = 64


class Integration(enum.IntFlag):
    """What was done to an integration; values of the column `flag` of light curves."""

    TIME_REPAIRED = 1
    REGRIDDED = 2
    FEW_CHANNELS = 4


#: Meaning of the bits, as written into files.
MEANINGS = {
    Bit.PADDING: "padding of the table",
    Bit.NOT_FINITE: "flux is not a number",
    Bit.DATA_QUALITY: "data-quality flag of the pipeline",
    Bit.REDUCER: "masked by the reduction",
    Bit.NO_ERROR: "error missing or not positive; the flux is valid",
    Bit.OUTLIER: "outlier in time",
    Bit.USER: "masked by the user",
}
#: An integration with fewer valid channels than this is masked as a whole.
FEWEST_CHANNELS = 10

_INVALID = np.uint8(0xFF & ~Bit.NO_ERROR)


def valid(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Where the flux may be used."""
    good: npt.NDArray[np.bool_] = (mask & _INVALID) == 0
    return good
