"""Rules that the metadata of stamps and hits must keep; voltages and powers are not looked at.

Those of axes, coordinates, drift and frequency take numbers or arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ephemera.cosmic.drift import drift_path
from ephemera.cosmic.flags import Flag
from ephemera.cosmic.metadata import Signal, StampMetadata, step_hz_s

#: Agreement of the stored drift rate with the stored drift steps: relative, and in Hz/s.
DRIFT_RELATIVE, DRIFT_HZ_S = 1e-3, 1e-6


def metadata_flags(stamp: StampMetadata) -> tuple[Flag, ...]:
    """Flags of a stamp in the order of their declaration."""
    found = []
    if not axis_is_good(stamp.fch1, stamp.foff, stamp.tsamp):
        return (Flag.BAD_AXIS,)
    if not coordinates_are_good(stamp.ra, stamp.dec):
        found.append(Flag.BAD_COORDS)
    signal = stamp.signal
    if signal is None:
        return (*found, Flag.NO_SIGNAL)
    if signal.numTimesteps and signal.numTimesteps * 2 <= stamp.numTimesteps:
        found.append(Flag.STI)
    if not math.isfinite(signal.frequency):
        return (*found, Flag.NO_SIGNAL)
    if not drift_agrees(signal.driftRate, signal.driftSteps, stamp.foff, stamp.tsamp, stamp.numTimesteps):
        found.append(Flag.DRIFT_MISMATCH)
    if stamp.startChannel is not None and not frequency_agrees(
        signal.frequency, signal.index - stamp.startChannel, stamp.fch1, stamp.foff
    ):
        found.append(Flag.FREQ_MISMATCH)
    if Flag.STI not in found and _leaves(stamp, signal, tuple(found)):
        found.append(Flag.PATH_OUT)
    return tuple(flag for flag in Flag if flag in found)


def axis_is_good(frequency: Any, foff: Any, tsamp: Any) -> Any:
    """Whether frequencies and times can be told: finite and positive, and no channel of width 0."""
    finite = np.isfinite(frequency) & np.isfinite(foff) & np.isfinite(tsamp)
    return finite & (frequency > 0) & (foff != 0) & (tsamp > 0)


def coordinates_are_good(ra: Any, dec: Any) -> Any:
    """Whether right ascension (hours) and declination (degrees) are a place on the sky."""
    return (ra >= 0) & (ra < 24) & (np.abs(dec) <= 90)


@np.errstate(all="ignore")
def drift_agrees(rate: Any, steps: Any, foff: Any, tsamp: Any, n_time: Any) -> Any:
    """Whether a drift rate (Hz/s) is that of its steps, within 1e-3 of it or 1e-6 Hz/s."""
    expected = steps * step_hz_s(foff, tsamp, n_time)
    return np.abs(rate - expected) <= np.maximum(DRIFT_RELATIVE * np.abs(expected), DRIFT_HZ_S)


@np.errstate(all="ignore")
def frequency_agrees(frequency: Any, column: Any, fch1: Any, foff: Any) -> Any:
    """Whether a column is at a frequency within one channel: seticore and BLADE differ by half a one in fch1.

    One part in 1e12 of the frequency is what rounding of the two numbers may cost.
    """
    expected = fch1 + column * foff
    return np.abs(expected - frequency) <= np.abs(foff) + 1e-12 * np.abs(frequency)


def first_column(stamp: StampMetadata, flags: tuple[Flag, ...]) -> int:
    """Column of the signal at the first time step.

    By index - startChannel; by frequency where startChannel is unknown or disagrees with the frequency.
    """
    signal = stamp.signal
    assert signal is not None
    if stamp.startChannel is None or Flag.FREQ_MISMATCH in flags:
        return column_of(signal.frequency, stamp.fch1, stamp.foff)
    return signal.index - stamp.startChannel


def column_of(frequency: float, fch1: float, foff: float) -> int:
    """Column nearest to a frequency, kept within what 32 bits hold."""
    place = (frequency - fch1) / foff
    return round(max(-(2.0**31), min(2.0**31, place))) if math.isfinite(place) else -(2**31)


def _leaves(stamp: StampMetadata, signal: Signal, flags: tuple[Flag, ...]) -> bool:
    path = first_column(stamp, flags) + drift_path(signal.driftSteps, stamp.numTimesteps)
    return bool(path.min() < 0 or path.max() >= stamp.numChannels)
