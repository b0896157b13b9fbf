"""Spectrophotometry as ExoIris writes it: images TIME_*, WAVE_*, DATA_* [flux, error], OOTM_*, MASK_*."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from ephemera.jwst.fits_blocks import Extension, image
from ephemera.jwst.flags import Bit
from ephemera.jwst.observation import Clocks, Piece
from ephemera.jwst.problems import Unusable
from ephemera.jwst.x1dints import Contents, Opened

_ORDER = re.compile(r"O(?:RDER)?-?(\d+)$")


def is_exoiris(opened: Opened) -> bool:
    """Whether a file holds images of this kind."""
    names = {extension.name for extension in opened.extensions}
    return any(name.startswith("DATA_") and f"WAVE_{name[5:]}" in names for name in names)


def read_exoiris(opened: Opened) -> Contents:
    """All groups of images of a file, one piece each."""
    contents = Contents()
    images = {e.name: e for e in opened.extensions[1:]}
    for suffix in [name[5:] for name in images if name.startswith("DATA_")]:
        try:
            contents.pieces.append(_piece(opened, suffix))
        except Unusable as error:
            contents.problems.append(error.row(opened.file))
    return contents


def _piece(opened: Opened, suffix: str) -> Piece:
    images = {e.name: e for e in opened.extensions[1:]}
    name = f"DATA_{suffix}"
    missing = [f"{kind}_{suffix}" for kind in ("TIME", "WAVE") if f"{kind}_{suffix}" not in images]
    if missing:
        raise Unusable("no_columns", f"no image {', '.join(missing)}", extension=name)
    data = image(opened.buffer, images[name])
    wave = np.asarray(image(opened.buffer, images[f"WAVE_{suffix}"]), float)
    time = np.asarray(image(opened.buffer, images[f"TIME_{suffix}"]), float)
    if wave.ndim != 1 or time.ndim != 1 or data.shape != (2, wave.size, time.size):
        message = f"shape {data.shape} is not (2, {wave.size}, {time.size}): flux and error by wave and time"
        raise Unusable("bad_shape", message, extension=name)
    mask = np.zeros(data.shape[1:], np.uint8)
    if f"MASK_{suffix}" in images:
        mask[_shaped(opened, images[f"MASK_{suffix}"], mask.shape) == 0] = Bit.REDUCER
    outside = None
    if f"OOTM_{suffix}" in images:
        outside = _shaped(opened, images[f"OOTM_{suffix}"], time.shape) == 1
    nothing = np.full(len(time), np.nan)
    order = _ORDER.search(suffix)
    detector = re.sub(r"[-_]?O(?:RDER)?-?\d+$", "", suffix)
    return Piece(
        opened.file, name, detector, int(order[1]) if order else 1,
        np.ascontiguousarray(data[0].T, np.float32), np.ascontiguousarray(data[1].T, np.float32),
        np.ascontiguousarray(mask.T), wave[None, :], np.zeros(len(time), np.int64),
        np.arange(1, len(time) + 1), Clocks(time, nothing, nothing), "normalised",
        {"INSTRUME": detector.split("-")[0].split("_")[0]}, outside,
    )  # fmt: skip


def _shaped(opened: Opened, extension: Extension, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """An image that must have the shape of the data it belongs to."""
    values = image(opened.buffer, extension)
    if values.shape != shape:
        message = f"{extension.name} has shape {values.shape}, the data {shape}"
        raise Unusable("bad_shape", message, extension=extension.name)
    return values
