"""Spectra of Eureka! (stages 3 and 4) and like HDF5 files: names, orientation, units, masks.

The first name that is there wins, and the flux decides which error belongs to it. A name that ends in
`var` is a variance. In LCData files the arrays are (channel, time) with limits of broad channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ephemera.jwst.flags import Bit
from ephemera.jwst.observation import Clocks, FloatArray, Piece
from ephemera.jwst.problems import Action, Problem, Unusable
from ephemera.jwst.units import WAVELENGTHS, flux_unit, wavelength_unit
from ephemera.jwst.x1dints import Contents

FLUXES = ("calibrated_optspec", "optspec", "stdspec", "flux")
ERRORS = {
    "calibrated_optspec": ("calibrated_opterr",),
    "optspec": ("opterr",),
    "stdspec": ("stdvar",),
    "data": ("err",),
}
OTHER_ERRORS = ("error", "flux_error", "sigma")
WAVES = ("eureka_wave_1d", "wave_1d", "wavelength", "wave")
TIMES = ("time", "bmjd", "mjd", "bjd", "time_bjd", "time_mjd")
MASKS = ("optmask", "mask")
AXIS_ORDERS = ("time_wavelength", "wavelength_time")


def read_eureka(path: Path, file: str, flux: str, axis_order: str, most_cells: int) -> Contents:
    """All orders of an HDF5 file, one piece each.

    `flux` and `axis_order` are the options `eureka_flux` and `axis_order`, `most_cells` bounds a dataset: its
    size says nothing about that of the file. Raises Unusable for a file that is not HDF5, is damaged, or does
    not have what is needed, listing what it has.
    """
    try:
        handle = h5py.File(path, "r")
    except OSError as error:
        raise Unusable("not_hdf5", f"not an HDF5 file, or damaged: {error}") from error
    with handle:
        return _read(_File(handle, most_cells), file, flux, axis_order)


class _File:
    """An opened HDF5 file: the only place that asks h5py, which a damaged file may make raise anything."""

    def __init__(self, handle: Any, most_cells: int) -> None:
        self._handle = handle
        with _damage():
            found = {name: item for name, item in handle.items() if isinstance(item, h5py.Dataset)}
            sizes = {name: item.size for name, item in found.items()}
            #: Shapes of the datasets of numbers.
            self.shapes = {
                name: tuple(item.shape)
                for name, item in found.items()
                if item.shape is not None and item.dtype.kind in "biuf"
            }
        for name, size in sizes.items():
            if size is not None and size > most_cells:
                message = f"{name} has {size} cells; at most {most_cells} are allowed (jwst.read.limits)"
                raise Unusable("too_large", message, extension=name)

    def values(self, name: str) -> npt.NDArray[Any]:
        """A dataset in native byte order."""
        with _damage():
            values = np.asarray(self._handle[name][()])
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def text(self, name: str, place: str = "/") -> str:
        """An attribute of a dataset or, by default, of the file, as text; empty where there is none."""
        with _damage():
            value = self._handle[place].attrs.get(name, "")
        if isinstance(value, h5py.Empty):
            return ""
        if isinstance(value, np.ndarray):
            value = value.ravel()[0] if value.size == 1 else ""
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        text = str(value).strip()
        return "" if text == "None" else text

    def scales(self, name: str, axis: int) -> list[str]:
        """Names of the dimension scales of an axis."""
        with _damage():
            return [item.name.rsplit("/", 1)[-1] for item in self._handle[name].dims[axis].values()]


@contextmanager
def _damage() -> Iterator[None]:
    """What h5py raises for files that are cut or damaged becomes Unusable; nothing of ours runs inside."""
    try:
        yield
    except OSError as error:
        raise Unusable("truncated", f"cannot be read: {error}") from error
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise Unusable("damaged", f"damaged HDF5: {error}") from error


def _read(file: _File, name_of: str, preferred: str, axis_order: str) -> Contents:
    names = list(file.shapes)
    light_curves = {"data", "wave_low", "wave_hi"} <= set(names)
    wanted = ("data",) if light_curves else (preferred, *FLUXES) if preferred != "auto" else FLUXES
    flux_name = _first("flux", names, wanted)
    wave_name = _first("wavelength", names, ("wave_mid", "wavelength") if light_curves else WAVES)
    time_name = _first("time", names, TIMES)
    contents = Contents()

    def say(extension: str, code: str, message: str) -> None:
        contents.problems.append(Problem(name_of, extension, code, message, Action.USED))

    if preferred not in ("auto", flux_name) and not light_curves:
        say(flux_name, "other_flux", f"there is no {preferred}: {flux_name} was read")
    wave = _one_grid(np.asarray(file.values(wave_name), float), wave_name)
    unit, guessed = wavelength_unit(_unit(file, wave_name, flux_name, "wave_units"), wave)
    if guessed:
        say(wave_name, "guessed_unit", f"{wave_name} has no unit: taken as {unit} from its median")
    time = np.asarray(file.values(time_name), float).ravel()
    flux = file.values(flux_name)
    swap = light_curves or _swapped(file, flux_name, len(time), len(wave), axis_order, (time_name, wave_name))
    error = _beside(file, (*ERRORS.get(flux_name, ()), *OTHER_ERRORS), flux.shape, say)
    mask = _beside(file, MASKS, flux.shape, say)
    for k, order in enumerate(_orders(file, flux.shape)):
        matrix = _oriented(flux, k, swap=swap)
        if matrix.shape != (len(time), len(wave)):
            message = (
                f"{flux_name} is {matrix.shape}, but there are {len(time)} times and {len(wave)} wavelengths"
            )
            raise Unusable("bad_shape", message, extension=flux_name)
        bits = np.zeros(matrix.shape, np.uint8)
        if mask is not None:
            bits[_oriented(mask, k, swap=swap) != 0] = Bit.REDUCER
        sigma = np.full(matrix.shape, np.nan) if error is None else _oriented(error, k, swap=swap)
        contents.pieces.append(
            Piece(
                name_of,
                flux_name,
                file.text("detector") or file.text("inst").upper(),
                order,
                np.ascontiguousarray(matrix, np.float32),
                np.ascontiguousarray(sigma, np.float32),
                bits,
                (wave * WAVELENGTHS[unit])[None, :],
                np.zeros(len(time), np.int64),
                np.arange(1, len(time) + 1),
                _clocks(time, _unit(file, time_name, flux_name, "time_units"), time_name),
                flux_unit(_unit(file, flux_name, flux_name, "flux_units") or "unknown"),
                _facts(file),
            )
        )
    return contents


def _first(what: str, names: list[str], accepted: tuple[str, ...]) -> str:
    """The first accepted name that is there. Raises Unusable, listing what is there, for none."""
    for name in accepted:
        if name in names:
            return name
    message = f"no {what}: found {', '.join(names) or 'nothing'}; accepted {', '.join(accepted)}"
    raise Unusable("unknown_names", message)


def _unit(file: _File, name: str, flux: str, key: str) -> str:
    """A unit: of a dataset (also as `units`), else of the flux, else of the file."""
    own = next((text for spelling in (key, "units") if (text := file.text(spelling, name))), "")
    return own or file.text(key, flux) or file.text(key)


def _one_grid(wave: FloatArray, name: str) -> FloatArray:
    """Wavelengths as a vector: as they are, or the one of a 2-D array whose rows are all the same."""
    if wave.ndim == 1:
        return wave
    if wave.ndim == 2 and wave.size:
        for rows in (wave, wave.T):
            if np.array_equal(rows, np.broadcast_to(rows[0], rows.shape), equal_nan=True):
                return np.asarray(rows[0])
    raise Unusable("bad_shape", f"{name} has shape {wave.shape}, and is not one grid", extension=name)


def _swapped(
    file: _File, flux: str, n_time: int, n_wave: int, axis_order: str, names: tuple[str, str]
) -> bool:
    """Whether the flux is (wavelength, time); by lengths, dimension scales, or the option."""
    shape = file.shapes[flux]
    if len(shape) < 2:
        raise Unusable("bad_shape", f"{flux} has shape {shape}; it must have two dimensions", extension=flux)
    if n_time != n_wave:
        return bool(shape[:2] == (n_wave, n_time))
    if shape[:2] == (n_time, n_wave):
        for axis in (0, 1):
            attached = file.scales(flux, axis)
            if names[0] in attached:
                return axis == 1
            if names[1] in attached:
                return axis == 0
    if axis_order in AXIS_ORDERS:
        return axis_order == "wavelength_time"
    message = (
        f"{flux} has shape {shape}: times and wavelengths are equally many. "
        f"Say which comes first with axis_order: {' or '.join(AXIS_ORDERS)}"
    )
    raise Unusable("axis_order", message, extension=flux)


def _orders(file: _File, shape: tuple[int, ...]) -> list[int]:
    count = shape[2] if len(shape) == 3 else 1
    listed = np.atleast_1d(file.values("order")) if "order" in file.shapes else np.zeros(0)
    return listed.astype(int).tolist() if len(listed) == count else list(range(1, count + 1))


def _oriented(values: npt.NDArray[Any], order: int, *, swap: bool) -> npt.NDArray[Any]:
    matrix = values[..., order] if values.ndim == 3 else values
    return matrix.T if swap else matrix


def _beside(
    file: _File, accepted: tuple[str, ...], shape: tuple[int, ...], say: Callable[[str, str, str], None]
) -> npt.NDArray[Any] | None:
    """Errors or masks of the flux, by the first name that is there; None, said, where they do not fit.

    What is named a variance becomes its root; the root of a negative one is NaN.
    """
    name = next((name for name in accepted if name in file.shapes), None)
    if name is None:
        return None
    if file.shapes[name] not in (shape, shape[:2]):
        say(name, "bad_shape", f"{name} has shape {file.shapes[name]}, the flux {shape}: it was not used")
        return None
    values = file.values(name)
    if name.endswith("var"):
        with np.errstate(invalid="ignore"):
            values = np.sqrt(values)
    return values


def _clocks(time: FloatArray, units: str, name: str) -> Clocks:
    """Times by their unit; a name or unit with UTC, or plain MJD, is UTC, all else barycentric."""
    nothing = np.full(len(time), np.nan)
    text = units.upper().replace("-", "_")
    utc = "UTC" in text or text == "MJD" or (not text and name in ("mjd", "time_mjd"))
    return Clocks(nothing, time, nothing) if utc else Clocks(time, nothing, nothing)


def _facts(file: _File) -> dict[str, str]:
    names = {"inst": "INSTRUME", "filter": "FILTER", "grating": "GRATING", "eventlabel": "EVENTLABEL",
             "target": "TARGNAME", "program": "PROGRAM", "version": "EUREKA"}  # fmt: skip
    facts = {key: file.text(name) for name, key in names.items()}
    return {key: value[:200] for key, value in facts.items() if value}
