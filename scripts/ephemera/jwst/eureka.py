"""Spectra of Eureka! (stages 3 and 4) and like HDF5 files: names, orientation, units, masks.

The first name that is there wins, and the flux decides which error belongs to it. A name that ends in
`var` is a variance. In LCData files the arrays are (channel, time) with limits of broad channels.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ephemera.jwst.flags import Bit
from ephemera.jwst.observation import ByteArray, Clocks, FloatArray, Piece
from ephemera.jwst.problems import Action, Problem, Unusable
from ephemera.jwst.units import WAVELENGTHS, flux_unit, wavelength_unit
from ephemera.jwst.x1dints import Contents

log = logging.getLogger(__name__)

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


def read_eureka(
    path: Path | Any,
    file: str,
    flux: str = "auto",
    axis_order: str = "auto",
    most_cells: int = 2_000_000_000,
) -> Contents:
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
        try:
            names = _readable(handle, most_cells)
            return _read(handle, names, file, flux, axis_order)
        except OSError as error:
            raise Unusable("truncated", f"cannot be read: {error}") from error
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            # A damaged file shows by whatever h5py stumbles over.
            raise Unusable("damaged", f"damaged HDF5: {error}") from error


def _readable(handle: Any, most_cells: int) -> list[str]:
    """Names of the datasets of numbers, none of which is too large to be read."""
    found = {name: item for name, item in handle.items() if isinstance(item, h5py.Dataset)}
    for name, item in found.items():
        if item.size is not None and item.size > most_cells:
            message = f"{name} has {item.size} cells; at most {most_cells} are allowed (jwst.read.limits)"
            raise Unusable("too_large", message, extension=name)
    return [name for name, item in found.items() if item.dtype.kind in "biuf"]


def _read(handle: Any, names: list[str], file: str, preferred: str, axis_order: str) -> Contents:
    light_curves = {"data", "wave_low", "wave_hi"} <= set(names)
    wanted = ("data",) if light_curves else (preferred, *FLUXES) if preferred != "auto" else FLUXES
    flux_name = _first(names, wanted)
    wave_name = _first(names, ("wave_mid", "wavelength") if light_curves else WAVES)
    time_name = _first(names, TIMES)
    for what, name, accepted in (
        ("flux", flux_name, FLUXES),
        ("wavelength", wave_name, WAVES),
        ("time", time_name, TIMES),
    ):
        if name is None:
            message = f"no {what}: found {', '.join(names) or 'nothing'}; accepted {', '.join(accepted)}"
            raise Unusable("unknown_names", message)
    assert flux_name is not None
    assert wave_name is not None
    assert time_name is not None
    wave = np.asarray(_native(handle[wave_name]), float)
    wave = wave if wave.ndim == 1 else _one_grid(wave, wave_name)
    unit, guessed = wavelength_unit(_attribute(handle, wave_name, flux_name, "wave_units"), wave)
    time = np.asarray(_native(handle[time_name]), float).ravel()
    flux = _native(handle[flux_name])
    swap = light_curves or _swapped(
        handle, flux_name, len(time), len(wave), axis_order, (time_name, wave_name)
    )
    error_name = _first(names, (*ERRORS.get(flux_name, ()), *OTHER_ERRORS))
    mask_name = _first(names, MASKS)
    contents = Contents()
    if guessed:
        message = f"{wave_name} has no unit: taken as {unit} from its median"
        contents.problems.append(Problem(file, wave_name, "guessed_unit", message, Action.USED))
    orders = _orders(handle, names, flux)
    for k, order in enumerate(orders):
        matrix = _oriented(flux, k, swap=swap)
        _check_shape(matrix, len(time), len(wave), flux_name)
        error = _errors(handle, error_name, k, matrix.shape, swap=swap)
        mask = _mask(handle, mask_name, k, matrix.shape, swap=swap)
        contents.pieces.append(
            Piece(
                file,
                flux_name,
                _text(handle.attrs.get("detector", "")) or _detector(handle),
                order,
                np.ascontiguousarray(matrix, np.float32),
                error,
                mask,
                (wave * WAVELENGTHS[unit])[None, :],
                np.zeros(len(time), np.int64),
                np.arange(1, len(time) + 1),
                _clocks(time, _attribute(handle, time_name, flux_name, "time_units"), time_name),
                flux_unit(_attribute(handle, flux_name, flux_name, "flux_units") or "unknown"),
                _facts(handle),
            )
        )
    return contents


def _first(names: list[str], wanted: tuple[str, ...]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _native(dataset: Any) -> npt.NDArray[Any]:
    values = dataset[()]
    return np.asarray(values).astype(np.asarray(values).dtype.newbyteorder("="), copy=False)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size == 1 else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value).strip()
    return "" if text == "None" else text


def _attribute(handle: Any, name: str, flux: str, key: str) -> str:
    """An attribute of a dataset, else of the flux, else of the file."""
    for place in (handle[name], handle[flux], handle):
        for spelling in (key, "units") if place is not handle and key != "flux_units" else (key,):
            text = _text(place.attrs.get(spelling, ""))
            if (text and place is not handle[flux]) or (text and spelling == key):
                return text
    return ""


def _one_grid(wave: FloatArray, name: str) -> FloatArray:
    """One wavelength vector of a 2-D array whose rows are all the same."""
    for rows in (wave, wave.T):
        if np.array_equal(rows, np.broadcast_to(rows[0], rows.shape), equal_nan=True):
            return np.asarray(rows[0])
    raise Unusable("bad_shape", f"{name} has shape {wave.shape} and its rows differ", extension=name)


def _swapped(
    handle: Any, flux: str, n_time: int, n_wave: int, axis_order: str, scales: tuple[str, str]
) -> bool:
    """Whether the flux is (wavelength, time); by lengths, dimension scales, or the option."""
    shape = handle[flux].shape
    if len(shape) < 2:
        raise Unusable("bad_shape", f"{flux} has shape {shape}; it must have two dimensions", extension=flux)
    if n_time != n_wave:
        return bool(shape[:2] == (n_wave, n_time))
    for axis in (0, 1):
        if shape[:2] != (n_time, n_wave):
            break
        attached = [item.name.rsplit("/", 1)[-1] for item in handle[flux].dims[axis].values()]
        if scales[0] in attached:
            return axis == 1
        if scales[1] in attached:
            return axis == 0
    if axis_order in AXIS_ORDERS:
        return axis_order == "wavelength_time"
    message = (
        f"{flux} has shape {shape}: times and wavelengths are equally many. "
        f"Say which comes first with axis_order: {' or '.join(AXIS_ORDERS)}"
    )
    raise Unusable("axis_order", message, extension=flux)


def _orders(handle: Any, names: list[str], flux: npt.NDArray[Any]) -> list[int]:
    listed = np.atleast_1d(_native(handle["order"])).astype(int).tolist() if "order" in names else []
    count = flux.shape[2] if flux.ndim == 3 else 1
    return listed if len(listed) == count else list(range(1, count + 1))


def _oriented(values: npt.NDArray[Any], order: int, *, swap: bool) -> npt.NDArray[Any]:
    matrix = values[..., order] if values.ndim == 3 else values
    return matrix.T if swap else matrix


def _check_shape(matrix: npt.NDArray[Any], n_time: int, n_wave: int, name: str) -> None:
    if matrix.shape != (n_time, n_wave):
        message = f"{name} is {matrix.shape}, but there are {n_time} times and {n_wave} wavelengths"
        raise Unusable("bad_shape", message, extension=name)


def _errors(
    handle: Any, name: str | None, order: int, shape: tuple[int, ...], *, swap: bool
) -> npt.NDArray[np.float32]:
    """Errors; the root of what is named a variance, NaN where that is negative or nothing is there."""
    if name is None:
        return np.full(shape, np.nan, np.float32)
    values = _oriented(_native(handle[name]), order, swap=swap)
    if values.shape != shape:
        return np.full(shape, np.nan, np.float32)
    if name.endswith("var"):
        with np.errstate(invalid="ignore"):
            values = np.sqrt(values)
    return np.ascontiguousarray(values, np.float32)


def _mask(handle: Any, name: str | None, order: int, shape: tuple[int, ...], *, swap: bool) -> ByteArray:
    bits = np.zeros(shape, np.uint8)
    if name is not None:
        values = _oriented(_native(handle[name]), order, swap=swap)
        if values.shape == shape:
            bits[values != 0] = Bit.REDUCER
    return bits


def _clocks(time: FloatArray, units: str, name: str) -> Clocks:
    """Times by their unit; a name or unit with UTC, or plain MJD, is UTC, all else barycentric."""
    nothing = np.full(len(time), np.nan)
    text = units.upper().replace("-", "_")
    utc = "UTC" in text or text == "MJD" or (not text and name in ("mjd", "time_mjd"))
    return Clocks(nothing, time, nothing) if utc else Clocks(time, nothing, nothing)


def _detector(handle: Any) -> str:
    return _text(handle.attrs.get("inst", "")).upper()


def _facts(handle: Any) -> dict[str, str]:
    names = {"inst": "INSTRUME", "filter": "FILTER", "grating": "GRATING", "eventlabel": "EVENTLABEL",
             "target": "TARGNAME", "program": "PROGRAM", "version": "EUREKA"}  # fmt: skip
    facts = {key: _text(handle.attrs.get(name, "")) for name, key in names.items()}
    return {key: value[:200] for key, value in facts.items() if value}
