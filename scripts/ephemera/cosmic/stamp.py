"""A stamp: metadata, voltages, and the powers that follow from them.

for stamp in open_stamps("X.seticore.0000.stamps", recipe="X.bfr5"):
    print(stamp.metadata.sourceName, local_snr(stamp.beam(0), stamp.path()))
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.beamform import FloatArray, coherent, incoherent, phasors, pixel_powers
from ephemera.cosmic.drift import drift_path
from ephemera.cosmic.flags import BadMessage, Flag, Rejected
from ephemera.cosmic.frames import MAX_MESSAGE, Frame, index_frames
from ephemera.cosmic.metadata import StampMetadata
from ephemera.cosmic.recipe import Recipe
from ephemera.cosmic.recipe_choice import calibration_channel
from ephemera.cosmic.stamp_messages import (
    MappedFile,
    Voltages,
    agrees_with_pycapnp,
    check_dimensions,
    read_metadata,
    voltages_at,
)
from ephemera.cosmic.validation import first_column, metadata_flags

log = logging.getLogger(__name__)

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
#: Voltages beyond this have no power that fits 32 bits; they count as not finite.
LARGEST_VOLTAGE = 1e18
#: More pixels than this that are not finite, and the stamp is rejected.
MOST_BAD = 0.1


class Stamp:
    """One stamp of a file; arrays are made when asked for.

    `metadata`, `voltages` (time, channel, polarisation, antenna; complex64, a read-only view of the file),
    `position` (from 0) and `offset` (byte) in the file, `flags` of the metadata, `recipe` or None.
    """

    def __init__(
        self, file: MappedFile, frame: Frame, metadata: StampMetadata, start: int, recipe: Recipe | None
    ) -> None:
        self.metadata = metadata
        self.position, self.offset, self.size = frame.position, frame.offset, frame.size
        self.recipe = recipe
        self.flags = metadata_flags(metadata)
        self._file, self._start = file, start

    @property
    def voltages(self) -> Voltages:
        """Voltages as they are in the file, not calibrated: (time, channel, polarisation, antenna)."""
        return voltages_at(self._file.buffer, self._start, self.metadata)

    @cached_property
    def bad_pixels(self) -> BoolArray | None:
        """Pixels (time, channel) in which a voltage is not finite; None when all are."""
        numbers = self.voltages.view(np.float32)
        # NaN and infinity survive a sum, which reads the numbers once; the search is for the rare case.
        with np.errstate(over="ignore", invalid="ignore"):
            largest = max(float(numbers.max()), -float(numbers.min()))
        if largest < LARGEST_VOLTAGE:
            return None
        with np.errstate(invalid="ignore"):
            good = np.abs(numbers) < LARGEST_VOLTAGE
        return np.asarray(~good.all(axis=(2, 3)), np.bool_)

    @property
    def bad_frac(self) -> float:
        """Share of pixels in which a voltage is not finite."""
        return 0.0 if self.bad_pixels is None else float(self.bad_pixels.mean())

    @cached_property
    def live_antennas(self) -> BoolArray:
        """Antennas that have any voltage at all."""
        voltages = self.voltages
        live: BoolArray = np.asarray(voltages[0].any(axis=(0, 1)), np.bool_)
        for step in voltages[1:]:
            if live.all():
                break
            live |= np.asarray(step.any(axis=(0, 1)), np.bool_)
        return live

    @property
    def good_voltages(self) -> Voltages:
        """Voltages with pixels that are not finite set to 0 in every antenna."""
        if self.bad_pixels is None:
            return self.voltages
        cleaned = self.voltages.copy()
        cleaned[self.bad_pixels] = 0
        return cleaned

    @property
    def frequencies_mhz(self) -> FloatArray:
        """Frequency of each channel, MHz."""
        return (
            self.metadata.fch1 + np.arange(self.metadata.numChannels, dtype=np.float64) * self.metadata.foff
        )

    @property
    def times(self) -> FloatArray:
        """Start of each time step, Unix seconds (UTC)."""
        return (
            self.metadata.tstart
            + np.arange(self.metadata.numTimesteps, dtype=np.float64) * self.metadata.tsamp
        )

    def antenna_powers(self) -> FloatArray:
        """Power of each antenna over polarisations: (antenna, time, channel)."""
        return np.moveaxis(pixel_powers(self.good_voltages), -1, 0).astype(np.float64)

    def classic_incoherent(self) -> FloatArray:
        """Power over polarisations and antennas, without calibration: (time, channel)."""
        return incoherent(self.good_voltages)

    def weighted_incoherent(self) -> FloatArray:
        """Power over polarisations and antennas times the squared gains: (time, channel)."""
        gains = self._known_recipe().calibration(self.calibration_channel)
        return incoherent(self.good_voltages, np.abs(gains.astype(np.complex128)) ** 2)

    def beam(self, number: int) -> FloatArray:
        """Power of a coherent beam, or of the weighted incoherent one for -1 and for numbers past the last.

        Raises ValueError without a recipe.
        """
        if not 0 <= number < self._known_recipe().nbeams:
            return self.weighted_incoherent()
        voltages, rows = self.good_voltages, self.recipe_rows()
        power = np.empty(voltages.shape[:2])
        for row in np.unique(rows):
            power[rows == row] = coherent(voltages[rows == row], self.weights(number, int(row)))
        return power

    def weights(self, beam: int, row: int, columns: IntArray | None = None) -> npt.NDArray[np.complex64]:
        """Coefficients (channel, polarisation, antenna) of a beam at a row of the recipe, not conjugated."""
        recipe = self._known_recipe()
        frequencies = self.frequencies_mhz if columns is None else self.frequencies_mhz[columns]
        phases = phasors(frequencies * 1e-3, recipe.delays[row, beam])
        return recipe.calibration(self.calibration_channel) * phases[..., np.newaxis, :]

    def recipe_rows(self) -> IntArray:
        """Row of the recipe that applies to each time step."""
        return self._known_recipe().rows_at(self.times)

    @property
    def calibration_channel(self) -> int:
        """Channel of the recipe's calibration."""
        return calibration_channel(self.metadata)

    @property
    def best_beam(self) -> int | None:
        """The beam the detector named when it is a coherent one; None for an incoherent one."""
        signal = self.metadata.signal
        named = -1 if signal is None or signal.beam is None else signal.beam
        return named if self.recipe is not None and 0 <= named < self.recipe.nbeams else None

    def path(self) -> IntArray | None:
        """Column of the signal at each time step, also where that is outside the stamp.

        None when there is no signal, or when the detector had fewer time steps than the stamp.
        """
        signal = self.metadata.signal
        if signal is None or {Flag.NO_SIGNAL, Flag.STI} & set(self.flags):
            return None
        return first_column(self.metadata, self.flags) + drift_path(
            signal.driftSteps, self.metadata.numTimesteps
        )

    def release(self) -> None:
        """Give memory of the voltages back to the system; they can be asked for again."""
        self._file.release(Frame(self.position, self.offset, self.size, ()))

    def _known_recipe(self) -> Recipe:
        if self.recipe is None:
            message = f"stamp {self.position} has no recipe, which beams and weights need"
            raise ValueError(message)
        return self.recipe


def read_stamps(
    path: str | os.PathLike[str],
    recipes: Mapping[int, Recipe | None] | Recipe | None = None,
    *,
    max_message: int = MAX_MESSAGE,
) -> Iterator[Stamp | Rejected]:
    """All messages of a file in order, one in memory at a time; `recipes` for all, or by position.

    The memory of a stamp is given back when the next one is asked for.
    """
    file = MappedFile(path)
    index = index_frames(file.buffer, max_message)
    compared = False
    for frame in index.frames:
        try:
            recipe = recipes.get(frame.position) if isinstance(recipes, Mapping) else recipes
            stamp = _stamp(file, frame, recipe)
            if not compared:
                compared = True
                _compare(file, frame, stamp)
        except BadMessage as problem:
            yield Rejected(frame.position, frame.offset, problem)
            if problem.flag is Flag.BAD_FRAME:
                return
            continue
        yield stamp
        file.release(frame)
    if index.problem is not None:
        yield Rejected(len(index.frames), index.end, index.problem)


def _stamp(file: MappedFile, frame: Frame, recipe: Recipe | None) -> Stamp:
    metadata = read_metadata(file.buffer, frame)
    start = check_dimensions(file.buffer, frame, metadata)
    stamp = Stamp(file, frame, metadata, start, recipe)
    if Flag.BAD_AXIS in stamp.flags:
        text = f"fch1 {metadata.fch1} MHz, foff {metadata.foff} MHz, tsamp {metadata.tsamp} s"
        raise BadMessage(Flag.BAD_AXIS, text)
    return stamp


def _compare(file: MappedFile, frame: Frame, stamp: Stamp) -> None:
    if not agrees_with_pycapnp(file.buffer, frame, stamp.voltages):
        raise BadMessage(Flag.BAD_FRAME, "the bytes found are not the list that pycapnp reads")


def open_stamps(
    path: str | os.PathLike[str], recipe: Recipe | str | os.PathLike[str] | None = None
) -> Iterator[Stamp]:
    """The stamps of a file, one at a time; what cannot be used is left out and noted in the log.

    `recipe` is a recipe or the path of one; without it there are no beams and no weights. Raises
    BadMessage for a recipe that cannot be read.
    """
    known = Recipe(recipe) if isinstance(recipe, str | os.PathLike) else recipe
    for found in read_stamps(path, known):
        if isinstance(found, Rejected):
            log.warning(
                "%s, message %d at byte %d: %s", Path(path), found.position, found.offset, found.problem
            )
        else:
            yield found
