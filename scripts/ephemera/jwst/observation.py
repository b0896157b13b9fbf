"""The objects of the branch: integrations as a file holds them, and an aligned series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ephemera.jwst.flags import valid

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: What is subtracted from Julian dates.
REFERENCE_JD = 2400000.5
BJD_TDB, MJD_UTC = "BJD_TDB", "MJD_UTC"
#: How a time scale is named in outputs.
SCALE_NAMES = {BJD_TDB: "BJD_TDB - 2400000.5", MJD_UTC: "MJD_UTC (not barycentred)"}


@dataclass(frozen=True)
class IntTimes:
    """Table of the times of all integrations of an exposure; days."""

    number: IntArray
    start_utc: FloatArray
    mid_utc: FloatArray
    mid_tdb: FloatArray


@dataclass(frozen=True)
class Clocks:
    """Times that came with the integrations of a piece; NaN or None where there are none; days.

    `tdb`, `utc`: mid-times from columns or headers; `start_utc`: starts, only to find rows of `table`;
    `span`: first and last moment of the exposure (TDB) from the primary header.
    """

    tdb: FloatArray
    utc: FloatArray
    start_utc: FloatArray
    table: IntTimes | None = None
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Piece:
    """Integrations of one extension, or of like extensions, as the file holds them.

    Matrices are (time, channel), in the order of the file. `grids` (k, channel) are the wavelengths that
    occur (um), `grid_of` tells which of them an integration has. `facts` are keywords worth showing.
    """

    file: str
    extension: str
    detector: str
    order: int
    flux: SingleArray
    error: SingleArray
    mask: ByteArray
    grids: FloatArray
    grid_of: IntArray
    number: IntArray
    clocks: Clocks
    flux_unit: str
    facts: Mapping[str, str] = field(default_factory=dict)
    out_of_transit: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True)
class Series:
    """All integrations of one dataset, detector and order, on one wavelength grid.

    `wavelength` (um), `time` (days in `time_scale`), `flux`, `error`, `mask` (wavelength, time) with the bits
    of `flags.Bit`, `integration_number`, `flags` (bits of `flags.Integration`), `out_of_transit` where the
    file says so, `files` (name to SHA-256) and `facts` (keywords).
    """

    wavelength: FloatArray
    time: FloatArray
    time_scale: str
    flux: SingleArray
    error: SingleArray
    mask: ByteArray
    detector: str
    order: int
    integration_number: IntArray
    flux_unit: str
    flags: ByteArray
    target: str = ""
    out_of_transit: BoolArray | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def valid(self) -> BoolArray:
        """Where the flux may be used (wavelength, time)."""
        return valid(self.mask)

    @property
    def name(self) -> str:
        """Detector and order, such as NRS1-order1."""
        return f"{self.detector or 'detector'}-order{self.order}"

    @property
    def hours(self) -> FloatArray:
        """Hours since the first integration."""
        hours: FloatArray = (self.time - self.time[0]) * 24.0
        return hours

    def part(self, channels: slice, times: slice) -> Series:
        """The same series cut to ranges of channels and integrations."""
        return replace(
            self,
            wavelength=self.wavelength[channels],
            time=self.time[times],
            flux=self.flux[channels, times],
            error=self.error[channels, times],
            mask=self.mask[channels, times],
            integration_number=self.integration_number[times],
            flags=self.flags[times],
            out_of_transit=None if self.out_of_transit is None else self.out_of_transit[times],
        )
