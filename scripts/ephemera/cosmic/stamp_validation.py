"""Rules that the metadata of a stamp must keep; voltages are not looked at."""

from __future__ import annotations

import math

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
    if not (0 <= stamp.ra < 24 and -90 <= stamp.dec <= 90):
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
    if not _frequency_agrees(stamp, signal):
        found.append(Flag.FREQ_MISMATCH)
    if Flag.STI not in found and _leaves(stamp, signal, tuple(found)):
        found.append(Flag.PATH_OUT)
    return tuple(flag for flag in Flag if flag in found)


def axis_is_good(fch1: float, foff: float, tsamp: float) -> bool:
    """Whether frequencies and times can be told: finite and positive, and no channel of width 0."""
    return math.isfinite(foff) and foff != 0 and math.isfinite(fch1) and fch1 > 0 and 0 < tsamp < math.inf


def drift_agrees(rate: float, steps: int, foff: float, tsamp: float, n_time: int) -> bool:
    """Whether a drift rate (Hz/s) is that of its steps, within 1e-3 of it or 1e-6 Hz/s."""
    expected = steps * step_hz_s(foff, tsamp, n_time)
    return abs(rate - expected) <= max(DRIFT_RELATIVE * abs(expected), DRIFT_HZ_S)


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


def _frequency_agrees(stamp: StampMetadata, signal: Signal) -> bool:
    """Within one channel: seticore and BLADE differ by half a channel in fch1."""
    if stamp.startChannel is None:
        return True
    expected = stamp.fch1 + (signal.index - stamp.startChannel) * stamp.foff
    # One part in 1e12 of the frequency is what rounding of the two numbers may cost.
    return abs(expected - signal.frequency) <= abs(stamp.foff) + 1e-12 * abs(signal.frequency)


def _leaves(stamp: StampMetadata, signal: Signal, flags: tuple[Flag, ...]) -> bool:
    path = first_column(stamp, flags) + drift_path(signal.driftSteps, stamp.numTimesteps)
    return bool(path.min() < 0 or path.max() >= stamp.numChannels)
