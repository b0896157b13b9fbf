"""Beamformer recipes (BFR5, an HDF5 file): beams, delays, calibration and antennas of one recording.

Angles are radians, delays nanoseconds, times Unix seconds (UTC), frequencies gigahertz.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.flags import BadMessage, Flag

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Most numbers of one dataset of a recipe: a hundred times what an array of today needs.
MOST_NUMBERS = 1 << 27


@dataclass(frozen=True)
class RecipeHeader:
    """What choosing a recipe needs: identity, sizes, first and last time (Unix s)."""

    path: Path
    obsid: str
    n_ant: int
    n_pol: int
    n_chan: int
    n_beam: int
    first: float
    last: float


def read_header(path: str | os.PathLike[str]) -> RecipeHeader:
    """Header of a recipe. Raises BadMessage (not_hdf5, bad_recipe_shape)."""
    with _open(path) as handle:
        sizes = _sizes(handle)
        times = _array(handle, "delayinfo/time_array", (sizes["ntimes"],))
        return RecipeHeader(
            path=Path(path),
            obsid=_text(handle, "obsinfo/obsid"),
            n_ant=sizes["nants"],
            n_pol=sizes["npol"],
            n_chan=sizes["nchan"],
            n_beam=sizes["nbeams"],
            first=float(times.min()) if len(times) else float("nan"),
            last=float(times.max()) if len(times) else float("nan"),
        )


class Recipe:
    """A recipe in memory; the file is closed again. Of the calibration only `channels` are kept (None: all).

    `ras`, `decs` (beam) rad, `src_names` (beam), `time_array` (time) Unix s, `delays` (time, beam, antenna)
    ns, `antenna_names`, `antenna_positions` (antenna, 3) m. Raises BadMessage (not_hdf5, bad_recipe_shape).
    """

    def __init__(self, path: str | os.PathLike[str], channels: Collection[int] | None = None) -> None:
        self.path = Path(path)
        with _open(path) as handle:
            sizes = _sizes(handle)
            self.nants, self.npol, self.nchan = sizes["nants"], sizes["npol"], sizes["nchan"]
            self.nbeams, self.ntimes = sizes["nbeams"], sizes["ntimes"]
            self.obsid = _text(handle, "obsinfo/obsid")
            self.ras = _array(handle, "beaminfo/ras", (self.nbeams,), longer=True)[: self.nbeams]
            self.decs = _array(handle, "beaminfo/decs", (self.nbeams,), longer=True)[: self.nbeams]
            self.src_names = _texts(handle, "beaminfo/src_names")[: self.nbeams]
            self.time_array = _array(handle, "delayinfo/time_array", (self.ntimes,))
            self.delays = _array(handle, "delayinfo/delays", (self.ntimes, self.nbeams, self.nants))
            self.antenna_names = _texts(handle, "telinfo/antenna_names")
            self.antenna_positions = _array(handle, "telinfo/antenna_positions", (self.nants, 3))
            self.longitude = float(_value(handle, "telinfo/longitude"))
            self.latitude = float(_value(handle, "telinfo/latitude"))
            self.position_frame = _text(handle, "telinfo/antenna_position_frame", missing="xyz").lower()
            self._calibration = self._rows(handle, channels)
        if len(self.antenna_names) != self.nants:
            raise BadMessage(
                Flag.BAD_RECIPE_SHAPE, f"{len(self.antenna_names)} antenna names for {self.nants} antennas"
            )

    def calibration(self, channel: int) -> npt.NDArray[np.complex64]:
        """Gains (polarisation, antenna) of a coarse channel. Raises KeyError when it was not read."""
        return self._calibration[channel]

    def rows_at(self, times: npt.ArrayLike) -> IntArray:
        """Row of `time_array` nearest to each time (Unix s); of two equally near the earlier."""
        distance = np.abs(self.time_array - np.asarray(times, np.float64)[..., np.newaxis])
        order = np.argsort(self.time_array, kind="stable")
        nearest: IntArray = order[np.argmin(distance[..., order], axis=-1)]
        return nearest

    def _rows(self, handle: Any, channels: Collection[int] | None) -> dict[int, npt.NDArray[np.complex64]]:
        dataset = _dataset(handle, "calinfo/cal_all")
        shape = (self.nchan, self.npol, self.nants)
        if int(np.prod(dataset.shape)) != int(np.prod(shape)):
            raise BadMessage(Flag.BAD_RECIPE_SHAPE, f"cal_all has shape {dataset.shape}, must be {shape}")
        wanted = range(self.nchan) if channels is None else sorted(set(channels))
        if dataset.shape == shape and len(wanted) < self.nchan:
            return {channel: _complex(dataset[channel]) for channel in wanted if 0 <= channel < self.nchan}
        whole = _complex(dataset[()]).reshape(shape)
        return {channel: whole[channel] for channel in wanted if 0 <= channel < self.nchan}


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[Any]:
    """An HDF5 file; whatever h5py says of a damaged one becomes a BadMessage."""
    import h5py

    try:
        handle = h5py.File(path, "r")
    except OSError as error:
        raise BadMessage(Flag.NOT_HDF5, str(error).split("\n", maxsplit=1)[0]) from None
    with handle:
        try:
            yield handle
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
            raise BadMessage(Flag.BAD_RECIPE_SHAPE, str(error).split("\n", maxsplit=1)[0]) from None


def _sizes(handle: Any) -> dict[str, int]:
    names = ("nants", "npol", "nchan", "nbeams", "ntimes")
    sizes = {name: int(_value(handle, f"diminfo/{name}")) for name in names}
    small = [name for name in names if sizes[name] < (0 if name == "nbeams" else 1)]
    if small:
        raise BadMessage(Flag.BAD_RECIPE_SHAPE, f"diminfo: {', '.join(small)} must be positive")
    return sizes


def _dataset(handle: Any, name: str) -> Any:
    import h5py

    found = handle.get(name)
    if not isinstance(found, h5py.Dataset):
        raise BadMessage(Flag.BAD_RECIPE_SHAPE, f"{name} is not there")
    # Nothing need be stored of what a header declares: its size says nothing about that of the file.
    if found.size is not None and found.size > MOST_NUMBERS:
        raise BadMessage(
            Flag.BAD_RECIPE_SHAPE, f"{name} has {found.size} numbers, at most {MOST_NUMBERS} are read"
        )
    return found


def _value(handle: Any, name: str) -> Any:
    """The one number of a dataset."""
    values = np.asarray(_dataset(handle, name)[()]).reshape(-1)
    if values.size != 1 or values.dtype.kind not in "iuf":
        raise BadMessage(Flag.BAD_RECIPE_SHAPE, f"{name} must be one number")
    return values[0]


def _array(handle: Any, name: str, shape: tuple[int, ...], *, longer: bool = False) -> FloatArray:
    """A dataset of numbers; `longer` allows more than `shape` along its only axis."""
    dataset = _dataset(handle, name)
    came: tuple[int, ...] = tuple(dataset.shape or ())
    same_size = int(np.prod(came)) == int(np.prod(shape))
    fits = same_size or (longer and len(came) == 1 and came[0] >= shape[0])
    if not fits or dataset.dtype.kind not in "iuf":
        raise BadMessage(Flag.BAD_RECIPE_SHAPE, f"{name} has shape {came}, must be {shape}")
    values = np.asarray(dataset[()], np.float64)
    return values.reshape(shape) if same_size else values


def _complex(values: Any) -> npt.NDArray[np.complex64]:
    """Complex numbers from what h5py gives for a compound (r, i), or for a complex type."""
    array = np.asarray(values)
    if array.dtype.names:
        first, second = array.dtype.names[:2]
        array = array[first] + 1j * array[second]
    return array.astype(np.complex64)


def _text(handle: Any, name: str, missing: str = "") -> str:
    found = _texts(handle, name) if name in handle else []
    return found[0] if found else missing


def _texts(handle: Any, name: str) -> list[str]:
    """Texts of a dataset, whether of fixed or variable length, bytes or str."""
    values = np.asarray(_dataset(handle, name)[()]).reshape(-1).tolist()
    return [
        (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).rstrip("\0")
        for value in values
    ]
