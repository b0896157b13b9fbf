"""What the messages say about themselves: the fields of the schema, with the names of the schema.

A field that the writer did not know yet is None, where a plain reader of Cap'n Proto gives 0.
"""
# ruff: noqa: N815  names of the schema are kept, so that notebooks written for seticore go on working

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: Layout of the data section of each struct (offsets in bytes follow from the order).
SIGNAL = np.dtype(
    [
        ("frequency", "<f8"),
        ("index", "<i4"),
        ("driftSteps", "<i4"),
        ("driftRate", "<f8"),
        ("snr", "<f4"),
        ("coarseChannel", "<i4"),
        ("beam", "<i4"),
        ("numTimesteps", "<i4"),
        ("power", "<f4"),
        ("incoherentPower", "<f4"),
    ]
)
FILTERBANK = np.dtype(
    [
        ("fch1", "<f8"),
        ("foff", "<f8"),
        ("tstart", "<f8"),
        ("tsamp", "<f8"),
        ("ra", "<f8"),
        ("dec", "<f8"),
        ("telescopeId", "<i4"),
        ("numTimesteps", "<i4"),
        ("numChannels", "<i4"),
        ("coarseChannel", "<i4"),
        ("startChannel", "<i4"),
        ("beam", "<i4"),
    ]
)
STAMP = np.dtype(
    [
        ("ra", "<f8"),
        ("dec", "<f8"),
        ("fch1", "<f8"),
        ("foff", "<f8"),
        ("tstart", "<f8"),
        ("tsamp", "<f8"),
        ("telescopeId", "<i4"),
        ("numTimesteps", "<i4"),
        ("numChannels", "<i4"),
        ("numPolarizations", "<i4"),
        ("numAntennas", "<i4"),
        ("coarseChannel", "<i4"),
        ("fftSize", "<i4"),
        ("startChannel", "<i4"),
        ("schan", "<i4"),
        ("_", "<i4"),
    ]
)

#: Data words without which a struct means nothing: up to snr, numChannels, numAntennas.
LEAST_WORDS = {"signal": 4, "filterbank": 8, "stamp": 9}

#: Pointers of a stamp by name.
STAMP_POINTERS = ("sourceName", "data", "seticoreVersion", "signal", "obsid")


@dataclass(frozen=True)
class Signal:
    """A narrow-band detection: frequency in MHz, drift in Hz/s and in steps over R time steps."""

    frequency: float
    index: int
    driftSteps: int
    driftRate: float
    snr: float
    coarseChannel: int | None
    beam: int | None
    numTimesteps: int | None
    power: float | None
    incoherentPower: float | None


@dataclass(frozen=True)
class StampMetadata:
    """All of a stamp but its voltages: ra in hours, dec in degrees, tstart in Unix seconds (UTC)."""

    sourceName: str
    ra: float
    dec: float
    fch1: float
    foff: float
    tstart: float
    tsamp: float
    telescopeId: int
    numTimesteps: int
    numChannels: int
    numPolarizations: int
    numAntennas: int
    seticoreVersion: str | None
    coarseChannel: int | None
    fftSize: int | None
    startChannel: int | None
    signal: Signal | None
    schan: int | None
    obsid: str | None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Time steps, channels, polarisations, antennas."""
        return self.numTimesteps, self.numChannels, self.numPolarizations, self.numAntennas


def stored(layout: np.dtype[np.void], field: str, data_words: int) -> bool:
    """Whether a struct of `data_words` words holds a field of its layout."""
    fields = layout.fields
    assert fields is not None
    kind, offset = fields[field][:2]
    return bool(offset + kind.itemsize <= 8 * data_words)


def rounded_steps(n_time: Any) -> Any:
    """R: time steps rounded up to a power of two, over which drift steps count; arrays as well.

    A number that is not known (NaN) counts as one step.
    """
    return np.int64(1) << np.frexp(np.fmax(n_time, 1) - 1)[1].astype(np.int64)


@np.errstate(all="ignore")  # what headers claim may be beyond any number
def step_hz_s(foff_mhz: Any, tsamp: Any, n_time: Any) -> Any:
    """Drift rate of one drift step, Hz/s: 1e6 foff / ((R-1) tsamp), with the sign of foff; arrays as well."""
    return 1e6 * foff_mhz / (np.maximum(rounded_steps(n_time) - 1, 1) * tsamp)
